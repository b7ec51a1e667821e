"""What an endpoint that is called by rpc answers, asked as a view is: the dialect over the rows of its answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn

from app.compiler.runtime import CompiledEndpoint
from app.data_plane.rest.dialect.headers import OF_ALL, applied, asks, preferences, refuse_other_schema
from app.data_plane.rest.dialect.lexis import MAX_OFFSET
from app.data_plane.rest.dialect.parse import parse_query
from app.data_plane.rest.dialect.refusals import RelationUnknown
from app.data_plane.rest.read import page_answer, read_row
from app.database.faults import AnswerTooLarge
from app.database.statement import Statement
from app.relations.answered import ANSWERED
from app.relations.asked import ASKED
from app.relations.query import Query
from app.relations.query_sql import Shapes
from app.relations.source import Source
from app.steps.running import Answer, Call

_NOTHING = b"null"


@dataclass(frozen=True, slots=True)
class BoundRows:
    """An endpoint, and what is asked of its answer: the query, its statement, its values by their slots."""

    endpoint: CompiledEndpoint
    source: Source
    query: Query
    statement: Statement
    asked: tuple[Any, ...]
    applied: Sequence[tuple[str, str]]


def bind_rows(
    endpoint: CompiledEndpoint, shapes: Shapes, pairs: Sequence[tuple[str, str]], headers: Mapping[bytes, str]
) -> BoundRows | CompiledEndpoint:
    """Read what is asked of an answer beside the endpoint's inputs; where that is nothing, it is the endpoint alone."""
    if not pairs and not asks(headers):
        return endpoint
    refuse_other_schema(headers)
    prefer = preferences(headers.get(b"prefer", ""))
    query, _ = parse_query(pairs, headers, shapes.source, (), _unrelated)
    limit = MAX_OFFSET if query.limit is None else query.limit
    asked = query.bound(min(limit, 2) if query.single else limit)
    return BoundRows(endpoint, shapes.source, query, shapes.statement(query), asked, applied(prefer, OF_ALL))


def _unrelated(here: Source, target: str, _hints: Sequence[str]) -> NoReturn:
    raise RelationUnknown(here.name, target)


async def answer_rows(bound: BoundRows, answer: Answer, call: Call) -> Answer:
    """Give what was asked of an answer, by one statement over its rows; a refusal or an empty answer stays as it is.

    An object is one row, and what is left of it is that object or null. What the endpoint did stands already.
    """
    if answer.body is None or not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return answer
    is_list = answer.body.startswith(b"[")
    rows = answer.body if is_list else b"[%b]" % answer.body.removeprefix(_NOTHING)
    call.env[ANSWERED], call.env[ASKED] = rows.decode(), bound.asked
    try:
        row = await read_row(bound.query, call.db.rows(bound.statement, call.env))
    except AnswerTooLarge as error:
        raise AnswerTooLarge(error.hint, stands=True) from None
    found = page_answer(row, bound.query, bound.source, (*answer.headers, *bound.applied), call)
    status = answer.status if found.status == HTTPStatus.OK else found.status
    body = found.body
    if not (is_list or bound.query.single or bound.query.csv):
        body = found.body.strip()[1:-1] or _NOTHING if found.body else None
    return Answer(status, body, found.headers, found.media_type)
