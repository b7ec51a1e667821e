"""`validate`: tries all rules; those that fail are one refusal that names every field."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from app.definitions.inputs import RuleDef
from app.definitions.names import Items
from app.steps.context import Context, Step
from app.steps.kind import Asks, Fields, Kind, Means, Reader, Stated, StepBody, always
from app.steps.rules import compile_rules
from app.steps.running import Call


class ValidateBody(StepBody):
    """`rules`: `[{rule: input.ends_on >= input.starts_on, message: …, field: ends_on}]`."""

    rules: Annotated[Items[RuleDef], Means.VALUE] = Field(min_length=1)


def _compile(body: ValidateBody, context: Context) -> Step | None:
    before = len(context.findings.checked)
    check = compile_rules(body.rules, f"{context.place}.rules", context.scope, context.findings)
    if check is None:
        return None

    def validate(call: Call) -> None:
        check(call.env)

    return Step(validate, sure=context.findings.sure_since(before))


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
