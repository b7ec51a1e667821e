"""Users without an address: made by whoever asks, within a bound, and gone once nobody has used them for long."""

from collections.abc import Mapping
from typing import Any, ClassVar

import asyncpg

from app.auth.accounts import create_user
from app.auth.managed_users import delete_user
from app.auth.sign_up_hooks import SignUpHooks, anonymous
from app.database.connection import Connection
from app.definitions.auth import BY_NOTHING, NO_ADDRESS
from app.errors import RowgateError
from app.limits.keys import counted_key
from app.limits.limit import parse_limit

METHOD = BY_NOTHING
FROM_ADDRESS = parse_limit("30/hour")
UNUSED_DAYS = 30
_CLEARED_AT_ONCE = 5
_IN_TURN = "SELECT pg_advisory_xact_lock(1919907684, hashtext($1))"
_MADE = """
SELECT count(*) FROM rowgate.anonymous_users
WHERE address = $1 AND at > statement_timestamp() - $2 * interval '1 second'
"""
_UNUSED = f"""
SELECT a.user_id FROM rowgate.anonymous_users a JOIN data.users u ON u.id = a.user_id
WHERE a.at < now() - interval '{UNUSED_DAYS} days' AND starts_with(u.email, '{NO_ADDRESS}')
    AND NOT EXISTS (SELECT FROM rowgate.sessions s
        WHERE s.user_id = a.user_id AND s.refreshed_at > now() - interval '{UNUSED_DAYS} days')
ORDER BY a.at LIMIT {_CLEARED_AT_ONCE} FOR UPDATE OF a SKIP LOCKED
"""


class AnonymousOff(RowgateError):
    """The document doesn't say `anonymous: true`."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.anonymous_off"

    def __init__(self) -> None:
        """Say what is wanted instead."""
        super().__init__("Nobody signs in here without an address.", hint="Send email and password.")


class TooManyAnonymous(RowgateError):
    """More users without an address than one caller may make."""

    status: ClassVar[int] = 429
    code: ClassVar[str] = "auth.too_many_anonymous"

    def __init__(self) -> None:
        """Say how long to wait at most."""
        wait = {"Retry-After": str(FROM_ADDRESS.period)}
        super().__init__("Too many users without an address.", hint="Wait, then try again.", headers=wait)


async def create_anonymous(connection: Connection, hooks: SignUpHooks, address: str, columns: Mapping[str, Any]) -> str:
    """Make a user without an address, inside a transaction, and clear some away that nobody uses.

    Raises TooManyAnonymous, counted exactly over all instances, or SignUpRefused.
    """
    who = counted_key(address)
    await connection.execute(_IN_TURN, who)
    if await connection.fetchval(_MADE, who, FROM_ADDRESS.period) >= FROM_ADDRESS.amount:
        raise TooManyAnonymous
    user_id = await create_user(connection, anonymous(hooks), None, columns, confirmed=False)
    await connection.execute(
        "INSERT INTO rowgate.anonymous_users (user_id, address, at) VALUES ($1, $2, statement_timestamp())",
        user_id,
        who,
    )
    await _clear(connection)
    return user_id


async def given_address(connection: Connection, user_id: str) -> None:
    """Make an account of a user who has an address now that nobody has to confirm."""
    await connection.execute("DELETE FROM rowgate.anonymous_users WHERE user_id = $1", user_id)
    await connection.execute(
        "UPDATE rowgate.accounts SET email_confirmed_at = coalesce(email_confirmed_at, now()) WHERE user_id = $1",
        user_id,
    )


async def _clear(connection: Connection) -> None:
    """Delete some who are unused; whoever is still referred to is left for another time."""
    for row in await connection.fetch(_UNUSED):
        try:
            async with connection.transaction():
                await delete_user(connection, row["user_id"])
        except asyncpg.IntegrityConstraintViolationError:
            await connection.execute("UPDATE rowgate.anonymous_users SET at = now() WHERE user_id = $1", row["user_id"])
