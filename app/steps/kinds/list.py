"""`list`: rows of a table or view, in order, a bounded number of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from app.database.statement import Evaluator
from app.definitions.names import Items
from app.expressions.types import INT, ListOf
from app.relations.bound_row import binding, told_columns
from app.relations.fused import Listed
from app.relations.locks import Reading
from app.relations.rules import order_by
from app.relations.select import select_rows, select_shown
from app.relations.source import Source
from app.steps.chosen import SomeRows
from app.steps.context import Context, Step
from app.steps.fusable import Fusable
from app.steps.holding import held_read
from app.steps.kind import READS, Kind, Means, never
from app.steps.running import Call

MOST_ROWS = 1000


class ListBody(SomeRows):
    """`from`, `where`, `order`, `limit`, `offset`, `as`."""

    order: Annotated[Items[str], Means.LOOKS] = ()
    limit: Annotated[Any, Means.LOOKS] = None
    offset: Annotated[Any, Means.LOOKS] = None


def _compile(body: ListBody, context: Context) -> Step | None:
    source = context.source(body.from_)
    if source is None:
        return None
    condition = None if body.where is None else context.where("where", body.where, source.item)
    order = order_by(f"{context.place}.order", body.order, source.item, context.findings)
    limit = _bounded(body.limit, source, context)
    offset = None if body.offset is None else _at_least_zero(body.offset, context)
    if (body.where is not None and condition is None) or limit is None:
        return None
    lock = source.table.name in context.later_writes
    statement = select_rows(source, condition, order, limit, offset, lock=lock, max_bytes=context.max_bytes)
    ordered = tuple(term.column for term in order or source.order)
    read = held_read(context, statement, Reading(source, condition, columns=ordered, shown=True), locks=lock)
    name, bound = body.as_, binding(source)

    async def list_rows(call: Call) -> None:
        call.env[name] = [bound(row) for row in await read.rows(call)]

    by_itself = lock or read.holding.hold is not None or told_columns(source)
    shown = None if by_itself else select_shown(source, condition, order, limit, offset, max_bytes=context.max_bytes)
    part = None if shown is None else Fusable(Listed(name, shown))
    binds = {name: ListOf(source.record)}
    return Step(list_rows, binds, statements=read.statements, measured=True, sends=read.sends, fusable=part)


def _bounded(said: Any, source: Source, context: Context) -> Evaluator | None:
    most = source.max_rows or MOST_ROWS
    value = context.value("limit", most if said is None else said, INT)
    if value is None:
        return None
    evaluate = value.evaluate

    def limit(env: Any) -> int:
        wanted = evaluate(env)
        return most if wanted is None else max(0, min(wanted, most))

    return limit


def _at_least_zero(said: Any, context: Context) -> Evaluator | None:
    value = context.value("offset", said, INT)
    if value is None:
        return None
    evaluate = value.evaluate
    return lambda env: max(0, evaluate(env) or 0)


LIST = Kind(
    body=ListBody,
    compile=_compile,
    refuses=never,
    asks=None,
    rules=None,
    does=replace(READS, picks=lambda said: bool({"limit", "offset"} & set(said))),
    answers=False,
    pauses=None,
)
