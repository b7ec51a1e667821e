"""Reading statements of steps: one row, rows, a count, whether there is one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.database.quoting import quoted
from app.database.statement import Evaluator, Statement, statement
from app.expressions.check import Expression
from app.expressions.to_sql import Parameters, compile_kept
from app.expressions.types import pg_type
from app.expressions.undecided import DECIDED, Undecidable, answer_sql
from app.relations.bound_row import told_columns
from app.relations.measured import ROW, measured_rows, measured_values
from app.relations.row_json import row_json
from app.relations.source import ALIAS, OrderBy, Source, column_sql, conditions_sql, is_required, order_sql, shown_sql

Count = Callable[[Any], object]


def select_row(source: Source, where: Expression, *, lock: bool, max_bytes: int) -> Statement:
    """Read at most one row for `binding`, of so many bytes as JSON; `lock` holds it until the transaction ends."""
    parameters = Parameters()
    shown = _bound_sql(source, parameters)
    held = f" FOR UPDATE OF {ALIAS}" if lock else ""
    sql = f"SELECT {shown} FROM {source.table.sql} {ALIAS}{_where(source, where, parameters)} LIMIT 1{held}"
    return _measured(sql, source, parameters, max_bytes, lock=lock)


def select_by_id(source: Source, id_: Evaluator) -> Statement:
    """Read the row whose id is what `id_` gives."""
    parameters = Parameters()
    shown = shown_sql(source, parameters)
    given = parameters.add(id_, pg_type(source.table.columns["id"].type))
    return statement(
        f"SELECT {shown} FROM {source.table.sql} {ALIAS} WHERE {ALIAS}.id = {given}", parameters.evaluators
    )


def select_rows(
    source: Source,
    where: Expression | None,
    order: tuple[OrderBy, ...],
    limit: Count,
    offset: Count | None,
    *,
    lock: bool,
    max_bytes: int,
) -> Statement:
    """Read rows for `binding`: at most `limit`, which the caller bounds, and of so many bytes as JSON."""
    parameters = Parameters()
    rows = f"SELECT {_bound_sql(source, parameters)} {_some_rows(source, where, order, limit, offset, parameters)}"
    return _measured(rows + (f" FOR UPDATE OF {ALIAS}" if lock else ""), source, parameters, max_bytes, lock=lock)


def select_shown(
    source: Source,
    where: Expression | None,
    order: tuple[OrderBy, ...],
    limit: Count,
    offset: Count | None,
    *,
    max_bytes: int,
) -> Statement | None:
    """Read the same rows as the text of one JSON list; None where Postgres writes a column otherwise."""
    made, parameters = row_json(source, ROW), Parameters()
    if made is None:
        return None
    rows = f"SELECT {shown_sql(source, parameters)} {_some_rows(source, where, order, limit, offset, parameters)}"
    values = measured_values(made, rows, parameters.constant(max_bytes, "bigint"))
    listed = "'[' || coalesce(string_agg(rowgate_measured.value, ','), '') || ']'"
    return statement(f"SELECT {listed} AS made FROM {values}", parameters.evaluators)


def _some_rows(
    source: Source,
    where: Expression | None,
    order: tuple[OrderBy, ...],
    limit: Count,
    offset: Count | None,
    parameters: Parameters,
) -> str:
    rows = f"FROM {source.table.sql} {ALIAS}{_where(source, where, parameters)}"
    rows += order_sql(order or source.order, source, parameters)
    rows += f" LIMIT {parameters.add(limit, 'bigint')}"
    return rows if offset is None else f"{rows} OFFSET {parameters.add(offset, 'bigint')}"


def _bound_sql(source: Source, parameters: Parameters) -> str:
    """Give the list of columns that a bound row is made of: what is shown, and what a rule is told otherwise."""
    column = column_sql(source, parameters)
    told = [f"{column('row', name)} AS {quoted(label)}" for name, label in told_columns(source).items()]
    return ", ".join((shown_sql(source, parameters), *told))


def _measured(rows: str, source: Source, parameters: Parameters, max_bytes: int, *, lock: bool) -> Statement:
    names = (*source.shown, *told_columns(source).values())
    sql = measured_rows(rows, names, parameters.constant(max_bytes, "bigint"))
    return statement(sql, parameters.evaluators, locks=lock)


@dataclass(frozen=True, slots=True)
class CountedRows:
    """The rows of which one value is made, as what stands behind SELECT, and whether any can't be decided."""

    named: str
    conditions: tuple[str, ...]
    holds: str
    undecided: Undecidable

    @property
    def rows(self) -> str:
        """Write the rows that the condition holds for."""
        return self._among(self.holds)

    @property
    def decided(self) -> str | None:
        """Give the SQL that says that every row is decided; None where none can fail to be."""
        return self.undecided.none_among(self.exists)

    def exists(self, condition: str) -> str:
        """Write the test that there is one of the rows for which a condition holds."""
        return f"EXISTS (SELECT {self._among(condition)})"

    def sure(self, value: str) -> str:
        """Give a value where every row is decided, else null."""
        return value if self.decided is None else f"(CASE WHEN {self.decided} THEN {value} END)"

    def _among(self, condition: str) -> str:
        conditions = " AND ".join((*self.conditions, *([f"({condition})"] if condition else [])))
        return f"{self.named} WHERE {conditions}" if conditions else self.named


def counted_rows(source: Source, where: Expression | None, parameters: Parameters) -> CountedRows:
    """Find the rows of which a step makes one value."""
    named, own = f"FROM {source.table.sql} {ALIAS}", tuple(conditions_sql(source, None, parameters))
    if where is None:
        return CountedRows(named, own, "", DECIDED)
    required = partial(is_required, source)
    return CountedRows(named, own, *compile_kept(where, column_sql(source, parameters), parameters, "item", required))


def may_be_undecided(source: Source, where: Expression | None) -> bool:
    """Say whether what is made of rows may be null, since a column that is compared may be."""
    return bool(counted_rows(source, where, Parameters()).undecided.inside)


def count_rows(source: Source, where: Expression | None) -> Statement:
    """Count the rows, null where one can't be decided; the answer's only column is `value`."""
    parameters = Parameters()
    counted = counted_rows(source, where, parameters)
    return statement(f"SELECT {counted.sure('count(*)')} AS value {counted.rows}", parameters.evaluators)


def any_row(source: Source, where: Expression | None) -> Statement:
    """Tell whether there is a row, null where that can't be decided; the answer's only column is `value`."""
    parameters = Parameters()
    counted = counted_rows(source, where, parameters)
    return statement(
        f"SELECT {answer_sql(counted.exists, counted.holds, counted.undecided)} AS value", parameters.evaluators
    )


def _where(source: Source, where: Expression | None, parameters: Parameters) -> str:
    conditions = conditions_sql(source, where, parameters)
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
