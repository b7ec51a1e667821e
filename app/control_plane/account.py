"""An admin's own account: the second factor, the sessions, and how it was signed in to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from fastapi import Depends, Response
from pydantic import Field

from app.audit.writing import audit
from app.auth import admin_sessions, admins, factors
from app.auth.admin_access import Admin, AdminAnyhow, Role, Viewer
from app.auth.failures import TooManyFailures
from app.auth.mail_templates import FACTOR_CHANGED
from app.auth.password_change import PasswordWrong, hold_present, holder
from app.auth.passwords import SentPassword
from app.auth.routes.client import Client, ClientDep
from app.auth.routes.factors import RecoveryCodes, TotpObject, read_factor_id, totp_object
from app.control_plane.admins import AdminSessionAnswer, SignInAnswer, shown_sessions, shown_sign_ins
from app.control_plane.history import Before, Limit
from app.control_plane.named import NotThere, identifier
from app.control_plane.server import Server, ServerDep, mailer_to_admins
from app.control_plane.sign_in import Code
from app.database.connection import Connection
from app.errors import RowgateError
from app.http.fixed_bodies import Body, JsonBody
from app.http.fixed_routes import Declared, FixedRouter, answer, refuses

router = FixedRouter(tags=["account"], prefix="/account")


class NoAccount(RowgateError):
    """An API key is nobody who could sign in."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "admin.no_account"

    def __init__(self) -> None:
        """Say who has one."""
        super().__init__("An API key has no account of its own.", hint="Sign in as an admin.")


@dataclass(frozen=True, slots=True)
class Own:
    """Whose account it is, and by which session they ask."""

    id: str
    actor: str
    session_id: str


def _own(admin: Admin) -> Own:
    if admin.id is None or admin.session_id is None:
        raise NoAccount
    return Own(admin.id, admin.actor, admin.session_id)


@refuses(NoAccount)
async def _own_account(admin: Viewer) -> Own:
    return _own(admin)


@refuses(NoAccount)
async def _own_anyhow(admin: AdminAnyhow) -> Own:
    return _own(admin)


OwnAccount = Annotated[Own, Depends(_own_account)]
OwnAnyhow = Annotated[Own, Depends(_own_anyhow)]
"""Also of who still has to add a second factor."""


class PresentPasswordBody(Body):
    """The present password."""

    current_password: SentPassword


class NewFactorBody(PresentPasswordBody):
    """The present password, and what the factor is to be called."""

    name: str = Field(default="", max_length=100)


class FactorCodeBody(Body):
    """What the authenticator shows."""

    code: Code


class FactorAnswer(Declared):
    """A second factor; it is in force once a code of it was verified."""

    id: str
    name: str
    created_at: datetime
    verified_at: datetime | None


class NewFactor(Declared):
    """A second factor that counts once a code of it is verified; what an authenticator is told is shown this once."""

    id: str
    name: str
    totp: TotpObject


class AccountAnswer(Declared):
    """Who is signed in; `second_factor_needed` says that nothing else is reached before one is added."""

    id: str
    email: str
    role: Role
    created_at: datetime
    factors: list[FactorAnswer]
    recovery_codes_left: int
    second_factor_needed: bool


@router.get("", response_model=AccountAnswer)
async def get_account(server: ServerDep, own: OwnAnyhow) -> Response:
    """Say who is signed in, and which second factors they have."""
    async with server.pool.lease() as connection:
        row = await admins.admin_by_id(connection, own.id)
        if row is None:
            raise NoAccount
        found = [FactorAnswer.from_row(one) for one in await admins.factors_of(connection, own.id)]
        left = await factors.recovery_codes_left(connection, own.id, "admin")
    needed = server.auth.admins_need_two and not any(one.verified_at for one in found)
    return answer(
        AccountAnswer(
            id=row.id, email=row.email, role=row.role, created_at=row.created_at, factors=found,
            recovery_codes_left=left, second_factor_needed=needed,
        )
    )  # fmt: skip


async def _hold_password(server: Server, client: Client, own: Own, current: str) -> str:
    """Give the admin's address; raises PasswordWrong or TooManyFailures."""
    async with server.pool.lease() as connection:
        of = await holder(connection, "admin", own.id)
    if of is None:
        raise NoAccount
    await hold_present(server.pool, server.auth.passwords, of, current, client.address)
    return of.email


@router.post("/factors", status_code=201, response_model=NewFactor)
@refuses(PasswordWrong, TooManyFailures, factors.FactorNameTaken, factors.TooManyFactors)
async def add_factor(
    server: ServerDep,
    client: ClientDep,
    own: OwnAnyhow,
    body: Annotated[NewFactorBody, Depends(JsonBody(NewFactorBody))],
) -> Response:
    """Make a second factor, codes by time (TOTP), for which the present password is asked."""
    email = await _hold_password(server, client, own, body.current_password)
    issuer = urlsplit(server.settings.public_url or "").hostname or "Rowgate"
    async with server.pool.lease() as connection, connection.transaction():
        await admin_sessions.hold_own(connection, own.id, own.session_id)
        made = await factors.enroll(connection, server.auth.sealing, own.id, body.name, kind="admin")
        await audit(connection, own.actor, "admin.factor_add", made.id)
    told = await totp_object(made, email, issuer)
    return answer(NewFactor(id=made.id, name=made.name, totp=told), 201)


