"""The first admin, signing in and out."""

from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from fastapi import Depends, Response
from pydantic import Field

from app.audit.writing import audit
from app.auth import admin_sessions, admins
from app.auth.accounts import EmailInvalid
from app.auth.admin_access import AdminAnyhow, Viewer
from app.auth.admin_sessions import AdminSession, CodeNeeded, note_refused
from app.auth.admins import AdminExists, SetupTokenInvalid
from app.auth.factors import FactorCodeWrong, count_try, has_verified
from app.auth.failures import TooManyFailures, attempt
from app.auth.mail_templates import PASSWORD_CHANGED
from app.auth.password_change import PasswordWrong, chosen, holder, replace_password
from app.auth.password_sign_in import SignInRefused
from app.auth.passwords import AdminPassword, PasswordRefused, SentPassword
from app.auth.refresh_tokens import RefreshTokenInvalid, Reused
from app.auth.route_limits import RouteLimits
from app.auth.routes.client import Client, ClientDep
from app.control_plane.admins import NewAdmin
from app.control_plane.server import Server, ServerDep, mailer_to_admins
from app.database.connection import Connection
from app.errors import RowgateError
from app.http.fixed_bodies import Body, JsonBody
from app.http.fixed_routes import Declared, FixedRouter, answer, refuses


class NoPassword(RowgateError):
    """An API key has no password that could be changed."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "admin.no_password"

    def __init__(self) -> None:
        """Say who has one."""
        super().__init__("An API key has no password.", hint="Sign in as an admin.")


class SetupBody(Body):
    """The token that the server prints, and the account of the first admin."""

    token: str
    email: str
    password: AdminPassword


Code = Annotated[str, Field(max_length=100)]
"""What an authenticator shows, or a recovery code."""


class AdminSignInBody(Body):
    """An admin's address and password; `code` is for who has a second factor, as `admin.code_needed` says."""

    email: str
    password: SentPassword
    code: Code | None = None


class AdminRefreshBody(Body):
    """An admin's refresh token."""

    refresh_token: str


class ChangedPasswordBody(Body):
    """The present password, and the one that is to take its place."""

    current_password: SentPassword
    password: AdminPassword


