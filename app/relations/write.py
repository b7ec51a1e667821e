"""Writing statements: insert, update and delete, each giving back the rows it wrote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.expressions.check import Expression
from app.expressions.to_sql import Parameters, compile_sql
from app.expressions.types import pg_type
from app.relations.schema import Column, Table, quoted
from app.relations.source import ALIAS, column_sql, conditions_sql, shown_sql, table_source
from app.relations.statement import Statement, statement
from app.relations.values import Value, read_literal


@dataclass(frozen=True, slots=True)
class OnConflict:
    """What an insert does where a row with the same values of these unique columns is there."""

    columns: tuple[str, ...]
    update: bool


def insert_row(table: Table, values: Mapping[str, Value], conflict: OnConflict | None = None) -> Statement:
    """Insert one row; an entry that is an input which wasn't sent takes the column's default."""
    parameters = Parameters()
    source = table_source(table)
    names = ", ".join(quoted(name) for name in values)
    given = ", ".join(_given(table.columns[name], value, parameters) for name, value in values.items())
    body = f"({names}) VALUES ({given})" if values else "DEFAULT VALUES"
    if conflict is not None:
        body += _on_conflict(conflict, values)
    sql = f"INSERT INTO {table.sql} AS {ALIAS} {body} RETURNING {shown_sql(source, parameters)}"
    return statement(sql, parameters.evaluators)


def _on_conflict(conflict: OnConflict, values: Mapping[str, Value]) -> str:
    target = ", ".join(quoted(name) for name in conflict.columns)
    others = [quoted(name) for name in values if name not in conflict.columns]
    if not conflict.update:
        return f" ON CONFLICT ({target}) DO NOTHING"
    # Where nothing else is set, an update of the target itself still gives the row back.
    settings = ", ".join(f"{name} = EXCLUDED.{name}" for name in others or map(quoted, conflict.columns))
    return f" ON CONFLICT ({target}) DO UPDATE SET {settings}"


def _given(column: Column, value: Value, parameters: Parameters) -> str:
    if value.is_literal:
        return parameters.constant(value.literal, pg_type(column.type))
    sent, evaluate = value.sent, value.evaluate
    if sent is None:
        return parameters.add(evaluate, pg_type(column.type))
    default = None if column.definition is None else read_literal(column.definition.default, column.type)
    return parameters.add(lambda env: evaluate(env) if sent in env["input"] else default, pg_type(column.type))


def update_rows(table: Table, where: Expression, values: Mapping[str, Value]) -> Statement:
    """Update the rows that `where` holds for; values may read the row before the update as `item`."""
    parameters = Parameters()
    source = table_source(table)
    settings = ", ".join(_setting(table, name, value, parameters) for name, value in values.items())
    conditions = " AND ".join(conditions_sql(source, where, parameters))
    sql = f"UPDATE {table.sql} AS {ALIAS} SET {settings} WHERE {conditions} RETURNING {shown_sql(source, parameters)}"
    return statement(sql, parameters.evaluators)


def _setting(table: Table, name: str, value: Value, parameters: Parameters) -> str:
    kind = pg_type(table.columns[name].type)
    if value.expression is not None and value.expression.rows:
        column = column_sql(table_source(table), parameters)
        return f"{quoted(name)} = {compile_sql(value.expression, column, parameters)}"
    if value.is_literal:
        return f"{quoted(name)} = {parameters.constant(value.literal, kind)}"
    given = parameters.add(value.evaluate, kind)
    if (sent := value.sent) is None:
        return f"{quoted(name)} = {given}"
    is_sent = parameters.add(lambda env: sent in env["input"], "boolean")
    return f"{quoted(name)} = CASE WHEN {is_sent} THEN {given} ELSE {ALIAS}.{quoted(name)} END"


def delete_rows(table: Table, where: Expression) -> Statement:
    """Delete the rows that `where` holds for."""
    parameters = Parameters()
    source = table_source(table)
    conditions = " AND ".join(conditions_sql(source, where, parameters))
    sql = f"DELETE FROM {table.sql} AS {ALIAS} WHERE {conditions} RETURNING {shown_sql(source, parameters)}"
    return statement(sql, parameters.evaluators)


def unwritable(table: Table, names: Sequence[str]) -> list[str]:
    """Name the columns that no step sets: those that the database keeps, and the base columns of users."""
    return [name for name in names if name in table.columns and table.columns[name].definition is None]
