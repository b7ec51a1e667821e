"""Whether the store of rate limits answers: nobody waits for a silent one longer than 50 ms, then nobody at all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from redis.exceptions import OutOfMemoryError, RedisError

from app.database.background import Background
from app.limits.limit import StoreUnavailable

PATIENCE = 0.05  # seconds
TURNS = 20
PROBE_SECONDS = 0.5
# Connections to the store that hits may use at once, in one process, and how many seconds the others wait in line for a
# store that answers.
STORE_CONNECTIONS = 50
LINE_TIMEOUT = 3.0
# What isn't a store of limits may answer anything, and be read as anything.
_FAILURES = (RedisError, OSError, TimeoutError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError)
_log = logging.getLogger("rowgate.limits")


class StoreWatch:
    """Lets requests ask the store while it answers; at the first failure none any more, until a probe is answered.

    `answers` is how it stands, `outages` counts how often it went away, `unanswered` the hits that it didn't count.
    """

    full = OutOfMemoryError
    """What a store raises that is up, and has no room."""

    def __init__(self, probe: Callable[[], Awaitable[object]]) -> None:
        """Take what asks the store for what a request asks of it."""
        self.answers = True
        self.outages = 0
        self.unanswered = 0
        self._probe = probe
        self._line = asyncio.Semaphore(STORE_CONNECTIONS)
        self._background = Background(self._watch)

    def start(self) -> None:
        """Probe it twice a second from here on."""
        self._background.start()

    async def stop(self) -> None:
        """Probe no longer."""
        await self._background.stop()

    @asynccontextmanager
    async def asked(self) -> AsyncIterator[None]:
        """Bound what the block asks of the store; raises StoreUnavailable, at once while the store is away."""
        self._refuse_if_away()
        try:
            async with asyncio.timeout(LINE_TIMEOUT):
                await self._line.acquire()
        except TimeoutError:
            self.unanswered += 1
            raise StoreUnavailable from None
        try:
            self._refuse_if_away()
            async with _patience():
                yield
        except _FAILURES as error:
            self._lost(error)
            self.unanswered += 1
            raise StoreUnavailable from error
        finally:
            self._line.release()

    def _refuse_if_away(self) -> None:
        if not self.answers:
            self.unanswered += 1
            raise StoreUnavailable

    async def _watch(self) -> None:
        while True:
            try:
                async with _patience():
                    await self._probe()
            except OutOfMemoryError:
                self._found()
            except _FAILURES as error:
                self._lost(error)
            else:
                self._found()
            await asyncio.sleep(PROBE_SECONDS)

    def _lost(self, error: Exception) -> None:
        if self.answers:
            self.answers = False
            self.outages += 1
            _log.warning(
                "the store of rate limits doesn't answer (%s): the Redis or Valkey of ROWGATE_REDIS_URL is away,"
                " and rate_limit steps refuse or allow as they say; wrong passwords are counted in Postgres",
                type(error).__name__,
            )

    def _found(self) -> None:
        if not self.answers:
            self.answers = True
            _log.warning("the store of rate limits answers again: rate_limit steps count in it")


@asynccontextmanager
async def _patience() -> AsyncIterator[None]:
    """Raise TimeoutError after 50 ms, counted in short turns of the loop.

    A process that is held up itself takes longer for each turn, and doesn't blame the store for what it left unread.
    """
    async with asyncio.timeout(None) as bound:
        turns = _Turns(bound)
        try:
            yield
        finally:
            turns.timer.cancel()


class _Turns:
    """Ends a timeout when so many turns have passed."""

    def __init__(self, bound: asyncio.Timeout) -> None:
        self._bound = bound
        self._left = TURNS
        self._loop = asyncio.get_running_loop()
        self._next()

    def _next(self) -> None:
        self._left -= 1
        self.timer = self._loop.call_later(PATIENCE / TURNS, self._next if self._left else self._end)

    def _end(self) -> None:
        self._bound.reschedule(self._loop.time())
