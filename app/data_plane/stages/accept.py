"""accept: which endpoint or view the method and the path mean."""

from dataclasses import dataclass
from typing import ClassVar

from app.compiler.paths import MethodNotAllowed, NotFound
from app.compiler.responses import Responses
from app.compiler.runtime import CompiledEndpoint, CompiledView, DefinitionsBroken, Runtime
from app.data_plane.request import Request
from app.definitions.endpoints import TIMEOUT
from app.errors import RowgateError
from app.steps.running import Run

API, REST, RPC, FUNCTIONS = b"/api", b"/rest/v1/", b"/rest/v1/rpc/", b"/functions/v1/"
_VIEW_ACTIONS = {
    "GET": "select",
    "HEAD": "select",
    "POST": "insert",
    "PATCH": "update",
    "PUT": "insert",
    "DELETE": "delete",
}


@dataclass(frozen=True, slots=True)
class EndpointTarget:
    """An endpoint, and the parts of the path that it names."""

    compiled: CompiledEndpoint
    path: dict[str, str]

    @property
    def template(self) -> str | None:
        """Give the path with names in the places of what differs; None where it names none."""
        return self.compiled.definition.path if self.path else None

    @property
    def timeout(self) -> float:
        """Give the seconds that the request may take."""
        return self.compiled.definition.timeout

    @property
    def chain(self) -> tuple[Run, ...]:
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
    """A view, and what is to be done through it."""

    compiled: CompiledView
    action: str
    timeout: float = TIMEOUT
    responses: None = None
    template: None = None

    @property
    def chain(self) -> tuple[Run, ...]:
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


class ViewNotFound(RowgateError):
    """There is no such view."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "route.not_found"


def accept(runtime: Runtime, request: Request) -> Target:
    """Give the target; raises NotFound, or MethodNotAllowed with what is allowed."""
    path = request.path
    if path.startswith(REST):
        return _named(runtime, request, path, RPC) if path.startswith(RPC) else _view(runtime, request)
    if path.startswith(FUNCTIONS):
        return _named(runtime, request, path, FUNCTIONS)
    try:
        match = runtime.router.match(request.method, path[len(API) :])
    except (NotFound, MethodNotAllowed):
        if runtime.broken.unplaced:
            raise DefinitionsBroken from None
        raise
    if match.target is None:
        raise DefinitionsBroken
    return EndpointTarget(match.target, match.params)


def _named(runtime: Runtime, request: Request, path: bytes, prefix: bytes) -> EndpointTarget:
    """Find an endpoint by its name; one with path fields can't be called so."""
    name = path[len(prefix) :].decode("latin-1")
    runtime.broken.refuse(f"endpoints/{name}")
    endpoint = runtime.endpoints.get(name)
    if endpoint is None or endpoint.definition.path_names:
        raise NotFound
    if request.method != "POST":
        raise MethodNotAllowed(["POST"])
    return EndpointTarget(endpoint, {})


def _view(runtime: Runtime, request: Request) -> ViewTarget:
    name = request.path[len(REST) :].decode("latin-1")
    runtime.broken.refuse(f"views/{name}")
    view = runtime.views.get(name)
    if view is None:
        raise ViewNotFound("There is no such view.")
    action = _VIEW_ACTIONS.get(request.method)
    if action is None or action not in view.definition.allow:
        allowed = [method for method, needed in _VIEW_ACTIONS.items() if needed in view.definition.allow]
        raise MethodNotAllowed([*allowed, "OPTIONS"])
    return ViewTarget(view, action)
