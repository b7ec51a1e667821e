"""What the server says about itself: alive, able to serve, and what it serves."""

from pathlib import Path
from typing import Literal

import fastapi_offline
from fastapi import Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse

from app.data_plane.data_server import DataServerDep
from app.data_plane.readiness import Readiness, readiness
from app.http.fixed_routes import Declared, FixedRouter, answer

_FOLDER = Path(fastapi_offline.__file__).parent / "static"
_ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "favicon.png": "image/png"}

router = FixedRouter(tags=["server"])


class Alive(Declared):
    """That the process is alive."""

    status: Literal["alive"] = "alive"


@router.get("/healthz", response_model=Alive)
async def healthz() -> Response:
    """Say that the process is alive."""
    return answer(Alive())


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness, "description": "Not ready"}})
async def readyz(server: DataServerDep) -> Response:
    """Say whether requests can be served: the database answers, and its definitions are compiled."""
    found = readiness(server.live, server.limiter, server.embedded_up)
    return answer(found, 503 if found.status == "not ready" else 200)


@router.get("/openapi.json", response_model=dict[str, object])
async def openapi(server: DataServerDep) -> Response:
    """Give the OpenAPI document of everything as it is now defined."""
    return Response(server.document(server.live.runtime), media_type="application/json")


@router.get("/docs", response_class=HTMLResponse)
async def docs() -> HTMLResponse:
    """Show the document in Swagger's page."""
    return docs_page("/openapi.json", "Rowgate")


@router.get(
    "/docs/{asset}",
    response_class=FileResponse,
    responses={200: {"content": {kind: {"schema": {"type": "string"}} for kind in _ASSETS.values()}}},
)
async def docs_asset(asset: Literal["swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"]) -> FileResponse:
    """Give what the page of a document is made of, so that it loads nothing from other hosts."""
    return FileResponse(_FOLDER / asset, media_type=_ASSETS[asset])


def docs_page(openapi_url: str, title: str) -> HTMLResponse:
    """Make the page of a document."""
    return get_swagger_ui_html(
        openapi_url=openapi_url,
        title=title,
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon.png",
    )
