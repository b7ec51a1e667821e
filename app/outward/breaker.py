"""What is remembered of a host: how many calls are under way, and whether the last ones failed."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from app.outward.failures import CallFailed, CircuitOpen, TimedOut

FAILURES = 5
REST_SECONDS = 10.0
AT_ONCE = 10
MOST_HOSTS = 1000


class _Host:
    def __init__(self) -> None:
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.users = 0
        self.failures = 0
        self.rests_until = 0.0


class Breaker:
    """After five failures in a row a host rests for ten seconds; then one call at a time tries it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with no host known."""
        self._clock = clock
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    @asynccontextmanager
    async def call(self, name: str, deadline: float | None = None) -> AsyncIterator[None]:
        """Guard one call; waits while too many to this host are under way, raises CircuitOpen while it rests.

        Raises TimedOut for one that still waits at the deadline, a time of the loop's: it was never made, and says
        nothing of the host.
        """
        host = self._host(name)
        host.users += 1
        try:
            async with _slot(host, deadline):
                self._admit(host)
                try:
                    yield
                except CallFailed:
                    self._failed(host)
                    raise
                host.failures = 0
        finally:
            host.users -= 1

    def _host(self, name: str) -> _Host:
        host = self._hosts.setdefault(name, _Host())
        self._hosts.move_to_end(name)
        if len(self._hosts) > MOST_HOSTS:
            for other, known in list(self._hosts.items())[: len(self._hosts) - MOST_HOSTS]:
                if not known.users:
                    del self._hosts[other]
        return host

    def _admit(self, host: _Host) -> None:
        if host.failures < FAILURES:
            return
        if self._clock() < host.rests_until:
            raise CircuitOpen
        host.rests_until = self._clock() + REST_SECONDS  # this call tries it; the others wait for what it finds

    def _failed(self, host: _Host) -> None:
        host.failures += 1
        host.rests_until = self._clock() + REST_SECONDS


@asynccontextmanager
async def _slot(host: _Host, deadline: float | None) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline):
            await host.slots.acquire()
    except TimeoutError:
        raise TimedOut from None
    try:
        yield
    finally:
        host.slots.release()
