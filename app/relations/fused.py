"""One statement for steps that follow each other: rows that are fetched, rules about them, and what is written then.

Each fetched row is a CTE that also says which of the rules behind it refuses: 0 is none, else they count from 1. What
comes behind it reads nothing, locks nothing and writes nothing unless that is 0, so that Postgres alone decides.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from app.database.quoting import quoted
from app.database.statement import Statement, cte_statement
from app.expressions import syntax
from app.expressions.check import Expression
from app.expressions.evaluate import compile_condition, folded
from app.expressions.problems import ExpressionErrors
from app.expressions.to_sql import Parameters, compile_sql
from app.relations.alike import is_alike
from app.relations.bound_row import PartOfRow
from app.relations.measured import BETWEEN
from app.relations.row_json import measured, row_json
from app.relations.schema import Table
from app.relations.source import ALIAS, Columns, Source, column_sql, conditions_sql, shown_sql, table_source
from app.relations.values import Value
from app.relations.write import (
    OVERRIDING,
    OnConflict,
    conflict_sql,
    given_value,
    inserted_columns,
    setting_sql,
)

_ROW, _WRITTEN, _REFUSED, _DONE = "rowgate_row", "rowgate_written", "rowgate_refused", "rowgate_done"


@dataclass(frozen=True, slots=True)
class Fetched:
    """One row of a source that is bound to a name; `which` is its id as it is said, None where a condition chooses."""

    name: str
    source: Source
    where: Expression
    which: str | None
    lock: bool
    max_bytes: int


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """The row of a table with the id `which` that is updated by `values`, or deleted where they are None."""

    name: str | None
    table: Table
    where: Expression
    which: str
    values: Mapping[str, Value] | None
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Inserted:
    """A row that is inserted."""

    name: str | None
    table: Table
    values: Mapping[str, Value]
    conflict: OnConflict | None
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Listed:
    """Rows that are bound to a name, and the statement of their JSON."""

    name: str
    shown: Statement


@dataclass(frozen=True, slots=True)
class Shown:
    """The JSON of a row or of rows that are bound before it; nothing comes behind."""

    name: str


Part = Fetched | Expression | WrittenRow | Inserted | Listed | Shown
"""What one statement may do: an Expression is a rule that has to hold."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a row stands in the statement's one row: its columns from `first` on, and behind them how it went.

    That is of a fetched row which rule behind it refuses, or null where there is none; of a written one whether it is.
    Of a row that is shown there are only the columns that something else reads, and of its JSON no column.
    """

    names: tuple[str, ...]
    first: int
    is_part: bool = False

    @property
    def told(self) -> int:
        """Give where it stands how it went."""
        return self.first + len(self.names)

    def row(self, found: Sequence[object]) -> dict[str, object]:
        """Take it from what the statement gave."""
        columns = zip(self.names, found[self.first : self.told], strict=True)
        return PartOfRow(columns) if self.is_part else dict(columns)


@dataclass(frozen=True, slots=True)
class Fused:
    """The statement, and what it gives for each of the parts: a row, or a rule's number behind which row.

    Where it `is_of_one` part, a row and its JSON, whatever is refused is that part.
    """

    statement: Statement
    given: tuple[Bound | tuple[Bound, int], ...]
    is_of_one: bool


class _Unsayable(Exception):
    """The parts can't be one statement."""


def fused(parts: Sequence[Part], told: Collection[str] = ()) -> Fused | None:
    """Give the one statement of these parts, None where their meaning could differ from that of one after the other.

    `told` are the paths that refusals read.
    """
    *before, last = parts
    shown = last if isinstance(last, Shown) else None
    if any(isinstance(part, Listed) for part in parts):
        return _listed(before, shown)
    if not _keep_their_order(before if shown else parts):
        return None
    try:
        return _Writer(before if shown else parts, shown, frozenset(told)).written()
    except (_Unsayable, ExpressionErrors):
        return None


