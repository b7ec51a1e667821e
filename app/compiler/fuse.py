"""Fusion: steps that follow each other and mean the same as one statement are sent as one.

The steps stay what they are, in their order and with their names: the first of them sends the statement, each of the
others reads there what became of it. Whatever goes wrong with the statement has done nothing, and the request runs
again with each step's own statements, so that a refusal says the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from app.compiler.chain import seen
from app.database.faults import LockTimeout, Unfused
from app.errors import RowgateError
from app.expressions.check import Expression
from app.expressions.evaluate import EvaluationError
from app.relations.fused import Bound, Fetched, Fused, Inserted, Listed, WrittenRow, fused
from app.relations.locks import hold_of_rules
from app.steps.context import Step
from app.steps.fusable import Fusable
from app.steps.holding import NOTHING, HeldRead, Holding
from app.steps.refusals import RowNotFound
from app.steps.running import Call, RunStep


def fuse(steps: Sequence[Step]) -> list[Step]:
    """Give the steps of a chain, those sent as one that may be."""
    found: list[Step] = []
    at = 0
    # What is refused behind the answer is told with what the answer saw.
    ends = not any(step.at_end or step.first for step in steps)
    while at < len(steps):
        together = _together(steps, at, ends=ends)
        found += [steps[at]] if together is None else _as_one(*together)
        at += 1 if together is None else len(together[0])
    return found


def _together(steps: Sequence[Step], at: int, *, ends: bool) -> tuple[Sequence[Step], Fused] | None:
    """Give the most steps from one on that are one statement, and that; None where it is better alone.

    A rule at the front that is known in process is: it costs a statement more than it costs here. Where the answer
    `ends` the request, of its row only the JSON is read.
    """
    if _is_known_here(steps[at]):
        return None
    end = at
    while end < len(steps) and steps[end].fusable is not None:
        end += 1
    for last in range(end, at + 1, -1):
        taken = steps[at:last]
        if _are_mixed(taken) or not _is_worth_it(taken):
            continue
        parts = [step.fusable.part for step in taken if step.fusable is not None]
        # Nobody is told what an answer saw that is the end.
        told = taken[:-1] if ends and _shows(taken[-1]) else taken
        made = fused(parts, frozenset().union(*map(_told, told)))
        if made is not None:
            return taken, made
    return None


def _is_known_here(step: Step) -> bool:
    part = None if step.fusable is None else step.fusable.part
    return isinstance(part, Expression) and not part.reads


def _told(step: Step) -> frozenset[str]:
    """Give the paths that are read where the step refuses: by its message, and by who is told what its rules saw."""
    refused = frozenset[str]() if step.fusable is None else step.fusable.told
    rules = () if step.info is None else step.info.rules
    return refused.union(*(rule.paths for rule in rules))


def _is_worth_it(steps: Sequence[Step]) -> bool:
    """Say whether a statement of all is less than they are alone: fewer statements, or the answer's JSON with one."""
    sends = sum(step.statements for step in steps)
    return sends > 0 if _shows(steps[-1]) else sends > 1 and steps[-1].statements > 0


def _shows(step: Step) -> bool:
    return step.fusable is not None and step.fusable.shows is not None


def _are_mixed(steps: Sequence[Step]) -> bool:
    """Say whether some of them hold the rows that they read, and others read or write without doing so first."""
    parts = [step.fusable for step in steps if step.fusable is not None]
    return any(part.holds for part in parts) and not all(
        isinstance(part.part, Expression) and (part.holds or not part.part.reads) for part in parts
    )


def _holding(steps: Sequence[Step]) -> Holding:
    """Give what rules hold that are asked together."""
    held = [(step.fusable.part, step.fusable.holds) for step in steps if step.fusable and step.fusable.holds]
    if not held:
        return NOTHING
    rules = [rule for rule, _ in held if isinstance(rule, Expression)]
    written = frozenset[str]().union(*(holds.written for _, holds in held))
    return Holding(hold_of_rules(rules, written), held[0][1].by_table)


