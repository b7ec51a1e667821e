"""Reading statements that fold rows: sum, count, min, max and avg, of all rows or by group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from app.database.quoting import quoted
from app.database.statement import Statement, statement
from app.expressions.check import Expression
from app.expressions.to_sql import Parameters, compile_kept, compile_sql
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
from app.relations.select import counted_rows, may_be_undecided
from app.relations.source import Columns, Source, column_sql, is_required

UNDECIDED = "rowgate_undecided"
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

    Where one of the rows can't be decided, the values of the one are null, and of groups there comes one row more, in
    which `UNDECIDED` holds. Of more than `max_bytes` as JSON none is given.
    """
    parameters = Parameters()
    column = column_sql(source, parameters)
    counted = counted_rows(source, where, parameters)
    groups = [column("item", name) for name in group_by]
    shown = [f"{text} AS {quoted(name)}" for name, text in zip(group_by, groups, strict=True)]
    for name, value in values.items():
        folded = _folded(value, source, column, parameters)
        shown.append(f"{folded if groups else counted.sure(folded)} AS {quoted(name)}")
    sql, names = f"SELECT {', '.join(shown)} {counted.rows}", (*group_by, *values)
    if groups:
        numbers = ", ".join(str(index + 1) for index in range(len(groups)))
        sql += f" GROUP BY {numbers} ORDER BY {numbers} LIMIT {most}"
    if groups and counted.decided is not None:
        sql = (
            f"(SELECT rowgate_groups.*, false AS {UNDECIDED} FROM ({sql}) rowgate_groups WHERE {counted.decided})"
            f" UNION ALL SELECT {'NULL, ' * len(names)}true WHERE NOT {counted.decided}"
        )
        names = (*names, UNDECIDED)
    return statement(measured_rows(sql, names, parameters.constant(max_bytes, "bigint")), parameters.evaluators)


def _folded(value: Aggregated, source: Source, column: Columns, parameters: Parameters) -> str:
    if value.function == "count" and value.expression.type == BOOL:
        # Of a condition, the rows that it holds for; where one has no answer, nobody knows how many.
        holds, undecided = compile_kept(value.expression, column, parameters, "item", partial(is_required, source))
        found = f"count(*) FILTER (WHERE {holds})"
        if undecided.none_among(str) is None:
            return found
        return f"(CASE WHEN bool_or(({undecided.condition}) IS NULL) THEN NULL ELSE {found} END)"
    text = compile_sql(value.expression, column, parameters)
    if value.function == "count":
        return f"count({text})"
    folded = f"{value.function}({text})"
    if value.function == "sum":
        folded = f"coalesce({folded}, 0)"
    return f"({folded})::{pg_type(value.type)}"


def undecided(value: Aggregated, source: Source) -> bool:
    """Say whether a value is null where a column that its condition compares is."""
    counts = value.function == "count" and value.expression.type == BOOL
    return counts and may_be_undecided(source, value.expression)
