"""`time_window`: goes on while a time is open; outside it refuses, and says when it will open."""

import math
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from app.expressions.trees import term
from app.steps.context import Context, Step
from app.steps.kind import Asks, Fields, Kind, Means, Reader, Stated, StepBody, always
from app.steps.refusals import OutsideWindow, RefusalCode, RefusalStatus, compile_message, message_of, refusal_class
from app.steps.running import Call
from app.steps.windows import BadTimeWindow, TimeWindow, time_window

_DEFAULT = "This is not open now."


class TimeWindowBody(StepBody):
    """`from`, `until`, `weekdays`, `hours`, `timezone`, `status`, `code`, `message`."""

    from_: Annotated[Any, Means.VALUE] = Field(default=None, alias="from")
    until: Annotated[Any, Means.VALUE] = None
    weekdays: Annotated[Any, Means.VALUE] = None
    hours: Annotated[Any, Means.VALUE] = None
    timezone: Annotated[str, Means.VALUE]
    status: Annotated[RefusalStatus | None, Means.LOOKS] = None
    code: Annotated[RefusalCode | None, Means.LOOKS] = None
    message: Annotated[Any, Means.LOOKS] = None


def _compile(body: TimeWindowBody, context: Context) -> Step | None:
    message = compile_message(body.message, _DEFAULT, context)
    try:
        window = time_window(
            timezone=body.timezone, start=body.from_, until=body.until, weekdays=body.weekdays, hours=body.hours
        )
    except BadTimeWindow as error:
        for problem in error.errors:
            field = "from" if problem.loc[:1] == ("start",) else ".".join(map(str, problem.loc))
            context.report(field, problem.message)
        return None
    if message is None:
        return None
    refusal = refusal_class(OutsideWindow, body.status, body.code)

    def check(call: Call) -> None:
        now = call.env["now"]
        if window.is_open(now):
            return
        opens = window.opens_at(now)
        headers = {} if opens is None else {"Retry-After": str(max(1, math.ceil((opens - now).total_seconds())))}
        raise refusal(message_of(message, call.env, _DEFAULT), headers=headers)

    return Step(check)


def _rules(said: Fields, read: Reader) -> Iterator[Stated]:
    open_ = {key: one for key, one in said.items() if key not in TIME_WINDOW.named(Means.LOOKS)}
    yield Stated(term("open", read.value(open_)), "time_window")


def _opens(said: Fields) -> TimeWindow | None:
    """Give the window, as far as it is said in words and not computed."""
    try:
        return time_window(
            timezone=said.get("timezone"), start=said.get("from"), until=said.get("until"),
            weekdays=said.get("weekdays"), hours=said.get("hours"),
        )  # fmt: skip
    except BadTimeWindow:
        return None


TIME_WINDOW = Kind(
    body=TimeWindowBody,
    compile=_compile,
    refuses=always,
    asks=Asks.LIMIT,
    rules=_rules,
    does=None,
    answers=False,
    pauses=None,
    opens=_opens,
)