class AdminTokens(Declared):
    """A session of an admin; `expires_in` is in seconds, `expires_at` in seconds since 1970."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - no secret
    expires_in: int
    expires_at: int
    refresh_token: str


def sign_in_router(limits: RouteLimits) -> FixedRouter:
    """Give the routes."""
    router = FixedRouter(tags=["sign-in"])
    post = partial(router.add_api_route, methods=["POST"])

    def at_most(limit: str, name: str) -> dict[str, Any]:
        return {"name": name, "dependencies": [limits.at_most(limit, f"admin.{name}")]}

    post("/setup", setup, status_code=201, response_model=NewAdmin, **at_most("20/minute", "setup"))
    post("/sign-in", sign_in, response_model=AdminTokens, **at_most("60/minute", "sign_in"))
    post("/refresh", refresh, response_model=AdminTokens, **at_most("60/minute", "refresh"))
    post("/sign-out", sign_out, status_code=204)
    router.add_api_route(
        "/password", change_password, methods=["PUT"], status_code=204, **at_most("60/minute", "password")
    )
    return router


@refuses(AdminExists, SetupTokenInvalid, EmailInvalid, PasswordRefused)
async def setup(server: ServerDep, body: Annotated[SetupBody, Depends(JsonBody(SetupBody))]) -> Response:
    """Make the first admin, with the token that the server prints; refused as soon as there is one."""
    auth = server.auth
    async with server.pool.lease() as connection, connection.transaction():
        made = await admins.set_up(connection, auth.passwords, body.token, auth.setup_token, body.email, body.password)
    auth.no_admin = False
    return answer(NewAdmin.from_row(made), 201)


SIGN_IN_REFUSALS = (SignInRefused, CodeNeeded, FactorCodeWrong, TooManyFailures, PasswordRefused)


@refuses(*SIGN_IN_REFUSALS)
async def sign_in(
    client: ClientDep, server: ServerDep, body: Annotated[AdminSignInBody, Depends(JsonBody(AdminSignInBody))]
) -> Response:
    """Give tokens for an address and a password, and a code of who has a second factor."""
    return answer(_tokens(server, await signed_in(client, server, body)))


async def signed_in(client: Client, server: Server, body: AdminSignInBody) -> AdminSession:
    """Open a session for an address and a password, and a code where one is needed."""
    async with attempt(server.pool, "admin", body.email, client.address).counting(SignInRefused):
        async with server.pool.lease() as connection:
            stored = await admins.stored_admin(connection, body.email)
        try:
            verified = await admins.verify(server.auth.passwords, stored, body.password)
        except SignInRefused:
            async with server.pool.lease() as connection:
                await note_refused(connection, stored, client, "password")
            raise
    async with server.pool.lease() as connection:
        await count_code(connection, verified.id, body.code)
        try:
            async with connection.transaction():
                return await admin_sessions.begin(connection, server.auth.sealing, verified, client, body.code)
        except FactorCodeWrong:
            await note_refused(connection, verified, client, "code")
            raise


async def count_code(connection: Connection, admin_id: str, code: str | None) -> None:
    """Count a code before it is looked at, where the admin has a second factor; raises TooManyFailures."""
    if code is not None and await has_verified(connection, admin_id, "admin"):
        await count_try(connection, admin_id, "admin")


@refuses(RefreshTokenInvalid)
async def refresh(
    server: ServerDep, body: Annotated[AdminRefreshBody, Depends(JsonBody(AdminRefreshBody))]
) -> Response:
    """Give new tokens for a refresh token, which ends with that."""
    return answer(_tokens(server, await refreshed(server, body.refresh_token)))


async def refreshed(server: Server, token: str) -> AdminSession:
    """Go on with a session by its refresh token; raises RefreshTokenInvalid."""
    async with server.pool.lease() as connection, connection.transaction():
        session = await admin_sessions.refresh(connection, token, server.auth.refresh_key)
    if isinstance(session, Reused):
        raise RefreshTokenInvalid
    return session


async def sign_out(server: ServerDep, admin: AdminAnyhow) -> Response:
    """End this session; an API key has none and goes on."""
    if admin.id is not None and admin.session_id is not None:
        async with server.pool.lease() as connection, connection.transaction():
            await admin_sessions.end_session(connection, admin.id, admin.session_id)
            await audit(connection, admin.actor, "admin.sign_out", None)
    return Response(status_code=204)


@refuses(NoPassword, PasswordWrong, PasswordRefused, TooManyFailures)
async def change_password(
    client: ClientDep,
    server: ServerDep,
    admin: Viewer,
    body: Annotated[ChangedPasswordBody, Depends(JsonBody(ChangedPasswordBody))],
) -> Response:
    """Change the own password, for which the present one is asked; the other sessions end."""
    async with server.pool.lease() as connection:
        of = None if admin.id is None else await holder(connection, "admin", admin.id)
    if of is None or admin.session_id is None:
        raise NoPassword
    new = await chosen(server.pool, server.auth.passwords, of, body.current_password, body.password, client.address)
    async with server.pool.lease() as connection, connection.transaction():
        await admin_sessions.hold_own(connection, of.id, admin.session_id)
        await replace_password(connection, new, keep=admin.session_id)
        await mailer_to_admins(server).send_admin(connection, PASSWORD_CHANGED, of.email)
        await audit(connection, admin.actor, "admin.password", of.email)
    return Response(status_code=204)


def _tokens(server: Server, session: AdminSession) -> AdminTokens:
    issued = server.auth.admin_tokens.issue(session.admin_id, session.id)
    return AdminTokens(
        access_token=issued.token,
        expires_in=issued.expires_in,
        expires_at=issued.expires_at,
        refresh_token=session.refresh_token,
    )
