"""What rests on what: definitions whose rules read the rows of a view, or call a rule with a name."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from app.definitions.project import part_of
from app.expressions.check import Expression
from app.expressions.syntax import FunctionCall, Logic, Node, walk
from app.review.meaning import parsed

Verb = Literal["gains", "loses", "may_gain"]
# Where a condition that lets fewer through lets fewer in; a `when` may be that of a step that refuses.
_LETS_IN = frozenset({"filter", "check", "that"})


@dataclass(slots=True)
class Resting:
    """What a definition rests on that has changed; `otherwise` is what it doesn't ask as it is, under && and ||."""

    names: set[str] = field(default_factory=set)
    otherwise: set[str] = field(default_factory=set)

    def verb(self, rules: Mapping[str, Verb | None]) -> Verb | None:
        """Say what becomes of who comes here, where `rules` says what became of each; None if nothing does."""
        if self.otherwise or not self.names <= rules.keys():
            return "may_gain"
        verbs = {rules[name] for name in self.names} - {None}
        return None if not verbs else verbs.pop() if len(verbs) == 1 else "may_gain"


def resting_on(
    rules: Iterable[tuple[str, Expression]], changed: set[str], reads: Mapping[str, set[str]]
) -> dict[str, Resting]:
    """Give the definitions that rest on one of these, `views/x` or `rules/x`, be it by others that do.

    `reads` are the views that definitions read by a step or a column: what they say of one that itself is another now
    is compared elsewhere, and not what that one's rules rest on.
    """
    said = [(part_of(place) or place, place.rpartition(".")[2], rule) for place, rule in rules]
    found: dict[str, Resting] = {}
    known: set[str] = set()
    while more := changed - known:
        known |= more
        for part, key, rule in said:
            tree = _tree(rule)
            calls = {f"rules/{name}" for name in _calls(tree)}
            rests = (calls | {f"views/{name}" for name in rule.reads}) & more
            if rests:
                plain = {f"rules/{name}" for name in _plain_calls(tree)} if key in _LETS_IN else set()
                one = found.setdefault(part, Resting())
                one.names |= rests & changed
                one.otherwise |= {name for name in rests if name not in plain or _calls_both(tree, name)}
                changed = changed | {part}
        for part, views in reads.items():
            for view in views & more & found.keys():
                one = found.setdefault(part, Resting())
                one.names |= found[view].names
                one.otherwise.add(view)
                changed = changed | {part}
    return found


def calls_in(rule: Expression) -> set[str]:
    """Name the functions and rules that a rule calls, as it is said."""
    return set(_calls(_tree(rule)))


def _tree(rule: Expression) -> Node:
    return parsed(rule.text.strip().removeprefix("=").strip())


def _calls(node: Node) -> Iterator[str]:
    for one in walk(node):
        if isinstance(one, FunctionCall) and not one.method:
            yield one.function


def _plain_calls(node: Node) -> Iterator[str]:
    """Name the rules that a condition asks under && and || alone."""
    if isinstance(node, Logic):
        for item in node.items:
            yield from _plain_calls(item)
    elif isinstance(node, FunctionCall) and not node.method:
        yield node.function


def _calls_both(node: Node, name: str) -> bool:
    """Say whether a rule is also called elsewhere than under && and ||."""
    return sum(f"rules/{one}" == name for one in _calls(node)) > sum(
        f"rules/{one}" == name for one in _plain_calls(node)
    )
