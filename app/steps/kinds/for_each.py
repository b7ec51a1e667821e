"""`for_each`: runs steps for each item of a list, at most so many times."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from app.definitions.expression_text import ExpressionText
from app.definitions.names import BoundName, Items
from app.definitions.steps import StepDef
from app.expressions.evaluate import compile_value
from app.expressions.trees import less, literal, term
from app.expressions.types import DYN, ListOf, Type
from app.steps.context import Context, Step
from app.steps.kind import Asks, Fields, Kind, Means, Reader, Stated, StepBody, always
from app.steps.refusals import TooManyItems
from app.steps.running import Call, run_chain

MOST_ITEMS = 1000


class ForEachBody(StepBody):
    """`each`, `as`, `steps`, `limit`."""

    each: Annotated[ExpressionText, Means.EACH]
    as_: Annotated[BoundName, Means.ITEM] = Field(alias="as")
    steps: Annotated[Items[StepDef], Means.STEPS] = Field(min_length=1)
    limit: Annotated[int, Field(ge=1, le=MOST_ITEMS), Means.VALUE] = MOST_ITEMS


def _compile(body: ForEachBody, context: Context) -> Step | None:
    name, limit = body.as_, body.limit
    expression = context.expression("each", body.each)
    if expression is not None and not isinstance(expression.type, ListOf):
        expression = context.expression("each", body.each, ListOf(DYN))
    if name in context.scope.names:
        context.report("as", f"{name!r} is a name that is there already", "give the item a name of its own")
        return None
    element = expression.type.element if expression is not None and isinstance(expression.type, ListOf) else DYN
    steps, known = context.compile_steps(body.steps, context.binding({name: element}))
    if expression is None or not _keeps_types(known.scope.names, context) or not _may_call_out(steps, context):
        return None
    items, runs = compile_value(expression), [step.run for step in steps]

    async def for_each(call: Call) -> None:
        found = items(call.env) or ()
        if len(found) > limit:
            raise TooManyItems(limit)
        for item in found:
            call.env[name] = item
            await run_chain(runs, call)
            if call.answer is not None:
                return

    return Step(
        for_each,
        statements=2 * sum(step.statements for step in steps),
        sends=tuple(one for step in steps for one in step.sends),
        writes=any(step.writes for step in steps),
        undoes=True,
        at_end=any(step.at_end for step in steps),
        locks=any(step.locks for step in steps),
        opens=any(step.opens for step in steps),
        calls_out=any(step.calls_out for step in steps),
        unsent=known.scope.unsent & context.scope.names.keys(),
    )


def _keeps_types(names: Mapping[str, Type], context: Context) -> bool:
    """Report names of before the loop that a step of it binds to another type: a second round would meet that one."""
    before = context.scope.names
    changed = [name for name, kind in names.items() if name in before and before[name] != kind]
    for name in changed:
        context.report("steps", f"{name!r} changes its type inside the loop", "bind another name")
    return not changed


def _may_call_out(steps: Sequence[Step], context: Context) -> bool:
    """Report a loop whose second round would call out behind the writes and locks of its first."""
    if any(step.calls_out for step in steps) and any(step.writes or step.locks for step in steps):
        hint = "gather the answers in one loop, and write in another behind it"
        context.report("steps", "a loop can't both call out and write or lock", hint)
        return False
    return True


def _rules(said: Fields, read: Reader) -> Iterator[Stated]:
    items = term("items", read.rule(said["each"]))
    yield Stated(less(items, literal(said.get("limit", MOST_ITEMS))), f"for_each {said['each']}")


FOR_EACH = Kind(
    body=ForEachBody,
    compile=_compile,
    refuses=always,
    asks=Asks.FAILS,
    rules=_rules,
    does=None,
    answers=False,
    pauses=None,
)
