"""What a statement reads from: a table as it is, or a view with its filter and its columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.expressions.check import Expression
from app.expressions.to_sql import Parameters, compile_sql
from app.expressions.types import Record, Type
from app.relations.schema import Table, quoted

ALIAS = "t"


@dataclass(frozen=True, slots=True)
class Source:
    """`shown` are the columns that come out; `item` is what conditions may compare: the whole row, computed ones too.

    `computed` are the columns of a view that are formulas over `row`.
    """

    name: str
    table: Table
    shown: Mapping[str, Type]
    item: Record
    computed: Mapping[str, Expression] = field(default_factory=dict)
    filter: Expression | None = None
    order: tuple["OrderBy", ...] = ()
    max_rows: int | None = None

    @property
    def record(self) -> Record:
        """Give the record that a row of this source is."""
        return Record(self.name, self.shown)


@dataclass(frozen=True, slots=True)
class OrderBy:
    """One column of an order; where nulls are not placed they count as greater than everything, as in Postgres."""

    column: str
    descending: bool = False
    nulls_first: bool | None = None


def table_source(table: Table) -> Source:
    """Read a table as it is."""
    return Source(table.name, table, table.record.fields, table.record)


def column_sql(source: Source, parameters: Parameters) -> Callable[[str, str], str]:
    """Give the function that names a column of the row in SQL, be it plain or computed."""

    def column(_root: str, name: str) -> str:
        formula = source.computed.get(name)
        if formula is not None:
            return f"({compile_sql(formula, column, parameters)})"
        return f"{ALIAS}.{quoted(name)}"

    return column


def conditions_sql(source: Source, where: Expression | None, parameters: Parameters) -> list[str]:
    """Give the conditions of the view's filter and of `where`, to be joined by AND."""
    column = column_sql(source, parameters)
    wanted = (source.filter, where)
    return [f"({compile_sql(condition, column, parameters)})" for condition in wanted if condition is not None]


def shown_sql(source: Source, parameters: Parameters) -> str:
    """Give the list of columns that come out, each under its own name."""
    column = column_sql(source, parameters)
    return ", ".join(f"{column('row', name)} AS {quoted(name)}" for name in source.shown)


def order_sql(order: tuple[OrderBy, ...], source: Source, parameters: Parameters) -> str:
    """Give the ORDER BY clause, or nothing."""
    if not order:
        return ""
    column = column_sql(source, parameters)
    terms = []
    for term in order:
        nulls = "" if term.nulls_first is None else " NULLS FIRST" if term.nulls_first else " NULLS LAST"
        terms.append(f"{column('row', term.column)}{' DESC' if term.descending else ''}{nulls}")
    return f" ORDER BY {', '.join(terms)}"


def parse_order(text: str) -> OrderBy | None:
    """Read `column`, `column desc`, `column desc nullslast`; None where it is something else."""
    column, *words = text.split() or [""]
    direction = words.pop(0) if words and words[0] in {"asc", "desc"} else "asc"
    nulls = words.pop(0) if words and words[0] in {"nullsfirst", "nullslast"} else None
    if words or not column:
        return None
    return OrderBy(column, direction == "desc", None if nulls is None else nulls == "nullsfirst")
