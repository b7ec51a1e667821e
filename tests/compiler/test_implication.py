import itertools
import random
from typing import Any

import pytest

from app.expressions.parse import parse
from app.expressions.syntax import Binary, Literal, Logic, Name, Node
from app.expressions.trees import HERE
from app.review.implication import Passes, Untrue, all_of, any_of, implies


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a || b", "a"),
        ("a", "a && b"),
        ("a", "b"),
        ("a && b", "a && c"),
        ("!(a && b)", "!a"),
        ("x in [1, 2]", "x == 1"),
        ("x in [1, 3]", "x in [1, 2]"),
        ("x < 10", "x < 5"),
        ("x > 5", "x > 10"),
        ("x < 5", "y < 10"),
        ("x < '5'", "x < '6'"),
        ("true", "a"),
        ("x - 1 < 5", "1 - x < 5"),
    ],
)
def test_what_does_not_follow_is_not_said_to_follow(one: str, other: str) -> None:
    assert not implies(parse(one), parse(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a && b", "a"),
        ("a", "a || b"),
        ("b && a", "a && b"),
        ("a && b && c", "c && (a || d)"),
        ("(a && c) || (b && c)", "c"),
        ("x == 1", "1 == x"),
        ("x == 1", "x in [1, 2]"),
        ("x in [2, 1]", "x in [1, 2, 3]"),
        ("x < 5", "x < 10"),
        ("x < 5", "10 > x"),
        ("x >= 5", "x >= 2"),
        ("false", "a"),
        ("a", "true"),
    ],
)
def test_what_follows_by_its_form_is_said_to_follow(one: str, other: str) -> None:
    assert implies(parse(one), parse(other))


def value(node: Node, atoms: dict[str, Any]) -> bool:
    """Say whether a rule is true, where an atom may be unknown (None)."""
    match node:
        case Name(name=name):
            return atoms[name] is True
        case Literal(value=held):
            return held is True
        case Untrue(operand=operand):
            return not value(operand, atoms)
        case Logic(operator=operator, items=items):
            return (all if operator == "&&" else any)(value(item, atoms) for item in items)
        case Binary(left=Name(name=name), right=Literal(value=bound)):
            return atoms[name] is not None and atoms[name] < bound
    raise AssertionError(node)


def test_it_is_never_wrong_about_random_rules() -> None:
    chance = random.Random(7)

    def rule(depth: int) -> Node:
        kind = chance.random()
        if depth == 0 or kind < 0.2:
            return parse(chance.choice(["a", "b", "c", "a", "true", "false", "n < 1", "n < 2"]))
        if kind < 0.4:
            return Untrue(line=1, column=1, operand=rule(depth - 1))
        parts = [rule(depth - 1) for _ in range(chance.randint(1, 3))]
        return (all_of if kind < 0.7 else any_of)(parts)

    said = 0
    worlds = [
        dict(zip("abcn", [*known, n], strict=True))
        for known in itertools.product([True, False, None], repeat=3)
        for n in (None, 0, 1, 2)
    ]
    for _ in range(4000):
        one, other = rule(3), rule(3)
        if implies(one, other):
            said += 1
            assert all(value(other, world) for world in worlds if value(one, world)), (one, other)
    assert said > 400


def test_a_rule_of_many_levels_is_compared_in_no_time() -> None:
    def tower(levels: int, name: str) -> str:
        return name if levels == 0 else f"({tower(levels - 1, name)} || x{levels}) && y{levels} && z{levels}"

    assert not implies(parse(tower(20, "a")), parse(tower(20, "b")))


def test_a_step_that_reads_elsewhere_is_never_taken_for_the_one_before_it() -> None:
    """What is kept of one question is kept of trees that are still there."""

    def passes(table: str, rows: str) -> Passes:
        return Passes(**HERE, what=f"reads {table}", rows=parse(rows), rest=(), grows=True)

    both: list[Node] = [passes("things", "item.n == 1"), passes("members", "item.n == 2 && item.on")]
    assert not implies(all_of(both), passes("things", "item.n == 2"))
    assert implies(all_of([both[1], passes("things", "item.n == 2 && item.on")]), passes("things", "item.n == 2"))
