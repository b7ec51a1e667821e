"""Who asks: two people of each kind that rules tell apart, at the times at which something is open, and a stranger."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, ClassVar

from app.auth.identity import Identity
from app.compiler.runtime import CompiledEndpoint, CompiledView, Runtime
from app.definitions.columns import UserColumnDef
from app.definitions.project import Project
from app.definitions.tables import USERS
from app.definitions.validation import reader
from app.definitions.wrong import Wrong
from app.errors import FieldError, RowgateError
from app.expressions.types import BOOL
from app.isolation.made_values import fits
from app.review.links import Links
from app.steps.registry import KINDS

MOST_PERSONAS = 6


@dataclass(frozen=True, slots=True)
class ProofAsked:
    """What the proof is to take for granted.

    `roles` are what both people hold, `columns` values of their rows of `users` that stay as they are, and `shared`
    the tables and columns (`documents`, `documents.title`) that everybody may see and change.
    """

    roles: tuple[str, ...] = ()
    columns: Mapping[str, Any] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()


class BadProof(RowgateError):
    """What the proof is asked to take for granted names something that isn't there; `errors` says what."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "isolation.invalid"


def asked_for(
    project: Project, *, roles: Collection[str] = (), columns: Collection[str] = (), shared: Collection[str] = ()
) -> ProofAsked:
    """Read what was said: names of roles, `column=value` of users, and names of tables and columns; raises BadProof."""
    errors = [FieldError(("role",), "isolation.role", f"There is no role {role!r}.") for role in roles
              if role not in [one.name for one in project.roles]]  # fmt: skip
    tables = {table.name: table.column_names for table in project.tables}
    tables["users"] = (*USERS, *(column.name for column in project.users.columns))
    for name in shared:
        table, _, column = name.partition(".")
        if table not in tables or (column and column not in tables[table]):
            errors.append(FieldError(("shared",), "isolation.shared", f"There is no table or column {name!r}."))
    fixed = {}
    for said in columns:
        name, _, text = said.partition("=")
        definition = next((one for one in project.users.columns if one.name == name), None)
        value = None if definition is None else _value(definition, text)
        if value is None:
            sentence = f"{said!r} is no column of users with a value that it takes, such as plan=pro."
            errors.append(FieldError(("user",), "isolation.user", sentence))
        fixed[name] = value
    if errors:
        raise BadProof("The proof can't be asked for so.", errors=errors)
    return ProofAsked(tuple(roles), fixed, frozenset(shared))


def _value(said: UserColumnDef, text: str) -> Any:
    try:
        return reader(said, text=True)(text)
    except Wrong:
        return None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: somebody with some columns, at some time; a stranger has none."""

    name: str
    other: str
    identity: Identity
    columns: Mapping[str, Any]
    now: datetime


def personas(runtime: Runtime, links: Links, fixed: Mapping[str, Any]) -> list[Mapping[str, object]]:
    """Give the kinds of people that rules tell apart, by the columns of `users` that they compare with values.

    The first is as a new account is, but for what is `fixed`.
    """
    return list(islice(_personas(runtime, links, fixed), MOST_PERSONAS))


def _personas(runtime: Runtime, links: Links, fixed: Mapping[str, Any]) -> Iterator[Mapping[str, object]]:
    yield dict(fixed)
    options: dict[str, list[object]] = {}
    text = json.dumps(runtime.project.model_dump(mode="json", by_alias=True), default=str)
    for name, column in runtime.schema.tables["users"].columns.items():
        said = column.definition
        if said is None or said.array or name in fixed:
            continue
        literals = [one for one in links.literals.get(("users", name), ()) if fits(said, one)]
        if column.type == BOOL and f"auth.user.{name}" in text:
            literals = [True, False]
        if literals:
            options[name] = literals
    if len(options) > 1:
        yield {**fixed, **{name: values[0] for name, values in options.items()}}
    for name, values in options.items():
        yield from ({**fixed, name: value} for value in values)


def times(project: Project, compiled: CompiledEndpoint | CompiledView, now: datetime) -> list[datetime]:
    """Give the times at which the windows in a chain are open, as far as they are said in words and not computed."""
    uses = [*project.project.middleware, *compiled.definition.middleware]
    middleware = project.middleware_by_name()
    steps = [step for use in uses for step in middleware[use.use].steps]
    steps += compiled.definition.steps if isinstance(compiled, CompiledEndpoint) else ()
    found = []
    for step in steps:
        kind = KINDS[step.do]
        window = None if kind.opens is None else kind.opens(step.fields)
        if window is not None:
            opens = window.opens_at(now) or window.opens_at((window.until or now) - timedelta(days=1))
            found += [] if opens is None or opens == now else [opens + timedelta(seconds=1)]
    return found