def _listed(before: Sequence[Part], shown: Shown | None) -> Fused | None:
    """Give the statement of rows that are the whole answer."""
    match before:
        case [Listed(name=name, shown=statement)] if shown is not None and shown.name == name:
            return Fused(statement, (Bound((), 0), Bound((), 0)), is_of_one=True)
    return None


def _keep_their_order(parts: Sequence[Part]) -> bool:
    """Say whether each part sees the same in one statement as it does behind the others.

    A statement sees what was there when it began. Behind a row that it had to wait for, only that row is newer: nothing
    else may be read there. And a row that is locked has to be so for a write at the end, behind which nothing pauses.
    """
    names = [part.name for part in parts if isinstance(part, Fetched)]
    *before, last = parts
    if len(set(names)) < len(names) or any(isinstance(part, WrittenRow | Inserted) for part in before):
        return False
    locked = next((index for index, part in enumerate(parts) if isinstance(part, Fetched) and part.lock), None)
    if locked is None:
        return True
    behind = parts[locked + 1 : -1]
    if any(isinstance(part, Fetched) or (isinstance(part, Expression) and part.reads) for part in behind):
        return False
    row = parts[locked]
    return isinstance(last, Inserted) or (
        isinstance(last, WrittenRow) and isinstance(row, Fetched) and _is_same_row(row, last)
    )


def _is_same_row(row: Fetched, written: WrittenRow) -> bool:
    said = written.which.strip()
    is_named = said == f"{row.name}.id" or (row.which is not None and said == row.which.strip())
    return is_named and row.source.table == written.table


