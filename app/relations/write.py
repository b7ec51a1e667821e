"""Writing statements: insert, update and delete, each giving back the rows it wrote."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from app.database.quoting import quoted
from app.database.statement import Statement, statement, writing_statement
from app.definitions.column_types import KEY
from app.expressions.check import Expression
from app.expressions.to_sql import Parameters, compile_sql
from app.expressions.types import pg_type
from app.relations.defaults import default_sql, kept_sql
from app.relations.literals import pg_text
from app.relations.measured import measured_rows
from app.relations.schema import Table
from app.relations.source import ALIAS, column_sql, conditions_sql, shown_sql, table_source
from app.relations.values import Value

GIVEN = "rowgate_given"
SENT = "rowgate_sent"
# An id that is given is taken, also where the database numbers the rows.
OVERRIDING = " OVERRIDING SYSTEM VALUE"


@dataclass(frozen=True, slots=True)
class OnConflict:
    """What an insert does where a row with the same values of these unique columns is there."""

    columns: tuple[str, ...]
    update: bool


def insert_row(
    table: Table, values: Mapping[str, Value], max_bytes: int, conflict: OnConflict | None = None
) -> Statement:
    """Insert one row; an entry that is an input which wasn't sent takes the column's default.

    A row that would have more than `max_bytes` as JSON is refused, and not kept; so it is with the rows of the others.
    """
    parameters = Parameters()
    names = ", ".join(quoted(name) for name in values)
    given = ", ".join(given_value(table, name, value, parameters) for name, value in values.items())
    body = f"({names}){OVERRIDING} VALUES ({given})" if values else "DEFAULT VALUES"
    write = f"INSERT INTO {table.sql} AS {ALIAS} {body}{conflict_sql(table, values, conflict, parameters)}"
    returned = inserted_columns(table, max_bytes, parameters)
    return statement(f"{write} RETURNING {returned}", parameters.evaluators)


def inserted_columns(table: Table, max_bytes: int, parameters: Parameters) -> str:
    """Give the columns that come out of one inserted row, as far as it has `max_bytes`."""
    fits = f"octet_length(row_to_json({ALIAS}.*)::text) <= {parameters.constant(max_bytes, 'bigint')}"
    # The first column comes out where the row fits: cheaper than a query over what was written.
    first, *others = table.columns
    source = table_source(table)
    column = column_sql(source, parameters)
    held = f"CASE WHEN {fits} OR rowgate.too_large() THEN {column('row', first)} END AS {quoted(first)}"
    return ", ".join([held, *(f"{column('row', name)} AS {quoted(name)}" for name in others)])


def insert_rows(
    table: Table, rows: Sequence[Mapping[str, Value]], max_bytes: int, conflict: OnConflict | None = None
) -> Statement:
    """Insert rows that the definition lists; a column that one of them leaves out takes its default."""
    parameters = Parameters()
    names = list(dict.fromkeys(name for row in rows for name in row))
    given = ", ".join(
        "("
        + ", ".join(given_value(table, name, row[name], parameters) if name in row else "DEFAULT" for name in names)
        + ")"
        for row in rows
    )
    body = f"({', '.join(map(quoted, names))}){OVERRIDING} VALUES {given}"
    return _written(_insert(table, body, conflict), table, parameters, max_bytes)


def insert_given(table: Table, names: Sequence[str], max_bytes: int, conflict: OnConflict | None = None) -> Statement:
    """Insert the rows of a JSON list, the last parameter; a column that one of them leaves out takes its default."""
    parameters = Parameters()
    values = given_values(table, names, names, parameters)
    # Before the rows comes max_bytes.
    given = given_rows(table, names, f"${len(parameters.evaluators) + 2}::jsonb")
    body = f"({', '.join(map(quoted, names))}){OVERRIDING} SELECT {', '.join(values)} FROM {given}"
    return _written(_insert(table, body, conflict), table, parameters, max_bytes, 1)


def _written(write: str, table: Table, parameters: Parameters, max_bytes: int, extra: int = 0) -> Statement:
    """Give the rows that are written, as far as they have `max_bytes`: where they have more, nothing is kept."""
    most = parameters.constant(max_bytes, "bigint")
    cte = f"WITH rowgate_written AS ({write} RETURNING {shown_sql(table_source(table), parameters)})"
    answer = measured_rows("SELECT * FROM rowgate_written", table.columns, most)
    return writing_statement(cte, answer, parameters.evaluators, extra)


def _insert(table: Table, body: str, conflict: OnConflict | None) -> str:
    """Write an insert that updates nothing."""
    body += "" if conflict is None else on_conflict_sql(conflict.columns, None)
    return f"INSERT INTO {table.sql} AS {ALIAS} {body}"


def conflict_sql(table: Table, values: Mapping[str, Value], conflict: OnConflict | None, parameters: Parameters) -> str:
    """Say what happens on a conflict, if anything; what wasn't sent stays as it is in the row that is there."""
    if conflict is None:
        return ""
    if not conflict.update:
        return on_conflict_sql(conflict.columns, None)
    known = table.columns
    others = [name for name in values if name not in conflict.columns and not known[name].is_counted]
    kept = {name: parameters.add(sent, "boolean") for name in others if (sent := values[name].sent) is not None}
    return on_conflict_sql(conflict.columns, excluded(table, others, kept))


def given_rows(table: Table, names: Iterable[str], parameter: str) -> str:
    """Read the rows of a JSON list as columns of a table, under the name `rowgate_given`.

    `rowgate_sent` is a row as it was given, and which of them it is.
    """
    return rows_read(table, names, f"jsonb_array_elements({parameter}) WITH ORDINALITY AS {SENT} (line, turn)")


