"""What was answered in the last minutes, and which limits were hit: counted by the process that answered."""

import time
from collections import deque
from collections.abc import Callable
from http import HTTPStatus

# As numbers: to ask the enum each time takes longer than all else here.
_REFUSED, _LIMITED, _FAILED = map(
    int, (HTTPStatus.BAD_REQUEST, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR)
)
MINUTES = 15
MOST_LIMITED = 50  # names of a minute that limits are told apart by

Limited = dict[str, int]


class Minute:
    """The answers of one minute since 1970, how many connections were in use at most, and what limits refused."""

    __slots__ = ("answered", "at", "failed", "limited", "pool_peak", "refused")

    def __init__(self, at: int) -> None:
        """Begin with none."""
        self.at = at
        self.answered = self.refused = self.failed = self.pool_peak = 0
        self.limited: Limited = {}


class Counts:
    """Counts each answer to a frontend, by its status, in the minute that it was given in."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """Begin with the present minute."""
        self._now = now
        self._minutes = deque([Minute(int(now() // 60))], MINUTES)

    def note(self, status: int, what: str) -> None:
        """Count an answer of a status; `what` names what was asked for, where a limit refuses it."""
        minute = self.minute()
        if status < _REFUSED:
            minute.answered += 1
        elif status < _FAILED:
            minute.refused += 1
            if status == _LIMITED and (what in minute.limited or len(minute.limited) < MOST_LIMITED):
                minute.limited[what] = minute.limited.get(what, 0) + 1
        else:
            minute.failed += 1

    def minute(self) -> Minute:
        """Give the present minute, which is the last that is kept."""
        at, last = int(self._now() // 60), self._minutes[-1]
        if last.at >= at:  # also where the clock was set back
            return last
        for one in range(max(last.at, at - MINUTES) + 1, at + 1):
            self._minutes.append(Minute(one))
        return self._minutes[-1]

    def minutes(self) -> list[Minute]:
        """Give the last minutes, the present one at the end."""
        self.minute()
        return list(self._minutes)

    def limited(self) -> Limited:
        """Give how often limits refused what, over all these minutes, what was refused most often first."""
        found: Limited = {}
        for minute in self.minutes():
            for what, count in minute.limited.items():
                found[what] = found.get(what, 0) + count
        return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))
