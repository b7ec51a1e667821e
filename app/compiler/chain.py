"""Chains compiled: steps in order, each knowing the names that those before it bind."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from app.definitions.inputs import ParamDef
from app.definitions.middleware import MiddlewareDef
from app.definitions.steps import StepDef, UseDef
from app.definitions.validation import validation_findings
from app.expressions.nulls import NONE, sure_unless, sure_where
from app.expressions.scope import Scope
from app.expressions.types import DYN, MapOf, Record, Type, shared
from app.relations.names import declared
from app.relations.schema import Table
from app.relations.values import Value, compile_field, is_missing, read_literal
from app.steps.context import Context, Step
from app.steps.deciding import Deciding, deciding
from app.steps.kind import Asks, Fields, Kind, Means, Rows, may_stand, read_body
from app.steps.registry import KINDS
from app.steps.running import Call, RunStep
from app.steps.trace import RuleInfo, StepInfo


def compile_steps(said: Sequence[StepDef], context: Context) -> tuple[list[Step], Context]:
    """Compile steps; the second result is the context behind them, in which the names that they bind are known."""
    compiled = []
    known = context
    own = [tables_behind([step], context) for step in said]
    behind = [context.later_writes]  # what is written from each step on, the last one first
    for writes in reversed(own):
        behind.append(behind[-1] | writes)
    for index, step in enumerate(said):
        later = behind[-1 - index if _repeats(step) else -2 - index]
        place = f"{context.place}.steps/{step.name or index}"
        here = known.but(place=place, later_writes=later, own_writes=own[index])
        before = len(context.findings.found)
        made = _step(step, here)
        if made is not None:
            compiled.append(made)
            known = known.behind(made)
        else:
            # A step that isn't there can't refuse: whatever was found about it is no mere doubt.
            context.findings.harden(lambda _: True, before)
            # Names that a refused step would have bound are taken as dynamic: one mistake is one finding.
            known = known.binding(dict.fromkeys(_bound_names(step), DYN))
    return compiled, known


def _step(said: StepDef, context: Context) -> Step | None:
    kind = KINDS.get(said.do)
    if kind is None:
        context.findings.unknown(context.place, "step", said.do, list(KINDS))
        return None
    before = len(context.findings.checked)
    body = read_body(kind, said, context)
    when = None if said.when is None else context.condition("when", said.when)
    inside = context if when is None else context.sure_of(sure_where(when.tree, holds=True))
    inside = inside if inside.before.began else inside.but(before=dataclasses.replace(inside.before, began=True))
    _check_bound(said, context)
    made = None if body is None else kind.compile(body, inside)
    placed = body is None or may_stand(kind, said, context)
    if made is None or not placed or (said.when is not None and when is None):
        return None
    binds = tuple(made.binds)
    decides = None if when is None else deciding(context, when)
    run = made.run if decides is None else _conditional(decides, made.run, binds)
    statements = made.statements + (0 if decides is None else decides.statements)
    sends = (*(() if decides is None else decides.sends), *made.sends)
    is_beyond = kind.does is not None and kind.does.is_beyond
    info = StepInfo(context.place, said.do, said.name, _rules(context, before), binds, is_beyond)
    pauses = kind.pauses is not None and kind.pauses.applies(said.fields)
    sure = made.sure if when is None else sure_unless(when.tree) if _ends(kind) else NONE
    calls_out = made.calls_out or pauses
    fusable = made.fusable
    if fusable is not None:
        fusable = None if decides else dataclasses.replace(fusable, run=run)
    return made.but(
        run=seen(run, info),
        calls_out=calls_out,
        statements=statements,
        sure=sure,
        first=kind.first,
        sends=sends,
        opens=made.opens or (made.statements > 0 and not made.sends),
        info=info,
        fusable=fusable,
    )


def _ends(kind: Kind) -> bool:
    """Say whether no step comes behind one of this kind that was run."""
    return kind.answers or kind.asks is Asks.END


def _rules(context: Context, before: int) -> tuple[RuleInfo, ...]:
    """Give the step's own rules, of all that were checked since; those of steps inside it are theirs."""
    own = f"{context.place}."
    return tuple(
        _rule(place.removeprefix(own), expression.text, expression.paths)
        for place, expression in context.findings.checked[before:]
        if place.startswith(own) and ".steps/" not in place.removeprefix(own)
    )


@functools.lru_cache(4_096)
def _rule(place: str, text: str, paths: frozenset[str]) -> RuleInfo:
    return RuleInfo(place, text, tuple(paths))


