"""Writing through a view over HTTP: POST, PATCH and DELETE with PostgREST's preferences, statuses and headers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from app.auth.identity import Identity
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
from app.database.statement import Statement
from app.definitions.names import WRITE_KEYS
from app.errors import FieldError, near
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a write asks for besides its rows; `params` are the view's own."""

    query: Query
    prefer: Mapping[str, str]
    columns: tuple[str, ...] | None
    on_conflict: tuple[str, ...] | None
    params: Mapping[str, Any]

    @property
    def representation(self) -> bool:
        """Say whether the rows are wanted back."""
        return self.prefer.get("return") == "representation"


@dataclass(frozen=True, slots=True)
class WriteStatement:
    """A statement and the rows that it is given, as JSON; `merges` says that each of them has to come back."""

    statement: Statement
    rows: list[Any]
    merges: bool = False


@dataclass(frozen=True, slots=True)
class BoundWrite:
    """What is written through a view, `write` None where that is nothing; a PUT names its row as often as it comes."""

    view: CompiledView
    action: str
    wanted: Wanted
    write: WriteStatement | None
    is_put: bool = False

    @property
    def creates(self) -> bool:
        """Say whether the rows are told as new ones."""
        return self.action == "insert" and not self.is_put


def bind_write(view: CompiledView, action: str, request: Request, body: bytes, identity: Identity) -> BoundWrite:
    """Read a POST, PATCH, PUT or DELETE, and check its rows against the view."""
    writing = view.writing
    if writing is None:
        raise QueryUnsupported("This view is only read.")
    wanted = _wanted(view, request, identity)
    if wanted.representation and "select" not in view.definition.allow:
        raise QueryUnsupported("This view shows no rows: leave out return=representation.")
    is_put = request.method == "PUT"
    match action:
        case "delete":
            made: WriteStatement | None = WriteStatement(writing.shapes.delete(wanted.query), [])
        case "update":
            made = _update(writing, wanted, parse_json(body))
        case _ if is_put:
            made = _put(view, writing, wanted, parse_json(body))
        case _:
            made = _insert(view, writing, wanted, parse_json(body))
    return BoundWrite(view, action, wanted, made, is_put)


async def write_view(bound: BoundWrite, call: Call) -> Answer:
    """Carry out a write: one statement, undone as a whole where a row is outside the filter."""
    wanted = bound.wanted
    call.env["params"] = wanted.params
    call.env[ASKED] = wanted.query.bound(0)
    if bound.action != "insert":
        await filter_told(bound.view, wanted.query, call)
    body, page = ("[]", 0) if bound.write is None else await _run(bound.write, wanted, call)
    if wanted.query.single and wanted.representation and page != 1:
        raise NotSingular(page, hint="Nothing was changed.")
    return _answer(bound, body, page)


def _wanted(view: CompiledView, request: Request, identity: Identity) -> Wanted:
    headers = request.joined(READ)
    refuse_other_schema(headers)
    pairs = query_pairs(request.query) if request.query else []
    prefer = preferences(headers.get(b"prefer", ""))
    listed = [pair for pair in pairs if pair[0] in WRITE_KEYS]
    for_writes = dict(listed)
    if len(for_writes) != len(listed):
        raise QueryRefused("columns and on_conflict stand once in a query.")
    asked = [pair for pair in pairs if pair[0] not in WRITE_KEYS]
    follow = Reachable(view.related, identity).follow
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
    params = view_params(view, own)
    columns, target = (_names(for_writes.get(key), view) for key in ("columns", "on_conflict"))
    return Wanted(query, prefer, columns, target, params)


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


def _insert(view: CompiledView, writing: ViewWriting, wanted: Wanted, sent: Any) -> WriteStatement | None:
    rows, keys = _rows(sent, wanted)
    upsert = _upsert(view, writing, wanted, keys)
    if not rows:
        return None
    checked = rows_json(_validated(writing, rows))
    return WriteStatement(writing.shapes.insert(wanted.query, upsert), checked, upsert is not None and upsert.merges)


