"""Overload: so many requests are under way at once, more wait a moment for a place, and the rest is refused early.

What is begun is carried out in time, since there is never more of it than the process and its connections carry; what
is refused costs next to nothing, since it is refused before anything of it is looked at but its head.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from app.errors import RowgateError
from app.shares import Share, may_take_one_more, next_in_line

PLACES_PER_CONNECTION = 10
MOST_PLACES = 2_000
FEW_PLACES = 16
CARRY_SECONDS = 0.3
WAIT_SECONDS = 0.05
MOST_WAITING = 10_000
WINDOW_SECONDS = 0.25
AT_FIRST = 500.0  # requests a second that a server is taken to carry until it has been seen at work
BATCH = 16  # requests begun in one turn of the loop: in between others have theirs
FEW_IN_A_TURN = 2  # of those that look after the server: a flood of them takes little from all others
# Refused in one turn of the loop: so many for each that has ended, and a few where none does, fewer where fewer are
# begun. However many refusals are asked for, they leave the loop the better part of its time.
REFUSED_FOR_EACH = 2
REFUSED_AT_LEAST = 4
KEPT_FREE = 32  # places of many that no share alone has to leave more of
TELL_SECONDS = 1.0
# What has to answer while all else is too much: who looks after the server, people and machines.
_CARE = ("/admin/", "/healthz", "/readyz")

A = TypeVar("A")

_log = logging.getLogger("rowgate.overload")


class ServerOverloaded(RowgateError):
    """More requests are under way than the server carries: this one was not begun."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "server.overloaded"

    def __init__(self) -> None:
        """Ask for another try in a second."""
        super().__init__("The server has more to do than it can: try again.", headers={"Retry-After": "1"})


class Refused:
    """A request that will be refused at a moment, in the loop's time."""

    __slots__ = ("at", "done", "refuse")

    def __init__(self, at: float, refuse: Callable[[], None]) -> None:
        """Take how it is refused."""
        self.at = at
        self.refuse = refuse
        self.done = False


class Waiting(Refused):
    """One that is begun instead, with a place of its share, if there is one before that."""

    __slots__ = ("begin", "share")

    def __init__(
        self, share: "RoomShare", begin: Callable[["RoomShare"], None], at: float, refuse: Callable[[], None]
    ) -> None:
        """Wait."""
        super().__init__(at, refuse)
        self.share = share
        self.begin = begin


class RoomShare(Share):
    """The places of the requests that begin alike."""

    __slots__ = ("name",)

    def __init__(self, name: object) -> None:
        """Hold nothing yet."""
        super().__init__()
        self.name = name


