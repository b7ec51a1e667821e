"""accept: which endpoint or view the method and the path mean."""

from typing import ClassVar

from app.compiler.paths import MethodNotAllowed, NotFound
from app.compiler.runtime import DefinitionsBroken, Runtime
from app.compiler.test_targets import methods_by_name
from app.data_plane.request import Request
from app.data_plane.targets import EndpointTarget, Target, ViewTarget
from app.errors import RowgateError

API, REST, RPC, FUNCTIONS = b"/api", b"/rest/v1/", b"/rest/v1/rpc/", b"/functions/v1/"
_VIEW_ACTIONS = {
    "GET": "select",
    "HEAD": "select",
    "POST": "insert",
    "PATCH": "update",
    "PUT": "insert",
    "DELETE": "delete",
}


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
    allowed = methods_by_name(endpoint.definition)
    if request.method not in allowed:
        raise MethodNotAllowed(allowed)
    return EndpointTarget(endpoint, {}, by_name=True)


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
