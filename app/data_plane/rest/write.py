"""Writing through a view over HTTP: POST, PATCH and DELETE with PostgREST's preferences, statuses and headers."""

import json
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import quote

from app.auth.identity import Identity
from app.compiler.paths import view_methods
from app.compiler.runtime import CompiledView, ViewWriting
from app.data_plane.request import Request
from app.data_plane.rest.csv_rows import csv_rows
from app.data_plane.rest.dialect.headers import (
    CSV,
    JSON,
    LINES,
    OF_ALL,
    SINGLE,
    applied,
)
from app.data_plane.rest.dialect.refusals import (
    ConflictUnclear,
    KeysDiffer,
    NotSingular,
    PutFilters,
    PutUnclear,
    QueryUnsupported,
    TooManyAffected,
)
from app.data_plane.rest.read import filter_told, read_row, rows_answer
from app.data_plane.rest.sent_rows import checked_rows, lines_of, rows_of, the_row, validated_changes
from app.data_plane.rest.wanted import Wanted, begin_write, refuse_reading
from app.database.faults import ROW_NOT_ALLOWED, ROW_OUTSIDE, RowNotAllowed, RowOutside
from app.database.staged_rows import give_time
from app.database.statement import Statement
from app.definitions.actions import Action
from app.definitions.column_types import KEY
from app.definitions.endpoints import TIMEOUT
from app.definitions.validation import Validator
from app.http.json_body import parse_json
from app.http.long_json import in_turns, read_json
from app.http.read_body import media_type_of
from app.relations.asked import ASKED
from app.relations.query import Query, Test
from app.relations.source import EVERY_ROW
from app.relations.view_writes import ROWS, Upsert, rows_hit
from app.relations.write import rows_json
from app.steps.running import Answer, Call
from app.steps.trace import RuleInfo, rules_seen

_FEWER = "Ask for fewer columns (select=), or for no rows (Prefer: return=minimal)."
ROW_BODIES = frozenset({JSON, SINGLE, CSV, LINES})
# The preferences that each way to write follows, and says so.
_FOLLOWED = {
    "POST": OF_ALL | {"resolution", "missing", "return", "max-affected"},
    "PATCH": OF_ALL | {"missing", "return", "max-affected"},
    "PUT": OF_ALL | {"return"},
    "DELETE": OF_ALL | {"return", "max-affected"},
}


@dataclass(frozen=True, slots=True)
class WriteStatement:
    """A statement and the rows that it is given, as JSON."""

    statement: Statement
    rows: list[Any]


@dataclass(frozen=True, slots=True)
class Written:
    """What a write came to: its rows in the form that is asked for, how many they are, and how many of them are new.

    `shown` are those that the caller may read: the others don't come back.
    """

    body: str
    rows: int
    shown: int
    inserted: int


_ACTIONS: dict[str, Action] = {"POST": "insert", "PUT": "insert", "PATCH": "update", "DELETE": "delete"}
NOTHING = Written("[]", 0, 0, 0)


@dataclass(frozen=True, slots=True)
class BoundWrite:
    """What is written through a view by a method, `write` None where that is nothing."""

    view: CompiledView
    method: str
    wanted: Wanted
    write: WriteStatement | None


async def bind_write(view: CompiledView, request: Request, body: bytes, identity: Identity) -> BoundWrite:
    """Read a POST, PATCH, PUT or DELETE, and check its rows against the view."""
    writing, wanted = begin_write(view, request, identity)
    match request.method:
        case "DELETE":
            alone = _names_one(view, wanted.query)
            deletes = writing.shapes.delete(wanted.query, seen=wanted.seen, alone=alone)
            made: WriteStatement | None = WriteStatement(deletes, [])
        case "PATCH":
            made = _update(view, writing, wanted, await _sent(request, writing, body))
        case "PUT":
            made = await _put(view, writing, wanted, await _sent(request, writing, body))
        case _:
            made = await _insert(view, writing, wanted, await _sent(request, writing, body))
    return BoundWrite(view, request.method, wanted, made)


def _names_one(view: CompiledView, query: Query) -> bool:
    """Say whether the tests name one row by its id, and nothing else."""
    (one, *others) = query.read.conditions or (None,)
    by_id = isinstance(one, Test) and _names_a_row(one) and one.operand.column == KEY
    return by_id and not others and KEY not in view.source.computed


