"""What a statement reads from: a table as it is, or a view with its filter and its columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from app.database.quoting import quoted
from app.definitions.answers import MAX_BYTES
from app.expressions.check import Expression
from app.expressions.relation import RowsSql
from app.expressions.to_sql import Parameters, compile_kept, compile_sql
from app.expressions.types import Record, Type, pg_type, shared
from app.expressions.undecided import DECIDED, answer_sql
from app.relations.measured import ROW, WHOLE_ROW, measured_values
from app.relations.schema import Table

ALIAS = "t"
Columns = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Related:
    """A column that is computed from the rows of another table or view.

    `kind` is one of `count exists sum min max avg one list`; `value` is what is taken of each row, None for all columns
    that the other side shows. Conditions and values may name `row`, this side, and `item`, the other.
    """

    kind: str
    source: "Source"
    type: Type
    where: Expression | None = None
    value: Expression | None = None
    order: tuple["OrderBy", ...] = ()
    limit: int = 1

    @property
    def of_none(self) -> bool:
        """Say whether it has a value where there are no rows: then it is null only where it is undecided."""
        return self.kind in ("count", "exists", "sum", "list")


@dataclass(frozen=True, slots=True)
class RowRule:
    """For which rows an action is, and what a row has to be after it; None where every row will do."""

    filter: Expression | None = None
    check: Expression | None = None


EVERY_ROW = RowRule()


class _FoundOut:
    """What is found out about a source once, and is no part of what it says."""

    __slots__ = ("told",)
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source(_FoundOut):
    """`shown` are the columns that come out; `item` is what conditions may compare: the whole row, computed ones too.

    `computed` are the columns of a view that are formulas over `row`, or come from rows of another table or view.
    `filter` is that of reading, and `writes` has the rules of the actions that write.
    """

    name: str
    table: Table
    shown: Mapping[str, Type]
    item: Record
    computed: Mapping[str, Expression | Related] = field(default_factory=dict)
    filter: Expression | None = None
    order: tuple["OrderBy", ...] = ()
    max_rows: int | None = None
    max_bytes: int = MAX_BYTES
    writes: Mapping[str, RowRule] = field(default_factory=dict)

    @property
    def record(self) -> Record:
        """Give the record that a bound row of this source is."""
        references = {name: one for name, one in self.item.references.items() if name in self.shown}
        return shared(Record(self.name, self.shown, nullable=frozenset(told_apart(self)), references=references))

    def rows_sql(self, alias: str, parameters: Parameters) -> RowsSql:
        """Give its rows to a rule that reads them: those that the filter holds for, with all that may be compared."""
        column = partial(column_sql(self, parameters, alias), "item")
        return RowsSql(f"{self.table.sql} {alias}", tuple(conditions_sql(self, None, parameters, alias)), column)

    def never_null(self, name: str) -> bool:
        """Say whether what may be compared always has a value."""
        return name not in self.computed and name in self.table.columns and self.table.columns[name].never_null


@dataclass(frozen=True, slots=True)
class OrderBy:
    """One column of an order; where nulls are not placed they count as greater than everything, as in Postgres."""

    column: str
    descending: bool = False
    nulls_first: bool | None = None


def table_source(table: Table) -> Source:
    """Read a table as it is."""
    return Source(table.name, table, table.record.fields, table.record)


def _plain(table: Table, alias: str) -> Columns:
    return lambda _root, name: table.columns[name].value(f"{alias}.{quoted(name)}")


def column_sql(source: Source, parameters: Parameters, alias: str = ALIAS, *, shown: bool = False) -> Columns:
    """Give the function that names a column of the row in SQL, be it plain or computed.

    To a rule, what is counted of other rows has no answer where one of them can't be decided; where it is `shown`, such
    rows are left out.
    """
    plain = _plain(source.table, alias)

    def column(root: str, name: str) -> str:
        formula = source.computed.get(name)
        if formula is None:
            return plain(root, name)
        if isinstance(formula, Related):
            return _related_sql(formula, source, parameters, alias, shown=shown)
        # A formula reads the table's own columns, also where the view has a computed one of the same name.
        return f"({compile_sql(formula, plain, parameters)})"

    return column


def told_apart(source: Source) -> tuple[str, ...]:
    """Name the columns of which a rule may be told something else than is shown: those that can be undecided."""
    if not hasattr(source, "told"):
        object.__setattr__(source, "told", _told_apart(source))
    return source.told


def _told_apart(source: Source) -> tuple[str, ...]:
    def written(name: str, *, shown: bool) -> str:
        return column_sql(source, Parameters(), shown=shown)("row", name)

    related = [name for name in source.shown if isinstance(source.computed.get(name), Related)]
    return tuple(name for name in related if written(name, shown=True) != written(name, shown=False))


def _related_sql(related: Related, around: Source, parameters: Parameters, alias: str, *, shown: bool) -> str:
    """Write the subquery of a related column of `around`; the other view's filter holds in it."""
    source, outer, alias = related.source, _plain(around.table, alias), f"{alias}_"
    inner = column_sql(source, parameters, alias)

    def column(root: str, name: str) -> str:
        return outer(root, name) if root == "row" else inner(root, name)

    def required(root: str, name: str) -> bool:
        return around.table.columns[name].never_null if root == "row" else source.never_null(name)

    conditions = conditions_sql(source, None, parameters, alias)
    named = f"FROM {source.table.sql} {alias}"
    holds, undecided = "true", DECIDED
    if related.where is not None:
        holds, undecided = compile_kept(related.where, column, parameters, "item", required)
    rows = f"{named} WHERE {' AND '.join((*conditions, f'({holds})'))}"
    if related.kind in ("one", "list"):
        return _rows_sql(related, rows, column, parameters, alias, around.max_bytes, shown=shown)

    def exists(condition: str) -> str:
        return f"EXISTS (SELECT {named} WHERE {' AND '.join((*conditions, f'({condition})'))})"

    if related.kind == "exists":
        return exists(holds) if shown else answer_sql(exists, holds, undecided)
    found = _folded_sql(related, rows, column, parameters)
    decided = None if shown else undecided.none_among(exists)
    return found if decided is None else f"(CASE WHEN {decided} THEN {found} END)"


