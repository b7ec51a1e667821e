"""The effect of a change on a chain: which of its rules let more through, and what it newly reaches or shows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from app.definitions.endpoints import EndpointDef
from app.definitions.project import Project
from app.definitions.views import ViewDef
from app.expressions.syntax import Field, Name, Node, walk
from app.review.implication import all_of, any_of, form, implies
from app.review.reach import reach_of
from app.review.reached import Check, Reach, Reached
from app.review.renames import Renames

Verb = Literal["gains", "loses", "may_gain"]
Side = tuple[Project, EndpointDef | ViewDef, Renames]


@dataclass(frozen=True, slots=True)
class ChainEffect:
    """What a chain's change does; `what` is empty for whatever the endpoint or view does as a whole."""

    effect: Verb
    what: str
    because: str


def rule_effect(old: Node, new: Node) -> Verb | None:
    """Say what becomes of those whom a rule lets through; None where it lets through the same."""
    narrower, wider = implies(new, old), implies(old, new)
    if narrower and wider:
        return None
    return "loses" if narrower else "gains" if wider else "may_gain"


def chain_effects(old: Side, new: Side) -> Iterator[ChainEffect]:
    """Compare the chain of an endpoint or view with what it was."""
    before, after = reach_of(*old), reach_of(*new)
    yield from _checks(before, after)
    yield from _reached(before, after)
    yield from _sooner(before, after)
    yield from _shown(before, after)


def _checks(before: Reach, after: Reach) -> Iterator[ChainEffect]:
    """Find the rules that hold no longer, or newly; one that took another's place is told as that."""
    asked, asks = all_of([one.rule for one in before.checks]), all_of([one.rule for one in after.checks])
    gone = [one for one in before.checks if not implies(asks, one.rule)]
    come = [one for one in after.checks if not implies(asked, one.rule)]
    for one in gone:
        successor = next((other for other in come if implies(one.rule, other.rule)), None)
        successor = successor or next((other for other in come if _alike(one, other)), None)
        if successor is None:
            yield ChainEffect("gains", "", _no_longer(one, after))
            continue
        come.remove(successor)
        verb: Verb = "gains" if implies(one.rule, successor.rule) else "may_gain"
        because = f"`{one.said}` became `{successor.said}`"
        if one.said == successor.said:
            because = f"`{one.said}` rests on something else now"
        yield ChainEffect(verb, "", because)
    for one in come:
        yield ChainEffect("loses", "", f"`{one.said}` is asked now")


def _no_longer(one: Check, after: Reach) -> str:
    """Say what has become of a rule that nothing new has taken the place of."""
    for other in after.checks:
        if implies(one.rule, other.rule) and other.said == one.said:
            return f"`{one.said}` is not always asked now"
        if implies(one.rule, other.rule) and other.place == one.place:
            return f"`{one.said}` became `{other.said}`"
    return f"`{one.said}` is asked no longer"


def _alike(one: Check, other: Check) -> bool:
    """Say whether a rule may stand in another's place: they are of one kind."""
    return one.kind == other.kind


def _reached(before: Reach, after: Reach) -> Iterator[ChainEffect]:
    named = {part.name for node, _ in after.shown for part in walk(node) if isinstance(part, Name)}
    for one in after.reached:
        if one.seen is not None and one.seen not in named:
            continue  # what is read and not shown lets in by the rules that ask about it, which are compared
        known = [other for other in before.reached if other.what == one.what]
        same = [other for other in known if _rest(other) == _rest(one)]
        if any(implies(one.rows, other.rows) and _takes_no_others(one, other) for other in same):
            continue
        if not known:
            yield ChainEffect("may_gain", "", f"it {one.what} now")
        elif any(implies(other.rows, one.rows) for other in same):
            yield ChainEffect("gains", "", f"it {one.what} for more rows or cases now")
        else:
            yield ChainEffect("may_gain", "", f"it {one.what} otherwise now")
    for one in before.reached:
        if _is_less(one, after):
            yield ChainEffect("loses", "", f"it {one.what} for fewer rows or cases now, or not at all")


def _takes_no_others(one: Reached, other: Reached) -> bool:
    """Say whether one that takes some of the rows takes them of the same as before; or one of them takes all."""
    return None in (one.chosen, other.chosen) or one.chosen == other.chosen


def _is_less(one: Reached, after: Reach) -> bool:
    known = [other for other in after.reached if other.what == one.what and _rest(other) == _rest(one)]
    if any(implies(one.rows, other.rows) for other in known):
        return False
    return any(implies(other.rows, one.rows) for other in known) or all(o.what != one.what for o in after.reached)


def _rest(one: Reached) -> dict[str, str]:
    return {key: form(said) for key, said in one.rest.items()}


def _sooner(before: Reach, after: Reach) -> Iterator[ChainEffect]:
    """Find what is done, and lasts whatever is refused later, before a rule is asked that came first."""
    asks = all_of([one.rule for one in after.checks])
    for one, asked in _lasting(after):
        firsts = [rules for other, rules in _lasting(before) if other.what == one.what and _rest(other) == _rest(one)]
        for check in min(firsts, key=len, default=[]):
            if implies(asks, check.rule) and not implies(all_of([other.rule for other in asked]), check.rule):
                yield ChainEffect("may_gain", "", f"it {one.what} before `{check.said}` is asked now")


def _lasting(reach: Reach) -> list[tuple[Reached, list[Check]]]:
    """Give what lasts, each with the rules that are asked before it."""
    return [
        (one, [other for other in reach.events[:index] if isinstance(other, Check)])
        for index, one in enumerate(reach.events)
        if isinstance(one, Reached) and one.lasts
    ]


def _shown(before: Reach, after: Reach) -> Iterator[ChainEffect]:
    known: dict[str, list[Node]] = {}
    for node, rule in before.shown:
        known.setdefault(form(node), []).append(rule)
    for node, rule in after.shown:
        rules = _covering(node, known)
        if not rules:
            yield ChainEffect("may_gain", "", "its answer shows more now")
        elif not implies(rule, any_of(rules)):
            yield ChainEffect("may_gain", "", "its answer shows what it shows in more cases now")


def _covering(node: Node, known: dict[str, list[Node]]) -> list[Node]:
    """Give the rules under which this was shown, by itself or as a part of what was."""
    inner = _covering(node.operand, known) if isinstance(node, Field) else []
    return known.get(form(node), []) + inner
