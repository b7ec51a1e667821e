"""The rows of a large answer as they are sent: read from Postgres piece by piece, as fast as the client takes them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from app.database.held_cursor import HeldCursor
from app.relations.query import Query

PIECE = 256 * 1024  # bytes of rows that are held at once, unless one row has more


@dataclass(frozen=True, slots=True)
class Around:
    """What stands before the rows of an answer, between two of them, and behind the last."""

    before: bytes
    between: bytes
    behind: bytes


def around(query: Query, header: str) -> Around:
    """Give what stands around rows in the form that a query asks for; `header` is the first line of CSV."""
    if query.single:
        return Around(b"", b"", b"")
    return Around(f"{header}\n".encode(), b"\n", b"") if query.csv else Around(b"[", b", ", b"]")


class RowStream:
    """The body of an answer whose rows a cursor holds, of which the first has been read."""

    __slots__ = ("_around", "_cursor", "_first", "_left", "_most", "size")

    def __init__(self, cursor: HeldCursor, first: Any, form: Around) -> None:
        """Take the cursor, its first row with the `head` (`compile_streamed`), and what stands around."""
        rows, size, longest, _ = first["head"]
        self._cursor, self._first, self._around = cursor, first["value"], form
        self._left = rows - 1
        self._most = max(1, PIECE // max(1, longest))
        self.size: int = size + len(form.before) + len(form.between) * self._left + len(form.behind)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give the pieces; the connection is given back before the last one."""
        form = self._around
        piece = form.before + self._first
        while self._left:
            rows = await self._cursor.fetch(self._most)
            if not rows:
                msg = "Postgres holds fewer rows than it has counted"
                raise AssertionError(msg)
            self._left -= len(rows)
            piece += form.between + form.between.join([row["value"] for row in rows])
            if self._left:
                yield piece
                piece = b""
        await self._cursor.close()
        yield piece + form.behind

    async def close(self) -> None:
        """Give the connection back without having read the rows."""
        await self._cursor.close()

    def drop(self) -> None:
        """Have the connection closed, unless it was given back: in the midst of the rows nobody else can use it."""
        self._cursor.drop()
