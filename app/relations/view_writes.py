"""Writing through a view: what may be set, and the statements that hold every row against the view's filter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from app.database.quoting import quoted
from app.database.statement import Statement, writing_statement
from app.definitions.columns import ColumnDef
from app.definitions.views import ViewDef
from app.expressions.check import Scope
from app.expressions.to_sql import Parameters
from app.relations.defaults import is_kept_by_the_database
from app.relations.findings import Findings
from app.relations.query import Query
from app.relations.query_sql import KeptByShape, QueryLevel, body_of, labels
from app.relations.schema import Table
from app.relations.source import ALIAS, Source, conditions_sql
from app.relations.values import Value, compile_field
from app.relations.write import GIVEN, given_rows, given_value, given_values, on_conflict_sql, unwritable

_WRITTEN, _NEW = "rowgate_written", "rowgate_new"
ROWS = "rowgate_rows"


@dataclass(frozen=True, slots=True)
class Upsert:
    """What an insert does with a row whose `columns` are taken: `updated` are set in it; of None it is left alone."""

    columns: tuple[str, ...]
    updated: tuple[str, ...] | None

    @property
    def merges(self) -> bool:
        """Say whether the row that is there is updated."""
        return self.updated is not None


@dataclass(frozen=True, slots=True)
class Writable:
    """What clients may set through a view, by column, and what the view sets itself in new rows."""

    columns: Mapping[str, ColumnDef]
    presets: Mapping[str, Value]


def writable_of(view: ViewDef, source: Source, scope: Scope, findings: Findings) -> Writable | None:
    """Check `allow`, `writable` and `presets`; None for a view that is only read, or after a finding."""
    place = f"views/{view.name}"
    if set(view.allow) <= {"select"}:
        if view.writable is not None or view.presets:
            hint = "allow: [select, insert, update, delete] lets clients write"
            findings.report(f"{place}.allow", "writable and presets say something only where rows are written", hint)
        return None
    if source.table.name == "users":
        hint = "people sign up, and change their own row by PUT /auth/v1/user"
        findings.report(f"{place}.allow", "users can't be written through a view", hint)
        return None
    before = findings.refusing
    writable = Writable(_columns(view, source, findings), _presets(view, source.table, scope, findings))
    _check_settable(view, source.table, writable, findings)
    return writable if findings.refusing == before else None


def _columns(view: ViewDef, source: Source, findings: Findings) -> dict[str, ColumnDef]:
    """Give the plain columns that the view shows and clients may set."""
    plain = [source.table.columns[name] for name in source.shown if name in source.table.columns]
    columns = {
        column.name: column.definition
        for column in plain
        if column.definition is not None and column.name not in view.presets
    }
    for name in view.writable or ():
        if name not in columns:
            findings.unknown(f"views/{view.name}.writable", "column that can be written", name, list(columns))
    return columns if view.writable is None else {n: column for n, column in columns.items() if n in view.writable}


def _check_settable(view: ViewDef, table: Table, writable: Writable, findings: Findings) -> None:
    place, set_by_somebody = f"views/{view.name}.allow", {*writable.columns, *view.presets}
    if "update" in view.allow and not writable.columns:
        findings.report(place, "no column of this view can be updated", "show one that may be set")
    if "insert" not in view.allow:
        return
    if not set_by_somebody:
        findings.report(place, "no column of this view can be set", "show one that may be set")
    if missing := [name for name, column in table.columns.items() if column.required and name not in set_by_somebody]:
        hint = "show and let write them, set them by presets, or give them a default"
        findings.report(place, f"a new row of {table.name} needs {', '.join(missing)}", hint)


def _presets(view: ViewDef, table: Table, scope: Scope, findings: Findings) -> dict[str, Value]:
    presets = {}
    kept = unwritable(table, list(view.presets))
    for name, said in view.presets.items():
        place = f"views/{view.name}.presets.{name}"
        if name not in table.columns:
            findings.unknown(place, "column", name, list(table.columns))
        elif name in kept:
            findings.report(place, f"{name!r} is kept by the database", "leave it out")
        elif (value := compile_field(said, place, scope, findings, table.columns[name].type)) is not None:
            presets[name] = value
    return presets


class WriteShapes(KeptByShape[Statement]):
    """The writing statements of one view.

    They find the values of the query under ASKED, and the rows as JSON under ROWS.
    Each statement gives one row: `body`, the text of what was written or NULL where none is shown, `page`, how many
    rows that are, `inserted`, how many of them are new, and `inside`, whether all are inside the view's filter.
    """

    def __init__(self, source: Source, writable: Writable) -> None:
        """Begin with none."""
        super().__init__()
        self.source = source
        self.writable = writable

    def insert(self, query: Query, upsert: Upsert | None) -> Statement:
        """Insert the rows; each has every column that may be written."""
        return self.kept(("insert", query.shape, upsert), lambda: self._insert(query, upsert))

    def update(self, query: Query, columns: Sequence[str]) -> Statement:
        """Set these columns in the rows that the query's tests and the filter hold for."""
        return self.kept(("update", query.shape, tuple(columns)), lambda: self._update(query, columns))

    def delete(self, query: Query) -> Statement:
        """Delete the rows that the query's tests and the filter hold for."""
        return self.kept(("delete", query.shape), lambda: self._delete(query))

    def _insert(self, query: Query, upsert: Upsert | None) -> Statement:
        parts = _Parts(self.source, query)
        names = [*self.writable.columns, *self.writable.presets]
        table = self.source.table
        # What was sent has been read, with the defaults that are literals; the others are the database's to give.
        computed = [name for name in self.writable.columns if is_kept_by_the_database(table.columns[name])]
        values = given_values(table, self.writable.columns, computed, parts.parameters)
        values += [
            given_value(table.columns[name], one, parts.parameters) for name, one in self.writable.presets.items()
        ]
        conflict = "" if upsert is None else on_conflict_sql(upsert.columns, upsert.updated)
        if upsert is not None and upsert.merges:
            # A row that the caller can't see is not touched, and then is missing among those that come back.
            conflict += f" WHERE {parts.filter()}"
        given = given_rows(table, self.writable.columns, parts.given())
        listed = ", ".join(map(quoted, names))
        rows = f"SELECT {', '.join(values)} FROM {given}"
        merges = upsert is not None and upsert.merges
        return parts.statement(f"INSERT INTO {table.sql} AS {ALIAS} ({listed}) {rows}{conflict}", merges=merges)

    def _update(self, query: Query, columns: Sequence[str]) -> Statement:
        parts = _Parts(self.source, query)
        where = parts.level.where()
        settings = ", ".join(f"{quoted(name)} = {GIVEN}.{quoted(name)}" for name in columns)
        given = given_rows(self.source.table, columns, parts.given())
        return parts.statement(f"UPDATE {self.source.table.sql} AS {ALIAS} SET {settings} FROM {given}{where}")

    def _delete(self, query: Query) -> Statement:
        parts = _Parts(self.source, query)
        return parts.statement(f"DELETE FROM {self.source.table.sql} AS {ALIAS}{parts.level.where()}", removes=True)


