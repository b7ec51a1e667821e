"""The first admin, signing in and out."""

from typing import Any

from fastapi import APIRouter, Request, Response

from app.audit.writing import audit
from app.auth import admins
from app.auth.admin_access import Viewer
from app.auth.admins import AdminSession
from app.auth.failures import attempt
from app.auth.password_sign_in import SignInRefused
from app.auth.refresh_tokens import RefreshTokenInvalid, Reused
from app.auth.route_limits import RouteLimits
from app.auth.routes.body import Body, read
from app.auth.routes.mounted import answer
from app.auth.tokens import LIFETIME
from app.http.client_address import client_address


class SetupBody(Body):
    """The token that the server prints, and the account of the first admin."""

    token: str
    email: str
    password: str


class AdminSignInBody(Body):
    """An admin's address and password."""

    email: str
    password: str


class AdminRefreshBody(Body):
    """An admin's refresh token."""

    refresh_token: str


def sign_in_router(limits: RouteLimits) -> APIRouter:
    """Give the routes."""
    router = APIRouter()
    router.add_api_route("/setup", limits.at_most("20/minute")(setup), methods=["POST"], status_code=201)
    router.add_api_route("/sign-in", limits.at_most("60/minute")(sign_in), methods=["POST"])
    router.add_api_route("/refresh", limits.at_most("60/minute")(refresh), methods=["POST"])
    router.add_api_route("/sign-out", sign_out, methods=["POST"], status_code=204)
    return router


async def setup(request: Request) -> Response:
    """Make the first admin, with the token that the server prints; refused as soon as there is one."""
    body = await read(request, SetupBody)
    state = request.app.state
    async with state.pool.lease() as connection, connection.transaction():
        admin_id = await admins.set_up(
            connection, state.passwords, body.token, state.auth.setup_token, body.email, body.password
        )
    state.auth.no_admin = False
    return answer({"id": admin_id, "email": body.email, "role": "owner"}, 201)


async def sign_in(request: Request) -> Response:
    """Give tokens for an address and a password."""
    body = await read(request, AdminSignInBody)
    state = request.app.state
    address = client_address(request.scope, state.settings.trusted_proxies)
    tried = attempt(state.pool, "admin", body.email, address)
    await tried.begin()
    async with state.pool.lease() as connection:
        stored = await admins.stored_admin(connection, body.email)
    try:
        verified = await admins.verify(state.passwords, stored, body.password)
    except SignInRefused:
        async with state.pool.lease() as connection:
            await audit(connection, "anonymous", "admin.sign_in_refused", None, {"ip": address})
        await tried.failed()
        raise
    await tried.succeeded()
    async with state.pool.lease() as connection, connection.transaction():
        session = await admins.begin(connection, verified, address)
    return answer(_tokens(state, session))


async def refresh(request: Request) -> Response:
    """Give new tokens for a refresh token, which ends with that."""
    body = await read(request, AdminRefreshBody)
    state = request.app.state
    async with state.pool.lease() as connection, connection.transaction():
        session = await admins.refresh(connection, body.refresh_token, state.auth.refresh_key)
    if isinstance(session, Reused):
        raise RefreshTokenInvalid
    return answer(_tokens(state, session))


async def sign_out(request: Request, admin: Viewer) -> Response:
    """End this session; an API key has none and goes on."""
    if admin.session_id is not None:
        async with request.app.state.pool.lease() as connection, connection.transaction():
            await admins.end_session(connection, admin.session_id)
            await audit(connection, admin.actor, "admin.sign_out", None)
    return Response(status_code=204)


def _tokens(state: Any, session: AdminSession) -> dict[str, Any]:
    issued = state.admin_tokens.issue(session.admin_id, session.id)
    return {
        "access_token": issued.token,
        "token_type": "bearer",
        "expires_in": LIFETIME,
        "expires_at": issued.expires_at,
        "refresh_token": session.refresh_token,
    }
