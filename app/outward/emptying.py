"""The background task that empties a table of what waits for its commit, over and over."""

import asyncio
import logging
import random
from contextlib import suppress

from app.database.faults import FAULTS, translated
from app.database.pool import DatabaseUnavailable
from app.errors import RowgateError
from app.log import Outage

AT_ONCE = 5
POLL_SECONDS = 0.5
_FIRST_WAIT = 2.0


def until_next_try(attempts: int, longest: float) -> float:
    """Give the seconds until one that failed so often is tried again: twice as many each time, and not all at once."""
    return min(longest, _FIRST_WAIT * 2.0**attempts) * random.uniform(0.75, 1.25)  # noqa: S311 - jitter


class Emptying:
    """Takes what is due, and looks again; a kind of it says in `deliver_due` what that is and where it goes."""

    what = "the outbox"

    def __init__(self, log: logging.Logger) -> None:
        """Start nothing yet."""
        self._log = log
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Deliver from here on."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """Deliver no longer; what is cut off is delivered again once its lease has ended."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def deliver_due(self) -> int:
        """Deliver what is due, some at once; gives how many there were."""
        raise NotImplementedError

    async def _work(self) -> None:
        """Deliver what is due, and look again; nothing that happens here ends it."""
        outage = Outage(self._log)
        while True:
            found = 0
            try:
                found = await self.deliver_due()
            except (RowgateError, *FAULTS) as error:
                refusal = error if isinstance(error, RowgateError) else translated(error)
                if not isinstance(refusal, DatabaseUnavailable):  # of which they tell who read the definitions
                    name = type(error).__name__
                    outage.lost(f"{self.what} can't be emptied: {name}", f"{self.what} is emptied again")
            except Exception:
                self._log.exception("delivering failed")
            else:
                outage.found()
            if not found:
                await asyncio.sleep(POLL_SECONDS)
