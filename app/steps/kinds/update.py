"""`update`: the row with an id, or the rows that a condition holds for."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from app.definitions.expression_text import OptionalExpression
from app.definitions.names import BoundName, Name
from app.relations.locks import Reading
from app.relations.source import table_source
from app.relations.write import update_rows
from app.steps.context import Context, Kind, Step, StepBody
from app.steps.holding import NOTHING, holding
from app.steps.running import Call
from app.steps.settings import compile_settings
from app.steps.written import binds_written, written


class UpdateBody(StepBody):
    """`table`, `id` or `where`, `set`, `expect`, `as`; `expect: one` makes none a 404 and is the default with `id`."""

    table: Name
    id: OptionalExpression = None
    where: OptionalExpression = None
    set: dict[Name, Any] = Field(min_length=1)
    expect: Literal["one", "any"] | None = None
    as_: BoundName | None = Field(default=None, alias="as")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.id is None) == (self.where is None):
            msg = "say which rows: either by id or by where (`where: true` is all of them)"
            raise ValueError(msg)
        return self


def _compile(body: UpdateBody, context: Context) -> Step | None:
    table = context.table(body.table)
    if table is None:
        return None
    source = table_source(table)
    condition = context.which(body.id, body.where, source)
    values = compile_settings(body.set, table, context, over_row=True)
    if condition is None or len(values) < len(body.set):
        return None
    statement = update_rows(table, condition, values, context.max_bytes)
    one = body.expect == "one" or (body.expect is None and body.id is not None)
    name = body.as_
    # Whether it found any, a later step can ask where the chain goes on without.
    held = NOTHING if one or name is None else holding(context, Reading(source, condition))

    async def update(call: Call) -> None:
        await held.take(call)
        rows = written(await call.db.rows(statement, call.env), one=one)
        if name is not None:
            call.env[name] = rows

    binds = binds_written(name, table, one=one)
    undoes = one and body.where is not None
    return Step(update, binds, statements=1 + held.statements, writes=True, undoes=undoes, measured=True)


UPDATE = Kind(UpdateBody, _compile, writes=True)
