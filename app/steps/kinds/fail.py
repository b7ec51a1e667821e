"""`fail`: refuses and ends; whatever was written is rolled back."""

from typing import Any

from app.steps.context import Context, Kind, Step, StepBody
from app.steps.refusals import RefusalCode, RefusalStatus, StepFailed, compile_message, message_of, refusal_class
from app.steps.running import Call

_DEFAULT = "The request can't be carried out."


class FailBody(StepBody):
    """`status`, `code`, `message`."""

    status: RefusalStatus
    code: RefusalCode | None = None
    message: Any = None


def _compile(body: FailBody, context: Context) -> Step | None:
    message = compile_message(body.message, _DEFAULT, context)
    if message is None:
        return None
    refusal = refusal_class(StepFailed, body.status, body.code)

    def fail(call: Call) -> None:
        raise refusal(message_of(message, call.env, _DEFAULT))

    return Step(fail)


FAIL = Kind(FailBody, _compile)
