"""`time_window`: goes on while a time is open; outside it refuses, and says when it will open."""

import math
from typing import Any

from pydantic import Field

from app.steps.context import Context, Kind, Step, StepBody
from app.steps.refusals import OutsideWindow, RefusalCode, RefusalStatus, compile_message, message_of, refusal_class
from app.steps.running import Call
from app.steps.windows import BadTimeWindow, time_window

_DEFAULT = "This is not open now."


class TimeWindowBody(StepBody):
    """`from`, `until`, `weekdays`, `hours`, `timezone`, `status`, `code`, `message`."""

    from_: Any = Field(default=None, alias="from")
    until: Any = None
    weekdays: Any = None
    hours: Any = None
    timezone: str
    status: RefusalStatus | None = None
    code: RefusalCode | None = None
    message: Any = None


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


TIME_WINDOW = Kind(TimeWindowBody, _compile)
