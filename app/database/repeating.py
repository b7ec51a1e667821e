"""A background task that does the same over and over, whatever comes of it."""

import asyncio
import logging
from contextlib import suppress

from app.database.background import Background
from app.database.faults import FAULTS, translated
from app.database.opening import DatabaseUnavailable
from app.errors import RowgateError
from app.log import Outage


class Repeating:
    """Takes its turns from `start` to `stop`; a kind of it says in `turn` what it does, and in `rest` how often."""

    def __init__(self, log: logging.Logger, *, lost: str, back: str, broken: str) -> None:
        """Start nothing yet.

        The log says `lost` with why when the database fails it, `back` when it no longer does, and `broken` of a fault
        of ours.
        """
        self._log, self._lost, self._back, self._broken = log, lost, back, broken
        self._background = Background(self._work)
        self._woken = asyncio.Event()

    def start(self) -> None:
        """Take turns from here on."""
        self._background.start()

    async def stop(self) -> None:
        """Take no more turns; the one under way is cut off."""
        await self._background.stop()

    def wake(self) -> None:
        """Take the next turn at once."""
        self._woken.set()

    @property
    def rest(self) -> float:
        """Give the seconds between two turns."""
        raise NotImplementedError

    async def turn(self) -> bool:
        """Do it once; says whether there is more to be done at once."""
        raise NotImplementedError

    async def _work(self) -> None:
        """Take a turn, and another; nothing that happens here ends it."""
        outage = Outage(self._log)
        while True:
            self._woken.clear()
            is_more = False
            try:
                is_more = await self.turn()
            except (RowgateError, *FAULTS) as error:
                refusal = error if isinstance(error, RowgateError) else translated(error)
                if not isinstance(refusal, DatabaseUnavailable):  # of which they tell who read the definitions
                    outage.lost(f"{self._lost}: {type(error).__name__}", self._back)
            except Exception:
                self._log.exception(self._broken)
            else:
                outage.found()
            if not is_more:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.rest):
                        await self._woken.wait()
