"""accept: which endpoint or view the method and the path mean."""

from typing import ClassVar

from app.compiler.paths import QUERY, MethodNotAllowed, NotFound, view_action, view_methods
from app.compiler.runtime import DefinitionsBroken, Runtime
from app.compiler.test_targets import methods_by_name
from app.data_plane.request import Request
from app.data_plane.rest.dialect.headers import ASKING, asks, refuse_unfollowed
from app.data_plane.targets import RPC, EndpointTarget, Target, ViewTarget
from app.errors import RowgateError

API, REST, FUNCTIONS = b"/api", b"/rest/v1/", b"/functions/v1/"


class ViewNotFound(RowgateError):
    """There is no such view."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "route.not_found"

    def __init__(self, name: str) -> None:
        """Say so in the words that PostgREST's clients know."""
        super().__init__(f"Could not find the table 'public.{name[:64]}' in the schema cache")


class FunctionNotFound(RowgateError):
    """There is no endpoint of this name, or one with path fields, which can't be called by its name."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "route.not_found"

    def __init__(self, name: str) -> None:
        """Say so in the words that PostgREST's clients know."""
        super().__init__(f"Could not find the function public.{name[:64]} in the schema cache")


class ViewPathUnknown(RowgateError):
    """A path behind the name of a view that means nothing."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "route.view_path"


def accept(runtime: Runtime, request: Request) -> Target:
    """Give the target; raises NotFound, or MethodNotAllowed with what is allowed."""
    path = request.path
    if path.startswith(REST):
        known: ViewTarget | None = runtime.accepted.get((request.method, path))
        if known is not None:
            return known
        return _named(runtime, request, path, RPC) if path.startswith(RPC) else _view(runtime, request)
    if path.startswith(FUNCTIONS):
        return _named(runtime, request, path, FUNCTIONS)
    try:
        endpoint, request.named = runtime.router.match(request.method, path[len(API) :])
    except (NotFound, MethodNotAllowed):
        if runtime.broken.unplaced:
            raise DefinitionsBroken from None
        raise
    if endpoint is None:
        raise DefinitionsBroken
    target: EndpointTarget | None = runtime.accepted.get(endpoint.name)
    if target is None:
        target = runtime.accepted[endpoint.name] = EndpointTarget(endpoint)
    return target


def _named(runtime: Runtime, request: Request, path: bytes, prefix: bytes) -> EndpointTarget:
    """Find an endpoint by its name; one with path fields can't be called so."""
    name = path[len(prefix) :].decode("latin-1")
    runtime.broken.refuse(f"endpoints/{name}")
    endpoint = runtime.endpoints.get(name)
    if endpoint is None or endpoint.definition.path_names:
        raise FunctionNotFound(name) if prefix == RPC else NotFound
    allowed = methods_by_name(endpoint.definition)
    if request.method not in allowed:
        raise MethodNotAllowed(allowed)
    headers = request.joined(ASKING) if prefix == RPC else {}
    if prefer := headers.get(b"prefer"):
        refuse_unfollowed(prefer)
    asked = prefix == RPC and (request.query or asks(headers))
    return EndpointTarget(endpoint, by_name=True, rows=endpoint.rows if asked else None)


def _view(runtime: Runtime, request: Request) -> ViewTarget:
    name, *more = request.path[len(REST) :].decode("latin-1").split("/")
    if more not in ([], [QUERY]):
        raise ViewPathUnknown("Invalid path specified in request URL")
    runtime.broken.refuse(f"views/{name}")
    view = runtime.views.get(name)
    if view is None:
        raise ViewNotFound(name)
    by_body, allow = bool(more), view.definition.allow
    try:
        target = ViewTarget(view, view_action(allow, request.method, by_body=by_body), by_body=by_body)
    except MethodNotAllowed:
        raise MethodNotAllowed([*view_methods(allow, by_body=by_body), "OPTIONS"]) from None
    # There are few of them, however many paths are asked for: each view has two, for some methods.
    runtime.accepted[request.method, request.path] = target
    return target
