"""`exists`: whether there is a row of a table or view."""

from pydantic import Field

from app.definitions.expression_text import OptionalExpression
from app.definitions.names import BoundName
from app.expressions.types import BOOL
from app.relations.locks import Reading
from app.relations.select import any_row
from app.steps.context import Context, Kind, ReadsFrom, Step, never
from app.steps.holding import held_read
from app.steps.running import Call


class ExistsBody(ReadsFrom):
    """`from`, `where`, `as`."""

    where: OptionalExpression = None
    as_: BoundName = Field(alias="as")


def _compile(body: ExistsBody, context: Context) -> Step | None:
    source = context.source(body.from_)
    condition = None if body.where is None or source is None else context.where("where", body.where, source.item)
    if source is None or (body.where is not None and condition is None):
        return None
    read = held_read(context, any_row(source, condition), Reading(source, condition))
    name = body.as_

    async def exists(call: Call) -> None:
        call.env[name] = (await read.rows(call))[0]["value"]

    return Step(exists, {name: BOOL}, statements=read.statements)


EXISTS = Kind(ExistsBody, _compile, refuses=never)
