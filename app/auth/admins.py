"""Admins: those who configure a backend, with accounts, sessions and tokens apart from those of its users."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import asyncpg

from app.audit.writing import audit
from app.auth.accounts import EmailInvalid, normal_email
from app.auth.password_sign_in import SignInRefused
from app.auth.passwords import Passwords, check_new_password
from app.auth.refresh_tokens import Family, Reused, first_token, rotate
from app.database.connection import Connection
from app.errors import RowgateError
from app.http.challenge import ADMINS, challenge

AUDIENCE = "rowgate-admin"
Role = Literal["owner", "editor", "viewer"]
ROLES: tuple[Role, ...] = ("viewer", "editor", "owner")
SESSION_DAYS = 7

_FAMILY = Family(
    "rowgate.admin_sessions",
    "rowgate.admin_refresh_tokens",
    alive="s.revoked_at IS NULL AND s.expires_at > now()"
    " AND EXISTS (SELECT FROM rowgate.admins a WHERE a.id = s.admin_id AND a.disabled_at IS NULL)",
)


class AdminExists(RowgateError):
    """There is an admin with this address, or one at all where the first was to be made."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "admin.exists"


class SetupTokenInvalid(RowgateError):
    """The setup token is wrong or was used."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "admin.setup_token_invalid"

    def __init__(self) -> None:
        """Say where the right one is."""
        wanted = challenge(realm=ADMINS)
        super().__init__("The setup token is not valid.", hint="The server prints it when it starts.", headers=wanted)


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
    connection: Connection, passwords: Passwords, email: str, password: str, role: Role, *, actor: str
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


async def has_admin(connection: Connection) -> bool:
    """Say whether there is an admin at all."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM rowgate.admins)"))


async def set_up(
    connection: Connection, passwords: Passwords, given: str, expected: str, email: str, password: str
) -> str:
    """Make the first admin, an owner, inside a transaction; raises AdminExists or SetupTokenInvalid."""
    if await has_admin(connection):
        raise AdminExists("The first admin has been made.", hint="Sign in at /admin/v1/sign-in.")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
        raise SetupTokenInvalid
    # The lock orders two set-ups at once, so that the second finds the first's admin.
    await connection.execute("LOCK TABLE rowgate.admins IN SHARE ROW EXCLUSIVE MODE")
    if await has_admin(connection):
        raise AdminExists("The first admin has been made.", hint="Sign in at /admin/v1/sign-in.")
    return await create_admin(connection, passwords, email, password, "owner", actor="setup")


@dataclass(frozen=True, slots=True)
class StoredAdmin:
    """What is known of an admin who wants to sign in."""

    id: str
    email: str
    password_hash: str = field(repr=False)
    disabled: bool


async def stored_admin(connection: Connection, email: str) -> StoredAdmin | None:
    """Find the admin of an address; None for an unknown one, and for what is no address."""
    try:
        address = normal_email(email)
    except EmailInvalid:
        address = ""
    row = await connection.fetchrow(
        "SELECT id, email, password_hash, disabled_at IS NOT NULL AS disabled"
        " FROM rowgate.admins WHERE lower(email) = lower($1)",
        address,
    )
    return None if row is None else StoredAdmin(row["id"], row["email"], row["password_hash"], row["disabled"])


async def verify(passwords: Passwords, stored: StoredAdmin | None, password: str) -> StoredAdmin:
    """Check a password, holding no connection; raises SignInRefused for every cause alike."""
    checked = await passwords.verify(password, None if stored is None else stored.password_hash, "admin")
    if stored is None or not checked.matches or stored.disabled:
        raise SignInRefused
    return stored


async def begin(connection: Connection, stored: StoredAdmin, ip: str) -> AdminSession:
    """Open a session, inside a transaction; raises SignInRefused where the account was changed meanwhile."""
    held = await connection.fetchval(
        "SELECT id FROM rowgate.admins WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL FOR NO KEY UPDATE",
        stored.id,
        stored.password_hash,
    )
    if held is None:
        raise SignInRefused
    session_id = await connection.fetchval(
        "INSERT INTO rowgate.admin_sessions (admin_id, expires_at, ip)"
        f" VALUES ($1, now() + interval '{SESSION_DAYS} days', $2) RETURNING id",
        stored.id,
        ip,
    )
    await audit(connection, f"admin:{stored.email}", "admin.sign_in", None)
    return AdminSession(session_id, stored.id, await first_token(connection, _FAMILY, session_id))


async def refresh(connection: Connection, token: str, key: bytes) -> AdminSession | Reused:
    """Go on with an admin's session by its refresh token, inside a transaction of its own; as `rotate` says."""
    rotated = await rotate(connection, _FAMILY, token, key)
    if isinstance(rotated, Reused):
        await audit(connection, "anonymous", "admin.refresh_token_reuse", rotated.session_id)
        return rotated
    admin_id = await connection.fetchval(
        "SELECT admin_id FROM rowgate.admin_sessions WHERE id = $1", rotated.session_id
    )
    return AdminSession(rotated.session_id, admin_id, rotated.token)


async def end_session(connection: Connection, session_id: str) -> None:
    """End one session."""
    await connection.execute(
        "UPDATE rowgate.admin_sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL", session_id
    )


async def keep_an_owner(connection: Connection) -> None:
    """Raise LastOwner if no owner is left; called in the transaction that takes one away."""
    left = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM rowgate.admins WHERE role = 'owner' AND disabled_at IS NULL)"
    )
    if not left:
        raise LastOwner("This is the last owner.", hint="Make another admin an owner first.")


async def all_admins(connection: Connection) -> list[dict[str, Any]]:
    """List admins."""
    rows = await connection.fetch("SELECT id, email, role, created_at, disabled_at FROM rowgate.admins ORDER BY email")
    return [dict(row) for row in rows]


async def change_admin(
    connection: Connection, admin_id: str, role: Role | None, disabled: bool | None, *, actor: str
) -> dict[str, Any] | None:
    """Change what is said of an admin, inside a transaction; None where there is none, and raises LastOwner."""
    sql = (
        "UPDATE rowgate.admins SET role = coalesce($2, role), disabled_at = CASE"
        " WHEN $3::boolean IS NULL THEN disabled_at WHEN $3 THEN coalesce(disabled_at, now()) END WHERE id = $1"
    )
    return await _changed(connection, "admin.change", actor, sql, (admin_id, role, disabled))


async def delete_admin(connection: Connection, admin_id: str, *, actor: str) -> bool:
    """Delete an admin, inside a transaction; says whether there was one, and raises LastOwner."""
    sql = "DELETE FROM rowgate.admins WHERE id = $1"
    return await _changed(connection, "admin.delete", actor, sql, (admin_id,)) is not None


async def _changed(
    connection: Connection, action: str, actor: str, sql: str, parameters: Sequence[object]
) -> dict[str, Any] | None:
    await connection.execute("LOCK TABLE rowgate.admins IN SHARE ROW EXCLUSIVE MODE")
    row = await connection.fetchrow(f"{sql} RETURNING id, email, role, disabled_at", *parameters)
    if row is None:
        return None
    await keep_an_owner(connection)
    detail = {"role": row["role"], "disabled": row["disabled_at"] is not None}
    await audit(connection, actor, action, row["email"], detail)
    return dict(row)
