"""Sessions of admins: begun by a password and, where there is one, a second factor; gone on with, listed and ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar

from sqlalchemy import func
from sqlmodel import col

from app.audit.writing import audit
from app.auth.admin_access import AdminRequired
from app.auth.factors import has_verified, show_any
from app.auth.password_sign_in import SignInRefused
from app.auth.refresh_tokens import Family, RefreshTokenInvalid, Reused, first_token, rotate
from app.auth.routes.client import Client
from app.database.connection import Connection
from app.errors import RowgateError
from app.http.challenge import ADMINS, challenge
from app.secrets.sealing import SealingKey
from app.store.by_model import Which, added, changed, first, found
from app.store.people_rows import AdminRow, AdminSessionRow
from app.store.rows import AuditRow

SESSION_DAYS = 7
SIGNED_IN, REFUSED = "admin.sign_in", "admin.sign_in_refused"  # the index of the audit log names them, too
_LONGEST = 400

_FAMILY = Family(
    "rowgate.admin_sessions",
    "rowgate.admin_refresh_tokens",
    alive="s.revoked_at IS NULL AND s.expires_at > now() AND s.refreshed_at > now() - make_interval(days => {idle})"
    " AND EXISTS (SELECT FROM rowgate.admins a WHERE a.id = s.admin_id AND a.disabled_at IS NULL)",
    idle_days=SESSION_DAYS,
)


class CodeNeeded(RowgateError):
    """The password is right, and the admin has a second factor."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "admin.code_needed"

    def __init__(self) -> None:
        """Say how it is sent."""
        hint = "Send what your authenticator shows as code, or a recovery code."
        super().__init__("This admin signs in by a second factor, too.", hint=hint, headers=challenge(realm=ADMINS))


@dataclass(frozen=True, slots=True)
class AdminSession:
    """A session of an admin and its refresh token."""

    id: str
    admin_id: str
    refresh_token: str = field(repr=False)


async def begin(
    connection: Connection, sealing: SealingKey, stored: AdminRow, client: Client, code: str | None
) -> AdminSession:
    """Open a session, inside a transaction.

    Raises SignInRefused where the account was changed meanwhile, CodeNeeded or FactorCodeWrong.
    """
    if await held(connection, stored.id, col(AdminRow.password_hash) == stored.password_hash) is None:
        raise SignInRefused
    by = ["password", *await shown_factor(connection, sealing, stored.id, code)]
    until = func.now() + timedelta(days=SESSION_DAYS)
    opened = await added(
        connection, AdminSessionRow, admin_id=stored.id, ip=client.address, expires_at=until,
        user_agent=_told(client)["user_agent"],
    )  # fmt: skip
    detail = {"admin": stored.id, "session": opened.id, "by": by, **_told(client)}
    await audit(connection, f"admin:{stored.email}", SIGNED_IN, None, detail)
    return AdminSession(opened.id, stored.id, await first_token(connection, _FAMILY, opened.id))


async def held(connection: Connection, admin_id: str, *which: Which) -> AdminRow | None:
    """Read an admin who isn't disabled, whom nobody else changes until the transaction ends.

    Who signs in, and whose second factor comes into force, waits here, so that no session is begun without it.
    """
    enabled = col(AdminRow.disabled_at).is_(None)
    return await first(connection, AdminRow, col(AdminRow.id) == admin_id, enabled, *which, hold=True)


async def hold_own(connection: Connection, admin_id: str, session_id: str) -> AdminRow:
    """Read the admin who asks, held, and let nobody end the session before the transaction ends.

    Raises AdminRequired where somebody has, since the request began.
    """
    row = await held(connection, admin_id)
    this, goes_on = col(AdminSessionRow.id) == session_id, col(AdminSessionRow.expires_at) > func.now()
    if row is None or await first(connection, AdminSessionRow, *_of(admin_id), this, goes_on, hold=True) is None:
        raise AdminRequired
    return row


async def shown_factor(connection: Connection, sealing: SealingKey, admin_id: str, code: str | None) -> list[str]:
    """Take the code of an admin whose row is held, and give by what it was; none is asked of who has no factor.

    Raises CodeNeeded or FactorCodeWrong.
    """
    if not await has_verified(connection, admin_id, "admin"):
        return []
    if code is None:
        raise CodeNeeded
    return [await show_any(connection, sealing, "admin", admin_id, code)]


async def note_refused(connection: Connection, admin: AdminRow | None, client: Client, why: str) -> None:
    """Have a refused sign-in in the audit log, with the admin if the address is one's; `why` is what was wrong."""
    of = {} if admin is None else {"admin": admin.id}
    await audit(connection, "anonymous", REFUSED, None, {**of, "why": why, **_told(client)})


def _told(client: Client) -> Mapping[str, str | None]:
    agent = client.user_agent
    return {"ip": client.address, "user_agent": None if agent is None else agent[:_LONGEST]}


async def refresh(connection: Connection, token: str, key: bytes) -> AdminSession | Reused:
    """Go on with an admin's session by its refresh token, inside a transaction of its own; as `rotate` says."""
    rotated = await rotate(connection, _FAMILY, token, key)
    if isinstance(rotated, Reused):
        await audit(connection, "anonymous", "admin.refresh_token_reuse", rotated.session_id)
        return rotated
    session = await first(connection, AdminSessionRow, col(AdminSessionRow.id) == rotated.session_id)
    if session is None:
        raise RefreshTokenInvalid
    return AdminSession(rotated.session_id, session.admin_id, rotated.token)


async def living(connection: Connection, admin_id: str) -> list[AdminSessionRow]:
    """Read an admin's sessions that go on, the newest first."""
    rested = func.now() - timedelta(days=SESSION_DAYS)
    goes_on = (col(AdminSessionRow.expires_at) > func.now(), col(AdminSessionRow.refreshed_at) > rested)
    # Their ids are in the order of their begin.
    return await found(connection, AdminSessionRow, *_of(admin_id), *goes_on, order=[col(AdminSessionRow.id).desc()])


async def end_session(connection: Connection, admin_id: str, session_id: str) -> bool:
    """End one of an admin's sessions; says whether there was one that went on."""
    this = col(AdminSessionRow.id) == session_id
    return bool(await changed(connection, AdminSessionRow, *_of(admin_id), this, revoked_at=func.now()))


async def end_sessions(connection: Connection, admin_id: str, *, but: str | None = None) -> None:
    """End every session of an admin, or every other one."""
    others = [] if but is None else [col(AdminSessionRow.id) != but]
    await changed(connection, AdminSessionRow, *_of(admin_id), *others, revoked_at=func.now())


def _of(admin_id: str) -> tuple[Which, Which]:
    return col(AdminSessionRow.admin_id) == admin_id, col(AdminSessionRow.revoked_at).is_(None)


async def sign_ins(connection: Connection, admin_id: str, limit: int, before: int | None) -> list[AuditRow]:
    """Read from the audit log how an admin signed in, or didn't, before an event, the newest first."""
    number = col(AuditRow.id)
    which = [col(AuditRow.action).in_((SIGNED_IN, REFUSED)), col(AuditRow.detail)["admin"].astext == admin_id]
    earlier = [] if before is None else [number < before]
    return await found(connection, AuditRow, *which, *earlier, order=[number.desc()], limit=limit)
