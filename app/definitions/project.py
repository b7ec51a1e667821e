"""All definitions of a backend as one value, and the way between that value and the document that an admin writes."""

import functools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, ValidationError

from app.definitions.access import RoleDef
from app.definitions.actions import ActionDef
from app.definitions.auth import AuthDef
from app.definitions.endpoints import EndpointDef
from app.definitions.keepable import WHOLE, unkeepable
from app.definitions.messages import told
from app.definitions.middleware import MiddlewareDef
from app.definitions.named_rules import NamedRuleDef
from app.definitions.names import Definition, Items
from app.definitions.policy_tests import CallerDef, PolicyTestDef
from app.definitions.shared import known, shared
from app.definitions.steps import StepDef, UseDef
from app.definitions.tables import IdDef, IndexDef, TableDef, UniqueDef, UsersDef
from app.definitions.views import ViewColumnDef, ViewDef
from app.errors import Finding, RowgateError

AuthScheme = Annotated[str, StringConstraints(pattern=re.compile(r"^[A-Za-z][A-Za-z0-9-]{0,31}$"))]
HostAndPort = Annotated[
    str, StringConstraints(pattern=re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$"))
]

_PART = re.compile(r"[a-z]+(?:/[^./:()]+)?")

# Each section of named definitions, and what one of it is called.
KINDS = {
    "roles": "role",
    "tables": "table",
    "rules": "rule",
    "views": "view",
    "middleware": "middleware",
    "endpoints": "endpoint",
    "tests": "test",
}
# The sections that are one definition each.
SINGLES = ("project", "users", "auth")


class DefinitionInvalid(RowgateError):
    """The definitions have findings; `errors` and `findings` hold every one with its place."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "definition.invalid"

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Take them all."""
        self.findings = tuple(findings)
        errors = [one.field_error() for one in findings]
        count = f"{len(errors)} problems" if len(errors) > 1 else "a problem"
        super().__init__(f"The definitions have {count}, and nothing was changed.", errors=errors)


class SettingsDef(Definition):
    """What holds for the whole backend: chains that run before every endpoint and view, and what may be reached."""

    name: str | None = Field(default=None, max_length=200)
    """What the backend is called."""
    middleware: Items[UseDef] = ()
    """Chains that run before every endpoint and view."""
    auth_schemes: Items[AuthScheme] = Field(default=("Bearer",), min_length=1)
    """Words before a token in the Authorization header."""
    http_allow: Items[HostAndPort] = ()
    """Hosts with their port that `http` steps may reach."""
    cors_origins: Items[str] = ()
    """Origins of browsers' pages that may call, beside those of ROWGATE_CORS_ORIGINS."""


class Project(Definition):
    """The whole backend, as said."""

    rowgate: Literal[1]
    """The version of this format."""
    project: SettingsDef = SettingsDef()
    """What holds for the whole backend."""
    roles: Items[RoleDef] = ()
    """Roles that users and API keys can hold."""
    users: UsersDef = UsersDef()
    """The table of people who sign in."""
    auth: AuthDef = AuthDef()
    """How they sign in."""
    tables: Items[TableDef] = ()
    """The tables."""
    rules: Items[NamedRuleDef] = ()
    """Rules with names, which other rules call."""
    views: Items[ViewDef] = ()
    """Guarded windows on tables, read and written by the PostgREST dialect."""
    middleware: Items[MiddlewareDef] = ()
    """Named chains of steps that endpoints and views use."""
    endpoints: Items[EndpointDef] = ()
    """What is served below `/api`."""
    tests: Items[PolicyTestDef] = ()
    """Policy tests: a change that fails one is not made."""

    def middleware_by_name(self) -> dict[str, MiddlewareDef]:
        """Give the middleware, as uses of it find it."""
        return {one.name: one for one in self.middleware}


EMPTY = Project(rowgate=1)


def parse_project(
    document: object, *, stored: bool = False, within: Project | None = None
) -> tuple[Project | None, list[Finding]]:
    """Turn a parsed YAML or JSON document into a Project; with any finding there is no Project.

    Of what is `stored` it isn't asked whether it can be. `within` is what all else is of which the document says
    nothing.
    """
    if not isinstance(document, Mapping):
        hint = "begin the document with `rowgate: 1`"
        return None, [
            Finding("", "a backend is a mapping of roles, tables, rules, views, middleware, endpoints, tests", hint)
        ]
    if not stored and (problems := unkeepable(document)):
        return None, [Finding(place_of(document, path), message, hint) for path, message, hint in problems]
    try:
        project = _shared(document, Project.model_validate(_known(document)))
    except ValidationError as error:
        return None, [
            Finding(place_of(document, one.path), one.message, one.hint) for one in told(error, document, Project)
        ]
    if within is not None:
        project = within.model_copy(update={name: getattr(project, name) for name in document})
    findings = name_findings(project)
    return (None if findings else project), findings


def _known(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give the document with definitions that were read before in the place of what says them."""
    listed = {section: document[section] for section in KINDS if isinstance(document.get(section), list)}
    return {**document, **{section: [known(section, one) for one in said] for section, said in listed.items()}}


def _shared(document: Mapping[str, Any], project: Project) -> Project:
    """Give the project in which whatever says the same as before is the same object."""
    update: dict[str, Any] = {kind: shared(kind, document.get(kind, {}), getattr(project, kind)) for kind in SINGLES}
    for section in KINDS:
        pairs = zip(document.get(section, ()), getattr(project, section), strict=True)
        update[section] = tuple(shared(section, said, one) for said, one in pairs)
    return project.model_copy(update=update)


def name_findings(project: Project) -> list[Finding]:
    """Find every name that stands twice. Tables and views share their names, since steps read `from` either."""
    findings = []
    for kind in KINDS:
        names = [definition.name for definition in getattr(project, kind)]
        findings += [
            Finding(f"{kind}/{name}", f"the name {name!r} stands twice in {kind}", "give each its own name")
            for name, count in sorted(Counter(names).items())
            if count > 1
        ]
    tables = {table.name for table in project.tables} | {"users"}
    findings += [
        Finding(f"views/{view.name}", f"there is a table {view.name!r} already", "tables and views share their names")
        for view in project.views
        if view.name in tables
    ]
    if any(table.name == "users" for table in project.tables):
        hint = "add columns to it by `users: {columns: [...]}`"
        findings.append(Finding("tables/users", "the table users is there by itself", hint))
    return findings + _rename_findings(project)


def _rename_findings(project: Project) -> list[Finding]:
    """Find names that were the same one, or each other: applied a second time they would be exchanged once more."""
    lists = [(kind, getattr(project, kind)) for kind in KINDS]
    lists += [(f"tables/{table.name}.columns", table.columns) for table in project.tables]
    lists.append(("users.columns", project.users.columns))
    findings = []
    for place, definitions in lists:
        was = {one.name: one.was for one in definitions if one.was is not None}
        for name, old in was.items():
            if list(was.values()).count(old) > 1:
                findings.append(Finding(f"{place}/{name}.was", f"two say that they were {old!r}", "only one can be it"))
            elif name != old and _circular(name, was):
                hint = "rename one to a third name, apply that, and then rename both"
                findings.append(Finding(f"{place}/{name}.was", "these names are exchanged in a circle", hint))
    return findings


def _circular(name: str, was: Mapping[str, str]) -> bool:
    here, seen = name, set()
    while here in was and here not in seen:
        seen.add(here)
        here = was[here]
    return here == name


def dump_project(project: Project) -> dict[str, Any]:
    """Give the document that says this project as a person writes it: only what differs from the defaults, in order."""
    return {"rowgate": 1, **_dump(project, skip={"rowgate"})}


def dump_definition(definition: Definition) -> dict[str, Any]:
    """Give one definition as its admin would write it."""
    return _dump(definition)


def _dump(definition: Definition, skip: frozenset[str] | set[str] = frozenset()) -> dict[str, Any]:
    said = {}
    for name, alias, default in _fields(type(definition)):
        value = getattr(definition, name)
        if name not in skip and value != default:
            said[alias] = _plain(value)
    return said


_NO_DEFAULT = object()
# What a definition is called comes first, and what it does last; the rest as its kind declares it.
_RANKS = {"name": 0, "was": 1, "steps": 3}
_AS_DECLARED = 2


@functools.cache
def _fields(kind: type[Definition]) -> list[tuple[str, str, Any]]:
    """Give each field of a kind with the name that admins know it by, and its default, as a person writes them."""
    return [
        (
            name,
            field.alias or name,
            _NO_DEFAULT if field.is_required() else field.get_default(call_default_factory=True),
        )
        for name, field in sorted(kind.model_fields.items(), key=lambda one: _RANKS.get(one[0], _AS_DECLARED))
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, StepDef | UseDef):
        return value.as_said()
    if (short := _short(value)) is not None:
        return short
    if isinstance(value, Definition):
        return _dump(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return _number(value)


def _short(value: Any) -> Any:
    """Give the short form of a definition that says no more than that; else None."""
    match value:
        case ViewColumnDef(source=None, description=None):
            return value.name
        case ActionDef() if value == ActionDef():
            return True
        case CallerDef() if value == CallerDef(id=value.id):
            return value.id
        case IndexDef() | UniqueDef() if value == type(value)(columns=value.columns):
            return list(value.columns)
        case Mapping() if value and all(one == ActionDef() for one in value.values()):
            return list(value)
        case IdDef() if _dump(value).keys() <= {"type"}:
            return value.type
    return None


def _number(value: Any) -> Any:
    """Give a Decimal bound as a number where a reader gets the very same bound back from it, else as text."""
    if not isinstance(value, Decimal):
        return value
    if value == value.to_integral_value() and abs(value) < WHOLE:
        return int(value)
    return float(value) if Decimal(str(float(value))) == value else str(value)


def part_of(place: str) -> str:
    """Give the definition that a place is in: `endpoints/submit`, `users`, `project`; an empty text for none."""
    found = _PART.match(place)
    return found[0] if found is not None else ""


def place_of(document: object, location: Sequence[str | int]) -> str:
    """Name a place in the document, items of a list by their name: `tables/documents.columns/title`."""
    place, here = "", document
    for key in location:
        here, label = _descend(here, key)
        place += ("/" if isinstance(key, int) and place else "." if place else "") + label
    return place


def _descend(here: object, key: str | int) -> tuple[object, str]:
    if isinstance(key, int) and isinstance(here, list | tuple) and key < len(here):
        item = here[key]
        name = item.get("name") if isinstance(item, Mapping) else None
        return item, str(name if isinstance(name, str) else key)
    return (here[key] if isinstance(here, Mapping) and key in here else here), str(key)
