"""Accounts: signing up, signing in, changing one's own, each on a connection and so in its transaction."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import asyncpg
from email_validator import EmailNotValidError, validate_email

from app.auth.audit import audit
from app.auth.passwords import Passwords, check_new_password
from app.errors import FieldError, RowgateError

_ACCOUNT = """
SELECT u.*, a.password_hash AS rowgate_hash, a.email_confirmed_at AS rowgate_confirmed,
    a.last_sign_in_at AS rowgate_signed_in, a.disabled_at AS rowgate_disabled,
    ARRAY(SELECT r.role FROM rowgate.user_roles r WHERE r.user_id = u.id ORDER BY r.role) AS rowgate_roles
FROM data.users u LEFT JOIN rowgate.accounts a ON a.user_id = u.id
"""


class EmailTaken(RowgateError):
    """Somebody signed up with this address before."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.email_taken"


class EmailInvalid(RowgateError):
    """The text is no email address."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.email_invalid"

    def __init__(self) -> None:
        """Name the field."""
        sentence = "An email address is wanted."
        super().__init__(sentence, errors=[FieldError(("body", "email"), self.code, sentence)])


class SignInRefused(RowgateError):
    """The address or the password is wrong: which of them, nobody is told."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "auth.credentials_invalid"

    def __init__(self) -> None:
        """Say one sentence for every cause."""
        super().__init__("The email address or the password is wrong.")


class EmailNotConfirmed(RowgateError):
    """The right password, and an address that nobody has confirmed."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "auth.email_not_confirmed"


class AccountDisabled(RowgateError):
    """The right password of an account that was disabled."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "auth.account_disabled"


class PasswordWrong(RowgateError):
    """The current password, which a change of the password asks for, is missing or wrong."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "auth.password_wrong"


@dataclass(frozen=True, slots=True)
class Account:
    """A person with the columns of `users`, and what is known of the account."""

    id: str
    email: str
    columns: Mapping[str, Any]
    roles: tuple[str, ...]
    created_at: datetime
    confirmed_at: datetime | None
    signed_in_at: datetime | None
    disabled: bool


def normal_email(text: str) -> str:
    """Give the one form of an address: trimmed, compatibility forms resolved, small letters; raises EmailInvalid."""
    plain = unicodedata.normalize("NFKC", text).strip().lower()
    try:
        validate_email(plain, check_deliverability=False)
    except EmailNotValidError:
        raise EmailInvalid from None
    return plain


def _account(row: Any) -> Account:
    columns = {name: value for name, value in row.items() if not name.startswith("rowgate_")}
    return Account(
        row["id"],
        row["email"],
        columns,
        tuple(row["rowgate_roles"]),
        row["created_at"],
        row["rowgate_confirmed"],
        row["rowgate_signed_in"],
        row["rowgate_disabled"] is not None,
    )


async def account(connection: Any, user_id: str) -> Account | None:
    """Read one account."""
    row = await connection.fetchrow(f"{_ACCOUNT} WHERE u.id = $1", user_id)
    return None if row is None else _account(row)


async def sign_up(
    connection: Any, passwords: Passwords, email: str, password: str, columns: Mapping[str, Any], *, confirmed: bool
) -> str:
    """Make a person with an account, and give its id. `columns` have been checked and are the caller's to set.

    Raises EmailInvalid, EmailTaken or PasswordRefused. The work is the same whether or not the address is taken.
    """
    address = normal_email(email)
    check_new_password(password, about=[address])
    digest = await passwords.hash(password)
    return await create_user(connection, address, digest, columns, confirmed=confirmed)


async def create_user(
    connection: Any, email: str, password_hash: str | None, columns: Mapping[str, Any], *, confirmed: bool
) -> str:
    """Insert the rows of a person; raises EmailTaken."""
    names = ", ".join(['"email"', *(f'"{name}"' for name in columns)])
    holders = ", ".join(f"${index + 1}" for index in range(len(columns) + 1))
    try:
        user_id = await connection.fetchval(
            f"INSERT INTO data.users ({names}) VALUES ({holders}) RETURNING id", email, *columns.values()
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "users_email":
            raise
        raise EmailTaken("There is an account with this address.", hint="Sign in instead.") from None
    await connection.execute(
        "INSERT INTO rowgate.accounts (user_id, password_hash, password_changed_at, email_confirmed_at)"
        " VALUES ($1, $2, now(), CASE WHEN $3 THEN now() END)",
        user_id,
        password_hash,
        confirmed,
    )
    return str(user_id)


async def check_password(connection: Any, passwords: Passwords, email: str, password: str) -> Account:
    """Give the account that an address and a password open.

    Raises SignInRefused (after the same work for an unknown address as for a wrong password), and only for the right
    password AccountDisabled or EmailNotConfirmed. A hash of less than today's cost is renewed.
    """
    try:
        address = normal_email(email)
    except EmailInvalid:
        address = ""
    row = await connection.fetchrow(f"{_ACCOUNT} WHERE lower(u.email) = $1", address)
    checked = await passwords.verify(password, None if row is None else row["rowgate_hash"])
    if row is None or not checked.matches:
        await audit(connection, "anonymous", "sign_in.refused", None)
        raise SignInRefused
    if row["rowgate_disabled"] is not None:
        raise AccountDisabled("This account is disabled.")
    if row["rowgate_confirmed"] is None:
        raise EmailNotConfirmed("The email address has not been confirmed.")
    if checked.needs_rehash:
        digest = await passwords.hash(password)
        await connection.execute(
            "UPDATE rowgate.accounts SET password_hash = $2 WHERE user_id = $1 AND password_hash = $3",
            row["id"],
            digest,
            row["rowgate_hash"],
        )
    return _account(row)


async def change_password(
    connection: Any, passwords: Passwords, user_id: str, session_id: str, current: str | None, new: str
) -> None:
    """Set another password and end every other session; raises PasswordWrong or PasswordRefused."""
    row = await connection.fetchrow(f"{_ACCOUNT} WHERE u.id = $1", user_id)
    checked = await passwords.verify(current or "", row["rowgate_hash"])
    if current is None or not checked.matches:
        raise PasswordWrong("The current password is wrong.", hint="Send it as current_password.")
    check_new_password(new, about=[row["email"]])
    await set_password(connection, user_id, await passwords.hash(new), keep=session_id)


async def set_password(connection: Any, user_id: str, digest: str, *, keep: str | None = None) -> None:
    """Store a password's hash and end the sessions, all but one."""
    await connection.execute(
        "INSERT INTO rowgate.accounts (user_id, password_hash, password_changed_at) VALUES ($1, $2, now())"
        " ON CONFLICT (user_id) DO UPDATE SET password_hash = $2, password_changed_at = now()",
        user_id,
        digest,
    )
    await connection.execute(
        "UPDATE rowgate.sessions SET revoked_at = now()"
        " WHERE user_id = $1 AND revoked_at IS NULL AND ($2::uuid IS NULL OR id <> $2)",
        user_id,
        keep,
    )


async def set_columns(connection: Any, user_id: str, columns: Mapping[str, Any]) -> None:
    """Write columns of a person; they have been checked, and their names come from the definitions."""
    if columns:
        settings = ", ".join(f'"{name}" = ${index + 2}' for index, name in enumerate(columns))
        await connection.execute(f"UPDATE data.users SET {settings} WHERE id = $1", user_id, *columns.values())
