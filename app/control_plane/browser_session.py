"""An admin's session in a browser: its refresh token is a cookie that no script reads and no other site sends."""

from functools import partial
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from fastapi import Cookie, Depends, Request, Response

from app.auth.admin_sessions import SESSION_DAYS, AdminSession
from app.auth.refresh_tokens import RefreshTokenInvalid
from app.auth.route_limits import RouteLimits
from app.auth.routes.client import ClientDep
from app.control_plane.server import Server, ServerDep
from app.control_plane.sign_in import SIGN_IN_REFUSALS, AdminSignInBody, refreshed, signed_in
from app.errors import RowgateError
from app.http.fixed_bodies import JsonBody
from app.http.fixed_routes import Declared, FixedRouter, answer, refuses

COOKIE = "rowgate_admin"
PATH = "/admin/v1/browser"  # the only routes that the cookie is sent to


class OtherOrigin(RowgateError):
    """The page that asks is not of this server's own origin, or the request is none of a page."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "admin.other_origin"


class BrowserTokens(Declared):
    """A session of an admin, without its refresh token, which is a cookie; `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - no secret
    expires_in: int
    expires_at: int


@refuses(OtherOrigin)
async def own_origin(request: Request, server: ServerDep) -> str:
    """Give the origin of the page that asks, which a browser says of every POST and no page can forge."""
    origin, public = request.headers.get("origin", ""), server.settings.public_url
    own = {f"{scheme}://{request.headers.get('host', '')}" for scheme in ("http", "https")}
    if public is not None:
        parts = urlsplit(public)
        own.add(f"{parts.scheme}://{parts.netloc}")
    if origin not in own:
        hint = "A script signs in at POST /admin/v1/sign-in."
        raise OtherOrigin("Only a page of this server may sign in by a cookie.", hint=hint)
    return origin


Origin = Annotated[str, Depends(own_origin)]


def browser_router(limits: RouteLimits) -> FixedRouter:
    """Give the routes."""
    router = FixedRouter(tags=["sign-in"], prefix="/browser")
    post = partial(router.add_api_route, methods=["POST"], response_model=BrowserTokens)
    many = "60/minute"
    post("/sign-in", browser_sign_in, dependencies=[limits.at_most(many, "admin.browser_sign_in")])
    post("/refresh", browser_refresh, dependencies=[limits.at_most(many, "admin.browser_refresh")])
    return router


@refuses(*SIGN_IN_REFUSALS)
async def browser_sign_in(
    client: ClientDep,
    server: ServerDep,
    origin: Origin,
    body: Annotated[AdminSignInBody, Depends(JsonBody(AdminSignInBody))],
) -> Response:
    """Sign in from a page of this server: the answer has the access token, a cookie the refresh token."""
    return _answered(server, await signed_in(client, server, body), origin)


@refuses(RefreshTokenInvalid)
async def browser_refresh(
    server: ServerDep, origin: Origin, token: Annotated[str | None, Cookie(alias=COOKIE)] = None
) -> Response:
    """Give a new access token for the cookie, which is replaced; from a page of this server."""
    if token is None:
        raise RefreshTokenInvalid
    return _answered(server, await refreshed(server, token), origin)


def _answered(server: Server, session: AdminSession, origin: str) -> Response:
    issued = server.auth.admin_tokens.issue(session.admin_id, session.id)
    tokens = BrowserTokens(access_token=issued.token, expires_in=issued.expires_in, expires_at=issued.expires_at)
    answered = answer(tokens)
    answered.set_cookie(
        COOKIE, session.refresh_token, max_age=SESSION_DAYS * 24 * 60 * 60, path=PATH,
        secure=origin.startswith("https:"), httponly=True, samesite="strict",
    )  # fmt: skip
    return answered