def is_required(source: Source, _root: str, name: str) -> bool:
    """Say whether a column of the row always has a value."""
    return source.never_null(name)


def _folded_sql(related: Related, rows: str, column: Columns, parameters: Parameters) -> str:
    if related.value is None:
        return f"(SELECT count(*) {rows})"
    total = f"{related.kind}({compile_sql(related.value, column, parameters)})"
    return f"(SELECT {f'coalesce({total}, 0)' if related.kind == 'sum' else total} {rows})"


def _rows_sql(
    related: Related,
    rows: str,
    column: Columns,
    parameters: Parameters,
    alias: str,
    max_bytes: int,
    *,
    shown: bool,
) -> str:
    source = related.source
    value = None if related.value is None else compile_sql(related.value, column, parameters)
    rows += order_sql(related.order or source.order, source, parameters, alias)
    taken = value or shown_sql(source, parameters, alias, shown=shown)
    found = f"SELECT {taken} {rows} LIMIT {parameters.constant(related.limit, 'bigint')}"
    if value is not None:
        return f"ARRAY({found})::{pg_type(related.type)}" if related.kind == "list" else f"({found})"
    if related.kind == "one":
        return f"(SELECT to_json({WHOLE_ROW}) FROM ({found}) {ROW})"
    return json_list(f"row_to_json({WHOLE_ROW})", found, parameters, max_bytes)


def json_list(value: str, rows: str, parameters: Parameters, max_bytes: int) -> str:
    """Write the subquery that gives `value` of each row of a SELECT, which it names ROW, as one JSON list."""
    measured = measured_values(value, rows, parameters.constant(max_bytes, "bigint"))
    return f"(SELECT coalesce(json_agg(rowgate_measured.value), '[]'::json) FROM {measured})"


def conditions_sql(source: Source, where: Expression | None, parameters: Parameters, alias: str = ALIAS) -> list[str]:
    """Give the conditions of the view's filter and of `where`, to be joined by AND."""
    rules = [(source.filter, _plain(source.table, alias)), (where, column_sql(source, parameters, alias))]
    required = partial(is_required, source)
    return [f"({compile_sql(rule, column, parameters, required)})" for rule, column in rules if rule is not None]


def rule_sql(source: Source, rule: Expression | None, parameters: Parameters, alias: str = ALIAS) -> str:
    """Give the condition of a rule over the table's own row, which may be unknown; without one it is true."""
    found = conditions_sql(replace(source, filter=rule), None, parameters, alias)
    return found[0] if found else "true"


def shown_sql(source: Source, parameters: Parameters, alias: str = ALIAS, *, shown: bool = True) -> str:
    """Give the list of columns that come out, each under its own name; where not `shown`, as a rule is told of them."""
    column = column_sql(source, parameters, alias, shown=shown)
    return ", ".join(f"{column('row', name)} AS {quoted(name)}" for name in source.shown)


def order_sql(order: tuple[OrderBy, ...], source: Source, parameters: Parameters, alias: str = ALIAS) -> str:
    """Give the ORDER BY clause, or nothing."""
    if not order:
        return ""
    column = column_sql(source, parameters, alias, shown=True)
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
