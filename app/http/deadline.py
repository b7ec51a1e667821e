"""A block's deadline: what runs in it behind that ends with TimeoutError."""

import asyncio
from types import TracebackType
from typing import Any

LOOK_SECONDS = 0.05
NEAR_SECONDS = 2 * LOOK_SECONDS  # what is so near when it is looked at gets a timer of its own


class _Look:
    """Looks again and again at the deadlines of a loop for as long as there are any: a timer for each costs more."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at nothing yet."""
        self.loop = loop
        self.running: set[Deadline] = set()
        self._is_due = False

    def add(self, deadline: "Deadline") -> None:
        """Look at this one, too."""
        self.running.add(deadline)
        if not self._is_due:
            self._is_due = True
            self.loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        near = self.loop.time() + NEAR_SECONDS
        for deadline in [one for one in self.running if one.at < near]:
            self.running.discard(deadline)
            deadline.set_timer(self.loop)
        self._is_due = bool(self.running)
        if self._is_due:
            self.loop.call_later(LOOK_SECONDS, self._look)


_looks: list[_Look] = []  # of the loop that was used last; those of others go on by themselves


class Deadline:
    """`with Deadline(at):` cancels what its task awaits at a moment in the loop's time, and raises TimeoutError.

    As `asyncio.timeout_at`, but a timer is set for what is still running shortly before, and most ends earlier.
    """

    __slots__ = ("_cancelling", "_is_over", "_look", "_task", "_timer", "at")

    def __init__(self, at: float, task: asyncio.Task[Any] | None = None) -> None:
        """Begin nothing yet; `task` is the one that runs the block, where that is known."""
        runs = task or asyncio.current_task()
        if runs is None:
            raise RuntimeError("A deadline is for what runs in a task.")
        self.at = at
        self._task = runs
        self._is_over = False
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        """Begin."""
        loop = self._task.get_loop()
        if not _looks or _looks[0].loop is not loop:
            _looks[:] = [_Look(loop)]
        self._cancelling = self._task.cancelling()
        self._look = _looks[0]
        if self.at < loop.time() + NEAR_SECONDS:
            self.set_timer(loop)
        else:
            self._look.add(self)

    def set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the loop call at the moment itself."""
        self._timer = loop.call_at(self.at, self.expire)

    def expire(self) -> None:
        """Cancel what runs."""
        self._is_over = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it; raises TimeoutError in the place of the cancellation, unless somebody else has cancelled, too."""
        if self._timer is not None:
            self._timer.cancel()
        if not self._is_over:
            self._look.running.discard(self)
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