@dataclass
class _Writer:
    """What is written so far: the CTEs with the rows that they hold, by name, and the columns that come out."""

    parts: Sequence[Part]
    answer: Shown | None = None
    told: frozenset[str] = frozenset()
    parameters: Parameters = field(default_factory=Parameters)
    rows: dict[str, str] = field(default_factory=dict)
    ctes: list[tuple[str, str]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    given: list[Bound | tuple[Bound, int]] = field(default_factory=list)
    joined: str = ""

    def written(self) -> Fused:
        """Write all of it."""
        for read, rules in _grouped(self.parts):
            self._read(read, rules)
        last = self.parts[-1]
        if isinstance(last, WrittenRow | Inserted):
            self._write(last)
        if self.answer is not None:
            self._show(self._answering)
        cte = "WITH " + ", ".join(f"{name} AS ({sql})" for name, sql in self.ctes)
        listed = ", ".join(f"{one} AS c{index}" for index, one in enumerate(self.shown))
        statement = cte_statement(
            cte,
            f"SELECT {listed} FROM {self.joined}",
            self.parameters.evaluators,
            writes=isinstance(last, WrittenRow | Inserted),
        )
        return Fused(statement, tuple(self.given), is_of_one=len(self.parts) == 1)

    def _read(self, read: Fetched | None, rules: Sequence[Expression]) -> None:
        name, around = f"rowgate_f{len(self.ctes)}", [one for one, _ in self.ctes]
        source = "" if read is None else self._row_sql(read, around)
        places = dict(self.rows) if read is None else {**self.rows, read.name: _ROW}
        refused = " ".join(
            f"WHEN ({self._rule(rule, places)}) IS NOT TRUE THEN {number}" for number, rule in enumerate(rules, 1)
        )
        refusing = f"{f'CASE {refused} ELSE 0 END' if rules else '0'} AS {_REFUSED}"
        names = () if read is None else tuple(read.source.shown)
        listed = ", ".join([*(f"{_ROW}.{quoted(one)}" for one in names), refusing])
        self._add(name, f"SELECT {listed}{source}", names, _REFUSED, bound=None if read is None else read.name)
        bound = self.given[-1]
        if read is None:
            self.given.pop()
        else:
            self.rows[read.name] = name
        if isinstance(bound, Bound):
            self.given += [(bound, number) for number in range(1, len(rules) + 1)]

    def _row_sql(self, read: Fetched, around: Sequence[str]) -> str:
        """Write the FROM of a row that is fetched, behind the rows around it."""
        shown = shown_sql(read.source, self.parameters)
        own = column_sql(read.source, self.parameters)
        where = self._over(read.where, self.rows)
        required = partial(_is_required, read.source, self.rows)
        conditions = conditions_sql(read.source, None, self.parameters)
        conditions.append(f"({compile_sql(where, _columns(self.rows, own), self.parameters, required)})")
        if around:
            conditions.append(f"{around[-1]}.{_REFUSED} = 0")
        held = f" FOR UPDATE OF {ALIAS}" if read.lock else ""
        rows = f"SELECT {shown} FROM {read.source.table.sql} {ALIAS} WHERE {' AND '.join(conditions)} LIMIT 1{held}"
        beside = "".join(f"{one} CROSS JOIN " for one in around)
        within = self._within(_ROW, read)
        return f" FROM {beside}{'LATERAL ' if around else ''}({rows}) {_ROW} WHERE {within}"

    def _within(self, row: str, part: Fetched | WrittenRow) -> str:
        if part is self._answering:
            return "true"  # its JSON is measured
        bytes_ = f"octet_length(row_to_json({row})::text) + {BETWEEN}"
        return f"({bytes_} <= {self.parameters.constant(part.max_bytes, 'bigint')} OR rowgate.too_large())"

    @property
    def _answering(self) -> Fetched | WrittenRow | Inserted | None:
        """Give the row whose JSON comes out: the last of its name."""
        named = (part for part in reversed(self.parts) if isinstance(part, Fetched | WrittenRow | Inserted))
        return next((part for part in named if self.answer is not None and part.name == self.answer.name), None)

    def _rule(self, rule: Expression, places: Mapping[str, str]) -> str:
        if rule.reads:
            if _touched(rule, places):
                raise _Unsayable
            return compile_sql(rule, _no_column, self.parameters)
        if not _touched(rule, places):
            return self.parameters.add(compile_condition(rule), "boolean")
        return compile_sql(self._over(rule, places), _columns(places, _no_column), self.parameters)

    def _over(self, expression: Expression, places: Mapping[str, str]) -> Expression:
        """Give an expression that reads the fetched rows where they are."""
        touched = _touched(expression, places)
        if touched and (expression.reads or not all(map(is_alike, syntax.walk(folded(expression.tree))))):
            raise _Unsayable
        return replace(expression, rows=expression.rows | touched)

    def _write(self, last: WrittenRow | Inserted) -> None:
        around = [name for name, _ in self.ctes]
        tables, gate = ", ".join(around), f"{around[-1]}.{_REFUSED} = 0" if around else "true"
        source = table_source(last.table)
        own = _columns(self.rows, column_sql(source, self.parameters))
        if isinstance(last, Inserted):
            gated = f" FROM {tables} WHERE {gate}" if around else ""
            sql, within = self._insert(last, own, gated), "true"
        else:
            where = compile_sql(self._over(last.where, self.rows), own, self.parameters)
            named = f"{last.table.sql} AS {ALIAS}"
            if last.values is None:
                sql = f"DELETE FROM {named}{f' USING {tables}' if around else ''} WHERE ({where}) AND {gate}"
            else:
                settings = ", ".join(self._settings(last.table, last.values, own))
                beside = f" FROM {tables}" if around else ""
                sql = f"UPDATE {named} SET {settings}{beside} WHERE ({where}) AND {gate}"
            sql += f" RETURNING {shown_sql(source, self.parameters)}"
            within = self._within(_WRITTEN, last)
        self._add(_WRITTEN, f"{sql}, true AS {_DONE}", tuple(last.table.columns), _DONE, within, last.name)

    def _insert(self, last: Inserted, own: Columns, gated: str) -> str:
        if not last.values:
            raise _Unsayable
        names = ", ".join(quoted(name) for name in last.values)
        given = ", ".join(
            self._read_value(value, own) or given_value(last.table, name, value, self.parameters)
            for name, value in last.values.items()
        )
        conflicting = conflict_sql(last.table, last.values, last.conflict, self.parameters)
        returned = shown_sql(table_source(last.table), self.parameters)
        if last is not self._answering:
            returned = inserted_columns(last.table, last.max_bytes, self.parameters)
        into = f"INSERT INTO {last.table.sql} AS {ALIAS} ({names}){OVERRIDING}"
        return f"{into} SELECT {given}{gated}{conflicting} RETURNING {returned}"

    def _settings(self, table: Table, values: Mapping[str, Value], own: Columns) -> Iterator[str]:
        for name, value in values.items():
            read = self._read_value(value, own)
            yield setting_sql(table, name, value, self.parameters) if read is None else f"{quoted(name)} = {read}"

    def _read_value(self, value: Value, own: Columns) -> str | None:
        """Give a value that is a column of a fetched row; None of one that reads none of them."""
        expression = value.expression
        touched = {path.partition(".")[0] for path in value.reads} & self.rows.keys()
        if expression is None:
            if touched:
                raise _Unsayable
            return None
        if not _touched(expression, self.rows):
            return None
        if value.sent is not None or expression.rows or not isinstance(expression.tree, syntax.Field):
            raise _Unsayable
        return compile_sql(self._over(expression, self.rows), own, self.parameters)

    def _show(self, part: Fetched | WrittenRow | Inserted | None) -> None:
        """Have the JSON of a row come out, null where there is none."""
        if part is None:
            raise _Unsayable
        is_read = isinstance(part, Fetched)
        source = part.source if isinstance(part, Fetched) else table_source(part.table)
        row, there = (self.rows[str(part.name)], _REFUSED) if is_read else (_WRITTEN, _DONE)
        made = row_json(source, row)
        if made is None:
            raise _Unsayable
        made = measured(made, self.parameters.constant(part.max_bytes, "bigint"))
        self.given.append(Bound((), len(self.shown)))
        self.shown.append(f"CASE WHEN {row}.{there} IS NOT NULL THEN {made} END")

    def _read_here(self, name: str | None, columns: tuple[str, ...]) -> tuple[str, ...]:
        """Give the columns of a row that are read when the statement is done; where it answers, only by refusals."""
        if self.answer is None or name is None:
            return columns
        rules = (part.paths for part in self.parts if isinstance(part, Expression))
        paths = self.told.union(*rules)
        return columns if name in paths else tuple(one for one in columns if f"{name}.{one}" in paths)

    def _add(
        self, name: str, sql: str, columns: tuple[str, ...], told: str, within: str = "true", bound: str | None = None
    ) -> None:
        self.ctes.append((name, sql))
        names = self._read_here(bound, columns)
        self.given.append(Bound(names, len(self.shown), len(names) < len(columns)))
        self.shown += [f"{name}.{quoted(one)}" for one in names] + [f"{name}.{told}"]
        self.joined += f" LEFT JOIN {name} ON {within}" if self.joined else name


def _grouped(parts: Sequence[Part]) -> list[tuple[Fetched | None, list[Expression]]]:
    """Give each fetched row with the rules behind it; those at the front are behind no row."""
    groups: list[tuple[Fetched | None, list[Expression]]] = []
    for part in parts:
        if isinstance(part, Fetched):
            groups.append((part, []))
        elif isinstance(part, Expression):
            if not groups:
                groups.append((None, []))
            groups[-1][1].append(part)
    return groups


def _touched(expression: Expression, places: Mapping[str, str]) -> frozenset[str]:
    named = (node.name for node in syntax.walk(expression.tree) if isinstance(node, syntax.Name))
    return frozenset(named) & places.keys()


def _columns(places: Mapping[str, str], own: Columns) -> Columns:
    def column(root: str, name: str) -> str:
        return f"{places[root]}.{quoted(name)}" if root in places else own(root, name)

    return column


def _no_column(root: str, name: str) -> str:
    msg = f"{root}.{name} is no row of the statement"
    raise LookupError(msg)


def _is_required(source: Source, places: Mapping[str, str], root: str, name: str) -> bool:
    return root not in places and source.never_null(name)
