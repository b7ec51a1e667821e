"""Tables of a draft in an open transaction, empty and seen by nobody else, which is never committed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

import asyncpg

from app.changes.change import AddPart, Change
from app.changes.ddl import users_table, written
from app.changes.table_diff import table_changes
from app.database.connection import Connection
from app.database.faults import FAULTS, translated
from app.database.opening import DatabaseUnavailable
from app.database.pool import CLOSE_SECONDS, connect
from app.definitions.project import EMPTY, Project
from app.errors import RowgateError

# Where Postgres keeps what only this connection sees: no name of it can meet a live one, and nothing outlasts it.
SCHEMA = "pg_temp"


def tables_sql(project: Project) -> str:
    """Give the statements that make the project's tables in the scratch schema, as a first `apply` makes them."""
    changes = [_at_once(change) for change in table_changes(EMPTY, project, SCHEMA)]
    return ";\n".join((*users_table(SCHEMA), *written(changes, SCHEMA)))


def _at_once(change: Change) -> Change:
    """Build an index with its table: only outside of a transaction can it be built while the table is used."""
    if isinstance(change, AddPart) and change.part.concurrently:
        return AddPart(change.table, replace(change.part, concurrently=False))
    return change


class TablesNotMade(RowgateError):
    """Postgres doesn't make the temporary tables that tests run over; nothing was changed."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "test.tables_not_made"


_HINTS = {
    "42501": "Grant the server's role TEMPORARY on its database.",
    "53200": "Raise max_locks_per_transaction: a transaction that makes tables locks each of them.",
}


class Scratch:
    """One connection with the tables in it; requests take it as they would take one of a pool."""

    def __init__(self, connection: Connection) -> None:
        """Take a connection whose transaction is open."""
        self.connection = connection
        self.broken = False

    def at_once(self, on_behalf_of: object = None) -> Any:  # noqa: ARG002 - there is one
        """Give the connection."""
        return self.connection

    async def acquire(self, on_behalf_of: object = None) -> Any:  # noqa: ARG002 - nor for anybody else
        """Give the connection."""
        return self.connection

    def release(self, connection: Connection, *, reusable: bool = True, heavy: bool = False) -> None:  # noqa: ARG002 - one
        """Take it back; one that was cut off in a statement serves nobody any more."""
        self.broken = self.broken or not reusable

    async def now(self) -> datetime:
        """Give the database's time."""
        found: datetime = await self.connection.fetchval("SELECT clock_timestamp()")
        return found

    async def empty(self) -> None:
        """Have the tables as they were made."""
        await self.connection.execute("ROLLBACK TO SAVEPOINT rowgate_test")


@asynccontextmanager
async def scratch(url: str, sql: str) -> AsyncIterator[Scratch]:
    """Make the tables of `tables_sql` for the length of a block. Raises what the database refuses as a refusal."""
    connection: Connection = await connect(url)
    try:
        await _make(connection, sql)
        yield Scratch(connection)
    except FAULTS as error:
        raise translated(error) from error
    finally:
        await _close(connection)


async def _make(connection: Connection, sql: str) -> None:
    try:
        await connection.execute(f"BEGIN;\n{sql};\nSAVEPOINT rowgate_test")
    except asyncpg.PostgresError as error:
        refusal = translated(error)
        if isinstance(refusal, DatabaseUnavailable) and error.sqlstate not in _HINTS:
            raise
        said = f"Postgres doesn't make the tables that tests run over: {error.args[0]}."
        raise TablesNotMade(said, hint=_HINTS.get(error.sqlstate)) from error


async def _close(connection: Connection) -> None:
    """Close, which undoes everything."""
    try:
        await connection.close(timeout=CLOSE_SECONDS)
    except FAULTS:
        connection.terminate()
    except BaseException:
        connection.terminate()
        raise
