"""Locks on the rows that a condition holds for: who reads them holds them, and whoever writes one of them waits.

Every writer meets them, since a trigger of the table takes the same lock, shared, for each row that is written.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.database.statement import Statement, statement
from app.definitions.column_types import kept_as
from app.expressions import syntax
from app.expressions.check import Expression
from app.expressions.to_sql import Parameters, compile_sql
from app.expressions.types import BOOL, Enum, pg_type
from app.relations.schema import Column, Table
from app.relations.source import Related, Source


@dataclass(frozen=True, slots=True, order=True)
class Held:
    """Rows of a table that some step holds: by the values of a column, or all of them where `column` is empty."""

    table: str
    column: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """What a step holds until the transaction ends, by which statement, and how a trace tells it."""

    held: tuple[Held, ...]
    statement: Statement
    told: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a step reads: rows of a source by a condition, or, where it is no `is_set`, one that it locks by itself.

    `values` are computed of the rows, `columns` are those that they are grouped or put in order by; `shown` says that
    their columns come out.
    """

    source: Source
    where: Expression | None = None
    values: tuple[Expression, ...] = ()
    columns: tuple[str, ...] = ()
    shown: bool = False
    is_set: bool = True


def hold_of(reading: Reading, written: frozenset[str]) -> Hold | None:
    """Give what a step holds, behind which these tables are written; None where its answer rests on none of them.

    Of the table that it reads those rows are held that have the value which the condition asks of a column, else all;
    of the tables that a column is computed from, all.
    """
    source = reading.source
    rules = (source.filter, reading.where, *reading.values)
    asked = _behind(source, _paths(rules[1:], reading.columns)) | _read_by(rules)
    shown = _behind(source, _paths((), source.shown)) if reading.shown else {}
    own = reading.is_set and not written.isdisjoint({source.table.name, *asked})
    whole = {name: table for name, table in {**asked, **shown}.items() if name in written or (own and name in asked)}
    if not (own or whole):
        return None
    key = _key(source, reading.where) if own and source.table.name not in whole else None
    if own and key is None:
        whole[source.table.name] = source.table
    parameters = Parameters()
    held = {Held(name): _lock_sql(table, "", "", parameters) for name, table in sorted(whole.items())}
    if key is not None:
        column, value = key
        given = compile_sql(value, lambda _root, name: name, parameters)
        held[Held(source.table.name, column.name)] = _lock_sql(source.table, column.name, f"{given}::text", parameters)
    sql = f"SELECT {', '.join(held[one] for one in sorted(held))}"
    return Hold(tuple(sorted(held)), statement(sql, parameters.evaluators, locks=True), _told(reading, sorted(held)))


def hold_of_rules(rules: Sequence[Expression], written: frozenset[str]) -> Hold | None:
    """Give what conditions hold that read other rows, behind which these tables are written: all of them."""
    tables = {name: table for name, table in _read_by(rules).items() if name in written}
    if not tables:
        return None
    parameters = Parameters()
    held = {Held(name): _lock_sql(table, "", "", parameters) for name, table in sorted(tables.items())}
    sql = f"SELECT {', '.join(held.values())}"
    said = " and ".join(dict.fromkeys(rule.text.strip() for rule in rules))
    told = f"rows that {said} reads ({', '.join(f'the whole table {one.table}' for one in held)})"
    return Hold(tuple(held), statement(sql, parameters.evaluators, locks=True), told)


def _read_by(rules: Iterable[Expression | None]) -> dict[str, Table]:
    """Give the tables, by name, whose rows rules read beside those at hand, be it by the views that they read."""
    found: dict[str, Table] = {}
    for rule in rules:
        for source in () if rule is None else rule.reads.values():
            if isinstance(source, Source):
                found |= {source.table.name: source.table} | _read_by((source.filter,))
                found |= _behind(source, [f"item.{name}" for name in source.computed])
    return found


