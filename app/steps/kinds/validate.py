"""`validate`: tries all rules; those that fail are one refusal that names every field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from app.definitions.inputs import RuleDef
from app.definitions.names import Items
from app.expressions.evaluate import compile_condition
from app.steps.context import Context, Step
from app.steps.deciding import asked_together
from app.steps.kind import Asks, Fields, Kind, Means, Reader, Stated, StepBody, always
from app.steps.rules import checked_inputs, refuse
from app.steps.running import Call


class ValidateBody(StepBody):
    """`rules`: `[{rule: input.ends_on >= input.starts_on, message: …, field: ends_on}]`."""

    rules: Annotated[Items[RuleDef], Means.VALUE] = Field(min_length=1)


def _compile(body: ValidateBody, context: Context) -> Step | None:
    before = len(context.findings.checked)
    checked = checked_inputs(body.rules, f"{context.place}.rules", context.related, context.findings)
    if checked is None:
        return None
    rules = [(None if rule.reads else compile_condition(rule), error) for rule, error in checked]
    reading = [rule for rule, _ in checked if rule.reads]
    asked = asked_together(context, reading) if reading else None

    async def validate(call: Call) -> None:
        told = iter(() if asked is None else (await asked.rows(call))[0].values())
        refuse([error for here, error in rules if not (next(told) is True if here is None else here(call.env))])

    sure = context.findings.sure_since(before)
    sends = () if asked is None else asked.sends
    return Step(validate, statements=0 if asked is None else asked.statements, sure=sure, sends=sends)


def _rules(said: Fields, read: Reader) -> Iterator[Stated]:
    for one in said["rules"]:
        yield Stated(read.rule(one["rule"]), one["rule"])


VALIDATE = Kind(
    body=ValidateBody,
    compile=_compile,
    refuses=always,
    asks=Asks.INPUT,
    rules=_rules,
    does=None,
    answers=False,
    pauses=None,
)
