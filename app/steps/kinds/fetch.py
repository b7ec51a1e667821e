"""`fetch`: one row of a table or view, locked where the request writes its table later."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from app.relations.bound_row import binding, told_columns
from app.relations.fused import Fetched
from app.relations.locks import Reading
from app.relations.select import select_row
from app.steps.chosen import ChosenRows
from app.steps.context import Context, Step
from app.steps.fusable import Fusable
from app.steps.holding import held_read
from app.steps.kind import READS, Asks, Binds, Kind, Means, ReadsFrom
from app.steps.refusals import RowNotFound
from app.steps.running import Call


class FetchBody(ReadsFrom, ChosenRows):
    """`from`, `id` or `where`, `as`, `lock`, `optional`."""

    unsaid: ClassVar[str] = "say which row: either by id or by where"
    as_: Binds = Field(alias="as")
    lock: Annotated[bool, Means.LOOKS] = False
    optional: Annotated[bool, Means.VALUE] = False


def _compile(body: FetchBody, context: Context) -> Step | None:
    source = context.source(body.from_)
    if source is None:
        return None
    condition = context.which(body.id, body.where, source)
    if condition is None:
        return None
    lock = body.lock or source.table.name in context.later_writes
    name, optional, max_bytes = body.as_, body.optional, context.max_bytes
    # A row that is found is locked; that there is none has to stay so where the chain goes on without it.
    reading = Reading(source, condition, shown=True, is_set=optional)
    statement = select_row(source, condition, lock=lock, max_bytes=max_bytes)
    read, bound = held_read(context, statement, reading, locks=lock), binding(source)

    async def fetch(call: Call) -> None:
        rows = await read.rows(call)
        if call.trace is not None and call.trace.is_told and source.filter is not None:
            open_source = replace(source, filter=None)
            unfiltered = select_row(open_source, condition, lock=False, max_bytes=max_bytes)
            found = rows or await call.db.aside(unfiltered, call.env)
            before = None if found is None else len(found)
            call.trace.note(rows_before_filter=before, rows_after_filter=len(rows))
        if rows:
            call.env[name] = bound(rows[0])
        elif optional:
            call.env[name] = None
        else:
            raise RowNotFound

    by_itself = optional or read.holding.hold is not None or told_columns(source)
    part = None if by_itself else Fusable(Fetched(name, source, condition, body.id, lock, max_bytes))
    binds = {name: source.record}
    return Step(
        fetch, binds, statements=read.statements, locks=body.lock, measured=True, sends=read.sends, fusable=part
    )


FETCH = Kind(
    body=FetchBody,
    compile=_compile,
    refuses=lambda said: not said.get("optional"),
    asks=Asks.FAILS,
    rules=None,
    does=replace(READS, picks=lambda said: said.get("id") is None, grows=True),
    answers=False,
    pauses=None,
)
