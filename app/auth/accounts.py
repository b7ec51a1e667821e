"""Accounts: making, reading and changing them, each on a connection and so in its transaction."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

import asyncpg

from app.auth.access_claims import PROVIDER, shown_email
from app.auth.passwords import Passwords, check_new_password
from app.auth.sign_up_hooks import LetIn, SignUpHooks, SignUpRefused, let_in
from app.database.connection import Connection
from app.errors import FieldError, RowgateError

MAX_EMAIL = 320  # characters
_ACCOUNT = """
SELECT u.*, a.password_hash AS rowgate_hash, a.email_confirmed_at AS rowgate_confirmed,
    a.last_sign_in_at AS rowgate_signed_in, a.disabled_at AS rowgate_disabled,
    w.new_email AS rowgate_new_email, w.invited_at AS rowgate_invited,
    a.password_hash IS NOT NULL AS rowgate_password,
    (SELECT coalesce(json_agg(i ORDER BY i.id), '[]')::text FROM rowgate.identities i WHERE i.user_id = u.id)
        AS rowgate_identities,
    ARRAY(SELECT r.role FROM rowgate.user_roles r WHERE r.user_id = u.id ORDER BY r.role) AS rowgate_roles,
    (SELECT coalesce(json_agg(json_build_object('id', f.id, 'friendly_name', f.name, 'factor_type', f.kind,
        'status', CASE WHEN f.verified_at IS NULL THEN 'unverified' ELSE 'verified' END, 'created_at', f.created_at,
        'updated_at', f.updated_at) ORDER BY f.id), '[]')::text
        FROM rowgate.factors f WHERE f.user_id = u.id) AS rowgate_factors
FROM data.users u LEFT JOIN rowgate.accounts a ON a.user_id = u.id CROSS JOIN LATERAL (
    SELECT max(t.new_email) FILTER (WHERE t.kind = 'email_change') AS new_email,
        max(t.created_at) FILTER (WHERE t.kind = 'invite') AS invited_at
    FROM rowgate.one_time_tokens t WHERE t.user_id = u.id AND t.expires_at > now()) w
"""
_THERE = """
SELECT u.id, a.user_id IS NOT NULL AND a.email_confirmed_at IS NULL AS waits
FROM data.users u LEFT JOIN rowgate.accounts a ON a.user_id = u.id WHERE lower(u.email) = lower($1)
"""
_WAYS_IN = """
SELECT u.email, a.password_hash IS NOT NULL AS has_password,
    ARRAY(SELECT i.provider FROM rowgate.identities i WHERE i.user_id = u.id ORDER BY i.id) AS identities
FROM data.users u LEFT JOIN rowgate.accounts a ON a.user_id = u.id WHERE u.id = $1
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


