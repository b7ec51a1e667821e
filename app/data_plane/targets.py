"""What a request is about: an endpoint, or an action on a view."""

from dataclasses import dataclass
from typing import ClassVar

from app.compiler.responses import Responses
from app.compiler.runtime import AccessLevel, CompiledEndpoint, CompiledView
from app.definitions.endpoints import TIMEOUT
from app.relations.query_sql import Shapes
from app.steps.running import RunStep

RPC = b"/rest/v1/rpc/"


@dataclass(slots=True)  # not frozen, as one is made for each request: that takes three times as long
class EndpointTarget:
    """An endpoint, and the parts of the path that it names, or that it was called by its name.

    `rows` is what its answer may be asked by, where something besides its inputs may be asked.
    """

    compiled: CompiledEndpoint
    path: dict[str, str]
    by_name: bool = False
    rows: Shapes | None = None

    @property
    def access(self) -> AccessLevel:
        """Give who may call it."""
        return self.compiled.access

    @property
    def template(self) -> str | None:
        """Give the path with names in the places of what differs; None where it names none."""
        return self.compiled.definition.path if self.path else None

    @property
    def place(self) -> str:
        """Name it as a document does."""
        return f"endpoints/{self.compiled.name}"

    @property
    def timeout(self) -> float:
        """Give the seconds that the request may take."""
        return self.compiled.definition.timeout

    @property
    def chain(self) -> tuple[RunStep, ...]:
        """Give the middleware."""
        return self.compiled.chain

    @property
    def begin(self) -> str | None:
        """Give the statement that opens the transaction, if there is one."""
        return self.compiled.begin

    @property
    def locks(self) -> tuple[str, ...]:
        """Give the statements that the transaction begins by."""
        return self.compiled.chained.locks

    @property
    def responses(self) -> Responses | None:
        """Give what is declared of its answers."""
        return self.compiled.responses


@dataclass(frozen=True, slots=True)
class ViewTarget:
    """A view, and what is to be done through it; a query may stand in the body, where it is too long for an address."""

    compiled: CompiledView
    action: str
    by_body: bool = False
    timeout: ClassVar[float] = TIMEOUT
    responses: ClassVar[None] = None
    template: ClassVar[None] = None

    @property
    def place(self) -> str:
        """Name it as a document does."""
        return f"views/{self.compiled.name}"

    @property
    def access(self) -> AccessLevel:
        """Give who may do it."""
        return self.compiled.access[self.action]

    @property
    def chain(self) -> tuple[RunStep, ...]:
        """Give the middleware; before a write it locks what it fetches of the table that is written."""
        writing = self.compiled.writing
        return self.compiled.chain if self.action == "select" or writing is None else writing.chain

    @property
    def begin(self) -> str | None:
        """Give the statement that opens the transaction; a write has one, since a row outside the filter undoes it."""
        return self.compiled.begin if self.action == "select" else "BEGIN"

    @property
    def locks(self) -> tuple[str, ...]:
        """Give the statements that the transaction begins by."""
        writing = self.compiled.writing
        return (self.compiled if self.action == "select" or writing is None else writing).chained.locks


Target = EndpointTarget | ViewTarget