def _lock_sql(table: Table, column: str, value: str, parameters: Parameters) -> str:
    named = f"{parameters.constant(table.sql, 'text')}::regclass, {parameters.constant(column, 'text')}"
    return f"pg_advisory_xact_lock(rowgate.hold_key({named}, {value or parameters.constant('', 'text')}))"


def _told(reading: Reading, held: Iterable[Held]) -> str:
    where = "" if reading.where is None else f" where {reading.where.text.strip()}"
    by = [f"{one.table} by {one.column}" if one.column else f"the whole table {one.table}" for one in held]
    return f"rows of {reading.source.name}{where} ({', '.join(by)})"


def _behind(source: Source, paths: Iterable[str]) -> dict[str, Table]:
    """Give the tables, by name, from whose rows the columns are computed that these paths name."""
    found: dict[str, Table] = {}
    for path in paths:
        root, _, name = path.partition(".")
        column = source.computed.get(name.partition(".")[0]) if root == "item" else None
        if isinstance(column, Related):
            found |= {column.source.table.name: column.source.table} | _behind(column.source, _paths_of(column))
            found |= _read_by((column.source.filter, column.where, column.value))
        elif column is not None:
            found |= _read_by((column,))
    return found


def _paths_of(column: Related) -> list[str]:
    """Name what a related column reads of the other side's rows."""
    names = [term.column for term in column.order or column.source.order]
    if column.value is None and column.kind in ("one", "list"):
        names += column.source.shown
    return _paths((column.where, column.value), names)


def _paths(rules: Iterable[Expression | None], columns: Iterable[str]) -> list[str]:
    """Name what is read of rows: by rules, and by the columns' own names."""
    return [*(path for one in rules if one is not None for path in one.paths), *(f"item.{name}" for name in columns)]


def _key(source: Source, where: Expression | None) -> tuple[Column, Expression] | None:
    """Find the column whose value all rows share that the condition holds for, the most telling one, and the value."""
    found = [*_equal(source, source.filter, "row", ()), *_equal(source, where, "item", source.computed)]
    return min(found, key=lambda key: _rank(source.table, key[0]), default=None)


def _rank(table: Table, column: Column) -> int:
    if frozenset({column.name}) in table.unique:
        return 0
    if column.target is not None:
        return 1
    return 3 if column.type == BOOL or isinstance(column.type, Enum) else 2


def _equal(
    source: Source, rule: Expression | None, root: str, computed: Iterable[str]
) -> Iterator[tuple[Column, Expression]]:
    """Yield the columns of the row that a rule wants to be equal to what doesn't depend on the row."""
    if rule is None:
        return
    for node in _conjuncts(rule.tree):
        if not (isinstance(node, syntax.Binary) and node.operator == "=="):
            continue
        for side, other in ((node.left, node.right), (node.right, node.left)):
            column = _column(source.table.columns, side, root, computed)
            if column is None or not _has_one_text(column) or pg_type(column.type) != pg_type(other.type):
                continue
            if not any(_is_of_rows(one, rule) for one in syntax.walk(other)):
                yield column, Expression(rule.text, other, other.type, rule.paths, frozenset(), constant=False)


def _is_of_rows(node: syntax.Node, rule: Expression) -> bool:
    if isinstance(node, syntax.Name):
        return node.name in rule.rows
    return isinstance(node, syntax.AllRows | syntax.Followed)


def _has_one_text(column: Column) -> bool:
    """Say whether equal values of a column have one text, as a parameter and in a row's JSON."""
    kind = kept_as(column.pg)
    return kind is not None and kind.one_text


def _conjuncts(node: syntax.Node) -> Iterator[syntax.Node]:
    if isinstance(node, syntax.Logic) and node.operator == "&&":
        for item in node.items:
            yield from _conjuncts(item)
    else:
        yield node


def _column(columns: Mapping[str, Column], node: syntax.Node, root: str, computed: Iterable[str]) -> Column | None:
    if isinstance(node, syntax.Field) and isinstance(node.operand, syntax.Name) and node.operand.name == root:
        return None if node.name in computed else columns.get(node.name)
    return None
