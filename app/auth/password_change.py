"""Another password: chosen by who knows the present one, or set by who may; sessions and mailed ways in end."""

from dataclasses import dataclass, field
from typing import ClassVar

from app.auth.accounts import normal_email
from app.auth.failures import Kind, attempt, forgive
from app.auth.one_time import HOLD
from app.auth.passwords import Passwords, check_new_password
from app.database.connection import Connection
from app.database.pool import Pool
from app.errors import RowgateError


class PasswordWrong(RowgateError):
    """The current password, which a change of the password asks for, is missing or wrong."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "auth.password_wrong"

    sentence: ClassVar[str] = "The current password is wrong."

    def __init__(self) -> None:
        """Say how it is sent."""
        super().__init__(self.sentence, hint="Send it as current_password.")


class PasswordMissing(PasswordWrong):
    """The current password wasn't sent."""

    sentence: ClassVar[str] = "A change of the password needs the current one."


class NonceInvalid(RowgateError):
    """The code that a change of the password came with is wrong, was used, or its time is over."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.nonce_invalid"

    def __init__(self) -> None:
        """Say how another one is had."""
        super().__init__("The nonce is wrong, or its time is over.", hint="Ask for another one: /reauthenticate.")


@dataclass(frozen=True, slots=True)
class _Where:
    """How one kind of people, and what changes with their password, are found: by an address, else by an id, as $1."""

    find: str
    read: str
    hold: str
    replace: str
    end_sessions: str
    end_mailed: str


_ENDED = "UPDATE {} SET revoked_at = now() WHERE revoked_at IS NULL AND {} = $1 AND ($2::uuid IS NULL OR id <> $2)"
_WHERE: dict[Kind, _Where] = {
    "user": _Where(
        "SELECT id FROM data.users WHERE lower(email) = lower($1)",
        "SELECT u.email, a.password_hash FROM data.users u LEFT JOIN rowgate.accounts a ON a.user_id = u.id"
        " WHERE u.id = $1",
        HOLD,
        "INSERT INTO rowgate.accounts AS a (user_id, password_hash, password_changed_at)"
        " SELECT id, $2, now() FROM data.users WHERE id = $1"
        " ON CONFLICT (user_id) DO UPDATE SET password_hash = $2, password_changed_at = now()"
        " WHERE $4 OR a.password_hash IS NOT DISTINCT FROM $3 RETURNING user_id",
        _ENDED.format("rowgate.sessions", "user_id"),
        "DELETE FROM rowgate.one_time_tokens"
        " WHERE user_id = $1 AND kind IN ('magic_link', 'recovery', 'invite', 'email_change')",
    ),
    "admin": _Where(
        "SELECT id FROM rowgate.admins WHERE lower(email) = lower($1)",
        "SELECT email, password_hash FROM rowgate.admins WHERE id = $1",
        "SELECT FROM rowgate.admins WHERE id = $1 FOR NO KEY UPDATE",
        "UPDATE rowgate.admins SET password_hash = $2 WHERE id = $1 AND ($4 OR password_hash = $3) RETURNING id",
        _ENDED.format("rowgate.admin_sessions", "admin_id"),
        "DELETE FROM rowgate.admin_links WHERE admin_id = $1",
    ),
}


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody whose password is to change, and its hash as it was read; None where there is no password yet."""

    kind: Kind
    id: str
    email: str
    password_hash: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewPassword:
    """The hash of a password that may take the place of the holder's."""

    holder: Holder
    digest: str = field(repr=False)


async def holder(connection: Connection, kind: Kind, person_id: str) -> Holder | None:
    """Read whose password is to change; None where there is nobody."""
    row = await connection.fetchrow(_WHERE[kind].read, person_id)
    return None if row is None else Holder(kind, person_id, row["email"] or "", row["password_hash"])


async def holder_of(connection: Connection, kind: Kind, email: str) -> Holder | None:
    """Find whose password is to change by the address; raises EmailInvalid."""
    person_id = await connection.fetchval(_WHERE[kind].find, normal_email(email))
    return None if person_id is None else await holder(connection, kind, person_id)


async def chosen(
    pool: Pool, passwords: Passwords, of: Holder, current: str, new: str, address: str, *, least: int = 0
) -> NewPassword:
    """Check the present password and hash the one that its owner chose; holds no connection while it does.

    Raises PasswordWrong, PasswordRefused or TooManyFailures.
    """
    await hold_present(pool, passwords, of, current, address)
    return await given(passwords, of, new, least)


async def hold_present(pool: Pool, passwords: Passwords, of: Holder, current: str, address: str) -> None:
    """Raise PasswordWrong unless it is the present password, or TooManyFailures; holds no connection while it hashes.

    A wrong one counts as in a sign-in, so that a stolen session is no way to guess it.
    """
    async with attempt(pool, of.kind, of.email, address).counting(PasswordWrong):
        if not (await passwords.verify(current, of.password_hash, of.kind)).matches:
            raise PasswordWrong


async def given(passwords: Passwords, of: Holder, new: str, least: int = 0) -> NewPassword:
    """Hash a password that somebody gives who may; raises PasswordRefused."""
    check_new_password(new, of.kind, about=[of.email], least=least)
    return NewPassword(of, await passwords.hash(new, of.kind))


async def replace_password(connection: Connection, new: NewPassword, *, keep: str | None) -> None:
    """Store another password and end every session but one, and mailed ways in, inside a transaction.

    Raises PasswordWrong where the password isn't the one of before any more: of two changes at once, one counts.
    """
    if not await _store(connection, new, keep, over_any=False):
        raise PasswordWrong


async def set_password(connection: Connection, new: NewPassword) -> bool:
    """Store another password over whatever there is, and end every session and mailed way in, inside a transaction.

    Says whether the person is still there.
    """
    return await _store(connection, new, None, over_any=True)


async def _store(connection: Connection, new: NewPassword, keep: str | None, *, over_any: bool) -> bool:
    of, where = new.holder, _WHERE[new.holder.kind]
    await connection.execute(where.hold, of.id)
    if await connection.fetchval(where.replace, of.id, new.digest, of.password_hash, over_any) is None:
        return False
    await connection.execute(where.end_sessions, of.id, keep)
    await connection.execute(where.end_mailed, of.id)
    await forgive(connection, of.kind, of.email)
    return True