async def _sent(request: Request, writing: ViewWriting, body: bytes) -> Any:
    """Give what the body says; one of CSV or of lines says what JSON would."""
    kind = media_type_of(request.headers)
    if kind == CSV:
        return csv_rows(writing, body)
    return await in_turns(lines_of(body)) if kind == LINES else await read_json(body)


async def write_view(bound: BoundWrite, call: Call) -> Answer:
    """Carry out a write: one statement, undone as a whole where a row is outside the filter."""
    wanted = bound.wanted
    call.env["params"] = wanted.params
    call.env[ASKED] = wanted.query.bound(0)
    if call.trace is not None and call.trace.is_told:
        await _rules_told(bound, call)
    if call.more_seconds:
        await call.db.use(partial(give_time, TIMEOUT + call.more_seconds), writes=True)
    written = NOTHING if bound.write is None else await _run(bound.write, wanted, call)
    rows = written.shown if wanted.representation else written.rows
    if wanted.query.single and rows != 1:
        raise NotSingular(rows, hint="Nothing was changed.")
    return _answer(bound, written)


async def _rules_told(bound: BoundWrite, call: Call) -> None:
    """Tell the trace which rows the write is for, and what they have to be after it."""
    action = _ACTIONS[bound.method]
    rule, said = bound.view.source.writes.get(action, EVERY_ROW), bound.view.definition.rule(action)
    if action != "insert":
        own = action if "filter" in said.own else None
        hit = rows_hit(bound.view.source, action, bound.wanted.query)
        await filter_told(bound.view, bound.wanted.query, call, hit, own)
    if call.trace is not None and rule.check is not None and (action == "insert" or "check" in said.own):
        field = f"allow.{action}.check" if "check" in said.own else "filter"
        told = RuleInfo(field, rule.check.text, tuple(rule.check.paths))
        call.trace.note(rules=[*call.trace.noted("rules"), *rules_seen((told,), call.env)])


async def _insert(view: CompiledView, writing: ViewWriting, wanted: Wanted, sent: Any) -> WriteStatement | None:
    missing_is_default = wanted.prefer.get("missing") == "default"
    rows, keys = rows_of(sent, wanted.columns, missing_is_default=missing_is_default)
    validator, statement = insert_of(view, writing, wanted, keys)
    return WriteStatement(statement, await in_turns(checked_rows(validator, rows, rows_json))) if rows else None


def insert_of(
    view: CompiledView, writing: ViewWriting, wanted: Wanted, keys: tuple[str, ...], *, staged: bool = False
) -> tuple[Validator, Statement]:
    """Give what reads rows with these keys, and the statement that inserts them."""
    upsert = _upsert(view, writing, wanted, keys)
    with_times = upsert is not None and bool(upsert.compared)
    if with_times:
        refuse_reading(view, wanted)
    made = writing.shapes.insert(wanted.query, upsert, seen=wanted.seen, staged=staged)
    return writing.upserts if with_times else writing.validator, made


async def _put(view: CompiledView, writing: ViewWriting, wanted: Wanted, sent: Any) -> WriteStatement | None:
    """Make the row that the tests name what the body says, be it there or not: an upsert by its unique columns."""
    read, asked = wanted.query.read, wanted.query.bound(0)
    named: dict[str, Any] = {}
    for test in read.conditions:
        if isinstance(test, Test) and test.slot is not None and _names_a_row(test):
            named[test.operand.column] = asked[test.slot]
    if len(named) != len(read.conditions) or frozenset(named) not in view.source.table.unique:
        raise PutFilters([*view_methods(view.definition.allow), "OPTIONS"])
    row = the_row(sent)
    if not isinstance(row, dict) or {name: _as_text(row.get(name)) for name in named} != named:
        raise PutUnclear
    prefer = {**wanted.prefer, "resolution": "merge-duplicates"}
    query = replace(wanted.query, read=replace(read, conditions=()))
    return await _insert(view, writing, replace(wanted, query=query, prefer=prefer, on_conflict=tuple(named)), row)


def _names_a_row(test: Test) -> bool:
    return test.operator == "eq" and not test.negated and test.quantifier is None and test.operand.path is None


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, default=str)


