"""Admins: those who configure a backend, with accounts apart from those of its users."""

import hmac
from typing import Any, ClassVar

import asyncpg
from sqlalchemy import func
from sqlmodel import col

from app.audit.writing import audit
from app.auth.accounts import EmailInvalid, normal_email
from app.auth.admin_access import Role, has_admin, role_of
from app.auth.admin_links import INVITE, revoke_invites_by, spend
from app.auth.password_sign_in import SignInRefused
from app.auth.passwords import Passwords, check_new_password
from app.database.connection import Connection
from app.errors import RowgateError
from app.http.challenge import ADMINS, challenge
from app.store.admin_rows import AdminFactorRow
from app.store.by_model import Which, added, changed, first, found, removed
from app.store.people_rows import AdminRow


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


async def create_admin(
    connection: Connection, passwords: Passwords, email: str, password: str, role: Role, *, actor: str
) -> AdminRow:
    """Make an admin; raises AdminExists, EmailInvalid or PasswordRefused."""
    address, digest = await new_credentials(passwords, email, password)
    return await add_admin(connection, address, digest, role, actor=actor)


async def new_credentials(passwords: Passwords, email: str, password: str) -> tuple[str, str]:
    """Give the normal address and the password's hash; raises EmailInvalid or PasswordRefused."""
    address = normal_email(email)
    check_new_password(password, "admin", about=[address])
    return address, await passwords.hash(password, "admin")


async def add_admin(connection: Connection, address: str, digest: str, role: Role, *, actor: str) -> AdminRow:
    """Make an admin of new credentials; raises AdminExists."""
    try:
        made = await added(connection, AdminRow, email=address, role=role, password_hash=digest)
    except asyncpg.UniqueViolationError:
        raise AdminExists("There is an admin with this address.") from None
    await audit(connection, actor, "admin.create", address, {"role": role})
    return made


async def refuse_known(connection: Connection, email: str) -> str:
    """Give the normal form of an address that no admin has; raises AdminExists or EmailInvalid."""
    address = normal_email(email)
    if await stored_admin(connection, address) is not None:
        raise AdminExists("There is an admin with this address.")
    return address


async def take_up(connection: Connection, passwords: Passwords, token: str, password: str) -> AdminRow:
    """Make the admin whom an invitation is for, inside a transaction.

    Raises LinkInvalid, PasswordRefused, or AdminExists where the address has become one's meanwhile.
    """
    invited = await spend(connection, INVITE, token)
    actor = f"admin:{invited.email}"
    return await create_admin(connection, passwords, invited.email, password, role_of(str(invited.role)), actor=actor)


async def set_up(
    connection: Connection, passwords: Passwords, given: str, expected: str, email: str, password: str
) -> AdminRow:
    """Make the first admin, an owner, inside a transaction; raises AdminExists or SetupTokenInvalid."""
    if await has_admin(connection):
        raise AdminExists("The first admin has been made.", hint="Sign in at /admin/v1/sign-in.")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
        raise SetupTokenInvalid
    await _alone(connection)  # so that the second of two set-ups at once finds the first's admin
    if await has_admin(connection):
        raise AdminExists("The first admin has been made.", hint="Sign in at /admin/v1/sign-in.")
    return await create_admin(connection, passwords, email, password, "owner", actor="setup")


async def stored_admin(connection: Connection, email: str) -> AdminRow | None:
    """Find the admin of an address; None for an unknown one, and for what is no address."""
    try:
        address = normal_email(email)
    except EmailInvalid:
        address = ""
    return await first(connection, AdminRow, func.lower(AdminRow.email) == address)


async def held_by_address(connection: Connection, address: str) -> AdminRow | None:
    """Read the admin of an address who isn't disabled, whom nobody else changes until the transaction ends."""
    return await first(connection, AdminRow, func.lower(AdminRow.email) == address, _enabled(), hold=True)


async def admin_by_id(connection: Connection, admin_id: str, *, hold: bool = False) -> AdminRow | None:
    """Read an admin; None where there is none, and with `hold` nobody else changes one until the transaction ends."""
    return await first(connection, AdminRow, _is(admin_id), hold=hold)


async def factors_of(connection: Connection, admin_id: str) -> list[AdminFactorRow]:
    """List an admin's second factors, the oldest first."""
    whose = col(AdminFactorRow.admin_id) == admin_id
    return await found(connection, AdminFactorRow, whose, order=[col(AdminFactorRow.id)])


async def with_factor(connection: Connection) -> set[str]:
    """Give the ids of the admins who have a second factor in force."""
    in_force = await found(connection, AdminFactorRow, col(AdminFactorRow.verified_at).is_not(None))
    return {one.admin_id for one in in_force}


async def verify(passwords: Passwords, stored: AdminRow | None, password: str) -> AdminRow:
    """Check a password, holding no connection; raises SignInRefused for every cause alike."""
    checked = await passwords.verify(password, None if stored is None else stored.password_hash, "admin")
    if stored is None or not checked.matches or stored.disabled_at is not None:
        raise SignInRefused
    return stored


async def all_admins(connection: Connection) -> list[AdminRow]:
    """List admins."""
    return await found(connection, AdminRow, order=[col(AdminRow.email)])


async def change_admin(
    connection: Connection, admin_id: str, role: Role | None, disabled: bool | None, *, actor: str
) -> AdminRow | None:
    """Change what is said of an admin, inside a transaction; None where there is none, and raises LastOwner."""
    values: dict[str, Any] = {} if role is None else {"role": role}
    if disabled is not None:
        values["disabled_at"] = func.coalesce(AdminRow.disabled_at, func.now()) if disabled else None
    await _alone(connection)
    return await _changed(
        connection, "admin.change", actor, await changed(connection, AdminRow, _is(admin_id), **values)
    )


async def delete_admin(connection: Connection, admin_id: str, *, actor: str) -> AdminRow | None:
    """Delete an admin, inside a transaction; None where there is none, and raises LastOwner."""
    await _alone(connection)
    return await _changed(connection, "admin.delete", actor, await removed(connection, AdminRow, _is(admin_id)))


async def _changed(connection: Connection, action: str, actor: str, rows: list[AdminRow]) -> AdminRow | None:
    for row in rows:
        if await first(connection, AdminRow, col(AdminRow.role) == "owner", _enabled()) is None:
            raise LastOwner("This is the last owner.", hint="Make another admin an owner first.")
        if await first(connection, AdminRow, _is(row.id), col(AdminRow.role) == "owner", _enabled()) is None:
            await revoke_invites_by(connection, f"admin:{row.email}")
        detail = {"role": row.role, "disabled": row.disabled_at is not None}
        await audit(connection, actor, action, row.email, detail)
        return row
    return None


async def _alone(connection: Connection) -> None:
    """Let nobody else change an admin until the transaction ends."""
    await connection.execute("LOCK TABLE rowgate.admins IN SHARE ROW EXCLUSIVE MODE")


def _is(admin_id: str) -> Which:
    return col(AdminRow.id) == admin_id


def _enabled() -> Which:
    return col(AdminRow.disabled_at).is_(None)
