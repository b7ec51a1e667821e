"""The rows that a step is about: the one with an id, or those that a condition holds for."""

from collections.abc import Callable
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from app.database.statement import Statement
from app.definitions.expression_text import OptionalExpression
from app.expressions.check import Expression
from app.expressions.types import BOOL, Type
from app.relations.locks import Reading
from app.relations.select import may_be_undecided
from app.relations.source import Source
from app.steps.context import Context, Step
from app.steps.holding import held_read
from app.steps.kind import Binds, Means, ReadsFrom, StepBody
from app.steps.running import Call


class ChosenRows(StepBody):
    """`id` or `where`, one of them; `unsaid` is told where it is none or both."""

    unsaid: ClassVar[str]
    id: Annotated[OptionalExpression, Means.ID] = None
    where: Annotated[OptionalExpression, Means.WHERE] = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.id is None) == (self.where is None):
            raise ValueError(self.unsaid)
        return self


class SomeRows(ReadsFrom):
    """`from`, `where`, `as`: of no condition all rows."""

    where: Annotated[OptionalExpression, Means.WHERE] = None
    as_: Binds = Field(alias="as")


def read_value(
    body: SomeRows, context: Context, kind: Type, statement: Callable[[Source, Expression | None], Statement]
) -> Step | None:
    """Compile a step that binds the one value of a statement over rows."""
    source = context.source(body.from_)
    if source is None:
        return None
    condition = context.counted(body.where, source, body.as_, wants_one=kind == BOOL)
    if body.where is not None and condition is None:
        return None
    read = held_read(context, statement(source, condition), Reading(source, condition))
    name = body.as_

    async def value(call: Call) -> None:
        call.env[name] = (await read.rows(call))[0]["value"]

    undecided = frozenset({name}) if may_be_undecided(source, condition) else frozenset()
    return Step(value, {name: kind}, statements=read.statements, undecided=undecided, sends=read.sends)
