"""`require`: goes on if a condition holds; else, and where the answer is unknown, refuses."""

from typing import Any

from app.definitions.expression_text import ExpressionText
from app.expressions.evaluate import compile_condition
from app.steps.context import Context, Kind, Step, StepBody
from app.steps.refusals import RefusalCode, RefusalStatus, StepRefused, compile_message, message_of, refusal_class
from app.steps.running import Call

_DEFAULT = "This is not allowed."


class RequireBody(StepBody):
    """`that`, `status`, `code`, `message`."""

    that: ExpressionText
    status: RefusalStatus | None = None
    code: RefusalCode | None = None
    message: Any = None


def _compile(body: RequireBody, context: Context) -> Step | None:
    expression = context.condition("that", body.that)
    message = compile_message(body.message, _DEFAULT, context)
    if expression is None or message is None:
        return None
    holds = compile_condition(expression)
    refusal = refusal_class(StepRefused, body.status, body.code)

    def require(call: Call) -> None:
        if not holds(call.env):
            raise refusal(message_of(message, call.env, _DEFAULT))

    return Step(require)


REQUIRE = Kind(RequireBody, _compile)