class _Parts:
    """The pieces that every writing statement of a view is made of."""

    def __init__(self, source: Source, query: Query) -> None:
        self.parameters = Parameters()
        self.source = source
        self.query = query
        self.level = QueryLevel(source, ALIAS, query.read, self.parameters, source.max_bytes)

    def filter(self) -> str:
        """Give the condition of the view's filter; what is written has to be used, or a parameter has no type."""
        return " AND ".join(conditions_sql(self.source, None, self.parameters)) or "true"

    def given(self) -> str:
        """Give the parameter of the rows that were sent."""
        return self.parameters.add(itemgetter(ROWS), "jsonb")

    def statement(self, write: str, *, removes: bool = False, merges: bool = False) -> Statement:
        """Put the write under the answer that is read from the rows it gives.

        Of those that it merges one is new if no transaction has held the row before: its xmax is 0.
        """
        inside = "true"
        if not removes:
            inside = f"(SELECT coalesce(bool_and(coalesce({self.filter()}, false)), true) FROM {_WRITTEN} {ALIAS})"
        body, rows = "NULL::text", f"{_WRITTEN} {ALIAS}"
        if labels(self.source, self.query.read):
            page = f"SELECT {self.level.select()} FROM {rows}{self.level.order() if self.query.read.order else ''}"
            most = self.parameters.constant(self.source.max_bytes, "bigint")
            body, rows = body_of(self.source, self.query, page, most)
        new = f"(SELECT count(*) FROM {_WRITTEN} WHERE {_NEW})" if merges else "count(*)"
        answer = f"SELECT {body} AS body, count(*) AS page, {new} AS inserted, {inside} AS inside FROM {rows}"
        returned = f"{ALIAS}.*, ({ALIAS}.xmax = 0) AS {_NEW}" if merges else f"{ALIAS}.*"
        cte = f"WITH {_WRITTEN} AS ({write} RETURNING {returned})"
        return writing_statement(cte, answer, self.parameters.evaluators)
