"""What is used of a connection of asyncpg, which has no types of its own."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class DatabaseRow(Protocol):
    """A row, read by the names of its columns or by number."""

    def __getitem__(self, key: str | int, /) -> Any:
        """Give a column."""

    def __iter__(self) -> Iterator[Any]:
        """Give the columns in order."""

    def keys(self) -> Iterator[str]:
        """Give the names."""

    def items(self) -> Iterator[tuple[str, Any]]:
        """Give the names with the columns."""


class Connection(Protocol):
    """A connection to Postgres, or what lends one; a statement's parameters are `$1` and so on."""

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement, and give its tag; without parameters it may be several statements."""

    async def fetch(self, query: str, *args: object) -> list[DatabaseRow]:
        """Give the rows of a statement."""

    async def fetchmany(self, query: str, args: Sequence[Sequence[object]]) -> list[DatabaseRow]:
        """Run a statement for each list of parameters, and give the rows of all."""

    async def fetchrow(self, query: str, *args: object) -> Any:
        """Give the first row, or None."""

    async def fetchval(self, query: str, *args: object) -> Any:
        """Give the first column of the first row, or None."""

    def transaction(self, *, isolation: str | None = None, readonly: bool = False) -> AbstractAsyncContextManager[Any]:
        """Open a transaction, or inside one a savepoint."""

    def is_in_transaction(self) -> bool:
        """Say whether a transaction is open."""

    def cursor(self, query: str, *args: object, prefetch: int | None = None) -> AsyncIterator[DatabaseRow]:
        """Give the rows of a statement one after the other, inside a transaction."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's own
        """End it once nothing runs on it."""

    def terminate(self) -> None:
        """End it at once."""
