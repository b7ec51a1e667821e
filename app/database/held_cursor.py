"""Rows that Postgres keeps behind their transaction, read piece by piece on the connection that made them."""

from collections.abc import Sequence
from typing import Any

from app.database.faults import FAULTS, translated
from app.database.lending import Connections

DECLARE = "DECLARE rowgate_rows NO SCROLL CURSOR WITH HOLD FOR "
_CLOSE = "CLOSE rowgate_rows"
# A few numbers of rows: each is a statement that a connection prepares once.
_FETCH = {count: f"FETCH {count} FROM rowgate_rows" for count in (1, 4, 16, 64, 256, 1024, 4096)}


class HeldCursor:
    """The rows of a statement whose transaction is over, so that nothing waits for whoever reads them.

    It has its connection until it ends. Not ended, it keeps that from all others.
    """

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: Connections, connection: Any) -> None:
        """Take the connection of a session, and the pool that it goes back to."""
        self._pool = pool
        self._connection = connection

    async def fetch(self, most: int) -> Sequence[Any]:
        """Give the next rows, at most so many; fewer may come before the last ones, and none behind them."""
        count = max(count for count in _FETCH if count <= most)
        try:
            found: list[Any] = await self._connection.rows(_FETCH[count], ())
        except FAULTS as error:
            raise translated(error, reading=True) from error
        return found

    async def close(self) -> None:
        """Have Postgres forget the rows, and give the connection back."""
        connection, self._connection = self._connection, None
        clean = False
        try:
            await connection.execute(_CLOSE)
            clean = True
        except FAULTS as error:
            raise translated(error, reading=True) from error
        finally:
            self._pool.release(connection, reusable=clean, heavy=True)

    def drop(self) -> None:
        """Have the connection closed, and the rows gone with it, unless they were closed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.release(connection, reusable=False, heavy=True)
