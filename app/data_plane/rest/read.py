"""Views over HTTP, with the statuses, headers and error members that PostgREST's clients read."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.auth.identity import Identity
from app.compiler.runtime import CompiledView
from app.data_plane.admission import standing
from app.data_plane.request import Request
from app.data_plane.rest.dialect.embedding import Reachable
from app.data_plane.rest.dialect.headers import (
    ASKING,
    CSV,
    JSON,
    LIST,
    OF_ALL,
    SINGLE,
    STRIPPED,
    applied,
    preferences,
    refuse_other_schema,
)
from app.data_plane.rest.dialect.parse import parse_query
from app.data_plane.rest.dialect.refusals import NotSingular, QueryRefused, RangeInvalid, ValueUnreadable
from app.data_plane.rest.streamed import RowStream, around
from app.database.faults import AnswerTooLarge, DatabaseFailed, OutOfRange, Streamed
from app.database.session import HEAVY_BYTES
from app.database.statement import Statement
from app.errors import FieldError
from app.expressions.check import Expression
from app.http.json_body import parse_json
from app.http.query_string import MAX_PAIRS, query_pairs
from app.relations.asked import ASKED, searches
from app.relations.query import Query
from app.relations.query_sql import COUNTED, Shapes, labels
from app.relations.source import Source
from app.steps.refusals import InputRefused
from app.steps.running import Answer, Call
from app.steps.trace import RuleInfo, rules_seen

FORM = "application/x-www-form-urlencoded"
QUERY_BODIES = frozenset({FORM, JSON})
_NAMES = f"The body is an object of at most {MAX_PAIRS} names and texts, or lists of texts."
_NAMES_HINT = '{"select": "id,title", "id": "in.(1,2)", "size": ["gt.1", "lt.9"], "limit": 10}'
_FEWER = "Ask for fewer columns (select=) or rows (limit=, Range), or for one page after the other."
_SHORT = 512  # bytes of a query that is kept as read


@dataclass(frozen=True, slots=True)
class BoundRead:
    """What a view is asked: the query, its statement, its values by their slots, and the view's own parameters.

    The statement is the one of an answer that is small enough to be held whole.
    """

    view: CompiledView
    query: Query
    statement: Statement
    asked: tuple[Any, ...]
    params: Mapping[str, Any]
    applied: Sequence[tuple[str, str]]


def bind_read(view: CompiledView, request: Request, identity: Identity, body: bytes = b"") -> BoundRead:
    """Read what is asked in the address and in a body.

    A short one is found read: the same words mean the same to all who may read the same views.
    """
    headers = request.joined(ASKING)

    def read() -> BoundRead:
        refuse_other_schema(headers)
        prefer = preferences(headers.get(b"prefer", ""))
        pairs = query_pairs(request.query) if request.query else []
        pairs += _pairs_of(request, body) if body else []
        follow = Reachable(view.related, identity).follow
        query, own = parse_query(pairs, headers, view.source, view.params.names, follow)
        asked = query.bound(_limit(view, query))
        statement = view.shapes.statement(query, HEAVY_BYTES)
        return BoundRead(view, query, statement, asked, view_params(view, own), applied(prefer, OF_ALL))

    if body or len(request.query) + sum(map(len, headers.values())) > _SHORT:
        return read()
    known: BoundRead = view.shapes.read.kept((request.query, *headers.items(), standing(identity)), read)
    return known


def _pairs_of(request: Request, body: bytes) -> list[tuple[str, str]]:
    """Read a query that stands in a body: as it would stand in an address, or an object of its names."""
    if (request.header(b"content-type") or "").lower().startswith(FORM):
        return query_pairs(body, len(body))
    sent = parse_json(body)
    if not isinstance(sent, dict):
        raise QueryRefused(_NAMES, hint=_NAMES_HINT)
    pairs = [(name, one) for name, said in sent.items() for one in (said if isinstance(said, list) else [said])]
    if len(pairs) > MAX_PAIRS or not all(type(one) in (str, int) for _, one in pairs):
        raise QueryRefused(_NAMES, hint=_NAMES_HINT)
    return [(name, str(one)) for name, one in pairs]


async def read_view(bound: BoundRead, call: Call) -> Answer:
    """Answer a GET or HEAD: one statement, whose JSON is passed on as bytes."""
    view, query = bound.view, bound.query
    call.env["params"] = bound.params
    call.env[ASKED] = bound.asked
    if call.streams:
        return await stream_view(bound, call)
    if call.may_stream and not call.outside:
        try:
            row = await read_row(query, call.db.rows(bound.statement, call.env))
        except AnswerTooLarge:
            if view.source.max_bytes > HEAVY_BYTES:
                raise Streamed from None
            raise
    else:
        row = await read_row(query, call.db.rows(view.shapes.statement(query), call.env))
    if call.trace is not None:
        await filter_told(view, query, call, view.source.filter)
    return page_answer(row, query, view.source, bound.applied, call)


def page_answer(row: Any, query: Query, source: Source, more: Sequence[tuple[str, str]], call: Call) -> Answer:
    """Answer with the page that a statement gave; raises RangeInvalid and NotSingular."""
    body = row["body"]
    call.db.carried(len(body))
    status, headers = page_head(row["page"], row["total"], query)
    return rows_answer(status, source, query, body, [*headers, *more])


def page_head(page: int, counted: int | None, query: Query) -> tuple[int, list[tuple[str, str]]]:
    """Give the status of a page of so many rows, and its Content-Range; raises RangeInvalid and NotSingular."""
    total = _total(query, counted, page)
    if total is not None and query.offset > total:
        raise RangeInvalid(f"An offset of {query.offset} was requested, but there are only {total} rows.", total)
    if query.single and page != 1:
        sentence = "One row was asked for, and there are more." if page else "One row was asked for, and there is none."
        raise NotSingular(page, hint=sentence)
    partial = not query.single and total is not None and page < total
    return 206 if partial else 200, [("Content-Range", _content_range(query.offset, page, total))]


def rows_answer(status: int, source: Source, query: Query, body: str, headers: Sequence[tuple[str, str]]) -> Answer:
    """Answer with rows in the form that the query asks for: a list, one object, or CSV with its header."""
    if query.single:
        return Answer(status, body.strip()[1:-1].encode(), tuple(headers), _media_type(query))
    if query.csv:
        header = ",".join(labels(source, query.read))
        text = f"{header}\n{body}" if body else header
        return Answer(status, text.encode(), tuple(headers), _media_type(query))
    return Answer(status, body.encode(), tuple(headers), _media_type(query))


def _media_type(query: Query) -> str:
    media = SINGLE if query.single else CSV if query.csv else LIST if query.stripped else JSON
    return f"{media}{STRIPPED if query.stripped else ''}; charset=utf-8"


async def stream_view(bound: BoundRead, call: Call) -> Answer:
    """Answer with rows that are sent as they are read; all that the answer's head says is known before.

    Raises Streamed where there are no rows any more.
    """
    view, query = bound.view, bound.query

    async def opened() -> list[Any]:
        cursor = await call.db.cursor(view.shapes.streamed(query), call.env)
        return [(cursor, await cursor.fetch(1))]

    cursor, found = await read_row(query, opened())
    if not found:
        raise Streamed
    page, _, _, counted = found[0]["head"]
    status, headers = page_head(page, counted, query)
    header = ",".join(labels(view.source, query.read)) if query.csv else ""
    stream = RowStream(cursor, found[0], around(query, header))
    return Answer(status, None, (*headers, *bound.applied), _media_type(query), stream)


async def read_row(
    query: Query, rows: Awaitable[list[Any]], *, fewer: str = _FEWER, wrong: str = "A value in the query"
) -> Any:
    """Give the one row that is the answer; what Postgres refuses is told in the words of the dialect.

    `fewer` says what makes too large an answer smaller, and `wrong` what may not be of its column's type.
    """
    try:
        (row,) = await rows
    except AnswerTooLarge:
        raise AnswerTooLarge(fewer) from None
    except OutOfRange as error:
        raise ValueUnreadable(f"{wrong} is not of the type of its column.") from error
    except DatabaseFailed as error:
        if searches(query.read) and not error.is_gone:
            raise ValueUnreadable("This is no text search: words are joined by & and |.") from error
        raise
    return row


def _total(query: Query, counted: int | None, page: int) -> int | None:
    """Give the total; one that was counted no further is at least the end of the page."""
    if counted is None or query.count != "bounded" or counted <= COUNTED:
        return counted
    return max(counted, query.offset + page)


def _limit(view: CompiledView, query: Query) -> int:
    """Give how many rows are read: of the one that is asked for, two at most, which tells whether there are more."""
    most = view.definition.max_rows
    limit = most if query.limit is None else min(query.limit, most)
    return min(limit, 2) if query.single else limit


async def filter_told(
    view: CompiledView, query: Query, call: Call, said: Expression | None, action: str | None = None
) -> None:
    """Tell the trace what a filter sees, and how many of the rows asked for there are before and after it.

    So rows that are hidden are told apart from rows that aren't there, before a write as well: its filter is that of
    the view and of its `action`.
    """
    if call.trace is None or not call.trace.is_told or said is None:
        return
    env = {**call.env, ASKED: query.bound(_limit(view, query))}
    field = "filter" if action is None else f"allow.{action}.filter"
    call.trace.note(rules=rules_seen((RuleInfo(field, said.text, tuple(said.paths)),), env))
    found = [
        await call.db.aside(Shapes(source).statement(query), env)
        for source in (replace(view.source, filter=None), replace(view.source, filter=said))
    ]
    before, after = (None if rows is None else rows[0]["page"] for rows in found)
    call.trace.note(rows_before_filter=before, rows_after_filter=after)


def view_params(view: CompiledView, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Read the view's own parameters; raises InputRefused with every one that is wrong."""
    found, errors = view.params.from_pairs(pairs)
    if errors:
        wrong = [FieldError(("query", *one.loc), one.code, one.message) for one in errors]
        raise InputRefused("The view's parameters are not what is wanted.", errors=wrong)
    return found


def _content_range(offset: int, page: int, total: int | None) -> str:
    rows = f"{offset}-{offset + page - 1}" if page else "*"
    return f"{rows}/{'*' if total is None else total}"
