"""`quota`: at most so many rows, counted where they are held, when it is reached and again before the commit."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from app.definitions.expression_text import ExpressionText
from app.expressions.trees import less, rows
from app.expressions.types import INT
from app.relations.locks import Reading
from app.relations.select import count_rows
from app.steps.context import Context, Step
from app.steps.holding import held_read
from app.steps.kind import Asks, Fields, Kind, Means, Reader, ReadsFrom, Stated, always
from app.steps.refusals import OverQuota, RefusalCode, RefusalStatus, compile_message, message_of, refusal_class
from app.steps.running import Call

_DEFAULT = "There are as many of these as may be."


class QuotaBody(ReadsFrom):
    """`max`, `from`, `where`, `status`, `code`, `message`."""

    max_: Annotated[Any, Means.VALUE] = Field(alias="max")
    where: Annotated[ExpressionText, Means.WHERE]
    status: Annotated[RefusalStatus | None, Means.LOOKS] = None
    code: Annotated[RefusalCode | None, Means.LOOKS] = None
    message: Annotated[Any, Means.LOOKS] = None


def _compile(body: QuotaBody, context: Context) -> Step | None:
    source = context.source(body.from_)
    most = context.value("max", body.max_, INT)
    message = compile_message(body.message, _DEFAULT, context)
    condition = None if source is None else context.counted(body.where, source, None)
    if source is None or most is None or message is None or condition is None:
        return None
    statement = count_rows(source, condition)
    # It also bounds what was written before it.
    written = context.later_writes | ({source.table.name} if context.before.wrote else set())
    reading = Reading(source, condition)
    read = held_read(context.but(later_writes=written), statement, reading)
    refusal = refusal_class(OverQuota, body.status, body.code)

    async def quota(call: Call) -> None:
        allowed = most.evaluate(call.env)
        bound = statement.bind(call.env)
        if allowed is None or None in bound:
            # Rows that are compared with nothing can't be counted: no quota is known to have room.
            raise refusal(message_of(message, call.env, _DEFAULT))
        if _over((await read.rows(call))[0]["value"], allowed - 1):
            raise refusal(message_of(message, call.env, _DEFAULT))
        if read.holding.hold is None:
            return  # the request writes none of them
        env, at = dict(call.env), call.at  # as they are here, whatever later steps bind

        async def still_holds() -> None:
            if _over((await call.db.rows(statement, env))[0]["value"], allowed):
                call.at = at
                raise refusal(message_of(message, env, _DEFAULT))

        call.at_end[statement.sql, *map(repr, bound)] = still_holds

    is_held = read.holding.hold is not None
    sends = (*read.sends, *([statement] * is_held))
    return Step(quota, statements=read.statements + 1, locks=is_held, at_end=is_held, sends=sends)


def _over(count: int | None, most: int) -> bool:
    """Say whether there are more, or nobody knows how many."""
    return count is None or count > most


def _rules(said: Fields, read: Reader) -> Iterator[Stated]:
    counted = rows(read.called(said["from"]), read.rule(said["where"], said["from"]))
    told = f"quota of {said['max']} {said['from']} where {said['where']}"
    yield Stated(less(counted, read.value(said["max"])), told)


QUOTA = Kind(
    body=QuotaBody,
    compile=_compile,
    refuses=always,
    asks=Asks.LIMIT,
    rules=_rules,
    does=None,
    answers=False,
    pauses=None,
)