@router.post("/factors/{factor_id}/verify", name="verify_own_factor", response_model=RecoveryCodes)
@refuses(factors.FactorNotFound, factors.FactorCodeWrong, TooManyFailures)
async def verify_factor(
    server: ServerDep,
    client: ClientDep,
    own: OwnAnyhow,
    factor_id: str,
    body: Annotated[FactorCodeBody, Depends(JsonBody(FactorCodeBody))],
) -> Response:
    """Have a factor in force by a code of it: other sessions end, and the first one comes with recovery codes."""
    found = read_factor_id(factor_id)
    async with server.pool.lease() as connection:
        await factors.count_try(connection, own.id, "admin")
        try:
            async with connection.transaction():
                codes = await _in_force(server, connection, own, found, body.code)
        except factors.FactorCodeWrong:
            await audit(connection, own.actor, "admin.factor_refused", found, {"ip": client.address})
            raise
    return answer(RecoveryCodes(codes=codes))


async def _in_force(server: Server, connection: Connection, own: Own, factor_id: str, code: str) -> list[str]:
    """Take the code, and give recovery codes where it is of the first factor: now sessions by a password alone end."""
    # Another factor that has come meanwhile ended the session.
    row = await admin_sessions.hold_own(connection, own.id, own.session_id)
    is_first = not await factors.has_verified(connection, own.id, "admin")
    if await factors.confirm(connection, server.auth.sealing, "admin", own.id, factor_id, code):
        await _tell(server, connection, row.email, "a second factor was added")
    await audit(connection, own.actor, "admin.factor_verify", factor_id)
    if not is_first:
        return []
    await admin_sessions.end_sessions(connection, own.id, but=own.session_id)
    return await factors.new_recovery_codes(connection, own.id, "admin")


@router.post("/factors/{factor_id}/remove", status_code=204)
@refuses(PasswordWrong, TooManyFailures, factors.FactorNotFound)
async def remove_factor(
    server: ServerDep,
    client: ClientDep,
    own: OwnAccount,
    factor_id: str,
    body: Annotated[PresentPasswordBody, Depends(JsonBody(PresentPasswordBody))],
) -> Response:
    """Take a second factor away, for which the present password is asked; with the last one the recovery codes go."""
    found = read_factor_id(factor_id)
    email = await _hold_password(server, client, own, body.current_password)
    async with server.pool.lease() as connection, connection.transaction():
        await admin_sessions.hold_own(connection, own.id, own.session_id)
        # The session was begun by two factors, where there was one in force.
        if await factors.unenroll(connection, own.id, found, by_two=True, kind="admin"):
            await _tell(server, connection, email, factors.TAKEN_AWAY)
        await audit(connection, own.actor, "admin.factor_remove", found)
    return Response(status_code=204)


@router.post("/recovery-codes", name="make_own_recovery_codes", response_model=RecoveryCodes)
@refuses(PasswordWrong, TooManyFailures, factors.FactorNotFound)
async def make_recovery_codes(
    server: ServerDep,
    client: ClientDep,
    own: OwnAccount,
    body: Annotated[PresentPasswordBody, Depends(JsonBody(PresentPasswordBody))],
) -> Response:
    """Draw ten recovery codes, which end those of before; it takes the present password, and a second factor."""
    email = await _hold_password(server, client, own, body.current_password)
    async with server.pool.lease() as connection, connection.transaction():
        await admin_sessions.hold_own(connection, own.id, own.session_id)
        if not await factors.has_verified(connection, own.id, "admin"):
            raise factors.FactorNotFound
        codes = await factors.new_recovery_codes(connection, own.id, "admin")
        await _tell(server, connection, email, "recovery codes were made")
        await audit(connection, own.actor, "admin.recovery_codes", None)
    return answer(RecoveryCodes(codes=codes))


async def _tell(server: Server, connection: Connection, email: str, change: str) -> None:
    await mailer_to_admins(server).send_admin(connection, FACTOR_CHANGED, email, {"change": change})


@router.get("/sessions", response_model=list[AdminSessionAnswer])
async def list_own_sessions(server: ServerDep, own: OwnAccount) -> Response:
    """List the own sessions that go on, the newest first."""
    async with server.pool.lease() as connection:
        return answer(await shown_sessions(connection, own.id, own.session_id))


@router.delete("/sessions/{session_id}", status_code=204)
@refuses(NotThere)
async def end_own_session(server: ServerDep, own: OwnAccount, session_id: str) -> Response:
    """End one of the own sessions."""
    found = identifier(session_id, "session")
    async with server.pool.lease() as connection, connection.transaction():
        if not await admin_sessions.end_session(connection, own.id, found):
            raise NotThere("session")
        await audit(connection, own.actor, "admin.session_end", found)
    return Response(status_code=204)


@router.get("/sign-ins", response_model=list[SignInAnswer])
async def list_own_sign_ins(server: ServerDep, own: OwnAccount, limit: Limit = 100, before: Before = None) -> Response:
    """List from the audit log how the own account was signed in to, and what was refused, the newest first."""
    async with server.pool.lease() as connection:
        return answer(await shown_sign_ins(connection, own.id, limit, before))
