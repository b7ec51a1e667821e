"""Signing in with a password, in three parts: what is stored, whether it matches, and the session that this opens."""

from dataclasses import dataclass, field
from typing import ClassVar

from app.audit.writing import audit
from app.auth.accounts import EmailInvalid, normal_email
from app.auth.passwords import Passwords
from app.auth.sessions import OpenedSession, open_session
from app.database.connection import Connection
from app.database.pool import Pool
from app.definitions.auth import SessionsDef
from app.errors import RowgateError
from app.http.challenge import challenge

_STORED = """
SELECT u.id, a.password_hash, a.email_confirmed_at IS NOT NULL AS confirmed, a.disabled_at IS NOT NULL AS disabled
FROM data.users u JOIN rowgate.accounts a ON a.user_id = u.id WHERE lower(u.email) = lower($1)
"""


class SignInRefused(RowgateError):
    """The address or the password is wrong: which of them, nobody is told."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "auth.credentials_invalid"

    def __init__(self) -> None:
        """Say one sentence for every cause."""
        super().__init__("The email address or the password is wrong.", headers=challenge())


class EmailNotConfirmed(RowgateError):
    """The right password, and an address that nobody has confirmed."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "auth.email_not_confirmed"


class AccountDisabled(RowgateError):
    """The right password of an account that was disabled."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "auth.account_disabled"

    def __init__(self) -> None:
        """Say so."""
        super().__init__("This account is disabled.")


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """What is known of an account that somebody wants to sign in to."""

    user_id: str
    password_hash: str | None = field(repr=False)
    confirmed: bool
    disabled: bool


@dataclass(frozen=True, slots=True)
class VerifiedPassword:
    """An account whose password was given; `renewed` is its hash at today's cost where the stored one is of less."""

    stored: StoredAccount
    renewed: str | None = field(default=None, repr=False)


async def stored_account(connection: Connection, email: str) -> StoredAccount | None:
    """Find the account of an address; None for an unknown one, and for what is no address."""
    try:
        address = normal_email(email)
    except EmailInvalid:
        address = ""  # asked for all the same, so that time tells nothing
    row = await connection.fetchrow(_STORED, address)
    return None if row is None else StoredAccount(row["id"], row["password_hash"], row["confirmed"], row["disabled"])


async def verify(passwords: Passwords, stored: StoredAccount | None, password: str) -> VerifiedPassword:
    """Check a password; holds no connection, since hashing takes long.

    Raises SignInRefused (after the same work for an unknown address as for a wrong password), and only for the right
    password AccountDisabled or EmailNotConfirmed.
    """
    checked = await passwords.verify(password, None if stored is None else stored.password_hash)
    if stored is None or not checked.matches:
        raise SignInRefused
    if stored.disabled:
        raise AccountDisabled
    if not stored.confirmed:
        raise EmailNotConfirmed("The email address has not been confirmed.")
    return VerifiedPassword(stored, await passwords.hash(password) if checked.needs_rehash else None)


async def verify_noted(
    pool: Pool, passwords: Passwords, stored: StoredAccount | None, password: str, ip: str
) -> VerifiedPassword:
    """Check a password as `verify` does, and have a refusal in the audit log.

    In a transaction of its own: that of a request is rolled back, and this is to be known. The right password of an
    account that can't be signed in to names it.
    """
    try:
        return await verify(passwords, stored, password)
    except (SignInRefused, AccountDisabled, EmailNotConfirmed) as refusal:
        named = None if stored is None or isinstance(refusal, SignInRefused) else stored.user_id
        async with pool.lease() as connection:
            await audit(connection, "anonymous", "sign_in.refused", named, {"ip": ip})
        raise


async def begin(
    connection: Connection, verified: VerifiedPassword, user_agent: str | None, ip: str, said: SessionsDef
) -> OpenedSession:
    """Open the session, inside a transaction; raises SignInRefused where the password was changed meanwhile.

    The account's row stays locked until the end, so a change of the password or a disabling comes before or after.
    """
    stored = verified.stored
    held = await connection.fetchval(
        "SELECT user_id FROM rowgate.accounts"
        " WHERE user_id = $1 AND password_hash = $2 AND disabled_at IS NULL FOR NO KEY UPDATE",
        stored.user_id,
        stored.password_hash,
    )
    if held is None:
        raise SignInRefused
    if verified.renewed is not None:
        await connection.execute(
            "UPDATE rowgate.accounts SET password_hash = $2 WHERE user_id = $1", stored.user_id, verified.renewed
        )
    return await open_session(connection, stored.user_id, user_agent, ip, said)
