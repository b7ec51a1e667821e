"""Writing statements: insert, update and delete, each giving back the rows it wrote."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from app.expressions.check import Expression
from app.expressions.to_sql import Parameters, compile_sql
from app.expressions.types import pg_type
from app.relations.measured import measured_rows
from app.relations.schema import Column, Table, quoted
from app.relations.source import ALIAS, column_sql, conditions_sql, shown_sql, table_source
from app.relations.statement import Statement, statement, writing_statement
from app.relations.values import Value, read_literal

GIVEN = "rowgate_given"


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
    given = ", ".join(_given(table.columns[name], value, parameters) for name, value in values.items())
    body = f"({names}) VALUES ({given})" if values else "DEFAULT VALUES"
    write = _insert(table, body, list(values), conflict)
    fits = f"octet_length(row_to_json({ALIAS})::text) <= {parameters.constant(max_bytes, 'bigint')}"
    # The first column comes out where the row fits: cheaper than a query over what was written.
    first, *others = table.columns
    source = table_source(table)
    column = column_sql(source, parameters)
    held = f"CASE WHEN {fits} OR rowgate.too_large() THEN {column('row', first)} END AS {quoted(first)}"
    shown = ", ".join([held, *(f"{column('row', name)} AS {quoted(name)}" for name in others)])
    return statement(f"{write} RETURNING {shown}", parameters.evaluators)


def insert_rows(
    table: Table, rows: Sequence[Mapping[str, Value]], max_bytes: int, conflict: OnConflict | None = None
) -> Statement:
    """Insert rows that the definition lists; a column that one of them leaves out takes its default."""
    parameters = Parameters()
    names = list(dict.fromkeys(name for row in rows for name in row))
    given = ", ".join(
        "("
        + ", ".join(_given(table.columns[name], row[name], parameters) if name in row else "DEFAULT" for name in names)
        + ")"
        for row in rows
    )
    body = f"({', '.join(map(quoted, names))}) VALUES {given}"
    return _written(_insert(table, body, names, conflict), table, parameters, max_bytes)


def insert_given(table: Table, names: Sequence[str], max_bytes: int, conflict: OnConflict | None = None) -> Statement:
    """Insert the rows of a JSON list, the last parameter, whose objects have exactly these columns."""
    listed = ", ".join(map(quoted, names))
    body = f"({listed}) SELECT {listed} FROM {given_rows(table, names, '$2::jsonb')}"  # $1 is max_bytes
    return _written(_insert(table, body, names, conflict), table, Parameters(), max_bytes, 1)


def _written(write: str, table: Table, parameters: Parameters, max_bytes: int, extra: int = 0) -> Statement:
    """Give the rows that are written, as far as they have `max_bytes`: where they have more, nothing is kept."""
    most = parameters.constant(max_bytes, "bigint")
    cte = f"WITH rowgate_written AS ({write} RETURNING {shown_sql(table_source(table), parameters)})"
    answer = measured_rows("SELECT * FROM rowgate_written", table.columns, most)
    return writing_statement(cte, answer, parameters.evaluators, extra)


def _insert(table: Table, body: str, names: Sequence[str], conflict: OnConflict | None) -> str:
    if conflict is not None:
        others = [name for name in names if name not in conflict.columns]
        body += on_conflict_sql(conflict.columns, others if conflict.update else None)
    return f"INSERT INTO {table.sql} AS {ALIAS} {body}"


def given_rows(table: Table, names: Iterable[str], parameter: str) -> str:
    """Read the rows of a JSON list as columns of a table, under the name `rowgate_given`."""
    typed = ", ".join(f"{quoted(name)} {table.columns[name].pg}" for name in names) or "nothing text"
    return f"jsonb_to_recordset({parameter}) AS {GIVEN} ({typed})"


def on_conflict_sql(columns: Sequence[str], updated: Sequence[str] | None) -> str:
    """Say what happens where these unique columns are taken: others are updated by what was given, or nothing is."""
    target = ", ".join(map(quoted, columns))
    if updated is None:
        return f" ON CONFLICT ({target}) DO NOTHING"
    # Where nothing else is set, an update of the target itself still gives the row back.
    settings = ", ".join(f"{quoted(name)} = EXCLUDED.{quoted(name)}" for name in updated or columns)
    return f" ON CONFLICT ({target}) DO UPDATE SET {settings}"


def rows_json(rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Give validated rows as the JSON that Postgres reads: decimals exact, moments and dates as texts."""
    return [{name: _json_value(value) for name, value in row.items()} for row in rows]


def _json_value(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return [_json_value(item) for item in value] if isinstance(value, list) else value


def _given(column: Column, value: Value, parameters: Parameters) -> str:
    if value.is_literal:
        return parameters.constant(value.literal, pg_type(column.type))
    sent, evaluate = value.sent, value.evaluate
    if sent is None:
        return parameters.add(evaluate, pg_type(column.type))
    default = default_of(column)
    return parameters.add(lambda env: evaluate(env) if sent in env["input"] else default, pg_type(column.type))


def default_of(column: Column) -> Any:
    """Give what a column is where nothing is given for it."""
    return None if column.definition is None else read_literal(column.definition.default, column.type)


def update_rows(table: Table, where: Expression, values: Mapping[str, Value], max_bytes: int) -> Statement:
    """Update the rows that `where` holds for; values may read the row before the update as `item`."""
    parameters = Parameters()
    source = table_source(table)
    settings = ", ".join(_setting(table, name, value, parameters) for name, value in values.items())
    conditions = " AND ".join(conditions_sql(source, where, parameters))
    return _written(f"UPDATE {table.sql} AS {ALIAS} SET {settings} WHERE {conditions}", table, parameters, max_bytes)


def _setting(table: Table, name: str, value: Value, parameters: Parameters) -> str:
    before = table.columns[name]
    kind = pg_type(before.type)
    if value.expression is not None and value.expression.rows:
        column = column_sql(table_source(table), parameters)
        return f"{quoted(name)} = {compile_sql(value.expression, column, parameters)}"
    if value.is_literal:
        return f"{quoted(name)} = {parameters.constant(value.literal, kind)}"
    given = parameters.add(value.evaluate, kind)
    if (sent := value.sent) is None:
        return f"{quoted(name)} = {given}"
    is_sent = parameters.add(lambda env: sent in env["input"], "boolean")
    return f"{quoted(name)} = CASE WHEN {is_sent} THEN {given} ELSE {before.value(f'{ALIAS}.{quoted(name)}')} END"


def delete_rows(table: Table, where: Expression, max_bytes: int) -> Statement:
    """Delete the rows that `where` holds for."""
    parameters = Parameters()
    source = table_source(table)
    conditions = " AND ".join(conditions_sql(source, where, parameters))
    return _written(f"DELETE FROM {table.sql} AS {ALIAS} WHERE {conditions}", table, parameters, max_bytes)


def unwritable(table: Table, names: Sequence[str]) -> list[str]:
    """Name the columns that no step sets: those that the database keeps, and the base columns of users."""
    return [name for name in names if name in table.columns and table.columns[name].definition is None]