def _upsert(view: CompiledView, writing: ViewWriting, wanted: Wanted, keys: tuple[str, ...]) -> Upsert | None:
    resolution = wanted.prefer.get("resolution")
    if resolution is None:
        return None
    target = wanted.on_conflict
    if target is None:
        target = (KEY,)
        if KEY not in {*writing.writable.columns, *writing.writable.presets}:
            hint = "Name the unique columns: on_conflict=email"
            raise QueryUnsupported("An upsert needs on_conflict, since ids are not sent through this view.", hint=hint)
    if frozenset(target) not in view.source.table.unique:
        raise ConflictUnclear
    if resolution == "ignore-duplicates":
        return Upsert(target, None)
    updated = tuple(name for name in writing.writable.settable if name in keys and name not in target)
    # A row that may lack one of them would be held against the time that it is made.
    times = () if wanted.prefer.get("missing") == "default" else tuple(writing.writable.times)
    return Upsert(target, updated, tuple(name for name in times if name in keys))


def _update(view: CompiledView, writing: ViewWriting, wanted: Wanted, sent: Any) -> WriteStatement | None:
    row = the_row(sent)
    if not isinstance(row, dict):
        raise KeysDiffer("All object keys must match", hint="Send an object with the columns to set.")
    defaulted: list[str] = []
    if wanted.columns is not None:
        missing = [name for name in wanted.columns if name not in row]
        if wanted.prefer.get("missing") == "default":
            defaulted = sorted(writing.writable.settable.keys() & missing)
            missing = []
        row = {name: row[name] for name in wanted.columns if name in row} | dict.fromkeys(missing)
    values = validated_changes(writing.updates, row)
    if not values and not defaulted:
        return None
    columns = sorted(values.keys() & writing.writable.settable.keys())
    compared = sorted(values.keys() - writing.writable.settable.keys())
    if compared:
        refuse_reading(view, wanted)
    alone = _names_one(view, wanted.query)
    made = writing.shapes.update(wanted.query, columns, compared, defaulted, seen=wanted.seen, alone=alone)
    return WriteStatement(made, rows_json([values]))


async def _run(write: WriteStatement, wanted: Wanted, call: Call) -> Written:
    """Run the statement; what it wrote is undone by whatever is refused here."""
    call.env[ROWS] = write.rows
    row = await read_row(wanted.query, call.db.rows(write.statement, call.env), fewer=_FEWER, wrong="A value")
    page, shown = row["page"], row["shown"]
    if row["kept"]:
        raise RowNotAllowed(ROW_NOT_ALLOWED)
    # Rows of which nothing is shown are not made.
    body = row["body"] or ("\n" * (shown - 1) if wanted.query.csv else f"[{','.join(['{}'] * shown)}]")
    call.db.carried(len(body))
    if not row["inside"]:
        raise RowOutside(ROW_OUTSIDE)
    most = wanted.prefer.get("max-affected")
    if most is not None and page > int(most):
        raise TooManyAffected(page)
    return Written(body, page, shown, row["inserted"])


def _answer(bound: BoundWrite, written: Written) -> Answer:
    wanted = bound.wanted
    headers = [*_content_range(bound, written.rows), *applied(wanted.prefer, _FOLLOWED[bound.method])]
    if wanted.representation:
        return rows_answer(_status(bound, written), bound.view.source, wanted.query, written.body, headers)
    is_new = bound.method == "POST" and written.rows == 1
    if is_new and wanted.prefer.get("return") == "headers-only" and (id_ := _id_of(written.body)) is not None:
        headers.append(("Location", f"/rest/v1/{bound.view.name}?id=eq.{quote(id_)}"))
    return Answer(_status(bound, written), None, tuple(headers))


def _status(bound: BoundWrite, written: Written) -> int:
    """Give 201 for what is new; an upsert that only updates is 200, and 204 is all else whose rows aren't wanted."""
    match bound.method:
        case "POST":
            return 200 if bound.wanted.prefer.get("resolution") == "merge-duplicates" and not written.inserted else 201
        case "PUT" if bound.wanted.representation:
            return 201 if written.inserted else 200
        case _:
            return 200 if bound.wanted.representation else 204


def _id_of(body: str) -> str | None:
    rows: list[dict[str, Any]] = parse_json(body.encode())
    return str(rows[0]["id"]) if rows and rows[0].get("id") is not None else None


def _content_range(bound: BoundWrite, rows: int) -> list[tuple[str, str]]:
    """Give the header that says how many rows were written; of updates also that they are the first ones."""
    if bound.method == "PUT":
        return []
    total = rows if bound.wanted.query.count == "exact" else "*"
    return [("Content-Range", f"{f'0-{rows - 1}' if bound.method == 'PATCH' and rows else '*'}/{total}")]
