"""What a request is about: an endpoint, or an action on a view, with all that is needed of it at each request."""

from app.compiler.responses import Responses
from app.compiler.runtime import AccessLevel, Chained, CompiledEndpoint, CompiledView
from app.database.lock_waits import WAIT_FOR_ROWS, wait_for_rows
from app.definitions.endpoints import TIMEOUT
from app.relations.query_sql import Shapes
from app.steps.running import RunStep

RPC = b"/rest/v1/rpc/"


class _Target:
    """One is made for all requests that mean the same of the same definitions.

    `access` says who may, `chain` is the middleware, and `begin` opens the transaction, if any, with `locks` first. A
    request may take `timeout` seconds, and waits for rows by the statement `patience`. Its `responses` are what is
    declared of its answers. `place` names it as a document does, `template` is its path with names in the places of
    what differs, None where it names none, and `borrower` names the share of the connections that it takes.
    """

    __slots__ = (
        "access", "begin", "borrower", "chain", "locks", "patience", "place", "responses", "template", "timeout"
    )  # fmt: skip

    def __init__(
        self,
        place: str,
        access: AccessLevel,
        chain: tuple[RunStep, ...],
        chained: Chained,
        begin: str | None,
        *,
        timeout: float = TIMEOUT,
        responses: Responses | None = None,
        template: str | None = None,
    ) -> None:
        """Take what is needed of it."""
        self.place, self.access, self.chain, self.begin = place, access, chain, begin
        self.locks, self.timeout, self.responses, self.template = chained.locks, timeout, responses, template
        self.patience = WAIT_FOR_ROWS if timeout == TIMEOUT else wait_for_rows(timeout)
        self.borrower: object = (type(self), place)


class EndpointTarget(_Target):
    """An endpoint, by its path or by its name.

    `rows` is what its answer may be asked by, where something besides its inputs may be asked.
    """

    __slots__ = ("by_name", "compiled", "rows")

    def __init__(self, compiled: CompiledEndpoint, *, by_name: bool = False, rows: Shapes | None = None) -> None:
        """Take the endpoint."""
        said = compiled.definition
        template = said.path if said.path_names and not by_name else None
        super().__init__(
            f"endpoints/{compiled.name}", compiled.access, compiled.chain, compiled.chained, compiled.begin,
            timeout=said.timeout, responses=compiled.responses, template=template,
        )  # fmt: skip
        self.compiled, self.by_name, self.rows = compiled, by_name, rows


class ViewTarget(_Target):
    """A view, and what is to be done through it; a query may stand in the body, where it is too long for an address.

    Before a write the chain locks what it fetches of the table that is written; and a write has a transaction, since a
    row outside the filter undoes it.
    """

    __slots__ = ("action", "by_body", "compiled")

    def __init__(self, compiled: CompiledView, action: str, *, by_body: bool = False) -> None:
        """Take the view."""
        reads = action == "select"
        run = compiled if reads or compiled.writing is None else compiled.writing
        begin = compiled.begin if reads else "BEGIN"
        super().__init__(f"views/{compiled.name}", compiled.access[action], run.chain, run.chained, begin)
        self.compiled, self.action, self.by_body = compiled, action, by_body


Target = EndpointTarget | ViewTarget
