"""How what is scarce, connections or places, is shared: nobody takes all of it, and those who wait take turns."""

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar


class Share:
    """How many one borrower holds, and who waits to hold one more on its behalf."""

    __slots__ = ("held", "waiters")

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.held = 0
        self.waiters: deque[Any] = deque()


S = TypeVar("S", bound=Share)


def may_take_one_more(share: Share, left: int) -> bool:
    """Say whether a share may take one more, which leaves so many: alone it gets four fifths of all."""
    return share.held <= 4 * left


def next_in_line(waiting: deque[S], has_room: Callable[[S], bool], is_done: Callable[[Any], bool]) -> S | None:
    """Give the next share that has room and that somebody still waits for; who is done is dropped."""
    for _ in range(len(waiting)):
        share = waiting.popleft()
        while share.waiters and is_done(share.waiters[0]):
            share.waiters.popleft()
        if share.waiters:
            waiting.append(share)
            if has_room(share):
                return share
    return None
