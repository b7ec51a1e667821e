"""`require`: goes on if a condition holds; else, and where the answer is unknown, refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from app.definitions.expression_text import ExpressionText
from app.errors import RowgateError
from app.expressions.nulls import sure_where
from app.steps.context import Context, Step
from app.steps.deciding import deciding
from app.steps.fusable import Fusable, Holds
from app.steps.kind import Asks, Fields, Kind, Means, Reader, Stated, StepBody, always
from app.steps.refusals import RefusalCode, RefusalStatus, StepRefused, compile_message, message_of, refusal_class
from app.steps.running import Call

_DEFAULT = "This is not allowed."


class RequireBody(StepBody):
    """`that`, `status`, `code`, `message`."""

    that: Annotated[ExpressionText, Means.RULE]
    status: Annotated[RefusalStatus | None, Means.LOOKS] = None
    code: Annotated[RefusalCode | None, Means.LOOKS] = None
    message: Annotated[Any, Means.LOOKS] = None


def _compile(body: RequireBody, context: Context) -> Step | None:
    expression = context.condition("that", body.that)
    message = compile_message(body.message, _DEFAULT, context)
    if expression is None or message is None:
        return None
    decides = deciding(context, expression)
    holds = decides.here
    refusal = refusal_class(StepRefused, body.status, body.code)

    def refused(call: Call) -> RowgateError:
        return refusal(message_of(message, call.env, _DEFAULT))

    is_held = decides.asked is not None and decides.asked.holding.hold is not None
    holds_rows = Holds(context.later_writes, context.serializable) if is_held else None
    part = Fusable(expression, refused, told=message.reads, holds=holds_rows)
    sure = sure_where(expression.tree, holds=True)
    if holds is None:

        async def ask(call: Call) -> None:
            if not await decides.holds(call):
                raise refused(call)

        return Step(ask, statements=decides.statements, sure=sure, sends=decides.sends, fusable=part)

    def require(call: Call) -> None:
        if not holds(call.env):
            raise refused(call)

    return Step(require, sure=sure, fusable=part)


def _rules(said: Fields, read: Reader) -> Iterator[Stated]:
    yield Stated(read.rule(said["that"]), said["that"])


REQUIRE = Kind(
    body=RequireBody,
    compile=_compile,
    refuses=always,
    asks=Asks.RULE,
    rules=_rules,
    does=None,
    answers=False,
    pauses=None,
)