def _as_one(steps: Sequence[Step], made: Fused) -> list[Step]:
    writes, holding = made.statement.writes, _holding(steps)
    found = []
    for index, (step, given) in enumerate(zip(steps, made.given, strict=True)):
        fusable = step.fusable
        if fusable is None or fusable.run is None or step.info is None:
            raise AssertionError("a step that is fused was compiled")
        takes = _takes(fusable, given)
        run = _sends(made, holding, fusable.run, takes, steps[-1]) if index == 0 else _reads(fusable.run, takes)
        # What refuses has written nothing: the statement tells that apart.
        found.append(
            step.but(
                run=seen(run, step.info),
                sends=() if index else (*holding.sends, made.statement),
                statements=0 if index else 1 + holding.statements,
                writes=writes and index == 0,
                may_refuse=not writes,
                undoes=False,
                with_before=index > 0,
            )
        )
    return found


def _sends(made: Fused, holding: Holding, plain: RunStep, takes: Callable[[Call], None], last: Step) -> RunStep:
    async def send(call: Call) -> None:
        try:
            bound = None if call.plain else made.statement.bind(call.env)
        except EvaluationError:
            # It has no answer in a value of a step that this one may come to refuse before.
            call.plain, bound = True, None
            call.db.as_one()
        if bound is None:
            await _alone(plain, call)
            return
        try:
            if holding.hold is None:
                rows = await call.db.bound_rows(made.statement, bound)
            else:
                rows = await HeldRead(made.statement, holding, locks=False).rows(call)
        except RowgateError as refusal:
            if refusal.status >= 500 or isinstance(refusal, LockTimeout) or made.is_of_one:
                raise
            if not call.outside:
                raise Unfused from refusal
            call.at = last.info
            raise
        call.together = rows[0] if rows else None
        takes(call)

    return send


def _reads(plain: RunStep, takes: Callable[[Call], None]) -> RunStep:
    def read(call: Call) -> Awaitable[None] | None:
        if call.plain:
            return plain(call)
        takes(call)
        return None

    return read


async def _alone(plain: RunStep, call: Call) -> None:
    pending = plain(call)
    if pending is not None:
        await pending


def _takes(fusable: Fusable, given: Bound | tuple[Bound, int]) -> Callable[[Call], None]:
    """Give what a step does with what the statement says of it."""
    part = fusable.part
    if isinstance(given, tuple):
        return _ruled(given[0].told, given[1], fusable.refused)
    if fusable.shows is not None:
        return _shown(given.told, fusable.shows)
    if isinstance(part, Inserted):
        return _inserted(part.name, given)
    if isinstance(part, Fetched | WrittenRow):
        return _found(part.name, given)
    if isinstance(part, Listed):
        return lambda _call: None  # its rows are nothing but the answer
    msg = f"{part} gives no row"
    raise AssertionError(msg)


def _ruled(told: int, number: int, refused: Callable[[Call], RowgateError] | None) -> Callable[[Call], None]:
    def ruled(call: Call) -> None:
        if call.together[told] == number and refused is not None:
            raise refused(call)

    return ruled


def _found(name: str | None, given: Bound) -> Callable[[Call], None]:
    told = given.told

    def found(call: Call) -> None:
        row: Any = call.together
        if row is None or row[told] is None:
            raise RowNotFound
        if name is not None:
            call.env[name] = given.row(row)

    return found


def _inserted(name: str | None, given: Bound) -> Callable[[Call], None]:
    told = given.told

    def inserted(call: Call) -> None:
        if name is not None:
            # Where such a row was there already, none was inserted.
            row = call.together
            call.env[name] = None if row is None or row[told] is None else given.row(row)

    return inserted


def _shown(told: int, shows: Callable[[Call, bytes], None]) -> Callable[[Call], None]:
    def shown(call: Call) -> None:
        made = None if call.together is None else call.together[told]
        shows(call, b"null" if made is None else made.encode())

    return shown
