"""Bounds on mails, tries of codes and rows about refusals, counted in the database: exactly over all instances."""

import hashlib
from collections.abc import Sequence
from typing import ClassVar

from app.database.clearing import clear_few
from app.database.connection import Connection
from app.database.pool import Pool
from app.errors import RowgateError
from app.limits.keys import counted_key
from app.limits.limit import Limit, parse_limit

MAILS = (parse_limit("6/hour"), parse_limit("20/day"))  # for one address, of all kinds together
TRIES = (parse_limit("5/15 minutes"), parse_limit("20/day"))  # of the codes of one address
TRIES_BY_CALLER = (parse_limit("20/hour"),)
ROWS = parse_limit("20/minute")  # of the audit log, for what one caller is refused in one way

_TURN = "SELECT pg_advisory_xact_lock($1, hashtext($2))"
_LOCKS = 0x726F7763
_COUNT = """
SELECT count(*) FROM (SELECT FROM rowgate.counted WHERE what = $1 AND who = $2
    AND at > statement_timestamp() - $3 * interval '1 second' LIMIT $4) found
"""
_KEEP = "INSERT INTO rowgate.counted (what, who, at) VALUES ($1, $2, statement_timestamp())"
_CLEAR = clear_few("rowgate.counted", "at < now() - interval '1 day'")


class MailLimited(RowgateError):
    """More mails for one address than anybody may ask for; whether it has an account says nothing."""

    status: ClassVar[int] = 429
    code: ClassVar[str] = "auth.mail_limited"


class CodeLimited(RowgateError):
    """More tries of codes than one address, or one caller, has; also the right one is refused."""

    status: ClassVar[int] = 429
    code: ClassVar[str] = "auth.code_limited"


async def count_mail(pool: Pool, email: str) -> None:
    """Count a mail for an address, whatever comes of it; raises MailLimited."""
    async with pool.lease() as connection, connection.transaction():
        await count_mail_in(connection, email)


async def count_mail_in(connection: Connection, email: str) -> None:
    """Count a mail in the transaction that writes it; raises MailLimited."""
    await _count(connection, "mail", email, MAILS, MailLimited)


async def count_try(pool: Pool, email: str, address: str) -> None:
    """Count a try of a code, before it is looked at; raises CodeLimited."""
    async with pool.lease() as connection, connection.transaction():
        await _count(connection, "code", email, TRIES, CodeLimited)
        await _count(connection, "code by caller", counted_key(address), TRIES_BY_CALLER, CodeLimited)


async def count_row(connection: Connection, what: str, who: str) -> int:
    """Count a row of the audit log that anybody has written by being refused; gives which of its minute it is.

    0 stands for one that has no room, and isn't counted.
    """
    key = _key(what, who)
    await connection.execute(_TURN, _LOCKS, f"{what} {who}")
    so_far: int = await connection.fetchval(_COUNT, what, key, ROWS.period, ROWS.amount)
    if so_far >= ROWS.amount:
        return 0
    await _keep(connection, what, key)
    return so_far + 1


async def _count(
    connection: Connection, what: str, who: str, limits: Sequence[Limit], refusal: type[RowgateError]
) -> None:
    key = _key(what, who)
    await connection.execute(_TURN, _LOCKS, f"{what} {who}")
    for limit in limits:
        if await connection.fetchval(_COUNT, what, key, limit.period, limit.amount) >= limit.amount:
            wait = {"Retry-After": str(limit.period)}
            raise refusal("Too many of these.", hint="Wait, then try again.", headers=wait)
    await _keep(connection, what, key)


async def _keep(connection: Connection, what: str, key: bytes) -> None:
    await connection.execute(_KEEP, what, key)
    await connection.execute(_CLEAR)


def _key(what: str, who: str) -> bytes:
    return hashlib.sha256(f"{what} {who}".encode()).digest()
