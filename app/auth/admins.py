"""Admins: those who configure a backend, with accounts, sessions and tokens apart from those of its users."""

import hmac
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import asyncpg

from app.auth.accounts import SignInRefused, normal_email
from app.auth.audit import audit
from app.auth.passwords import Passwords, check_new_password
from app.auth.sessions import RefreshTokenInvalid, new_refresh_token, refresh_token_digest
from app.errors import RowgateError

AUDIENCE = "rowgate-admin"
Role = Literal["owner", "editor", "viewer"]
ROLES: tuple[Role, ...] = ("viewer", "editor", "owner")
SESSION_DAYS = 7


class AdminExists(RowgateError):
    """There is an admin with this address, or one at all where the first was to be made."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "admin.exists"


class SetupTokenInvalid(RowgateError):
    """The setup token is wrong or was used."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "admin.setup_token_invalid"


class LastOwner(RowgateError):
    """Without an owner nobody could make another admin."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "admin.last_owner"


@dataclass(frozen=True, slots=True)
class AdminSession:
    """A session of an admin and its refresh token."""

    id: str
    admin_id: str
    refresh_token: str = field(repr=False)


async def create_admin(
    connection: Any, passwords: Passwords, email: str, password: str, role: Role, *, actor: str
) -> str:
    """Make an admin and give the id; raises AdminExists, EmailInvalid or PasswordRefused."""
    address = normal_email(email)
    check_new_password(password, "admin", about=[address])
    digest = await passwords.hash(password, "admin")
    try:
        admin_id = await connection.fetchval(
            "INSERT INTO rowgate.admins (email, role, password_hash) VALUES ($1, $2, $3) RETURNING id",
            address,
            role,
            digest,
        )
    except asyncpg.UniqueViolationError:
        raise AdminExists("There is an admin with this address.") from None
    await audit(connection, actor, "admin.create", address, {"role": role})
    return str(admin_id)


async def has_admin(connection: Any) -> bool:
    """Say whether there is an admin at all."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM rowgate.admins)"))


async def set_up(connection: Any, passwords: Passwords, given: str, expected: str, email: str, password: str) -> str:
    """Make the first admin, an owner, inside a transaction; raises AdminExists or SetupTokenInvalid."""
    # The lock orders two set-ups at once, so that the second finds the first's admin.
    await connection.execute("LOCK TABLE rowgate.admins IN SHARE ROW EXCLUSIVE MODE")
    if await has_admin(connection):
        raise AdminExists("The first admin has been made.", hint="Sign in at /admin/v1/sign-in.")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
        raise SetupTokenInvalid("The setup token is not valid.", hint="The server prints it when it starts.")
    return await create_admin(connection, passwords, email, password, "owner", actor="setup")


async def sign_in(connection: Any, passwords: Passwords, email: str, password: str) -> AdminSession:
    """Begin a session, inside a transaction; raises SignInRefused for every cause alike."""
    row = await connection.fetchrow(
        "SELECT id, password_hash, disabled_at FROM rowgate.admins WHERE lower(email) = lower($1)", email.strip()
    )
    checked = await passwords.verify(password, None if row is None else row["password_hash"], "admin")
    if row is None or not checked.matches or row["disabled_at"] is not None:
        raise SignInRefused
    made = new_refresh_token()
    session_id = await connection.fetchval(
        "INSERT INTO rowgate.admin_sessions (admin_id, expires_at, refresh_digest)"
        f" VALUES ($1, now() + interval '{SESSION_DAYS} days', $2) RETURNING id",
        row["id"],
        made.digest,
    )
    await audit(connection, f"admin:{email.strip().lower()}", "admin.sign_in", None)
    return AdminSession(session_id, row["id"], made.token)


async def refresh(connection: Any, token: str) -> AdminSession:
    """Rotate an admin's refresh token; raises RefreshTokenInvalid."""
    made = new_refresh_token()
    row = await connection.fetchrow(
        "UPDATE rowgate.admin_sessions s SET refresh_digest = $2 FROM rowgate.admins a"
        " WHERE s.refresh_digest = $1 AND s.revoked_at IS NULL AND s.expires_at > now()"
        " AND a.id = s.admin_id AND a.disabled_at IS NULL RETURNING s.id, s.admin_id",
        refresh_token_digest(token),
        made.digest,
    )
    if row is None:
        raise RefreshTokenInvalid
    return AdminSession(row["id"], row["admin_id"], made.token)


async def keep_an_owner(connection: Any) -> None:
    """Raise LastOwner if no owner is left; called in the transaction that takes one away."""
    left = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM rowgate.admins WHERE role = 'owner' AND disabled_at IS NULL)"
    )
    if not left:
        raise LastOwner("This is the last owner.", hint="Make another admin an owner first.")
