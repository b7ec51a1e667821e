"""Limits on wrong passwords, such that guessing is slow and nobody is locked out by a stranger's guesses."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from app.auth.accounts import EmailInvalid, normal_email
from app.database import Pool
from app.errors import RowgateError
from app.limit_keys import counted_key
from app.rate_limits import Limit, Limiter, parse_limit

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


class TooManyFailures(RowgateError):
    """Too many wrong passwords; also the right one is refused until the wait is over."""

    status: ClassVar[int] = 429
    code: ClassVar[str] = "auth.too_many_failures"

    def __init__(self, seconds: int) -> None:
        """Say how long to wait."""
        wait = {"Retry-After": str(seconds)}
        super().__init__("Too many wrong passwords.", hint="Wait, then try again.", headers=wait)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to sign in: `begin` it before the password is checked, then either `succeeded` or `failed`."""

    limiter: Limiter
    kind: Kind
    account: str
    address: str

    async def begin(self, pool: Pool) -> None:
        """Refuse where there were too many failures; raises StoreUnavailable rather than not to know."""
        if await self._spent(FROM_ADDRESS, "address", self.address):
            raise TooManyFailures(FROM_ADDRESS.period)
        if await self._spent(HERE, "here", self._here):
            raise TooManyFailures(HERE.period)
        if await self._spent(ON_ACCOUNT, "account", self.account) and not await self._known(pool):
            raise TooManyFailures(HERE.period)

    async def succeeded(self) -> None:
        """Forget the failures here, or refuse: of many guesses sent at once, a right one behind too many wrong ones.

        So sending them at once gains a guesser nothing over one after the other, and many sign-ins of one person at
        once aren't in each other's way.
        """
        if await self._spent(HERE, "here", self._here):
            raise TooManyFailures(HERE.period)
        await self.limiter.forget(HERE, self._scope("here"), self._here)

    async def failed(self) -> None:
        """Count the failure; where it is one too many, wrong and right must look alike: raises TooManyFailures."""
        for limit, scope, key in ((FROM_ADDRESS, "address", self.address), (ON_ACCOUNT, "account", self.account)):
            await self.limiter.hit(limit, self._scope(scope), key)
        seen = await self.limiter.hit(HERE, self._scope("here"), self._here)
        if not seen.allowed:
            raise TooManyFailures(HERE.period)

    @property
    def _here(self) -> str:
        return f"{self.account}|{counted_key(self.address)}"

    def _scope(self, name: str) -> str:
        return f"sign_in.{self.kind}.{name}"

    async def _spent(self, limit: Limit, scope: str, key: str) -> bool:
        return await self.limiter.is_spent(limit, self._scope(scope), key)

    async def _known(self, pool: Pool) -> bool:
        """Say whether the account was signed in to from this address: guesses from elsewhere don't lock it out."""
        async with pool.lease() as connection:
            rows: list[Any] = await connection.fetch(_KNOWN[self.kind], self.account)
        here = counted_key(self.address)
        return any(counted_key(row["ip"]) == here for row in rows)


def attempt(limiter: Limiter, kind: Kind, email: str, address: str) -> Attempt:
    """Make the attempt; every spelling of an address counts as one account."""
    try:
        account = normal_email(email)
    except EmailInvalid:
        account = "?"
    return Attempt(limiter, kind, account, address)
