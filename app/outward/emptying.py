"""The background task that empties a table of what waits for its commit, over and over."""

import logging
import random

from app.database.repeating import Repeating

AT_ONCE = 5
POLL_SECONDS = 0.5
_FIRST_WAIT = 2.0


def until_next_try(attempts: int, longest: float) -> float:
    """Give the seconds until one that failed so often is tried again: twice as many each time, and not all at once."""
    return min(longest, _FIRST_WAIT * 2.0**attempts) * random.uniform(0.75, 1.25)  # noqa: S311 - jitter


class Emptying(Repeating):
    """Takes what is due, and looks again; a kind of it says in `deliver_due` what that is and where it goes.

    What is cut off when it stops is delivered again once its lease has ended.
    """

    what = "the outbox"

    def __init__(self, log: logging.Logger) -> None:
        """Start nothing yet."""
        super().__init__(
            log,
            lost=f"{self.what} can't be emptied",
            back=f"{self.what} is emptied again",
            broken="delivering failed",
        )

    async def deliver_due(self) -> int:
        """Deliver what is due, some at once; gives how many there were."""
        raise NotImplementedError

    @property
    def rest(self) -> float:
        """Give the seconds after which it looks again, where nothing was due."""
        return POLL_SECONDS

    async def turn(self) -> bool:
        """Deliver what is due; where there was any, there may be more."""
        return await self.deliver_due() > 0
