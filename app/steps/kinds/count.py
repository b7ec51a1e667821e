"""`count`: how many rows of a table or view there are."""

from pydantic import Field

from app.definitions.expression_text import OptionalExpression
from app.definitions.names import BoundName
from app.expressions.types import INT
from app.relations.locks import Reading
from app.relations.select import count_rows
from app.steps.context import Context, Kind, ReadsFrom, Step, never
from app.steps.holding import held_read
from app.steps.running import Call


class CountBody(ReadsFrom):
    """`from`, `where`, `as`."""

    where: OptionalExpression = None
    as_: BoundName = Field(alias="as")


def _compile(body: CountBody, context: Context) -> Step | None:
    source = context.source(body.from_)
    condition = None if body.where is None or source is None else context.where("where", body.where, source.item)
    if source is None or (body.where is not None and condition is None):
        return None
    read = held_read(context, count_rows(source, condition), Reading(source, condition))
    name = body.as_

    async def count(call: Call) -> None:
        call.env[name] = (await read.rows(call))[0]["value"]

    return Step(count, {name: INT}, statements=read.statements)


COUNT = Kind(CountBody, _compile, refuses=never)
