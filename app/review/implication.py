"""Which of two rules lets more through, as far as their form shows it: a conjunct narrows, a disjunct widens."""

from dataclasses import dataclass, fields, replace
from typing import Any

from app.expressions.syntax import Binary, ListLiteral, Literal, Logic, Node
from app.expressions.trees import HERE, literal

_ELSEWHERE = frozenset({"line", "column", "type", "overloads", "shown", "made_of", "is_written", "source", "is_item"})
_SAID: dict[type, tuple[str, ...]] = {}
_FLIPPED = {">": "<", ">=": "<="}
_TURNED = {**_FLIPPED, "<": ">", "<=": ">="}


@dataclass(frozen=True, slots=True, kw_only=True)
class Untrue(Node):
    """Holds where the operand is false or unknown: a step whose `when` is that doesn't run."""

    operand: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant(Node):
    """A name that stands for what a step before has bound; `meaning` differs where that does.

    `shown` says what is seen where it is shown: of rows the table, since which rows they are is compared by itself.
    `made_of` are the rules that it rests on; `is_written` says that a step has written it; `source` names the table or
    view that rows are of; `is_item` says that it is one of the list that it is made of.
    """

    meaning: str
    shown: str = ""
    made_of: tuple[Node, ...] = ()
    is_written: bool = False
    source: str | None = None
    is_item: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Passes(Node):
    """Holds where a step doesn't refuse: what it does, for which rows, and what else it says.

    One that `grows` refuses only where there is no row, and so passes where it would with fewer.
    """

    what: str
    rows: Node
    rest: tuple[Node, ...]
    grows: bool


def _said(node: Node) -> tuple[str, ...]:
    """Name what a node of its kind says, wherever it stands."""
    found = _SAID.get(type(node))
    if found is None:
        found = _SAID[type(node)] = tuple(one.name for one in fields(node) if one.name not in _ELSEWHERE)
    return found


def form(node: Any) -> str:
    """Write a tree so that two are written the same if they say the same, wherever they stand."""
    if isinstance(node, Binary) and node.operator in ("==", "!="):
        sides = sorted((form(node.left), form(node.right)))
        return f"({sides[0]} {node.operator} {sides[1]})"
    if isinstance(node, Binary) and node.operator in _FLIPPED:
        return f"({form(node.right)} {_FLIPPED[node.operator]} {form(node.left)})"
    if isinstance(node, Binary):
        return f"({form(node.left)} {node.operator} {form(node.right)})"
    if isinstance(node, Node):
        return f"{type(node).__name__}({', '.join([form(getattr(node, name)) for name in _said(node)])})"
    if isinstance(node, tuple):
        return f"[{', '.join(map(form, node))}]"
    return f"{type(node).__name__}:{node!r}"


def all_of(rules: "tuple[Node, ...] | list[Node]") -> Node:
    """Give the rule that holds where all of these do."""
    return _joined("&&", tuple(rules), empty=True)


def any_of(rules: "tuple[Node, ...] | list[Node]") -> Node:
    """Give the rule that holds where one of these does."""
    return _joined("||", tuple(rules), empty=False)


def _joined(operator: str, rules: tuple[Node, ...], *, empty: bool) -> Node:
    if not rules:
        return literal(empty)
    return rules[0] if len(rules) == 1 else Logic(**HERE, operator=operator, items=rules)


def implies(one: Node, other: Node) -> bool:
    """Say whether `other` holds wherever `one` does, as far as their form shows that; False says nothing."""
    return _Implication().holds(one, other)


class _Implication:
    """One question, with the answers about the parts of both kept: each pair is asked once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], bool] = {}
        self._forms: dict[int, str] = {}

    def holds(self, one: Node, other: Node) -> bool:
        key = id(one), id(other)
        if key not in self._known:
            self._known[key] = self._same(one, other) or self._by_parts(one, other) or _by_values(one, other)
        return self._known[key]

    def _same(self, one: Node, other: Node) -> bool:
        return self._form(one) == self._form(other)

    def _form(self, node: Node) -> str:
        if id(node) not in self._forms:
            self._forms[id(node)] = form(node)
        return self._forms[id(node)]

    def _by_parts(self, one: Node, other: Node) -> bool:
        if isinstance(other, Logic) and other.operator == "&&":
            return all(self.holds(one, item) for item in other.items)
        if isinstance(one, Logic) and one.operator == "||":
            return all(self.holds(item, other) for item in one.items)
        if isinstance(one, Untrue) and isinstance(other, Untrue):
            return self.holds(other.operand, one.operand)
        if isinstance(one, Passes) and isinstance(other, Passes) and one.grows:
            alike = form(replace(one, rows=other.rows)) == self._form(other)
            return alike and self.holds(one.rows, other.rows)
        # What is left are a conjunction on the one side, a disjunction on the other: one part of either is enough.
        if isinstance(one, Logic) and any(self.holds(item, other) for item in one.items):
            return True
        return isinstance(other, Logic) and any(self.holds(one, item) for item in other.items)


def _by_values(one: Node, other: Node) -> bool:
    """Decide what constants decide: a rule that is always true, or never, fewer values in a list, a lower bound."""
    if (isinstance(other, Literal) and other.value is True) or (isinstance(one, Literal) and one.value is not True):
        return True
    one, other = _turned(one), _turned(other)
    if not isinstance(one, Binary) or not isinstance(other, Binary) or form(one.left) != form(other.left):
        return False
    if other.operator == "in" and isinstance(other.right, ListLiteral):
        known = set(map(form, other.right.items))
        if one.operator == "==":
            return form(one.right) in known
        return one.operator == "in" and isinstance(one.right, ListLiteral) and set(map(form, one.right.items)) <= known
    return one.operator == other.operator and _within(one.operator, one.right, other.right)


def _turned(node: Node) -> Node:
    """Put what is compared before the constant that it is compared with."""
    if isinstance(node, Binary) and node.operator in _TURNED and isinstance(node.left, Literal):
        return replace(node, operator=_TURNED[node.operator], left=node.right, right=node.left)
    return node


def _within(operator: str, one: Node, other: Node) -> bool:
    if not isinstance(one, Literal) or not isinstance(other, Literal):
        return False
    if not all(isinstance(side.value, int | float) for side in (one, other)):
        return False
    if operator in ("<", "<="):
        return bool(one.value <= other.value)
    return operator in (">", ">=") and bool(one.value >= other.value)