def seen(run: RunStep, info: StepInfo) -> RunStep:
    """Note which step has begun, and hand it to the trace where there is one."""

    def step(call: Call) -> Any:
        call.at = info
        call.ran.append((info, time.perf_counter()))
        return run(call) if call.trace is None else call.trace.step(info, run, call)

    return step


def _repeats(said: StepDef) -> bool:
    """Say whether the step's own writes come before its reads, in its next round."""
    kind = KINDS.get(said.do)
    return kind is not None and kind.repeats


def _conditional(decides: Deciding, run: RunStep, names: tuple[str, ...]) -> RunStep:
    """Run a step only if its `when` is true; one that didn't run binds null."""

    async def conditional(call: Call) -> None:
        if not await decides.holds(call):
            call.env.update(dict.fromkeys(names))
            if call.trace is not None:
                call.trace.skip()
            return
        pending = run(call)
        if pending is not None:
            await pending

    return conditional


def _check_bound(said: StepDef, context: Context) -> None:
    """Find names of tables and views among those that a step binds: behind it, rules could not read their rows."""
    for name, key in _bound_names(said).items():
        if name in context.schema.tables or name in context.schema.views:
            message = f"{name!r} is a table or view: rules behind this couldn't read its rows"
            context.report(key, message, "bind it by another name", stricter=True)


def _bound_names(said: StepDef) -> dict[str, str]:
    """Give the names that a step binds, each with the key that says it."""
    kind = KINDS.get(said.do)
    keys = ("as",) if kind is None else kind.named(Means.BINDS, Means.NAMES, Means.ITEM)
    found: dict[str, str] = {}
    for key in keys:
        one = said.fields.get(key)
        found |= {name: f"{key}.{name}" for name in one} if isinstance(one, dict) else {}
        found |= {one: key} if isinstance(one, str) else {}
    return found


def compile_use(name: str, arguments: Mapping[str, Any], context: Context) -> tuple[list[Step], Context]:
    """Compile one use of a middleware with its arguments; a cycle, an unknown name or a bad argument is a finding."""
    definition = context.middleware.get(name)
    if definition is None:
        context.findings.unknown(context.place, "middleware", name, list(context.middleware))
        return [], context
    if name in context.inside:
        way = " → ".join((*context.inside, name))
        context.findings.report(context.place, f"a middleware calls itself: {way}", "take one of the calls out")
        return [], context
    types = declared("params", definition.params, context.schema.keys)
    values = _arguments(definition, arguments, types.fields, context)
    unsent = frozenset(key for key, value in values.items() if value.sent is not None)
    nullable = frozenset(key for key, value in values.items() if value.may_be_null(context.scope))
    record = shared(dataclasses.replace(types, optional=unsent, nullable=nullable))
    literals = {key: value.literal if value.is_literal else None for key, value in values.items()}
    inside = context.but(
        place=f"{context.place}({name})",
        scope=context.scope.with_names(params=record).but(sure=_outside(context.scope.sure)),
        arguments=literals,
        inside=(*context.inside, name),
    )
    steps, known = compile_steps(definition.steps, inside)
    given = tuple(values.items())

    def enter(call: Call) -> None:
        call.env["params"] = {key: value.evaluate(call.env) for key, value in given if value.is_sent(call.env)}

    if given:
        steps.insert(0, Step(enter))
    sure = context.scope.sure | _outside(known.scope.sure)
    scope = _without_params(known.scope.names, context).but(unsent=known.scope.unsent, sure=sure)
    behind = context.but(scope=scope, before=known.before, measured=known.measured)
    return steps, behind


def _outside(sure: frozenset[str]) -> frozenset[str]:
    """Give what holds inside a middleware and outside of it alike: its `params` are its own."""
    return frozenset(path for path in sure if not path.startswith("params."))


def _without_params(names: Mapping[str, Any], context: Context) -> Scope:
    outer = context.scope.names.get("params")
    kept = {name: kind for name, kind in names.items() if name != "params"}
    return context.scope.but(names={**kept, "params": outer} if outer is not None else kept)


def _arguments(
    definition: MiddlewareDef, said: Mapping[str, object], types: Mapping[str, Type], context: Context
) -> dict[str, Value]:
    place = f"{context.place}.with"
    for name in said:
        if name not in definition.params:
            context.findings.unknown(place, "parameter", name, list(definition.params))
    values: dict[str, Value] = {}
    for name, param in definition.params.items():
        given = said.get(name, param.default)
        if given is None and param.required:
            context.findings.report(place, f"{definition.name} needs {name!r}", f"add with: {{{name}: …}}")
        value = compile_field(given, f"{place}.{name}", context.scope, context.findings, types[name])
        if value is not None:
            values[name] = _or_default(value, param, types[name])
    return values


