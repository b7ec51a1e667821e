"""Writing through a view over HTTP: POST, PATCH and DELETE with PostgREST's preferences, statuses and headers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from app.compiler.runtime import CompiledView, ViewWriting
from app.data_plane.request import Request
from app.data_plane.rest.dialect.embedding import Reachable
from app.data_plane.rest.dialect.headers import READ, preferences, refuse_other_schema
from app.data_plane.rest.dialect.parse import SINGLE, parse_query
from app.data_plane.rest.dialect.refusals import (
    ColumnUnknown,
    KeysDiffer,
    NotSingular,
    PutUnclear,
    QueryRefused,
    QueryUnsupported,
    RowOutside,
    TooManyAffected,
    ValueUnreadable,
)
from app.data_plane.rest.read import filter_told, view_params
from app.database.faults import AnswerTooLarge, OutOfRange, UniqueViolated
from app.definitions.names import WRITE_KEYS
from app.errors import FieldError
from app.expressions.problems import near
from app.http.json_body import parse_json
from app.http.query_string import query_pairs
from app.relations.asked import ASKED
from app.relations.query import Operand, Picked, Query, Test, hidden
from app.relations.view_writes import ROWS, Upsert
from app.relations.write import rows_json
from app.steps.refusals import InputRefused
from app.steps.running import Answer, Call

MAX_ROWS = 10_000
BODY_LIMIT = 1024 * 1024
JSON = frozenset({"application/json", SINGLE})


Written = tuple[str, int]  # the rows as JSON, and how many there are


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a write asks for besides its rows."""

    query: Query
    prefer: Mapping[str, str]
    columns: tuple[str, ...] | None
    on_conflict: tuple[str, ...] | None

    @property
    def representation(self) -> bool:
        """Say whether the rows are wanted back."""
        return self.prefer.get("return") == "representation"


async def write_view(view: CompiledView, action: str, request: Request, call: Call) -> Answer:
    """Carry out a write: one statement, undone as a whole where a row is outside the filter."""
    writing = view.writing
    if writing is None:
        raise QueryUnsupported("This view is only read.")
    wanted = _wanted(view, request, call)
    if wanted.representation and "select" not in view.definition.allow:
        raise QueryUnsupported("This view shows no rows: leave out return=representation.")
    sent = None if action == "delete" else parse_json(await request.body(BODY_LIMIT, JSON))
    try:
        match action:
            case "insert" if request.method == "PUT":
                body, page = await _put(view, writing, wanted, sent, call)
                action = "update"
            case "insert":
                body, page = await _insert(view, writing, wanted, sent, call)
            case "update":
                await filter_told(view, wanted.query, call)
                body, page = await _update(writing, wanted, sent, call)
            case _:
                await filter_told(view, wanted.query, call)
                body, page = await _run(writing.shapes.delete(wanted.query), wanted, call)
    except OutOfRange as error:
        raise ValueUnreadable("A value is not of the type of its column.") from error
    if wanted.query.single and wanted.representation and page != 1:
        raise NotSingular(page, hint="Nothing was changed.")
    return _answer(view, action, wanted, body, page)


def _wanted(view: CompiledView, request: Request, call: Call) -> Wanted:
    headers = request.joined(READ)
    refuse_other_schema(headers)
    pairs = query_pairs(request.query) if request.query else []
    prefer = preferences(headers.get(b"prefer", ""))
    listed = [pair for pair in pairs if pair[0] in WRITE_KEYS]
    for_writes = dict(listed)
    if len(for_writes) != len(listed):
        raise QueryRefused("columns and on_conflict stand once in a query.")
    asked = [pair for pair in pairs if pair[0] not in WRITE_KEYS]
    follow = Reachable(view.related, call.identity).follow
    query, own = parse_query(asked, headers, view.source, view.params.names, follow)
    read = query.read
    if (shown := _shown_of(prefer.get("return"), view)) is not None:
        query = replace(query, read=replace(hidden(read), items=(*shown, *hidden(read).embeds)))
    if query.limit is not None or query.offset or read.order:
        raise QueryUnsupported(
            "limit, offset and order don't go with writes.", hint="Say by tests which rows are meant."
        )
    if read.aggregates or any(embed.inner for embed in read.embeds):
        raise QueryUnsupported("Aggregates and !inner don't go with writes.", hint="Read what was written afterwards.")
    if read.conditions and request.method == "POST":
        raise QueryUnsupported("Tests don't go with an insert.")
    call.env["params"] = view_params(view, own)
    call.env[ASKED] = query.bound(0)
    columns, target = (_names(for_writes.get(key), view) for key in ("columns", "on_conflict"))
    return Wanted(query, prefer, columns, target)


