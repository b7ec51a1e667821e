"""`validate`: tries all rules; those that fail are one refusal that names every field."""

from pydantic import Field

from app.definitions.inputs import RuleDef
from app.definitions.names import Items
from app.steps.context import Context, Kind, Step, StepBody
from app.steps.rules import compile_rules
from app.steps.running import Call


class ValidateBody(StepBody):
    """`rules`: `[{rule: input.ends_on >= input.starts_on, message: …, field: ends_on}]`."""

    rules: Items[RuleDef] = Field(min_length=1)


def _compile(body: ValidateBody, context: Context) -> Step | None:
    check = compile_rules(body.rules, f"{context.place}.rules", context.scope, context.findings)
    if check is None:
        return None

    def validate(call: Call) -> None:
        check(call.env)

    return Step(validate)


VALIDATE = Kind(ValidateBody, _compile)
