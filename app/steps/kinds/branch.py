"""`if`: runs one chain where a condition holds, and another where it doesn't or is unknown."""

from typing import Annotated

from pydantic import Field

from app.definitions.expression_text import ExpressionText
from app.definitions.names import Items
from app.definitions.steps import StepDef
from app.expressions.nulls import NONE, sure_unless, sure_where
from app.expressions.types import DYN, Type
from app.steps.context import Context, Step
from app.steps.deciding import deciding
from app.steps.kind import Kind, Means, StepBody, never
from app.steps.running import Call, run_chain


class IfBody(StepBody):
    """`when`, `then`, `else`."""

    when: Annotated[ExpressionText, Means.CONDITION]
    then: Annotated[Items[StepDef], Means.STEPS] = Field(min_length=1)
    else_: Annotated[Items[StepDef], Means.OTHERWISE] = Field(default=(), alias="else")


def _compile(body: IfBody, context: Context) -> Step | None:
    expression = context.condition("when", body.when)
    sure = NONE if expression is None else sure_where(expression.tree, holds=True)
    sure_otherwise = NONE if expression is None else sure_unless(expression.tree)
    then, known = context.compile_steps(body.then, context.at("then").sure_of(sure))
    otherwise, known_otherwise = context.compile_steps(body.else_, context.at("else").sure_of(sure_otherwise))
    if expression is None:
        return None
    decides = deciding(context, expression)
    runs, other_runs = [step.run for step in then], [step.run for step in otherwise]

    async def branch(call: Call) -> None:
        await run_chain(runs if await decides.holds(call) else other_runs, call)

    both = (*then, *otherwise)
    binds: dict[str, Type] = {}
    unsent = known.scope.unsent | known_otherwise.scope.unsent
    for scope in (known.scope, known_otherwise.scope):
        for name, kind in scope.names.items():
            fresh = scope.unsent - context.scope.unsent
            if name in fresh or name not in context.scope.names or context.scope.names[name] != kind:
                binds[name] = kind if binds.get(name, kind) == kind else DYN
    return Step(
        branch,
        binds,
        statements=decides.statements + max(sum(step.statements for step in steps) for steps in (then, otherwise)),
        sends=(*decides.sends, *(one for step in both for one in step.sends)),
        writes=any(step.writes for step in both),
        may_refuse=True,
        undoes=True,
        at_end=any(step.at_end for step in both),
        locks=any(step.locks for step in both),
        opens=any(step.opens for step in both),
        calls_out=any(step.calls_out for step in both),
        unsent=unsent & binds.keys(),
    )


IF = Kind(
    body=IfBody,
    compile=_compile,
    refuses=never,
    asks=None,
    rules=None,
    does=None,
    answers=False,
    pauses=None,
)
