"""Locks on tables that others use, tried for in short slices: in between, whoever waits behind us goes on."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any

SLICE = 0.05  # seconds that one try may make a reader wait
BOUND = 10.0  # seconds after which nothing is tried any more
_LONGEST_PAUSE = 0.4

# A lock that wasn't there in time, a deadlock that Postgres ended with us, a statement that took longer than its slice.
LOCK_NOT_AVAILABLE, DEADLOCK, CANCELED = "55P03", "40P01", "57014"
LOCKED = frozenset({LOCK_NOT_AVAILABLE, DEADLOCK})


def milliseconds(seconds: float) -> str:
    """Give a time as Postgres' settings take it."""
    return f"{round(seconds * 1000)}ms"


async def tries() -> AsyncIterator[None]:
    """Yield for each try; pauses between them are longer than a slice, and no two of them alike."""
    until = time.monotonic() + BOUND
    pause = SLICE
    while True:
        yield
        if time.monotonic() >= until:
            return
        await asyncio.sleep(pause * random.uniform(1, 2))  # noqa: S311 - no secret
        pause = min(2 * pause, _LONGEST_PAUSE)


def sqlstate(error: Any) -> str | None:
    """Give the state of an error that SQLAlchemy wrapped."""
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