def _shown_of(wanted: str | None, view: CompiledView) -> tuple[Picked, ...] | None:
    """Give what of the rows is made into JSON where they are not wanted back: of one new row its id, for Location."""
    if wanted == "representation":
        return None
    return (Picked("id", Operand("id")),) if wanted == "headers-only" and "id" in view.source.shown else ()


def _names(text: str | None, view: CompiledView) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(dict.fromkeys(part.strip().strip('"') for part in text.split(",")))
    for name in names:
        if name not in view.source.shown:
            raise ColumnUnknown("The view has no such column.", hint=near(name[:64], view.source.shown))
    return names


async def _insert(view: CompiledView, writing: ViewWriting, wanted: Wanted, sent: Any, call: Call) -> Written:
    rows, keys = _rows(sent, wanted)
    upsert = _upsert(view, writing, wanted, keys)
    if not rows:
        return "[]", 0
    statement = writing.shapes.insert(wanted.query, upsert)
    call.env[ROWS] = rows_json(_validated(writing, rows))
    found = await _run(statement, wanted, call)
    if upsert is not None and upsert.merges and found[1] < len(rows):
        # The row that stands in the way is outside the filter. That there is one can't be hidden; nothing else is told.
        raise UniqueViolated("A value that has to be unique is taken.")
    return found


async def _put(view: CompiledView, writing: ViewWriting, wanted: Wanted, sent: Any, call: Call) -> Written:
    """Make the row that the tests name what the body says, be it there or not: an upsert by its unique columns."""
    read = wanted.query.read
    named: dict[str, Any] = {}
    for test in read.conditions:
        if not isinstance(test, Test) or not _names_a_row(test):
            raise PutUnclear("A PUT names its row by eq alone: slug=eq.first")
        named[test.operand.column] = call.env[ASKED][test.slot]
    if frozenset(named) not in view.source.table.unique:
        raise PutUnclear("A PUT names its row by columns that are unique together.")
    if not isinstance(sent, dict) or {name: _as_text(sent.get(name)) for name in named} != named:
        raise PutUnclear("Payload values do not match URL in primary key column(s)")
    prefer = {**wanted.prefer, "resolution": "merge-duplicates"}
    query = replace(wanted.query, read=replace(read, conditions=()))
    return await _insert(
        view, writing, replace(wanted, query=query, prefer=prefer, on_conflict=tuple(named)), sent, call
    )


def _names_a_row(test: Test) -> bool:
    return test.operator == "eq" and not test.negated and test.quantifier is None and test.operand.path is None


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, default=str)


