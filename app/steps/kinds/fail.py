"""`fail`: refuses and ends; whatever was written is rolled back."""

from collections.abc import Iterator
from typing import Annotated, Any

from app.expressions.trees import literal
from app.steps.context import Context, Step
from app.steps.kind import Asks, Fields, Kind, Means, Reader, Stated, StepBody, always
from app.steps.refusals import RefusalCode, RefusalStatus, StepFailed, compile_message, message_of, refusal_class
from app.steps.running import Call

_DEFAULT = "The request can't be carried out."


class FailBody(StepBody):
    """`status`, `code`, `message`."""

    status: Annotated[RefusalStatus, Means.LOOKS]
    code: Annotated[RefusalCode | None, Means.LOOKS] = None
    message: Annotated[Any, Means.LOOKS] = None


def _compile(body: FailBody, context: Context) -> Step | None:
    message = compile_message(body.message, _DEFAULT, context)
    if message is None:
        return None
    refusal = refusal_class(StepFailed, body.status, body.code)

    def fail(call: Call) -> None:
        raise refusal(message_of(message, call.env, _DEFAULT))

    return Step(fail)


def _rules(_said: Fields, _read: Reader) -> Iterator[Stated]:
    yield Stated(literal(False), "fail")


FAIL = Kind(
    body=FailBody,
    compile=_compile,
    refuses=always,
    asks=Asks.END,
    rules=_rules,
    does=None,
    answers=False,
    pauses=None,
)