def _put(view: CompiledView, writing: ViewWriting, wanted: Wanted, sent: Any) -> WriteStatement | None:
    """Make the row that the tests name what the body says, be it there or not: an upsert by its unique columns."""
    read, asked = wanted.query.read, wanted.query.bound(0)
    named: dict[str, Any] = {}
    for test in read.conditions:
        if not isinstance(test, Test) or test.slot is None or not _names_a_row(test):
            raise PutUnclear("A PUT names its row by eq alone: slug=eq.first")
        named[test.operand.column] = asked[test.slot]
    if frozenset(named) not in view.source.table.unique:
        raise PutUnclear("A PUT names its row by columns that are unique together.")
    if not isinstance(sent, dict) or {name: _as_text(sent.get(name)) for name in named} != named:
        raise PutUnclear("Payload values do not match URL in primary key column(s)")
    prefer = {**wanted.prefer, "resolution": "merge-duplicates"}
    query = replace(wanted.query, read=replace(read, conditions=()))
    return _insert(view, writing, replace(wanted, query=query, prefer=prefer, on_conflict=tuple(named)), sent)


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


def _update(writing: ViewWriting, wanted: Wanted, sent: Any) -> WriteStatement | None:
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
        return None
    return WriteStatement(writing.shapes.update(wanted.query, sorted(values)), rows_json([values]))


async def _run(write: WriteStatement, wanted: Wanted, call: Call) -> tuple[str, int]:
    """Give the rows that were written as JSON, and how many they are."""
    call.env[ROWS] = write.rows
    try:
        (row,) = await call.db.rows(write.statement, call.env)
    except AnswerTooLarge:
        raise AnswerTooLarge("Ask for fewer columns (select=), or for no rows (Prefer: return=minimal).") from None
    except OutOfRange as error:
        raise ValueUnreadable("A value is not of the type of its column.") from error
    body, page = row["body"] or "[]", row["page"]
    call.db.carried(len(body))
    if not row["inside"]:
        raise RowOutside("A row would be outside of what this view lets you write: nothing was changed.")
    most = wanted.prefer.get("max-affected")
    if most is not None and page > int(most):
        raise TooManyAffected("Query result exceeds max-affected preference constraint", hint="Nothing was changed.")
    if write.merges and page < len(write.rows):
        # The row that stands in the way is outside the filter. That there is one can't be hidden; nothing else is told.
        raise UniqueViolated("A value that has to be unique is taken.")
    return body, page


def _answer(bound: BoundWrite, body: str, page: int) -> Answer:
    wanted = bound.wanted
    headers = [("Content-Range", _content_range(bound, page))]
    applied = [f"{name}={value}" for name, value in wanted.prefer.items() if name not in ("handling", "tx")]
    if applied:
        headers.append(("Preference-Applied", ", ".join(applied)))
    status = 201 if bound.creates else 200 if wanted.representation else 204
    if not wanted.representation:
        if wanted.prefer.get("return") == "headers-only" and page == 1 and (id_ := _id_of(body)) is not None:
            headers.append(("Location", f"/rest/v1/{bound.view.name}?id=eq.{quote(id_)}"))
        return Answer(status, None, tuple(headers))
    if wanted.query.single:
        return Answer(status, body.strip()[1:-1].encode(), tuple(headers), SINGLE)
    return Answer(status, body.encode(), tuple(headers))


def _id_of(body: str) -> str | None:
    rows: list[dict[str, Any]] = parse_json(body.encode())
    return str(rows[0]["id"]) if rows and rows[0].get("id") is not None else None


def _content_range(bound: BoundWrite, page: int) -> str:
    total = page if bound.wanted.query.count == "exact" else "*"
    rows = "*" if bound.creates or not page else f"0-{page - 1}"
    return f"{rows}/{total}"
