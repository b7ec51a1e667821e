"""`call`: runs a middleware's steps as a subroutine; what they bind stays theirs, or becomes one value by `as`."""

from typing import Annotated, Any

from pydantic import Field

from app.definitions.names import BoundName, Name
from app.expressions.types import Record
from app.steps.context import Context, Step
from app.steps.kind import Kind, MayBind, Means, StepBody, never
from app.steps.running import Call, run_chain


class CallBody(StepBody):
    """`use`, `with`, `as`."""

    use: Annotated[Name, Means.USES]
    arguments: Annotated[dict[BoundName, Any], Means.WITH] = Field(default_factory=dict, alias="with")
    as_: MayBind = Field(default=None, alias="as")


def _compile(body: CallBody, context: Context) -> Step | None:
    steps, inner = context.compile_use(body.use, body.arguments, context)
    runs = [step.run for step in steps]
    bound = {
        name: kind
        for name, kind in inner.scope.names.items()
        if name != "params" and context.scope.names.get(name) != kind
    }
    name = body.as_

    async def subroutine(call: Call) -> None:
        outer = call.env
        call.env = dict(outer)
        try:
            await run_chain(runs, call)
            found = {key: call.env[key] for key in bound if key in call.env}
        finally:
            call.env = outer
        if name is not None:
            outer[name] = found

    return Step(
        subroutine,
        {name: Record(name, bound, inner.scope.unsent & bound.keys() or None)} if name is not None else {},
        statements=sum(step.statements for step in steps),
        sends=tuple(one for step in steps for one in step.sends),
        writes=any(step.writes for step in steps),
        undoes=True,
        at_end=any(step.at_end for step in steps),
        locks=any(step.locks for step in steps),
        opens=any(step.opens for step in steps),
        calls_out=any(step.calls_out for step in steps),
    )


CALL = Kind(
    body=CallBody,
    compile=_compile,
    refuses=never,
    asks=None,
    rules=None,
    does=None,
    answers=False,
    pauses=None,
)