class EmailChangeRefused(RowgateError):
    """The address is one that was confirmed, and another one would have to be."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.email_change_refused"

    def __init__(self) -> None:
        """Say who can."""
        sentence = "The address can't be changed here, since a new one has to be confirmed."
        super().__init__(sentence, hint="Ask an admin.")


class JoinedAccount(NamedTuple):
    """What a sign-up has come to: the account that it looks like, and who has the address now."""

    looks: "Account"
    user_id: str
    is_new: bool
    waits: bool
    """Whether the address has to be confirmed yet."""


class Linked(NamedTuple):
    """Who a person is at a provider."""

    id: str
    provider: str
    subject: str
    email: str | None
    created_at: datetime
    last_sign_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class Account:
    """A person with the columns of `users`, and what is known of the account."""

    id: str
    email: str | None
    columns: Mapping[str, Any]
    roles: tuple[str, ...]
    created_at: datetime
    confirmed_at: datetime | None
    signed_in_at: datetime | None
    disabled: bool
    identities: tuple[Linked, ...] = ()
    has_password: bool = True
    factors: tuple[Mapping[str, Any], ...] = ()
    new_email: str | None = None
    invited_at: datetime | None = None
    """Since when an invitation waits to be taken."""

    @property
    def providers(self) -> list[str]:
        """Name the ways in: the address first, where that is one."""
        return _ways(self.email, [one.provider for one in self.identities], has_password=self.has_password)

    @property
    def by_address(self) -> bool:
        """Say whether somebody signs in by the address here."""
        return _is_by_address(self.email, self.identities, has_password=self.has_password)


def _ways(email: str | None, identities: Sequence[str], *, has_password: bool) -> list[str]:
    own = [PROVIDER] if _is_by_address(email, identities, has_password=has_password) else []
    return [*own, *dict.fromkeys(identities)] or [PROVIDER]


def _is_by_address(email: str | None, identities: Sequence[object], *, has_password: bool) -> bool:
    return shown_email(email) != "" and (has_password or not identities)


def normal_email(text: str) -> str:
    """Give the one form of an address: trimmed, compatibility forms resolved, small letters; raises EmailInvalid."""
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - not with what only checks

    plain = unicodedata.normalize("NFKC", text).strip().lower() if len(text) <= MAX_EMAIL else ""
    try:
        # The domain `test` is there to be used in tests (RFC 2606); no mail can ever go there.
        found = validate_email(plain, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise EmailInvalid from None
    return str(found.normalized).lower()


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
        tuple(_linked(one) for one in json.loads(row["rowgate_identities"])),
        row["rowgate_password"],
        tuple(json.loads(row["rowgate_factors"])),
        row["rowgate_new_email"],
        row["rowgate_invited"],
    )


def _linked(row: Mapping[str, Any]) -> Linked:
    said, last = row["last_sign_in_at"], datetime.fromisoformat
    return Linked(
        row["id"], row["provider"], row["subject"], row["email"], last(row["created_at"]), last(said) if said else None
    )


async def id_of_address(connection: Connection, email: str) -> str | None:
    """Give who has an address here; None where nobody has."""
    found: str | None = await connection.fetchval("SELECT id FROM data.users WHERE lower(email) = lower($1)", email)
    return found


async def account(connection: Connection, user_id: str) -> Account | None:
    """Read one account."""
    row = await _row(connection, f"{_ACCOUNT} WHERE u.id = $1", user_id)
    return None if row is None else _account(row)


async def roles_of(connection: Connection, user_id: str) -> list[str]:
    """Read the roles of a person."""
    rows = await connection.fetch("SELECT role FROM rowgate.user_roles WHERE user_id = $1 ORDER BY role", user_id)
    return [row["role"] for row in rows]


async def ways_in(connection: Connection, user_id: str) -> list[str]:
    """Name the ways in of a person, as `Account.providers` does."""
    row = await connection.fetchrow(_WAYS_IN, user_id)
    return _ways(row["email"], row["identities"], has_password=row["has_password"])


async def accounts(connection: Connection, email: str | None, limit: int, offset: int) -> list[Account]:
    """Read accounts, the newest first; with an address the one that has it."""
    where, parameters = ("WHERE lower(u.email) = lower($3)", [email]) if email is not None else ("", [])
    rows = await connection.fetch(
        f"{_ACCOUNT} {where} ORDER BY u.id DESC LIMIT $1 OFFSET $2", limit, offset, *parameters
    )
    return [_account(row) for row in rows]


async def authority_version(connection: Connection, user_id: str) -> int:
    """Read the version that every change to a person raises; 0 where there never was one."""
    found: int | None = await connection.fetchval(
        "SELECT version FROM rowgate.authority WHERE subject_id = $1", user_id
    )
    return found or 0


async def new_credentials(passwords: Passwords, email: str, password: str, least: int = 0) -> tuple[str, str]:
    """Give the normal address and the password's hash; no connection is held while it is made.

    `least` is that of `check_new_password`.
    """
    address = normal_email(email)
    check_new_password(password, about=[address], least=least)
    return address, await passwords.hash(password)


async def create_user(
    connection: Connection, who: LetIn, password_hash: str | None, columns: Mapping[str, Any], *, confirmed: bool
) -> str:
    """Insert the rows of a person, inside a transaction, and do what the document wants done then.

    Raises EmailTaken or SignUpRefused. The address is missing where an issuer gives none.
    """
    names = ", ".join(['"email"', *(f'"{name}"' for name in columns)])
    holders = ", ".join(f"${index + 1}" for index in range(len(columns) + 1))
    try:
        user_id = await connection.fetchval(
            f"INSERT INTO data.users ({names}) VALUES ({holders}) RETURNING id", who.stored, *columns.values()
        )
    except asyncpg.UniqueViolationError as error:
        raise _taken(error) from None
    await connection.execute(
        "INSERT INTO rowgate.accounts (user_id, password_hash, password_changed_at, email_confirmed_at)"
        " VALUES ($1, $2, now(), CASE WHEN $3 THEN now() END)",
        user_id,
        password_hash,
        confirmed,
    )
    await who.hooks.after(connection, str(user_id), who.email)
    return str(user_id)


async def join(
    connection: Connection, who: LetIn, password_hash: str | None, columns: Mapping[str, Any]
) -> JoinedAccount:
    """Make an account whose address its own mail has to confirm, inside a transaction, and tell how it looks.

    Beside one that has the address the same account is made, looked at and undone: by what is done, what is answered
    and what is refused, nobody learns whether there is one. Of two at once one is made. Raises SignUpRefused.
    """
    there = await connection.fetchrow(_THERE, who.email)
    made = None
    try:
        with suppress(_Undone):
            async with connection.transaction():
                asked = who if there is None else who.tried_out
                user_id = await create_user(connection, asked, password_hash, columns, confirmed=False)
                made = await account(connection, user_id)
                if there is not None:
                    raise _Undone
    except EmailTaken:  # since it was looked for
        return await join(connection, who, password_hash, columns)
    if made is None:
        raise SignUpRefused("The account was deleted while it was made.")
    looks = replace(made, email=who.email, columns={**made.columns, "email": who.email})
    if there is None:
        return JoinedAccount(looks, made.id, is_new=True, waits=True)
    return JoinedAccount(looks, there["id"], is_new=False, waits=there["waits"])


class _Undone(Exception):
    """Ends the transaction of what was only tried out."""


async def readdress(connection: Connection, user_id: str, who: LetIn) -> None:
    """Give a person another address, inside a transaction; what was mailed before opens nothing. Raises EmailTaken."""
    try:
        await connection.execute("UPDATE data.users SET email = $2 WHERE id = $1", user_id, who.stored)
    except asyncpg.UniqueViolationError as error:
        raise _taken(error) from None
    await connection.execute("DELETE FROM rowgate.one_time_tokens WHERE user_id = $1", user_id)


async def change_address(
    connection: Connection, hooks: SignUpHooks, user_id: str, email: str, data: Mapping[str, Any]
) -> None:
    """Give a person an address in its normal form, inside a transaction; one that is there already isn't asked about.

    Raises EmailTaken or SignUpRefused.
    """
    if await connection.fetchval("SELECT lower(email) FROM data.users WHERE id = $1", user_id) != email:
        await readdress(connection, user_id, await let_in(hooks, connection, email, data))


async def set_columns(connection: Connection, user_id: str, columns: Mapping[str, Any]) -> None:
    """Write columns of a person; they have been checked, and their names come from the definitions."""
    if not columns:
        return
    settings = ", ".join(f'"{name}" = ${index + 2}' for index, name in enumerate(columns))
    await connection.execute(f"UPDATE data.users SET {settings} WHERE id = $1", user_id, *columns.values())


def _taken(error: Exception) -> Exception:
    """Give the refusal for an address that is taken, or the error as it is where another column is."""
    if getattr(error, "constraint_name", None) == "users_email":
        return EmailTaken("There is an account with this address.", hint="Sign in instead.")
    return error


async def _row(connection: Connection, sql: str, *parameters: Any) -> object:
    """Read one row of a statement whose columns are those of `users`, which may have changed since it was prepared."""
    try:
        async with connection.transaction():  # inside another one a savepoint, to which a failure goes back
            return await connection.fetchrow(sql, *parameters)
    except asyncpg.InvalidCachedStatementError:
        return await connection.fetchrow(sql, *parameters)