def _or_default(value: Value, param: ParamDef, kind: Type) -> Value:
    """Give the argument with the default of its parameter, which holds where an input is passed that wasn't sent."""
    default = read_literal(param.default, kind)
    if value.sent is None or default is None or is_missing(default):
        return value
    return Value(
        value.type,
        lambda env: value.evaluate(env) if value.is_sent(env) else default,
        value.expression,
        reads=value.reads,
    )


def check_params(definition: MiddlewareDef, place: str, context: Context) -> None:
    """Report defaults that don't fit their parameter."""
    types = declared("params", definition.params, context.schema.keys).fields
    for name, param in definition.params.items():
        if unfit := validation_findings(f"{place}.params", {name: param}, context.schema.keys):
            context.findings.found += unfit
        elif is_missing(read_literal(param.default, types[name])):
            context.findings.report(f"{place}.params.{name}.default", "the default doesn't fit the type")


def compile_uses(uses: Iterable[UseDef], context: Context, then: Sequence[StepDef]) -> tuple[list[Step], Context]:
    """Compile the middleware of an endpoint or view in order; `then` are the steps that follow all of it."""
    compiled: list[Step] = []
    listed = tuple(uses)
    known = context
    for index, use in enumerate(listed):
        later = context.later_writes | tables_behind([*listed[index + 1 :], *then], context)
        here = known.but(place=f"{context.place}.middleware/{use.use}", later_writes=later)
        steps, after = compile_use(use.use, use.arguments, here)
        compiled += steps
        known = known.but(scope=after.scope, before=after.before, measured=after.measured)
    return compiled, known


def tables_behind(steps: Iterable[object], context: Context) -> frozenset[str]:
    """Name every table of which steps may change rows: what they write, people, and what goes with a deleted row."""
    written, gone = set[str](), set[str]()
    for kind, fields in kinds_in(steps, context.middleware):
        if kind.writes and kind.does is not None:
            (gone if kind.does.rows is Rows.GONE else written).add(str(kind.said(fields, Means.TABLE)))
        elif kind.does is not None and kind.does.rows is Rows.PEOPLE:
            written.add("users")
    return with_what_goes(gone, context.schema.tables) | written


def with_what_goes(deleted: Iterable[str], tables: Mapping[str, Table]) -> frozenset[str]:
    """Give tables of which rows are deleted, and those whose rows go with them or are emptied of a reference."""
    waiting, gone, emptied = list(deleted), set[str](), set[str]()
    while waiting:
        name = waiting.pop()
        gone.add(name)
        for other in tables.values():
            actions = {one.on_delete for one in other.references if one.target == name}
            waiting += [other.name] if "cascade" in actions and other.name not in gone else []
            emptied |= {other.name} if "set_null" in actions else set()
    return frozenset(gone | emptied)


def kinds_in(
    steps: Iterable[object], middleware: Mapping[str, MiddlewareDef], seen: frozenset[str] = frozenset()
) -> Iterator[tuple[Kind, Fields]]:
    """Yield every step as its kind and its fields, those inside others and those of used middleware among them."""
    for step in steps:
        if isinstance(step, UseDef):
            yield from _kinds_of(step.use, middleware, seen)
            continue
        do, fields = (step.do, step.fields) if isinstance(step, StepDef) else _raw(step)
        if (kind := KINDS.get(do)) is None:
            continue
        yield kind, fields
        if not kind.named(Means.USES, Means.STEPS, Means.OTHERWISE):
            continue
        if (uses := kind.said(fields, Means.USES)) is not None:
            yield from _kinds_of(str(uses), middleware, seen)
        for key in kind.named(Means.STEPS, Means.OTHERWISE):
            nested = fields.get(key)
            if isinstance(nested, list | tuple):
                yield from kinds_in(nested, middleware, seen)


def _kinds_of(
    name: str, middleware: Mapping[str, MiddlewareDef], seen: frozenset[str]
) -> Iterator[tuple[Kind, Fields]]:
    if name in middleware and name not in seen:
        yield from kinds_in(middleware[name].steps, middleware, seen | {name})


def _raw(step: object) -> tuple[str, Mapping[str, object]]:
    return (str(step.get("do")), step) if isinstance(step, Mapping) else ("", {})


OPEN_INPUT = MapOf(DYN, DYN)
NO_INPUT = Record("input", {})