class Room:
    """Places for requests under way; no share takes all of them, and those that wait take turns.

    There are as many as end in `CARRY_SECONDS`, by what has been seen to end while there was more to do than places,
    but at least `least` and at most `most`. Of those that wait in one share the newest is begun first: it has the most
    of its time left, and under more load than can be carried others must be refused anyhow. What is refused is told so
    after `WAIT_SECONDS`, whether it was in line or had no prospect: who asks again at once, whatever Retry-After says,
    asks no more often than that. Belongs to one event loop.
    """

    def __init__(self, least: int, most: int, batch: int = BATCH) -> None:
        """Begin empty; so many are begun in one turn of the loop."""
        self._least, self._most, self._batch = least, most, batch
        self._rate = AT_FIRST
        self.places = self._places()
        self.taken = 0
        self.refused = 0
        self._untold = 0
        self._shares: dict[object, RoomShare] = {}
        self._lines: deque[RoomShare] = deque()
        self._by_age: deque[Refused] = deque()
        self.waiting = 0  # for a place
        self._worth_waiting = self._served_in_time()
        self._sweeping = False
        self._due: deque[tuple[Callable[[RoomShare], None], RoomShare]] = deque()
        self._begun = 0  # in this turn of the loop
        self._turns = False  # whether the loop is to have another turn
        self._ended = 0  # in this window
        self._ended_lately = 0  # since the last refusals
        self._since = 0.0
        self._crowded = False
        self._loop_of: asyncio.AbstractEventLoop | None = None

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """Give the loop that it belongs to, which is asked for once: that is a call of the kernel."""
        if self._loop_of is None:
            self._loop_of = asyncio.get_running_loop()
        return self._loop_of

    def admit(self, name: object, begin: Callable[[RoomShare], None], refuse: Callable[[], None]) -> None:
        """Begin a request now, or as soon as there is a place for it, or refuse it after `WAIT_SECONDS`.

        Whoever begins it calls `leave` with the share when it has ended.
        """
        share = self._shares.get(name)
        if share is None:
            share = self._shares[name] = RoomShare(name)
        if self._has_room(share):
            self._take(share, begin)
            return
        self._crowded = True
        if self._is_in_vain(share):
            self.turn_away(refuse)
            self._forget(share)
        else:
            self._wait(share, begin, refuse)

    def passes(self, is_answered: Callable[[A], bool], app: A) -> bool:
        """Have a request answered, where it needs no place: unless somebody waits, or this turn has begun enough.

        Says whether it was; `is_answered` has the application try to answer it, and says so.
        """
        if self.waiting or self._begun >= self._batch:
            return False
        self._count()  # before: the answer may be what another request on its connection waits for
        if is_answered(app):
            return True
        self._begun -= 1
        return False

    def would_refuse(self, name: object) -> bool:
        """Say whether `admit` would only refuse: as many wait already as can be begun in time."""
        share = self._shares.get(name)
        return self.waiting > 0 and (self.waiting >= MOST_WAITING if share is None else self._is_in_vain(share))

    def turn_away(self, refuse: Callable[[], None]) -> None:
        """Refuse a request that has no prospect of a place."""
        self._crowded = True
        self._age(Refused(self._loop.time() + WAIT_SECONDS, refuse))

    def leave(self, share: RoomShare) -> None:
        """Give a place back, and begin who waits for it."""
        share.held -= 1
        self.taken -= 1
        self._ended += 1
        self._ended_lately += 1
        self._look_back()
        while self.waiting and (found := next_in_line(self._lines, self._has_room, _is_done)) is not None:
            waiting: Waiting = found.waiters.pop()
            if not found.waiters:
                self._lines.pop()
            waiting.done = True
            self.waiting -= 1
            self._take(found, waiting.begin)
        self._forget(share)

    def _places(self) -> int:
        return min(max(int(self._rate * CARRY_SECONDS), self._least), self._most)

    def _look_back(self) -> None:
        """Learn at the end of each window how many requests end in a second: at least so many, while none waits."""
        now = self._loop.time()
        span = now - self._since
        if span < WINDOW_SECONDS:
            return
        rate = self._ended / span
        if self._crowded or rate > self._rate:
            self._rate += (rate - self._rate) / 4
            self.places, self._worth_waiting = self._places(), self._served_in_time()
        self._since, self._ended, self._crowded = now, 0, self.waiting > 0

    def _served_in_time(self) -> int:
        return max(FEW_PLACES, int(self._rate * WAIT_SECONDS))

    def _is_in_vain(self, share: RoomShare) -> bool:
        return self.waiting >= MOST_WAITING or len(share.waiters) >= self._worth_waiting

    def _has_room(self, share: RoomShare) -> bool:
        left = self.places - self.taken - 1
        return left >= KEPT_FREE or (left >= 0 and may_take_one_more(share, left))

    def _take(self, share: RoomShare, begin: Callable[[RoomShare], None]) -> None:
        """Begin a request, in a later turn of the loop if this one has begun enough: others get their turns between."""
        share.held += 1
        self.taken += 1
        if self._begun < self._batch:
            self._count()
            begin(share)
        else:
            self._due.append((begin, share))

    def _count(self) -> None:
        self._begun += 1
        if not self._turns:
            self._turns = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._begun = min(self._batch, len(self._due))
        self._turns = self._begun > 0
        if self._turns:
            self._loop.call_soon(self._turn)
        for _ in range(self._begun):
            begin, share = self._due.popleft()
            begin(share)

    def _wait(self, share: RoomShare, begin: Callable[[RoomShare], None], refuse: Callable[[], None]) -> None:
        waiting = Waiting(share, begin, self._loop.time() + WAIT_SECONDS, refuse)
        if not share.waiters:
            self._lines.append(share)
        share.waiters.append(waiting)
        self.waiting += 1
        self._age(waiting)

    def _age(self, refused: Refused) -> None:
        self._by_age.append(refused)
        if not self._sweeping:
            self._sweeping = True
            self._loop.call_at(refused.at, self._sweep, self._loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuse those whose time is over, as many as this turn of the loop has time for: all else has its own."""
        now, least = loop.time(), max(1, REFUSED_AT_LEAST * self._batch // BATCH)
        left = least + REFUSED_FOR_EACH * min(self._ended_lately, self._batch)
        self._ended_lately = 0
        while self._by_age and (self._by_age[0].done or (left and self._by_age[0].at <= now)):
            refused = self._by_age.popleft()
            if not refused.done:
                left -= 1
                self._give_up(refused)
        self._sweeping = bool(self._by_age)
        if self._sweeping:
            loop.call_at(self._by_age[0].at, self._sweep, loop)

    def _give_up(self, refused: Refused) -> None:
        refused.done = True
        if isinstance(refused, Waiting):
            share = refused.share
            share.waiters.popleft()
            if not share.waiters:
                self._lines.remove(share)
            self.waiting -= 1
            self._forget(share)
        self._refuse(refused.refuse)

    def _forget(self, share: RoomShare) -> None:
        """Keep no share of which nothing is left: strangers can name as many as they like."""
        if not share.held and not share.waiters and self._shares.get(share.name) is share:
            del self._shares[share.name]

    def _refuse(self, refuse: Callable[[], None]) -> None:
        self.refused += 1
        if not self._untold:
            self._loop.call_later(TELL_SECONDS, self._tell)
        self._untold += 1
        refuse()

    def _tell(self) -> None:
        _log.warning("%d requests were refused, since there are places for %d at once", self._untold, self.places)
        self._untold = 0


def _is_done(waiting: Waiting) -> bool:
    return waiting.done


Refusal = Callable[[Any, RowgateError], tuple[list[tuple[bytes, bytes]], bytes]]


class Admission:
    """Which room a request goes to, and what it is answered when there is no place for it."""

    def __init__(self, connections: int, refusal: Refusal) -> None:
        """Take how many connections to the database there are, and what gives a refusal's headers and body."""
        self.work = Room(PLACES_PER_CONNECTION * connections, MOST_PLACES)
        self.care = Room(FEW_PLACES, FEW_PLACES, FEW_IN_A_TURN)
        self.refusal = refusal

    @property
    def is_full(self) -> bool:
        """Say whether somebody waits for a place."""
        return self.work.waiting > 0 or self.care.waiting > 0

    def refusing(self, scope: object) -> Room | None:
        """Give the room that would only refuse a request, if it would."""
        room = self.room_of(scope)
        return room if room is not None and room.would_refuse(share_of(scope)) else None

    def room_of(self, scope: Any) -> Room | None:
        """Give the room of a request; None for a browser's question before a request, which costs less than a place."""
        if scope["method"] == "OPTIONS":
            return None
        return self.care if scope["path"].startswith(_CARE) else self.work


def share_of(scope: Any) -> tuple[str, str, int]:
    """Name what a request begins alike with: its method, the first parts of its path, and how many parts there are."""
    path: str = scope["path"]
    parts = path.count("/")
    if parts > (most := 2 if path.startswith("/api/") else 4):
        path = path.rsplit("/", parts - most)[0]
    return scope["method"], path, parts
