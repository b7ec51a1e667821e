"""Rows that come in pieces, kept by Postgres until all have come, on the connection that then writes them."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from app.database.connection import Connection
from app.database.faults import FAULTS, translated
from app.database.lending import Connections
from app.database.opening import DatabaseUnavailable
from app.database.statement import CONFIRM

STAGED = "pg_temp.rowgate_staged_rows"
_CREATE = f"CREATE TABLE {STAGED} (line jsonb, turn bigint)"
_ADD = f"""
INSERT INTO {STAGED} SELECT one.line, $2::bigint + one.turn
FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS one (line, turn)
"""  # noqa: S608 - no name of a caller
_DROP = f"DROP TABLE {STAGED}"


class NoTemporaryTables(Exception):
    """The server's role may not make temporary tables, and nothing has happened."""


async def give_time(seconds: float, connection: Connection) -> None:
    """Let the statements of the transaction that is open take so long."""
    await connection.fetch("SELECT set_config('statement_timeout', $1, true)", str(round(seconds * 1000)))


class StagedRows:
    """A temporary table of rows, and in the place of a pool the connection that it belongs to.

    While they come no transaction is open: however slowly they do, nobody waits for it. `rows` counts them.
    """

    __slots__ = ("_connection", "_heavy", "_pool", "rows")

    def __init__(self, pool: Connections, connection: Any) -> None:
        """Take a connection of the pool, to give it back at the end."""
        self._pool = pool
        self._connection = connection
        self._heavy = False
        self.rows = 0

    async def begin(self, guard: tuple[int, str | None, int | None] | None) -> None:
        """Confirm the guard, if there is one, and make the table; raises Stale or NoTemporaryTables."""
        try:
            if guard is not None:
                await self._connection.fetch(CONFIRM, *guard)
            await self._connection.execute(_CREATE)
        except asyncpg.InsufficientPrivilegeError as error:
            raise NoTemporaryTables from error
        except FAULTS as error:
            raise translated(error, reading=True) from error

    async def add(self, rows: Sequence[object]) -> None:
        """Keep rows, given as JSON, behind those that are there."""
        try:
            await self._connection.fetch(_ADD, rows, self.rows)
        except FAULTS as error:
            raise translated(error) from error
        self.rows += len(rows)

    def at_once(self, on_behalf_of: object = None) -> Any:  # noqa: ARG002 - there is one
        """Give the connection, if it is there."""
        return self._connection

    async def acquire(self, on_behalf_of: object = None) -> object:  # noqa: ARG002 - there is one
        """Give the connection; raises DatabaseUnavailable where it was lost, and the rows with it."""
        if self._connection is None:
            raise DatabaseUnavailable("The database is not available.")
        return self._connection

    def release(self, connection: Any, *, reusable: bool = True, heavy: bool = False) -> None:
        """Keep it for the next statements; one that can't have any is given back."""
        self._heavy = self._heavy or heavy
        if not reusable:
            self._connection = None
            self._pool.release(connection, reusable=False, heavy=self._heavy)

    async def close(self) -> None:
        """Have Postgres forget the rows, and give the connection back; closed, it forgets them as well."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        clean = False
        try:
            await connection.execute(_DROP)
            clean = True
        except FAULTS:
            clean = False
        finally:
            self._pool.release(connection, reusable=clean, heavy=True)
