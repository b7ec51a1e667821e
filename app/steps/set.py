"""`set`: binds names to values."""

from typing import Any

from pydantic import Field

from app.definitions.names import BoundName
from app.steps.context import Context, Kind, Step, StepBody, never
from app.steps.running import Call


class SetBody(StepBody):
    """`values`: names, each with a value; a later one may read an earlier one."""

    values: dict[BoundName, Any] = Field(min_length=1)


def _compile(body: SetBody, context: Context) -> Step | None:
    compiled = []
    known = context
    for name, said in body.values.items():
        value = known.value(f"values.{name}", said)
        if value is None:
            return None
        compiled.append((name, value.evaluate))
        known = known.binding({name: value.type})

    def set_values(call: Call) -> None:
        for name, evaluate in compiled:
            call.env[name] = evaluate(call.env)

    return Step(set_values, {name: known.scope.names[name] for name in body.values})


SET = Kind(SetBody, _compile, refuses=never)
