"""All routes of /admin/v1, and the document of them."""

from functools import cache
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from app.auth.route_limits import RouteLimits
from app.control_plane import (
    access,
    account,
    admins,
    api_keys,
    begin,
    document,
    frontend,
    history,
    invites,
    mail,
    outbox,
    policy_tests,
    requests,
    rows,
    secrets,
    shadow,
    simulate,
    user_import,
    users,
)
from app.control_plane.browser_session import browser_router
from app.control_plane.by_link import by_link_router
from app.control_plane.definitions import definitions_router
from app.control_plane.sign_in import sign_in_router
from app.data_plane.described.routes import docs_page
from app.http.fixed_routes import FixedRouter, ProblemDocument, answer, described

PREFIX = "/admin/v1"
about = FixedRouter(tags=["about"])


@about.get("/openapi.json", response_model=dict[str, object])
async def admin_openapi() -> Response:
    """Give the OpenAPI document of the admin API, which holds nothing of what is defined."""
    return answer(admin_document())


@about.get("/docs", response_class=HTMLResponse)
async def admin_docs() -> HTMLResponse:
    """Show the document of the admin API in Swagger's page."""
    return docs_page(f"{PREFIX}/openapi.json", "Rowgate for admins")


@cache
def admin_document() -> dict[str, Any]:
    """Make the OpenAPI document of the admin API."""
    return described(
        admin_router(RouteLimits()).routes, problems=(ProblemDocument,), title="Rowgate for admins", version="1"
    )


def admin_router(limits: RouteLimits) -> APIRouter:
    """Give the routes of the admin API."""
    router = APIRouter(prefix=PREFIX)
    modules = (
        user_import, users, api_keys, account, invites, admins, secrets, outbox, mail, simulate, shadow, policy_tests,
        requests, access, document, history, begin, frontend, rows,
    )  # fmt: skip
    # The columns of users and their import come before the users, who are named by what follows the same slash.
    signing_in = (sign_in_router(limits), browser_router(limits), by_link_router(limits))
    for part in (*signing_in, definitions_router(), *(module.router for module in modules), about):
        router.include_router(part)
    return router