def rows_read(table: Table, names: Iterable[str], rows: str) -> str:
    """Read rows that are there as JSON, each a `line` with its `turn`, under the same names."""
    typed = ", ".join(f"{quoted(name)} {table.columns[name].pg}" for name in names) or "nothing text"
    return f"{rows} CROSS JOIN LATERAL jsonb_to_record({SENT}.line) AS {GIVEN} ({typed})"


def given_values(table: Table, names: Iterable[str], missing: Collection[str], parameters: Parameters) -> list[str]:
    """Give the columns of the rows that were given; one of `missing` takes its default in a row that hasn't got it."""
    values = []
    for name in names:
        column, value = table.columns[name], f"{GIVEN}.{quoted(name)}"
        if name in missing and column.said.has_default:
            has_it = f"{SENT}.line ? {parameters.constant(name, 'text')}"
            value = f"CASE WHEN {has_it} THEN {value} ELSE {default_of(table, name, parameters)} END"
        values.append(value)
    return values


def on_conflict_sql(columns: Sequence[str], settings: Mapping[str, str] | None) -> str:
    """Say what happens where these unique columns are taken: others are set in the row, or nothing is."""
    target = ", ".join(map(quoted, columns))
    if settings is None:
        return f" ON CONFLICT ({target}) DO NOTHING"
    listed = ", ".join(f"{quoted(name)} = {value}" for name, value in settings.items())
    return f" ON CONFLICT ({target}) DO UPDATE SET {listed}"


def excluded(table: Table, updated: Sequence[str], sent: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give what is set in a row that is there: what was given, of a column in `sent` only where its condition holds."""
    if not updated:
        # Where nothing else is set, an update of a column to what it is still gives the row back.
        name = harmless(table)
        return {name: f"{ALIAS}.{quoted(name)}"}
    given = {name: f"EXCLUDED.{quoted(name)}" for name in updated}
    for name, is_sent in (sent or {}).items():
        given[name] = f"CASE WHEN {is_sent} THEN {given[name]} ELSE {ALIAS}.{quoted(name)} END"
    return given


def harmless(table: Table) -> str:
    """Name a column that an update may set to what it is, also where the database numbers the rows."""
    return next((name for name in table.columns if name != KEY), KEY)


def rows_json(rows: Sequence[Mapping[str, Any]]) -> list[object]:
    """Give validated rows as the JSON that Postgres reads: decimals exact, what JSON has no form for as texts."""
    return [{name: _json_value(value) for name, value in row.items()} for row in rows]


def _json_value(value: object) -> object:
    if isinstance(value, date | timedelta | bytes):
        return pg_text(value)
    return [_json_value(item) for item in value] if isinstance(value, list) else value


def given_value(table: Table, name: str, value: Value, parameters: Parameters) -> str:
    """Give the value that a new row has; one that is an input which wasn't sent is the column's default."""
    column = table.columns[name]
    if value.is_literal:
        return parameters.constant(value.literal, pg_type(column.type))
    given = parameters.add(value.evaluate, pg_type(column.type))
    if value.sent is None:
        return given
    is_sent = parameters.add(value.sent, "boolean")
    return f"CASE WHEN {is_sent} THEN {given} ELSE {default_of(table, name, parameters)} END"


def default_of(table: Table, name: str, parameters: Parameters) -> str:
    """Give what a column is where nothing is given for it."""
    column, write = table.columns[name], parameters.constant
    kind, said = pg_type(column.type), column.definition
    found = kept_sql(table, name, write) if said is None else default_sql(said, column.pg, write)
    return f"NULL::{kind}" if found is None else f"({found})::{kind}"


def update_rows(table: Table, where: Expression, values: Mapping[str, Value], max_bytes: int) -> Statement:
    """Update the rows that `where` holds for; values may read the row before the update as `item`."""
    parameters = Parameters()
    source = table_source(table)
    settings = ", ".join(setting_sql(table, name, value, parameters) for name, value in values.items())
    conditions = " AND ".join(conditions_sql(source, where, parameters))
    return _written(f"UPDATE {table.sql} AS {ALIAS} SET {settings} WHERE {conditions}", table, parameters, max_bytes)


def setting_sql(table: Table, name: str, value: Value, parameters: Parameters) -> str:
    """Give what an update sets a column to."""
    return f"{quoted(name)} = {changed_value(table, name, value, parameters)}"


def changed_value(table: Table, name: str, value: Value, parameters: Parameters) -> str:
    """Give the value that a row is changed to; one that is an input which wasn't sent leaves it as it is."""
    before = table.columns[name]
    kind = pg_type(before.type)
    if value.expression is not None and value.expression.rows:
        column = column_sql(table_source(table), parameters)
        return compile_sql(value.expression, column, parameters)
    if value.is_literal:
        return parameters.constant(value.literal, kind)
    given = parameters.add(value.evaluate, kind)
    if value.sent is None:
        return given
    is_sent = parameters.add(value.sent, "boolean")
    return f"CASE WHEN {is_sent} THEN {given} ELSE {before.value(f'{ALIAS}.{quoted(name)}')} END"


def delete_rows(table: Table, where: Expression, max_bytes: int) -> Statement:
    """Delete the rows that `where` holds for."""
    parameters = Parameters()
    source = table_source(table)
    conditions = " AND ".join(conditions_sql(source, where, parameters))
    return _written(f"DELETE FROM {table.sql} AS {ALIAS} WHERE {conditions}", table, parameters, max_bytes)


def unwritable(table: Table, names: Sequence[str], *, new: bool = False) -> list[str]:
    """Name the columns that no step sets: those that the database keeps, and the base columns of users.

    The id of a `new` row may be said.
    """
    given = {KEY} if new else set()
    kept = {name for name, column in table.columns.items() if column.definition is None} - given
    return [name for name in names if name in kept]
