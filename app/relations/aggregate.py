"""Reading statements that fold rows: sum, count, min, max and avg, of all rows or by group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from app.database.quoting import quoted
from app.database.statement import Statement, statement
from app.expressions.check import Expression
from app.expressions.to_sql import Parameters, compile_sql
from app.expressions.types import (
    BOOL,
    DATE,
    DECIMAL,
    DOUBLE,
    INT,
    NUMBERS,
    STRING,
    TIME,
    TIMESTAMP,
    Enum,
    Type,
    pg_type,
)
from app.relations.measured import measured_rows
from app.relations.source import ALIAS, Source, column_sql, conditions_sql

Function = Literal["sum", "count", "min", "max", "avg"]
_ORDERED = (*NUMBERS, STRING, TIMESTAMP, DATE, TIME)


@dataclass(frozen=True, slots=True)
class Aggregated:
    """A function over the rows' values of an expression, and the type of its answer."""

    function: Function
    expression: Expression
    type: Type


def aggregated_type(function: Function, of: Type) -> Type | None:
    """Give the type of the answer; None where the function doesn't take such values."""
    match function:
        case "count":
            return INT
        case "sum":
            return of if of in NUMBERS else None
        case "avg":
            return None if of not in NUMBERS else DOUBLE if of == DOUBLE else DECIMAL
    return of if of in _ORDERED or isinstance(of, Enum) else None


def aggregate_rows(
    source: Source,
    where: Expression | None,
    group_by: Sequence[str],
    values: Mapping[str, Aggregated],
    most: int,
    max_bytes: int,
) -> Statement:
    """Fold rows into one, or into one for each group in the order of the groups' columns, at most `most`.

    Of more than `max_bytes` as JSON none is given.
    """
    parameters = Parameters()
    column = column_sql(source, parameters)
    groups = [column("item", name) for name in group_by]
    shown = [f"{text} AS {quoted(name)}" for name, text in zip(group_by, groups, strict=True)]
    for name, value in values.items():
        text = compile_sql(value.expression, column, parameters)
        shown.append(f"{_folded(value, text)} AS {quoted(name)}")
    conditions = conditions_sql(source, where, parameters)
    sql = f"SELECT {', '.join(shown)} FROM {source.table.sql} {ALIAS}"
    if conditions:
        sql += f" WHERE {' AND '.join(conditions)}"
    if groups:
        numbers = ", ".join(str(index + 1) for index in range(len(groups)))
        sql += f" GROUP BY {numbers} ORDER BY {numbers} LIMIT {most}"
    measured = measured_rows(sql, (*group_by, *values), parameters.constant(max_bytes, "bigint"))
    return statement(measured, parameters.evaluators)


def _folded(value: Aggregated, text: str) -> str:
    if value.function == "count":
        # Of a condition, the rows that it holds for; of another value, those that have one.
        return f"count(*) FILTER (WHERE {text})" if value.expression.type == BOOL else f"count({text})"
    folded = f"{value.function}({text})"
    if value.function == "sum":
        folded = f"coalesce({folded}, 0)"
    return f"({folded})::{pg_type(value.type)}"
