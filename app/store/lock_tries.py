"""Locks on tables that others use, tried for in short slices: in between, whoever waits behind us goes on."""

import asyncio
import random
import time
from typing import Any

from app.database.lock_waits import SLICE

BOUND = 10.0  # seconds after which nothing is tried any more
_LONGEST_PAUSE = 0.4

# A lock that wasn't there in time, a deadlock that Postgres ended with us, a statement that took longer than its slice.
LOCK_NOT_AVAILABLE, DEADLOCK, CANCELED = "55P03", "40P01", "57014"
LOCKED = frozenset({LOCK_NOT_AVAILABLE, DEADLOCK})


class Tries:
    """Whether there is another try, up to the bound; pauses before it are longer than a slice, and no two alike."""

    def __init__(self) -> None:
        """Begin now."""
        self._until = time.monotonic() + BOUND
        self._pause = SLICE

    async def again(self) -> bool:
        """Pause, and say yes; or say no at once, when the time is over."""
        if time.monotonic() >= self._until:
            return False
        await asyncio.sleep(self._pause * random.uniform(1, 2))  # noqa: S311 - no secret
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return True


def sqlstate(error: Any) -> str | None:
    """Give the state of an error that SQLAlchemy wrapped."""
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
