"""What the server says about itself: alive, able to serve, and what it serves."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

from app.compiler.runtime import Runtime
from app.data_plane.described.openapi import openapi_document
from app.http.json_answer import to_json

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the process is alive."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Say whether requests can be served: the database answers, and its definitions are compiled. Asks it nothing.

    Without the store of rate limits it is ready all the same: sign-in and all that isn't limited go on. So it is while
    others are served beside definitions that are out of order, which `broken` names.
    """
    state = request.app.state
    live, watch, embedded_up = state.live, state.limiter.watch, state.embedded_up
    checks = {"database": live.in_touch, "definitions": live.ready}
    if embedded_up is not None:
        checks["embedded_postgres"] = bool(embedded_up)
    ready = all(checks.values())
    if watch is not None:
        checks["limits"] = watch.answers
    status = "not ready" if not ready else "ready" if all(checks.values()) and not live.broken else "degraded"
    document = {"status": status, "checks": checks, "broken": live.broken}
    return Response(to_json(document), 200 if ready else 503, media_type="application/json")


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """Give the OpenAPI document of everything as it is now defined."""
    return Response(_document(request.app.state, request.app.state.live.runtime), media_type="application/json")


def _document(state: Any, runtime: Runtime) -> bytes:
    """Make the document once for each revision."""
    known: tuple[int, bytes] | None = getattr(state, "openapi", None)
    if known is None or known[0] != runtime.revision:
        known = runtime.revision, to_json(openapi_document(runtime, server_url=state.settings.public_url))
        state.openapi = known
    return known[1]


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Show the document in Swagger's page."""
    return get_swagger_ui_html(openapi_url="/openapi.json", title="Rowgate")
