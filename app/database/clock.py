"""The database's clock as a process reckons it: `now` is the same in all of them, whatever their own clocks show."""

import time
from collections.abc import Callable
from datetime import UTC, datetime


class DatabaseClock:
    """Tells the database's time from this process's steady clock and the difference that was measured between the two.

    A measurement bounds the difference by its round trip. What was reckoned with before is kept while it is within the
    bounds, so that `now` doesn't waver with slow answers; else it becomes the middle, wrong by half the round trip at
    most. Before the first measurement it is this process's time.
    """

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        """Begin with the own time; `ticks` gives seconds since any beginning, and is never set."""
        self.ticks = ticks
        self._ahead = time.time() - ticks()

    def now(self) -> datetime:
        """Give the database's time, in UTC."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    def seconds(self) -> float:
        """Give the same in Unix seconds."""
        return self._ahead + self.ticks()

    def measured(self, theirs: datetime, asked: float) -> None:
        """Take what the database's clock showed between `asked`, in ticks, and this moment."""
        shown = theirs.timestamp()
        least, most = shown - self.ticks(), shown - asked
        if not least <= self._ahead <= most:
            self._ahead = (least + most) / 2
