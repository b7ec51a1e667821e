"""Makes the calls of the outbox: at least once each, after their commit, on whichever instance takes them first."""

import asyncio
import hmac
import logging
import random
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace

from app.database.pool import Pool
from app.errors import RowgateError
from app.outward.calls import OutwardCall
from app.outward.client import Outward
from app.outward.emptying import AT_ONCE, Emptying, until_next_try
from app.outward.failures import AnswerRefused, CircuitOpen
from app.outward.outbox import Claimed, Letter, claim, delivered, failed, opened, postponed

LONGEST_WAIT = 3600.0
_log = logging.getLogger("rowgate.outbox")


class Delivery(Emptying):
    """The background task that empties the outbox."""

    def __init__(self, pool: Pool, outward: Outward, allow: Callable[[], Sequence[str]]) -> None:
        """Start nothing yet; `allow` gives what the live project lets be called."""
        super().__init__(_log)
        self._pool = pool
        self._outward = outward
        self._allow = allow

    async def deliver_due(self) -> int:
        """Make the calls that are due, some at once; gives how many there were. No connection is held meanwhile."""
        self._allow()  # first: while nothing says what may be called, no attempt is used up
        async with self._pool.lease() as connection:
            letters = await claim(connection, AT_ONCE)
        allow = self._allow()  # as it is now: a call that was just written may no longer be allowed what one before was
        await asyncio.gather(*(self._deliver(one, allow) for one in letters))
        return len(letters)

    async def _deliver(self, claimed: Claimed, allow: Sequence[str]) -> None:
        try:
            answer = await self._outward.send(_signed(claimed, opened(claimed, self._outward.key, allow)))
            if not 200 <= answer.status < 300:
                raise AnswerRefused
        except CircuitOpen:
            async with self._pool.lease() as connection:
                await postponed(connection, claimed, random.uniform(10, 15))  # noqa: S311 - jitter
        except RowgateError as error:
            _log.warning("call %s failed, attempt %d: %s", claimed.id, claimed.attempts, error.code)
            async with self._pool.lease() as connection:
                await failed(connection, claimed, error.code, until_next_try(claimed.attempts, LONGEST_WAIT))
        else:
            async with self._pool.lease() as connection:
                await delivered(connection, claimed)


def _signed(claimed: Claimed, letter: Letter) -> OutwardCall:
    """Give the call with the headers of Standard Webhooks; the id is the same at every attempt."""
    call, moment = letter.call, str(int(time.time()))
    told = {"Idempotency-Key": claimed.id, "webhook-id": claimed.id, "webhook-timestamp": moment}
    headers = [*call.headers, *told.items()]
    if letter.sign is not None:
        content = f"{claimed.id}.{moment}.".encode() + (call.body or b"")
        digest = hmac.digest(letter.sign.encode(), content, "sha256")
        headers.append(("webhook-signature", f"v1,{b64encode(digest).decode()}"))
    return replace(call, headers=tuple(headers))
