"""What stands in the way of a change: data that would go, and data that doesn't fit."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar

from sqlalchemy.ext.asyncio import AsyncConnection

from app.changes.casts import loss_sql
from app.changes.change import AddColumn, AddPart, AlterColumn, Change, DropColumn, DropTable
from app.database.opening import DatabaseUnavailable
from app.database.quoting import DATA_SCHEMA, quoted
from app.errors import RowgateError
from app.store.lock_tries import sqlstate


class DataInTheWay(RowgateError):
    """Rows don't fit what a table or column is to become; nothing was changed."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "change.data_in_the_way"


class WouldDestroy(RowgateError):
    """The change drops tables or columns that hold data, and wasn't told that it may."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "change.would_destroy"


class ChangeFailed(RowgateError):
    """Postgres refused a change for a reason that the check didn't foresee; nothing was changed."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "change.failed"


def _table(name: str) -> str:
    return f"{quoted(DATA_SCHEMA)}.{quoted(name)}"


async def destroyed(
    connection: AsyncConnection, changes: Sequence[Change], *, but: Collection[str] = ()
) -> tuple[str, ...]:
    """Name the tables, and columns as `table.column`, that the changes drop and that hold data now, `but` these."""
    found = []
    for change in changes:
        if isinstance(change, DropTable):
            name, rows = change.name, f"SELECT FROM {_table(change.name)}"
        elif isinstance(change, DropColumn):
            name = change.place
            rows = f"SELECT FROM {_table(change.table)} WHERE {quoted(change.name)} IS NOT NULL"
        else:
            continue
        if name not in but and await _any(connection, f"SELECT EXISTS ({rows})"):
            found.append(name)
    return tuple(found)


def refuse_loss(names: Collection[str]) -> None:
    """Raise WouldDestroy where there are any whose data would go unsaid."""
    if names:
        raise WouldDestroy(
            f"This would destroy the data of {', '.join(names)}. Nothing was changed.",
            hint=f"If that is meant, say {' '.join(f'--destroy {name}' for name in names)}, over HTTP ?destroy=….",
        )


async def _any(connection: AsyncConnection, sql: str) -> object:
    return (await connection.exec_driver_sql(sql)).scalar()


async def refuse_what_does_not_fit(connection: AsyncConnection, change: Change) -> None:
    """Raise DataInTheWay, with how many rows, right before a change that they would make fail or be cut by."""
    find = _OBSTACLES.get(type(change))
    for sql, message, hint in find(change) if find is not None else ():
        count = await _any(connection, sql)
        if count:
            rows = "1 row" if count == 1 else f"{count} rows"
            raise DataInTheWay(f"{message.replace('{rows}', rows)} Nothing was changed.", hint=hint)


Obstacle = tuple[str, str, str]


def _new_column(change: AddColumn) -> list[Obstacle]:
    if not change.said.required or change.said.default is not None:
        return []
    name = f"{change.table}.{change.said.name}"
    message = f"{name} is required, and {{rows}} of {change.table} would have no value for it."
    hint = "give it a default, or add it without `required` and fill it in first"
    return [(f"SELECT count(*) FROM {_table(change.table)}", message, hint)]


def _altered_column(change: AlterColumn) -> list[Obstacle]:
    found = []
    table, column, name = _table(change.table), quoted(change.said.name), f"{change.table}.{change.said.name}"
    if change.said.required and not change.before.required:
        sql = f"SELECT count(*) FROM {table} WHERE {column} IS NULL"
        found.append(
            (sql, f"{name} becomes required, and {{rows}} would have no value.", "give those rows a value first")
        )
    if change.pg != change.pg_before:
        sql = f"SELECT count(*) FROM {table} WHERE {loss_sql(change.said.name, change.pg_before, change.pg)}"
        found.append((sql, f"{{rows}} of {name} would lose part of their value as {change.pg}.", "change them first"))
    return found


def _part(change: AddPart) -> list[Obstacle]:
    part, table = change.part, _table(change.table)
    columns = ", ".join(quoted(column) for column in part.columns)
    named = f"{change.table}.{'/'.join(part.columns)}"
    if part.kind == "check":
        rule = part.message or part.name
        sql = f"SELECT count(*) FROM {table} WHERE NOT {part.sql.removeprefix('CHECK ')}"
        return [(sql, f"{{rows}} of {change.table} would break {rule!r}.", "change them first")]
    filled = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in part.columns)
    if part.kind in ("unique", "unique index"):
        among = part.sql.partition(" WHERE ")[2]
        filled += f" AND {among}" if among else ""
        groups = f"SELECT FROM {table} WHERE {filled} GROUP BY {columns} HAVING count(*) > 1"
        sql = f"SELECT count(*) FROM ({groups}) AS repeated"
        return [(sql, f"{named} becomes unique, and the values of {{rows}} stand twice.", "make them differ first")]
    if part.refers is not None:
        pairs = zip(part.columns, part.refers.to, strict=True)
        same = " AND ".join(f"o.{quoted(other)} = t.{quoted(column)}" for column, other in pairs)
        missing = f"NOT EXISTS (SELECT FROM {_table(part.refers.target)} o WHERE {same})"
        sql = f"SELECT count(*) FROM {table} t WHERE {filled} AND {missing}"
        return [(sql, f"{{rows}} of {named} would refer to nothing.", "correct or empty them first")]
    return []


_OBSTACLES: dict[type, Callable[[Any], list[Obstacle]]] = {
    AddColumn: _new_column,
    AlterColumn: _altered_column,
    AddPart: _part,
}

_OF_DATA = frozenset({"22", "23"})


def of_database(error: Any) -> RowgateError:
    """Give the refusal for what Postgres raised during a change."""
    state = sqlstate(error)
    said = str(error.orig).partition("\n")[0].rpartition(">: ")[2] if error.orig is not None else ""
    if state is None or state[:2] in {"08", "57"}:
        return DatabaseUnavailable("The database is not available: nothing was changed.")
    if state[:2] in _OF_DATA:
        return DataInTheWay(f"Rows don't fit the change: {said}. Nothing was changed.", hint="change those rows first")
    return ChangeFailed(f"Postgres refuses the change: {said}. Nothing was changed.")
