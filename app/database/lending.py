"""Where a request takes its connection from, and gives it back to."""

from typing import Any, NamedTuple, Protocol

STREAMS = "streams"  # one share of the pool for all of them: however slow who sends or reads is, others have theirs


class Within(NamedTuple):
    """The name of one borrower's share of a share that many have, such as one caller's of all streams."""

    share: object
    of: object


class Connections(Protocol):
    """Where a session takes its connection from: the pool, or what stands for it."""

    def at_once(self, on_behalf_of: object = None) -> Any:
        """Take a connection that may be had without waiting, as most may; None else."""

    async def acquire(self, on_behalf_of: object = None) -> object:
        """Take a connection; what is named shares the others with all else that is."""

    def release(self, connection: Any, *, reusable: bool = True, heavy: bool = False) -> None:
        """Give it back; one that isn't `reusable` was cut off in a statement, one that was `heavy` carried much."""


class Lent:
    """In the place of a pool, one connection that somebody else has taken, and who gives it back."""

    def __init__(self, connection: Any) -> None:
        """Lend this one."""
        self._connection = connection

    def at_once(self, on_behalf_of: object = None) -> Any:  # noqa: ARG002 - there is one
        """Give the connection."""
        return self._connection

    async def acquire(self, on_behalf_of: object = None) -> object:  # noqa: ARG002 - there is one
        """Give the connection."""
        return self._connection

    def release(self, connection: Any, *, reusable: bool = True, heavy: bool = False) -> None:
        """Leave it to whoever lent it."""
