"""The compiled project: immutable, and all that a request needs of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from app.auth.foreign_tokens import Issuer
from app.auth.providers import Provider
from app.compiler.checked_tests import CompiledTest
from app.compiler.inputs import BoundInputs
from app.compiler.paths import Route, Router
from app.compiler.plan import NOTHING_PLANNED, RequestPlan
from app.compiler.responses import Responses
from app.definitions.access import Access, PermanentAccess, RolesAccess
from app.definitions.column_types import ColumnType, Keys
from app.definitions.endpoints import EndpointDef
from app.definitions.project import Project
from app.definitions.validation import Validator
from app.definitions.views import ViewDef
from app.errors import Finding, RowgateError
from app.expressions.types import one_set
from app.relations.locks import Held
from app.relations.query_sql import Shapes
from app.relations.relationships import Relationships
from app.relations.source import Source
from app.relations.view_writes import WriteShapes
from app.relations.views import Schema
from app.relations.writable import Writable
from app.steps.running import RunStep

PERMANENT = "authenticated: permanent"


@dataclass(frozen=True, slots=True)
class AccessLevel:
    """Who may call: everybody, who is signed in (with an address, where it is for `permanent` accounts), or a role."""

    public: bool
    roles: frozenset[str]
    permanent: bool = False

    @property
    def described(self) -> str | list[str]:
        """Give it as a definition says it; roles as a list."""
        if self.permanent:
            return PERMANENT
        return "public" if self.public else sorted(self.roles) or "authenticated"


_EVERYBODY = AccessLevel(public=True, roles=frozenset())
_SIGNED_IN = AccessLevel(public=False, roles=frozenset())


def access_level(said: Access) -> AccessLevel:
    """Give the access level as it is checked."""
    if isinstance(said, RolesAccess):
        return AccessLevel(public=False, roles=one_set(frozenset(said.roles)))
    if isinstance(said, PermanentAccess):
        return AccessLevel(public=False, roles=frozenset(), permanent=True)
    return _EVERYBODY if said == "public" else _SIGNED_IN


@dataclass(frozen=True, slots=True)
class Chained:
    """What a chain and what follows it do to rows: those that it holds, and the tables that it may write.

    `locks` are the statements by which its transaction begins.
    """

    held: frozenset[Held] = frozenset()
    writes: frozenset[str] = frozenset()
    locks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Hold the one set of those that are equal."""
        object.__setattr__(self, "writes", one_set(self.writes))


@dataclass(frozen=True, slots=True)
class CompiledEndpoint:
    """An endpoint as run: `chain` is its middleware, `steps` its own, `begin` opens the transaction, if any.

    `gate` runs before the input is read, where there is one; it is the first of the chain or the steps, and not there.
    `rows` are the statements over its answer, where that is rows of known columns. `plan` is what it sends.
    """

    name: str
    definition: EndpointDef
    access: AccessLevel
    inputs: BoundInputs
    chain: tuple[RunStep, ...]
    steps: tuple[RunStep, ...]
    begin: str | None
    reads_request: bool
    responses: Responses | None = None
    chained: Chained = Chained()
    gate: RunStep | None = None
    rows: Shapes | None = None
    plan: RequestPlan = NOTHING_PLANNED


@dataclass(frozen=True, slots=True)
class CompiledHook:
    """A middleware that runs where an account is asked about or made."""

    runs: tuple[RunStep, ...]
    chained: Chained = Chained()


@dataclass(frozen=True, slots=True)
class ViewWriting:
    """How a view is written: what may be set, how rows are read, the statements, and the chain that runs before.

    `kinds` are what the types of these columns mean.
    """

    writable: Writable
    validator: Validator
    updates: Validator
    upserts: Validator
    shapes: WriteShapes
    chain: tuple[RunStep, ...]
    chained: Chained = Chained()
    kinds: Mapping[str, ColumnType] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RelatedViews:
    """What relates the views of a project, and who may read each: what embedding one in another needs to know.

    `closed` are views that are broken.
    """

    relationships: Relationships
    access: Mapping[str, AccessLevel]
    closed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CompiledView:
    """A view as run; `access` is that of each action, `begin` that of reading: a write always has its transaction."""

    name: str
    definition: ViewDef
    access: Mapping[str, AccessLevel]
    params: Validator
    source: Source
    shapes: Shapes
    related: RelatedViews
    writing: ViewWriting | None
    chain: tuple[RunStep, ...]
    begin: str | None
    reads_request: bool
    chained: Chained = Chained()


@dataclass(frozen=True, slots=True)
class Closed:
    """What is not compiled and yet has its place: routes of endpoints, and names of views."""

    routes: tuple[Route, ...] = ()
    views: frozenset[str] = frozenset()


class DefinitionsBroken(RowgateError):
    """What is stored of this part of the backend can't be compiled: nothing of it is served until it is repaired."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "definitions.broken"

    def __init__(self) -> None:
        """Say nothing of what it is."""
        super().__init__("This is out of order until an admin repairs its definition.", headers={"Retry-After": "5"})


@dataclass(frozen=True, slots=True)
class Broken:
    """The definitions that can't be compiled, by their places (`endpoints/submit`), each with its findings.

    `everything` says that nothing can be served without them, `unplaced` that the path of an endpoint among them is
    not known.
    """

    parts: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    everything: bool = False
    unplaced: bool = False

    def refuse(self, place: str | None = None) -> None:
        """Raise DefinitionsBroken where everything is broken, or this part is."""
        if self.everything or place in self.parts:
            raise DefinitionsBroken


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything of one revision.

    `keys` are what references hold; `constraints` gives the columns and the message of each constraint;
    `held` are the rows that chains hold, for which the tables have triggers; `broken` is what of the revision can't be
    served, and `doubts` what would not be saved so today. `issuers` are those whose tokens are taken, `providers` those
    that sign people in, `hooks` by key what runs where an account is asked about or made. `accepted` is what requests
    have found so far, of endpoints by their names, of views by methods and paths; a runtime that is made of this one
    begins without any.
    """

    revision: int
    project: Project
    schema: Schema
    router: Router[CompiledEndpoint | None]
    endpoints: Mapping[str, CompiledEndpoint]
    views: Mapping[str, CompiledView]
    keys: Keys
    constraints: Mapping[str, tuple[tuple[str, ...], str | None]]
    tests: tuple[CompiledTest, ...] = ()
    held: frozenset[Held] = frozenset()
    broken: Broken = Broken()
    doubts: tuple[Finding, ...] = ()
    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    providers: Mapping[str, Provider] = field(default_factory=dict)
    hooks: Mapping[str, CompiledHook] = field(default_factory=dict)
    accepted: dict[object, Any] = field(init=False, default_factory=dict, compare=False, repr=False)
