"""`quota`: at most so many rows, counted where they are held, when it is reached and again before the commit."""

import dataclasses
from typing import Any

from pydantic import Field

from app.definitions.expression_text import ExpressionText
from app.expressions.types import INT
from app.relations.locks import Reading
from app.relations.select import count_rows
from app.steps.context import Context, Kind, ReadsFrom, Step
from app.steps.holding import held_read
from app.steps.refusals import OverQuota, RefusalCode, RefusalStatus, compile_message, message_of, refusal_class
from app.steps.running import Call

_DEFAULT = "There are as many of these as may be."


class QuotaBody(ReadsFrom):
    """`max`, `from`, `where`, `status`, `code`, `message`."""

    max_: Any = Field(alias="max")
    where: ExpressionText
    status: RefusalStatus | None = None
    code: RefusalCode | None = None
    message: Any = None


def _compile(body: QuotaBody, context: Context) -> Step | None:
    source = context.source(body.from_)
    most = context.value("max", body.max_, INT)
    message = compile_message(body.message, _DEFAULT, context)
    condition = None if source is None else context.where("where", body.where, source.item)
    if source is None or most is None or message is None or condition is None:
        return None
    statement = count_rows(source, condition)
    # It also bounds what was written before it.
    written = context.later_writes | ({source.table.name} if context.before.wrote else set())
    reading = Reading(source, condition)
    read = held_read(dataclasses.replace(context, later_writes=written), statement, reading)
    refusal = refusal_class(OverQuota, body.status, body.code)

    async def quota(call: Call) -> None:
        allowed = most.evaluate(call.env)
        bound = statement.bind(call.env)
        if allowed is None or None in bound:
            # Rows that are compared with nothing can't be counted: no quota is known to have room.
            raise refusal(message_of(message, call.env, _DEFAULT))
        if (await read.rows(call))[0]["value"] >= allowed:
            raise refusal(message_of(message, call.env, _DEFAULT))
        if read.holding.hold is None:
            return  # the request writes none of them
        env, at = dict(call.env), call.at  # as they are here, whatever later steps bind

        async def still_holds() -> None:
            if (await call.db.rows(statement, env))[0]["value"] > allowed:
                call.at = at
                raise refusal(message_of(message, env, _DEFAULT))

        call.at_end[statement.sql, *map(repr, bound)] = still_holds

    return Step(quota, statements=read.statements + 1, locks=read.holding.hold is not None)


QUOTA = Kind(QuotaBody, _compile)