def _rows(sent: Any, wanted: Wanted) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Give the rows, each with the same keys, and the keys."""
    rows = sent if isinstance(sent, list) else [sent]
    if len(rows) > MAX_ROWS or not all(isinstance(row, dict) for row in rows):
        error = FieldError(("body",), "input.type", f"An object, or a list of at most {MAX_ROWS:,} objects, is wanted.")
        raise InputRefused("The body has to be a row or a list of rows.", errors=[error])
    if wanted.columns is None:
        keys = tuple(rows[0]) if rows else ()
        if any(row.keys() != rows[0].keys() for row in rows):
            raise KeysDiffer(
                "All object keys must match", hint="Send the same columns in each row, or name them by columns=."
            )
        return rows, keys
    columns = wanted.columns
    if wanted.prefer.get("missing") == "default":
        return [{name: row[name] for name in columns if name in row} for row in rows], columns
    return [{name: row.get(name) for name in columns} for row in rows], columns


def _validated(writing: ViewWriting, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    checked, errors = [], []
    for index, row in enumerate(rows):
        values, wrong = writing.validator.read(row)
        checked.append(values)
        place: tuple[Any, ...] = ("body",) if len(rows) == 1 else ("body", index)
        errors += [FieldError((*place, *one.loc), one.code, one.message) for one in wrong]
    if errors:
        raise InputRefused("The row is not what the view takes.", errors=errors[:100])
    return checked


def _upsert(view: CompiledView, writing: ViewWriting, wanted: Wanted, keys: tuple[str, ...]) -> Upsert | None:
    resolution = wanted.prefer.get("resolution")
    if resolution is None:
        return None
    target = wanted.on_conflict
    if target is None:
        hint = "Name the unique columns: on_conflict=email"
        raise QueryUnsupported("An upsert needs on_conflict, since ids are given by the database.", hint=hint)
    if frozenset(target) not in view.source.table.unique:
        raise QueryUnsupported("The columns of on_conflict are not unique together in this view.")
    if resolution == "ignore-duplicates":
        return Upsert(target, None)
    if "update" not in view.definition.allow:
        raise QueryUnsupported("Rows are not updated through this view.", hint="Use resolution=ignore-duplicates.")
    return Upsert(target, tuple(name for name in writing.writable.columns if name in keys and name not in target))


async def _update(writing: ViewWriting, wanted: Wanted, sent: Any, call: Call) -> Written:
    if not isinstance(sent, dict):
        error = FieldError(("body",), "input.type", "An object is wanted.")
        raise InputRefused("The body has to be an object with the columns to set.", errors=[error])
    if wanted.columns is not None:
        sent = {name: value for name, value in sent.items() if name in wanted.columns}
    values, wrong = writing.validator.read_partial(sent)
    if wrong:
        errors = [FieldError(("body", *one.loc), one.code, one.message) for one in wrong]
        raise InputRefused("The row is not what the view takes.", errors=errors)
    if not values:
        return "[]", 0
    statement = writing.shapes.update(wanted.query, sorted(values))
    call.env[ROWS] = rows_json([values])
    return await _run(statement, wanted, call)


async def _run(statement: Any, wanted: Wanted, call: Call) -> Written:
    try:
        (row,) = await call.db.rows(statement, call.env)
    except AnswerTooLarge:
        raise AnswerTooLarge("Ask for fewer columns (select=), or for no rows (Prefer: return=minimal).") from None
    body, page = row["body"] or "[]", row["page"]
    call.db.carried(len(body))
    if not row["inside"]:
        raise RowOutside("A row would be outside of what this view lets you write: nothing was changed.")
    most = wanted.prefer.get("max-affected")
    if most is not None and page > int(most):
        raise TooManyAffected("Query result exceeds max-affected preference constraint", hint="Nothing was changed.")
    return body, page


def _answer(view: CompiledView, action: str, wanted: Wanted, body: str, page: int) -> Answer:
    headers = [("Content-Range", _content_range(action, wanted, page))]
    applied = [f"{name}={value}" for name, value in wanted.prefer.items() if name not in ("handling", "tx")]
    if applied:
        headers.append(("Preference-Applied", ", ".join(applied)))
    status = 201 if action == "insert" else 200 if wanted.representation else 204
    if not wanted.representation:
        if wanted.prefer.get("return") == "headers-only" and page == 1 and (id_ := _id_of(body)) is not None:
            headers.append(("Location", f"/rest/v1/{view.name}?id=eq.{quote(id_)}"))
        return Answer(status, None, tuple(headers))
    if wanted.query.single:
        return Answer(status, body.strip()[1:-1].encode(), tuple(headers), SINGLE)
    return Answer(status, body.encode(), tuple(headers))


def _id_of(body: str) -> str | None:
    rows: list[dict[str, Any]] = parse_json(body.encode())
    return str(rows[0]["id"]) if rows and rows[0].get("id") is not None else None


def _content_range(action: str, wanted: Wanted, page: int) -> str:
    total = page if wanted.query.count == "exact" else "*"
    rows = "*" if action == "insert" or not page else f"0-{page - 1}"
    return f"{rows}/{total}"
