"""Limits on wrong passwords, such that guessing is slow and nobody is locked out by a stranger's guesses.

They are counted in the database, exactly over all instances: a store of rate limits that is gone, or comes back empty,
neither keeps people out nor gives a guesser one try more.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from app.auth.accounts import EmailInvalid, normal_email
from app.database.clearing import clear_few
from app.database.connection import Connection
from app.database.pool import Pool
from app.errors import RowgateError
from app.limits.keys import counted_key
from app.limits.limit import parse_limit

HERE = parse_limit("5/15 minutes")  # failures for one account from one address, until a try succeeds
FROM_ADDRESS = parse_limit("20/minute")  # failures from one address, for whatever accounts
ON_ACCOUNT = parse_limit("500/day")  # failures for one account, from wherever

Kind = Literal["user", "admin"]

_KNOWN: dict[Kind, str] = {
    "user": "SELECT DISTINCT s.ip FROM rowgate.sessions s JOIN data.users u ON u.id = s.user_id"
    " WHERE lower(u.email) = lower($1) AND s.ip IS NOT NULL LIMIT 1000",
    "admin": "SELECT DISTINCT s.ip FROM rowgate.admin_sessions s JOIN rowgate.admins a ON a.id = s.admin_id"
    " WHERE lower(a.email) = lower($1) AND s.ip IS NOT NULL LIMIT 1000",
}

_COUNTED = """
SELECT
    (SELECT count(*) FROM (SELECT FROM rowgate.sign_in_failures WHERE kind = $1 AND address = $3
        AND at > statement_timestamp() - $4 * interval '1 second' LIMIT $5) f) AS from_address,
    (SELECT count(*) FROM (SELECT FROM rowgate.sign_in_failures WHERE kind = $1 AND account = $2 AND address = $3
        AND NOT forgiven AND at > statement_timestamp() - $6 * interval '1 second' LIMIT $7) f) AS here,
    (SELECT count(*) FROM (SELECT FROM rowgate.sign_in_failures WHERE kind = $1 AND account = $2
        AND at > statement_timestamp() - $8 * interval '1 second' LIMIT $9) f) AS on_account
"""
# What counts together is counted one after the other: first by address, then by account, so that none waits in a ring.
_IN_TURN = "SELECT pg_advisory_xact_lock($1, hashtext($2))"
_TURNS = (0x726F7761, 0x726F7762)
_KEEP = "INSERT INTO rowgate.sign_in_failures (kind, account, address, at) VALUES ($1, $2, $3, statement_timestamp())"
_FORGIVE_ALL = "UPDATE rowgate.sign_in_failures SET forgiven = true WHERE kind = $1 AND account = $2 AND NOT forgiven"
_FORGIVE = f"{_FORGIVE_ALL} AND address = $3"
# Each failure clears away some that count no longer.
_CLEAR = clear_few("rowgate.sign_in_failures", "at < now() - $1 * interval '1 second'")


class TooManyFailures(RowgateError):
    """Too many wrong passwords; also the right one is refused until the wait is over."""

    status: ClassVar[int] = 429
    code: ClassVar[str] = "auth.too_many_failures"

    def __init__(self, seconds: int) -> None:
        """Say how long to wait."""
        wait = {"Retry-After": str(seconds)}
        super().__init__("Too many wrong passwords.", hint="Wait, then try again.", headers=wait)


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """One check of a password, by which somebody signs in or changes it."""

    pool: Pool
    kind: Kind
    account: str
    address: str

    @asynccontextmanager
    async def counting(self, wrong: type[RowgateError]) -> AsyncIterator[None]:
        """Check the password inside of this block, where `wrong` counts as a failure; raises TooManyFailures."""
        async with self.pool.lease() as connection:
            await self._check(connection)
        try:
            yield
        except wrong:
            await self._failed()
            raise
        await self._succeeded()

    async def _succeeded(self) -> None:
        """Forgive the failures here, or refuse: of many guesses sent at once, a right one behind too many wrong ones.

        So sending them at once gains a guesser nothing over one after the other, and many sign-ins of one person at
        once aren't in each other's way.
        """
        async with self.pool.lease() as connection, connection.transaction():
            if await self._check(connection):
                await connection.execute(_FORGIVE, *self._who)

    async def _failed(self) -> None:
        """Count the failure; where it is one too many, wrong and right must look alike: raises TooManyFailures."""
        async with self.pool.lease() as connection, connection.transaction():
            for turn, who in zip(_TURNS, (f"{self.kind} {self.address}", f"{self.kind} {self.account}"), strict=True):
                await connection.execute(_IN_TURN, turn, who)
            await self._check(connection)
            await connection.execute(_KEEP, *self._who)
            await connection.execute(_CLEAR, ON_ACCOUNT.period)

    async def _check(self, connection: Connection) -> int:
        """Give how many failures there were here; raises TooManyFailures where any limit has no room."""
        limits = (number for one in (FROM_ADDRESS, HERE, ON_ACCOUNT) for number in (one.period, one.amount))
        counted = await connection.fetchrow(_COUNTED, *self._who, *limits)
        if counted["from_address"] >= FROM_ADDRESS.amount:
            raise TooManyFailures(FROM_ADDRESS.period)
        if counted["here"] >= HERE.amount:
            raise TooManyFailures(HERE.period)
        if counted["on_account"] >= ON_ACCOUNT.amount and not await self._known(connection):
            raise TooManyFailures(HERE.period)
        return int(counted["here"])

    @property
    def _who(self) -> tuple[str, str, str]:
        """Give what is stored: of an address for mail its digest, of a network address what counts as one."""
        return self.kind, _account_key(self.account), counted_key(self.address)

    async def _known(self, connection: Connection) -> bool:
        """Say whether the account was signed in to from this address: guesses from elsewhere don't lock it out."""
        rows: list[Any] = await connection.fetch(_KNOWN[self.kind], self.account)
        here = counted_key(self.address)
        return any(counted_key(row["ip"]) == here for row in rows)


def attempt(pool: Pool, kind: Kind, email: str, address: str) -> SignInAttempt:
    """Make the attempt; every spelling of an address counts as one account."""
    return SignInAttempt(pool, kind, _account(email), address)


async def forgive(connection: Connection, kind: Kind, email: str) -> None:
    """Forgive the failures for an account from wherever: it has another password now, and its owner need not wait."""
    await connection.execute(_FORGIVE_ALL, kind, _account_key(_account(email)))


def _account(email: str) -> str:
    try:
        return normal_email(email)
    except EmailInvalid:
        return "?"


def _account_key(account: str) -> str:
    return hashlib.sha256(account.encode()).hexdigest()
