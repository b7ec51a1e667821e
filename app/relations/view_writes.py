"""Writing through a view: the statements that hold every row against the rule of what is done to it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from app.database.faults import NOT_ALLOWED, OUTSIDE, UNIQUE_TAKEN
from app.database.quoting import quoted
from app.database.staged_rows import STAGED
from app.database.statement import Statement, writing_statement
from app.definitions.actions import Action
from app.definitions.column_types import KEY
from app.expressions.check import Expression
from app.expressions.to_sql import Parameters
from app.relations.defaults import is_kept_by_the_database
from app.relations.query import Query, names_rows
from app.relations.query_sql import KeptByShape, QueryLevel, body_of, labels
from app.relations.rules import joined
from app.relations.source import ALIAS, EVERY_ROW, RowRule, Source, rule_sql
from app.relations.writable import Writable
from app.relations.write import (
    GIVEN,
    OVERRIDING,
    SENT,
    changed_value,
    default_of,
    excluded,
    given_rows,
    given_value,
    given_values,
    harmless,
    on_conflict_sql,
    rows_read,
)

_WRITTEN, _NEW = "rowgate_written", "rowgate_new"
_TURN, _REPEATED = "rowgate_turn", "rowgate_repeated"
ROWS = "rowgate_rows"


@dataclass(frozen=True, slots=True)
class Upsert:
    """What an insert does with a row whose `columns` are taken: `updated` are set in it; of None it is left alone.

    `compared` are sent as they are in the row that is there; a row that is new can't have them.
    """

    columns: tuple[str, ...]
    updated: tuple[str, ...] | None
    compared: tuple[str, ...] = ()

    @property
    def merges(self) -> bool:
        """Say whether the row that is there is updated."""
        return self.updated is not None


def reads_rows(source: Source, query: Query, compared: Collection[str] = ()) -> bool:
    """Say whether a write holds what is in rows against what was sent, so that their number tells of it.

    That is reading them. Their ids are no secret to who names them.
    """
    return bool(compared) or KEY in source.computed or not all(map(names_rows, query.read.conditions))


def rows_hit(source: Source, action: Action, query: Query, compared: Collection[str] = ()) -> Expression | None:
    """Give the condition of the rows that an update or a delete is for: where it reads them, the caller reads them."""
    own = source.writes.get(action, EVERY_ROW).filter
    if source.filter is None or own == source.filter or not reads_rows(source, query, compared):
        return own
    return joined([source.filter] if own is None else [own, source.filter])


class WriteShapes(KeptByShape[Statement]):
    """The writing statements of one view.

    They find the values of the query under ASKED, and the rows as JSON under ROWS. `seen` says that the caller may read
    the view at all. Each statement gives one row: `body`, the text of what was written or NULL where none is shown,
    `page`, how many rows that are, `shown`, how many of them the caller may read, `inserted`, how many are new,
    `inside`, whether all are as they have to be, and `kept`, whether a row that the caller may read was left as it is.
    """

    def __init__(self, source: Source, writable: Writable) -> None:
        """Begin with none."""
        super().__init__()
        self.source = source
        self.writable = writable

    def insert(self, query: Query, upsert: Upsert | None, *, seen: bool, staged: bool = False) -> Statement:
        """Insert the rows; each has every column that may be written. `staged` ones are in the table of that name."""
        key = ("insert", query.shape, upsert, seen, staged)
        return self.kept(key, lambda: self._insert(query, upsert, seen=seen, staged=staged))

    def update(
        self,
        query: Query,
        columns: Sequence[str],
        compared: Sequence[str] = (),
        defaulted: Sequence[str] = (),
        *,
        seen: bool,
        alone: bool = False,
    ) -> Statement:
        """Set these columns in the rows that the query's tests and the filters hold for; others have to be as given.

        Those that are `defaulted` are set to their defaults. `alone` says that the tests name one row, of which is told
        whether it may not be changed.
        """
        key = ("update", query.shape, tuple(columns), tuple(compared), tuple(defaulted), seen, alone)
        return self.kept(key, lambda: self._update(query, columns, compared, defaulted, seen=seen, alone=alone))

    def delete(self, query: Query, *, seen: bool, alone: bool = False) -> Statement:
        """Delete the rows that the query's tests and the filters hold for."""
        return self.kept(("delete", query.shape, seen, alone), lambda: self._delete(query, seen=seen, alone=alone))

    def _insert(self, query: Query, upsert: Upsert | None, *, seen: bool, staged: bool) -> Statement:
        parts = _Parts(self.source, "insert", query, seen=seen)
        table, compared = self.source.table, () if upsert is None else upsert.compared
        columns = [*self.writable.columns, *compared]
        names = [*columns, *self.writable.presets]
        # What was sent has been read, with the defaults that are literals; the others are the database's to give.
        computed = [name for name in self.writable.columns if is_kept_by_the_database(table.columns[name])]
        values = given_values(table, columns, computed, parts.parameters)
        values += [given_value(table, name, one, parts.parameters) for name, one in self.writable.presets.items()]
        listed = ", ".join(map(quoted, names))
        if staged:
            given = rows_read(table, columns, f"{STAGED} AS {SENT} (line, turn)")
        else:
            given = given_rows(table, columns, parts.given())
        rows = f"SELECT {', '.join(values)} FROM {given}"
        if upsert is not None and not upsert.merges and set(upsert.columns) <= set(names):
            rows = _each_once(names, values, given, upsert.columns)
        conflict = "" if upsert is None else self._conflict(upsert, parts)
        write = f"INSERT INTO {table.sql} AS {ALIAS} ({listed}){OVERRIDING} {rows}{conflict}"
        return parts.statement(write, merges=upsert is not None and upsert.merges, never_new=compared)

    def _conflict(self, upsert: Upsert, parts: "_Parts") -> str:
        """Say what becomes of a row that is in the way, or is refused by it.

        It is asked of the very row, behind what the new row would have to be. A row that the caller may not read
        answers what an insert without a word about conflicts would.
        """
        taken = parts.refused(UNIQUE_TAKEN, self.source.table.unique[frozenset(upsert.columns)])
        readable = parts.readable()
        if upsert.updated is None:
            settings = excluded(self.source.table, ())
            holds = f"CASE WHEN {readable} THEN false ELSE {taken} END"
        else:
            settings = excluded(self.source.table, upsert.updated) | parts.changes(self.writable)
            settings = parts.unless_changed(upsert.compared, "EXCLUDED", settings)
            # What was sent as it is in a row is held against rows that the caller may read.
            hit = parts.sql(parts.rule_of("update").filter) + (f" AND {readable}" if upsert.compared else "")
            holds = f"CASE WHEN {hit} THEN true"
            holds += f" WHEN {readable} THEN {parts.refused(NOT_ALLOWED)} ELSE {taken} END"
        proposed = parts.sql(parts.rule.check, "EXCLUDED")
        holds = f"CASE WHEN {proposed} THEN {holds} ELSE {parts.refused(OUTSIDE)} END"
        return f"{on_conflict_sql(upsert.columns, settings)} WHERE {holds}"

    def _update(
        self,
        query: Query,
        columns: Sequence[str],
        compared: Sequence[str],
        defaulted: Sequence[str],
        *,
        seen: bool,
        alone: bool,
    ) -> Statement:
        parts = _Parts(self.source, "update", query, compared, seen=seen)
        table, where = self.source.table, parts.level.where()
        values = {name: f"{GIVEN}.{quoted(name)}" for name in columns}
        values |= {name: default_of(table, name, parts.parameters) for name in defaulted}
        values |= parts.changes(self.writable)
        if not values:
            name = harmless(table)
            values = {name: f"{ALIAS}.{quoted(name)}"}
        values = parts.unless_changed(compared, GIVEN, values)
        settings = ", ".join(f"{quoted(name)} = {value}" for name, value in values.items())
        given = given_rows(table, [*columns, *compared], parts.given())
        return parts.statement(f"UPDATE {table.sql} AS {ALIAS} SET {settings} FROM {given}{where}", alone=alone)

    def _delete(self, query: Query, *, seen: bool, alone: bool) -> Statement:
        parts = _Parts(self.source, "delete", query, seen=seen)
        return parts.statement(f"DELETE FROM {self.source.table.sql} AS {ALIAS}{parts.level.where()}", alone=alone)


