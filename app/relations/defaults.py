"""The default of a column in SQL: a literal, or what the database computes for each new row."""

from collections.abc import Callable
from typing import Any

from app.definitions.column_types import KEY, NO_KEYS, kept_as
from app.definitions.columns import ColumnDef
from app.definitions.defaults import computed
from app.definitions.validation import fitting_default
from app.relations.literals import literal
from app.relations.schema import Column, Table

# How a value gets into the SQL: as a literal in DDL, as a parameter in a statement.
Write = Callable[[Any, str], str]


def default_sql(said: ColumnDef, pg: str, write: Write = literal) -> str | None:
    """Give the default of a column of this type; None where it has none, or one that is a finding."""
    known = computed(said)
    if known is not None:
        return _COMPUTED[known.name](known.length, write)
    kind = kept_as(pg.removesuffix("[]"))
    value = fitting_default(said, NO_KEYS if kind is None else {f"{said.table}.{said.key}": kind})
    return None if value is None else write(value, pg)


def kept_sql(table: Table, name: str, write: Write) -> str:
    """Give what the database gives a new row for a column that it keeps by itself."""
    if name != KEY:
        return "now()"
    if not table.columns[name].is_counted:
        return "rowgate.uuid7()"
    return f"nextval(pg_get_serial_sequence({write(table.sql, 'text')}, {write(KEY, 'text')}))"


def is_kept_by_the_database(column: Column) -> bool:
    """Say whether only the database knows the column's default."""
    return column.definition is None or computed(column.definition) is not None


_COMPUTED: dict[str, Callable[[int | None, Write], str]] = {
    "now": lambda _length, _write: "now()",
    "today": lambda _length, _write: "(now() AT TIME ZONE 'UTC')::date",
    "uuid": lambda _length, _write: "gen_random_uuid()",
    "random_token": lambda length, write: f"rowgate.random_token({write(length, 'integer')})",
}
