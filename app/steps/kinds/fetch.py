"""`fetch`: one row of a table or view, locked where the request writes its table later."""

from dataclasses import replace
from typing import Self

from pydantic import Field, model_validator

from app.definitions.expression_text import OptionalExpression
from app.definitions.names import BoundName
from app.relations.locks import Reading
from app.relations.select import select_row
from app.steps.context import Context, Kind, ReadsFrom, Step
from app.steps.holding import held_read
from app.steps.refusals import RowNotFound
from app.steps.running import Call


class FetchBody(ReadsFrom):
    """`from`, `id` or `where`, `as`, `lock`, `optional`."""

    id: OptionalExpression = None
    where: OptionalExpression = None
    as_: BoundName = Field(alias="as")
    lock: bool = False
    optional: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.id is None) == (self.where is None):
            msg = "say which row: either by id or by where"
            raise ValueError(msg)
        return self


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
    read = held_read(context, statement, reading, locks=lock)

    async def fetch(call: Call) -> None:
        rows = await read.rows(call)
        if call.trace is not None and source.filter is not None:
            open_source = replace(source, filter=None)
            unfiltered = select_row(open_source, condition, lock=False, max_bytes=max_bytes)
            found = rows or await call.db.aside(unfiltered, call.env)
            before = None if found is None else len(found)
            call.trace.note(rows_before_filter=before, rows_after_filter=len(rows))
        if rows:
            call.env[name] = dict(rows[0])
        elif optional:
            call.env[name] = None
        else:
            raise RowNotFound

    return Step(fetch, {name: source.record}, statements=read.statements, locks=body.lock, measured=True)


FETCH = Kind(
    FetchBody,
    _compile,
    refuses=lambda said: not said.get("optional"),
    grows=True,
    picks=lambda said: said.get("id") is None,
)
