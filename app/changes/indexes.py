"""Indexes that are built while the table is written: outside of the transaction of the change that asks for them.

Postgres can't build them inside one, so a change commits first. What a crash or a fault left undone, the next change
does: it looks at which indexes there should be, not at what it has changed itself.
"""

import asyncio
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.database.quoting import DATA_SCHEMA, quoted
from app.definitions.project import Project
from app.errors import RowgateError
from app.relations.constraints import parts_of
from app.relations.schema import tables_of

# One builder at a time. It is tried for and never waited for inside Postgres: a build waits for every statement that
# is under way, and so for one that waits for it.
_ONE_BUILDER = sa.text("SELECT pg_try_advisory_lock(7021937351)")
_BUILT = sa.text(
    "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema"
)
_PAUSE = 0.2  # seconds
_TRIES = 3_000
_AGAIN = "Apply the same definitions again to try again."


class IndexNotBuilt(RowgateError):
    """The change was made, yet an index that is built while the table is used could not be."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "change.index_not_built"


async def build_indexes(engine: AsyncEngine, project: Project) -> None:
    """Build the indexes that say `concurrently` and aren't there, or are left of a build that failed.

    Raises IndexNotBuilt; then the rest of the change stands, and applying it again tries again.
    """
    wanted = _wanted(project)
    if not wanted:
        return
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await _alone(connection)
        built = {row.relname: row.indisvalid for row in await connection.execute(_BUILT, {"schema": DATA_SCHEMA})}
        for name, sql in wanted.items():
            if not built.get(name):
                await _build(connection, name, sql, left=name in built)


def _wanted(project: Project) -> dict[str, str]:
    tables = tables_of(project)
    return {
        part.name: f"CREATE INDEX CONCURRENTLY {quoted(part.name)} ON {tables[said.name].sql} {part.sql}"
        for said in project.tables
        for part in parts_of(said, tables[said.name]).values()
        if part.concurrently
    }


async def _alone(connection: AsyncConnection) -> None:
    for _ in range(_TRIES):
        if (await connection.execute(_ONE_BUILDER)).scalar_one():
            return
        await asyncio.sleep(_PAUSE)
    raise IndexNotBuilt("The change was made; another process is building indexes.", hint=_AGAIN)


async def _build(connection: AsyncConnection, name: str, sql: str, *, left: bool) -> None:
    try:
        if left:
            await connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {quoted(DATA_SCHEMA)}.{quoted(name)}")
        await connection.exec_driver_sql(sql)
    except DBAPIError as error:
        raise IndexNotBuilt(f"The change was made, but the index {name} could not be built.", hint=_AGAIN) from error
