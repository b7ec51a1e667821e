"""`set`: binds names to values."""

from typing import Annotated, Any

from pydantic import Field

from app.definitions.names import BoundName
from app.steps.context import Context, Step
from app.steps.kind import Kind, Means, StepBody, never
from app.steps.running import Call


class SetBody(StepBody):
    """`values`: names, each with a value; a later one may read an earlier one.

    A name whose whole value is an input that wasn't sent stands for that input: it is null, and counts as not sent.
    """

    values: Annotated[dict[BoundName, Any], Means.NAMES] = Field(min_length=1)


def _compile(body: SetBody, context: Context) -> Step | None:
    compiled = []
    known = context
    for name, said in body.values.items():
        value = known.value(f"values.{name}", said)
        if value is None:
            return None
        compiled.append((name, value))
        known = known.binding({name: value.type}, frozenset({name} if value.sent is not None else ()))

    def set_values(call: Call) -> None:
        for name, value in compiled:
            if value.is_sent(call.env):
                call.env[name] = value.evaluate(call.env)
            else:
                call.env.pop(name, None)

    binds = {name: known.scope.names[name] for name in body.values}
    return Step(set_values, binds, unsent=known.scope.unsent & binds.keys())


SET = Kind(
    body=SetBody,
    compile=_compile,
    refuses=never,
    asks=None,
    rules=None,
    does=None,
    answers=False,
    pauses=None,
)
