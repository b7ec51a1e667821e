"""Tables whose stored definitions can't be read: what a change finds of them in the database."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.quoting import DATA_SCHEMA, quoted
from app.definitions.project import Project
from app.definitions.stored import Unread
from app.definitions.tables import TableDef
from app.errors import RowgateError
from app.expressions.problems import ExpressionErrors
from app.relations.constraints import column_parts, parts_of
from app.relations.schema import Table, tables_of

_NOT_MADE = (ExpressionErrors, RowgateError, LookupError, TypeError, ValueError)
_LONG = ("timestamp with time zone", "timestamptz")
_COLUMNS = sa.text(
    "SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull FROM pg_attribute"
    " WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped"
)
_PARTS = sa.text(
    "SELECT conname AS name FROM pg_constraint WHERE conrelid = to_regclass(:table) AND contype IN ('c', 'u', 'f')"
    " UNION SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " WHERE i.indrelid = to_regclass(:table) AND NOT i.indisprimary"
    " UNION SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass(:table) AND tgfoid ="
    " to_regproc('rowgate.immutable')"
)


class TableDiffers(RowgateError):
    """A table whose stored definition can't be read is to be repaired by one that it isn't; nothing was changed."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "change.table_differs"


async def standing(
    connection: AsyncConnection, before: Project, after: Project, unread: Iterable[Unread]
) -> tuple[Project, Project]:
    """Give both projects with the tables that can be compared, those among them whose definitions can't be read.

    One that is broken and is said by `after` is taken to be what that says, and raises TableDiffers where it isn't;
    where `after` doesn't say it, it is there to be dropped; one that is broken and stays so is in neither.
    """
    said = {table.name: table for table in after.tables}
    known = {table.name: table for table in before.tables}
    lost = [one.name for one in unread if one.kind == "table"]
    tables = _tables_of(before)
    lost += [name for name, one in known.items() if not _can_be_made(one, tables)]
    for name in lost:
        one = known.pop(name, None)
        if one is not None and one == said.get(name):
            del said[name]
        elif await _columns(connection, name):
            if name in said:
                await _refuse_other(connection, name, after)
            # It has a name and no more, whatever name that is.
            known[name] = said.get(name) or TableDef.model_construct(name=name)
    users = before.users
    if any(one.kind == "users" for one in unread):
        await _refuse_other(connection, "users", after)
        users = after.users
    return (
        before.model_copy(update={"tables": tuple(known.values()), "users": users}),
        after.model_copy(update={"tables": tuple(said.values())}),
    )


def _tables_of(project: Project) -> Mapping[str, Table]:
    """Give the tables, or none where one of them can't be made."""
    try:
        return tables_of(project)
    except _NOT_MADE:
        return {}


def _can_be_made(said: TableDef, tables: Mapping[str, Table]) -> bool:
    try:
        parts_of(said, tables[said.name])
    except _NOT_MADE:
        return False
    return True


async def _columns(connection: AsyncConnection, name: str) -> dict[str, tuple[str, bool]]:
    found = await connection.execute(_COLUMNS, {"table": f"{DATA_SCHEMA}.{quoted(name)}"})
    return {row.attname: (row.type.replace(*_LONG).replace(" ", ""), row.attnotnull) for row in found}


async def _refuse_other(connection: AsyncConnection, name: str, after: Project) -> None:
    """Hold the columns, and the names of constraints and indexes, against what the definition would make."""
    table = tables_of(after)[name]
    wanted = {column.name: (column.pg.replace(" ", ""), column.never_null) for column in table.columns.values()}
    there = await _columns(connection, name)
    wrong = sorted(key for key in wanted.keys() | there.keys() if wanted.get(key) != there.get(key))
    if not wrong:
        found = await connection.execute(_PARTS, {"table": f"{DATA_SCHEMA}.{quoted(name)}"})
        wrong = sorted(_parts(name, after, table) ^ {row.name for row in found})
    if wrong:
        raise TableDiffers(
            f"The table {name} in the database is not what this says of {', '.join(wrong)}. Nothing was changed.",
            hint="Say the table as it is, and change it once it can be read again.",
        )


def _parts(name: str, after: Project, table: Any) -> set[str]:
    if name == "users":
        made = {"users_email"}
        for column in after.users.columns:
            made |= {part.name for part in column_parts(name, column, table)}
        return made
    said = next(one for one in after.tables if one.name == name)
    return {part.name for part in parts_of(said, table).values()}
