"""What a link or a code that was used puts in force: an address, a password and data, a session, another address."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.audit.writing import audit
from app.auth.access_claims import shown_email
from app.auth.accounts import change_address, set_columns
from app.auth.anonymous_users import given_address
from app.auth.mails import Mailer
from app.auth.one_time import LinkInvalid, OneTime, hold_person
from app.auth.password_sign_in import AccountDisabled
from app.auth.sessions import OpenedSession, end_sessions, open_session
from app.auth.sign_up_hooks import SignUpHooks
from app.database.connection import Connection
from app.definitions.auth import SessionsDef
from app.definitions.columns import UserColumnDef

_HOLD = """
SELECT email_confirmed_at IS NOT NULL AS confirmed, disabled_at IS NOT NULL AS disabled FROM rowgate.accounts
WHERE user_id = $1 FOR NO KEY UPDATE
"""
_CONFIRM = """
UPDATE rowgate.accounts SET email_confirmed_at = coalesce(email_confirmed_at, now()), password_hash = $2,
    password_changed_at = CASE WHEN $2::text IS NOT NULL THEN now() END
WHERE user_id = $1
"""
# What somebody may have given an account before its address was confirmed: a link to another address, too.
_GIVEN_BEFORE = (
    "DELETE FROM rowgate.factors WHERE user_id = $1",
    "DELETE FROM rowgate.recovery_codes WHERE user_id = $1",
    "DELETE FROM rowgate.passkeys WHERE user_id = $1",
    "DELETE FROM rowgate.passkey_challenges WHERE user_id = $1",
    "DELETE FROM rowgate.identities WHERE user_id = $1",
    "DELETE FROM rowgate.sign_in_flows WHERE user_id = $1",
    "DELETE FROM rowgate.one_time_tokens WHERE user_id = $1 AND kind IN ('confirmation', 'email_change')",
)
# What a session by a link says it was opened by, in the words of GoTrue.
_METHODS: Mapping[str, str] = {
    "recovery": "recovery", "invite": "invite", "magic_link": "magiclink", "confirmation": "email/signup",
    "email_change": "email_change",
}  # fmt: skip
_BY_CODE = {"confirmation", "magic_link", "email_change"}  # whose code is an `otp`; that of a recovery is a recovery
# Of one half there may be several mails; whichever is used, the others of it are of no use.
_OTHER_HALF = """
WITH copies AS (DELETE FROM rowgate.one_time_tokens
    WHERE user_id = $1 AND kind = 'email_change' AND new_email = $2 AND email = $3)
UPDATE rowgate.one_time_tokens SET columns = '{"confirmed": true}'
WHERE user_id = $1 AND kind = 'email_change' AND new_email = $2 AND email <> $3 AND expires_at > now() RETURNING id
"""


async def confirm(
    connection: Connection,
    of: OneTime,
    columns: Sequence[UserColumnDef],
    given: Mapping[str, Any] | None,
    *,
    with_session: bool,
) -> None:
    """Confirm the address that a link or a code was sent to, inside a transaction that holds the account.

    Its own attempt puts its password and data (`given`) in force; any other way has none, and drops what was given
    before it: a stranger may have given it. None leaves the data as it is. Raises AccountDisabled, or LinkInvalid
    where the account is gone.
    """
    user_id = str(of.user_id)
    await hold_person(connection, user_id)
    row = await connection.fetchrow(_HOLD, user_id)
    if row is None:
        raise LinkInvalid
    if row["disabled"] and with_session:
        raise AccountDisabled
    if row["confirmed"]:
        return
    if given is not None:
        await _reset(connection, user_id, columns)
        await set_columns(connection, user_id, given)
    await end_sessions(connection, user_id=user_id)
    for gone in _GIVEN_BEFORE:
        await connection.execute(gone, user_id)
    await connection.execute(_CONFIRM, user_id, of.password_hash)
    await audit(connection, f"user:{user_id}", "user.confirmed", user_id, {"by": of.kind})


async def _reset(connection: Connection, user_id: str, columns: Sequence[UserColumnDef]) -> None:
    """Give what a person may set its default; what is required and has none stays."""
    names = [one.name for one in columns if one.self_editable and not (one.required and one.default is None)]
    if names:
        settings = ", ".join(f'"{name}" = DEFAULT' for name in names)
        await connection.execute(f"UPDATE data.users SET {settings} WHERE id = $1", user_id)


async def session_by(
    connection: Connection, of: OneTime, user_agent: str | None, ip: str, said: SessionsDef
) -> OpenedSession:
    """Open the session that a link or a code gives; that of a recovery ends all others."""
    user_id = str(of.user_id)
    if of.kind == "recovery":
        await end_sessions(connection, user_id=user_id)
    method = "otp" if of.by_code and of.kind in _BY_CODE else _METHODS[of.kind]
    opened = await open_session(connection, user_id, user_agent, ip, said, method=method)
    await audit(connection, f"user:{user_id}", "sign_in", None, {"by": of.kind})
    return opened


async def change_email(connection: Connection, hooks: SignUpHooks, mailer: Mailer, of: OneTime) -> bool:
    """Take one half of a change of address, inside a transaction; says whether the address is another one now.

    Raises AccountDisabled, LinkInvalid where the other half is there no more, SignUpRefused or EmailTaken.
    """
    user_id, new_email = str(of.user_id), str(of.new_email)
    row = await connection.fetchrow(_HOLD, user_id)
    if row is not None and row["disabled"]:
        raise AccountDisabled
    if not (of.columns or {}).get("confirmed"):
        if await connection.fetchval(_OTHER_HALF, user_id, new_email, of.email) is None:
            raise LinkInvalid
        return False
    before = await address_of(connection, user_id)
    await change_address(connection, hooks, user_id, new_email, {})
    await connection.execute("UPDATE rowgate.accounts SET email_confirmed_at = now() WHERE user_id = $1", user_id)
    await tell_changed(connection, mailer, user_id, before, new_email)
    await audit(connection, f"user:{user_id}", "user.change", user_id, {"changed": ["email"]})
    return True


async def address_of(connection: Connection, user_id: str) -> str:
    """Give the address of a person, held until the transaction ends; empty where there is none."""
    found = await connection.fetchval("SELECT email FROM data.users WHERE id = $1 FOR NO KEY UPDATE", user_id)
    return shown_email(found)


async def tell_changed(connection: Connection, mailer: Mailer, user_id: str, before: str, new_email: str) -> None:
    """Tell the address of before that it is another one; who had none has signed up with that."""
    if before:
        await mailer.notify(connection, "email_changed", before, new_email=new_email)
    else:
        await given_address(connection, user_id)