def _each_once(names: Sequence[str], values: Sequence[str], given: str, target: Sequence[str]) -> str:
    """Select the first of the rows that were given with the same values of these columns; nulls are never the same."""
    listed, by = (", ".join(map(quoted, one)) for one in (names, target))
    of_each = ", ".join(f"{value} AS {quoted(name)}" for name, value in zip(names, values, strict=True))
    inner = f"SELECT {of_each}, {SENT}.turn AS {_TURN} FROM {given}"
    repeated = f"row_number() OVER (PARTITION BY {by} ORDER BY {_TURN}) > 1 AS {_REPEATED}"
    numbered = f"SELECT {listed}, {_TURN}, {repeated} FROM ({inner}) {ALIAS}"
    is_first = " OR ".join([f"NOT {_REPEATED}", *(f"{quoted(name)} IS NULL" for name in target)])
    return f"SELECT {listed} FROM ({numbered}) {ALIAS} WHERE {is_first} ORDER BY {_TURN}"


class _Parts:
    """The pieces that every writing statement of a view is made of."""

    def __init__(
        self, source: Source, action: Action, query: Query, compared: Collection[str] = (), *, seen: bool
    ) -> None:
        self.parameters = Parameters()
        self.source, self.action, self.query, self.seen = source, action, query, seen
        self.rule = self.rule_of(action)
        written = replace(source, filter=rows_hit(source, action, query, compared))
        self.level = QueryLevel(written, ALIAS, query.read, self.parameters, source.max_bytes)

    def rule_of(self, action: Action) -> RowRule:
        """Give the rule of an action; of a table as it is, every row will do."""
        return self.source.writes.get(action, EVERY_ROW)

    def sql(self, rule: Expression | None, alias: str = ALIAS) -> str:
        """Give the condition of a rule; what is written has to be used, or a parameter has no type."""
        return rule_sql(self.source, rule, self.parameters, alias)

    def readable(self) -> str:
        """Give the condition that the caller may read a row."""
        return self.sql(self.source.filter) if self.seen else "false"

    def changes(self, writable: Writable) -> dict[str, str]:
        """Give what the view sets itself in a row that is updated."""
        table = self.source.table
        return {name: changed_value(table, name, one, self.parameters) for name, one in writable.changes.items()}

    def refused(self, state: str, constraint: str = "") -> str:
        """Give a condition that is never asked without refusing the write."""
        given = (self.parameters.constant(one, "text") for one in (state, constraint))
        return f"rowgate.refuse({', '.join(given)})"

    def unless_changed(self, names: Sequence[str], given: str, values: Mapping[str, str]) -> dict[str, str]:
        """Have what is set raise where columns were sent as another value than they are.

        It is computed for the rows alone that the conditions hold for, and from them as they were.
        """
        if not names:
            return dict(values)
        same = [f"{ALIAS}.{quoted(name)} IS NOT DISTINCT FROM {given}.{quoted(name)}" for name in names]
        told = [self.parameters.constant(name, "text") for name in names]
        all_same = " AND ".join(f"rowgate.unchanged({one}, {name})" for one, name in zip(same, told, strict=True))
        (first, value), *others = values.items()
        return {first: f"CASE WHEN {all_same} THEN {value} END", **dict(others)}

    def given(self) -> str:
        """Give the parameter of the rows that were sent."""
        return self.parameters.add(itemgetter(ROWS), "jsonb")

    def statement(
        self, write: str, *, merges: bool = False, never_new: Sequence[str] = (), alone: bool = False
    ) -> Statement:
        """Put the write under the answer that is read from the rows it gives; what is `never_new` no new row has.

        Of those that it merges one is new if no transaction has held the row before: its xmax is 0.
        """
        inside, hidden = self._inside(never_new, merges=merges), self._hidden(merges=merges)
        body, rows = "NULL::text", f"{_WRITTEN} {ALIAS}{hidden}"
        if labels(self.source, self.query.read):
            page = f"SELECT {self.level.select()} FROM {rows}{self.level.order() if self.query.read.order else ''}"
            most = self.parameters.constant(self.source.max_bytes, "bigint")
            body, rows = body_of(self.source, self.query, page, most)
        every = f"(SELECT count(*) FROM {_WRITTEN})" if hidden else "count(*)"
        new = f"(SELECT count(*) FROM {_WRITTEN} WHERE {_NEW})" if merges else every
        counts = f"{every} AS page, count(*) AS shown, {new} AS inserted"
        kept = self._kept() if alone else "false"
        answer = f"SELECT {body} AS body, {counts}, {inside} AS inside, {kept} AS kept FROM {rows}"
        returned = f"{ALIAS}.*, ({ALIAS}.xmax = 0) AS {_NEW}" if merges else f"{ALIAS}.*"
        cte = f"WITH {_WRITTEN} AS ({write} RETURNING {returned})"
        return writing_statement(cte, answer, self.parameters.evaluators)

    def _inside(self, never_new: Sequence[str], *, merges: bool) -> str:
        """Write whether all rows are what they have to be; of those that are merged, the updated ones by update's."""
        new, updated = self.rule.check, self.rule_of("update").check
        conditions = [] if new is None and (not merges or updated is None) else [self.sql(new)]
        if merges and updated != new:
            conditions = [f"CASE WHEN {_NEW} THEN {conditions[0]} ELSE {self.sql(updated)} END"]
        holds = [f"coalesce({condition}, false)" for condition in conditions]
        if never_new:
            holds.append(f"rowgate.unchanged(NOT {_NEW}, {self.parameters.constant(never_new[0], 'text')})")
        return f"(SELECT coalesce(bool_and({' AND '.join(holds)}), true) FROM {_WRITTEN} {ALIAS})" if holds else "true"

    def _hidden(self, *, merges: bool) -> str:
        """Write a WHERE that leaves out the rows which the caller may not read, or nothing where there can be none."""
        if not self.seen:
            return " WHERE false"
        rules = [self.rule.filter if self.action == "delete" else self.rule.check]
        rules += [self.rule_of("update").check] if merges else []
        shown = self.source.filter
        return "" if shown is None or all(rule == shown for rule in rules) else f" WHERE {self.sql(shown)}"

    def _kept(self) -> str:
        """Write whether a row is there that the tests name and the caller may read, and that was left as it is."""
        if not self.seen or self.rule.filter == self.source.filter:
            return "false"
        level = QueryLevel(self.source, f"{ALIAS}k", self.query.read, self.parameters, self.source.max_bytes)
        none = f"NOT EXISTS (SELECT FROM {_WRITTEN})"
        return f"({none} AND EXISTS (SELECT FROM {level.source_rows()}))"
