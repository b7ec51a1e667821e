"""`validate`: tries all rules; those that fail are one refusal that names every field."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from app.definitions.inputs import RuleDef
from app.definitions.names import Items
from app.steps.context import Context, Step
from app.steps.deciding import deciding
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
    rules = [(deciding(context, expression), error) for expression, error in checked]

    async def validate(call: Call) -> None:
        refuse([error for rule, error in rules if not await rule.holds(call)])

    sure = context.findings.sure_since(before)
    sends = tuple(one for rule, _ in rules for one in rule.sends)
    return Step(validate, statements=len(sends), sends=sends, sure=sure)


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
