"""Functions of lists; a null in a list that is sorted or summed makes the answer unknown."""

import functools
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from app.expressions.library.signature import Function, Kinds, Overload, function
from app.expressions.operations import (
    ORDERED,
    WIDEN,
    BoundsExceeded,
    Unknown,
    dynamic_arithmetic,
    is_nan,
    kind_of,
)
from app.expressions.types import DECIMAL, DOUBLE, DURATION, DYN, INT, NUMBERS, ListOf, Type

_MOST_NODES = 100_000


def _list(kinds: Kinds) -> Type | None:
    return kinds[0] if len(kinds) == 1 and isinstance(kinds[0], ListOf) else _dynamic(kinds, ListOf(DYN))


def _dynamic(kinds: Kinds, result: Type) -> Type | None:
    return result if tuple(kinds) == (DYN,) else None


def _element(kinds: Kinds) -> Type | None:
    match kinds:
        case [ListOf(element=element)]:
            return element
    return _dynamic(kinds, DYN)


def _summed(kind: Type) -> Callable[[Kinds], Type | None]:
    return lambda kinds: kind if _element(kinds) == kind else None


def _distinct(values: list[object]) -> list[object]:
    nodes = [_MOST_NODES]
    seen: dict[object, object] = {}
    for value in values:
        seen.setdefault(_key(value, nodes), value)
    return list(seen.values())


def _key(value: object, nodes: list[int]) -> object:
    """Give a hashable that is equal for equal values alone."""
    nodes[0] -= 1
    if nodes[0] < 0:
        raise BoundsExceeded("the list is too large to tell its elements apart")
    if isinstance(value, list):
        return ("list", *(_key(item, nodes) for item in value))
    if isinstance(value, dict):
        return ("map", frozenset((_key(name, nodes), _key(item, nodes)) for name, item in value.items()))
    return (isinstance(value, bool), value)


def _sorted(values: list[object]) -> list[Any]:
    if any(value is None or is_nan(value) for value in values):
        raise Unknown("a null or a NaN has no place in an order")
    kinds = {kind_of(value) for value in values}
    if len(kinds) <= 1 and kinds <= set(ORDERED):
        return sorted(values)
    if not kinds <= set(NUMBERS):
        raise Unknown("values of two kinds have no order")
    widest = max(kinds, key=NUMBERS.index)
    return sorted(values, key=lambda value: value if kind_of(value) == widest else WIDEN[widest](value))


def _sum(nothing: object) -> Callable[[list[object]], object]:
    add = dynamic_arithmetic("+")

    def total(values: list[Any]) -> object:
        if any(kind_of(value) not in (*NUMBERS, DURATION) for value in values):
            raise Unknown("only numbers or durations can be summed")
        return functools.reduce(add, values) if values else nothing

    return total


def _first(values: list[Any]) -> object:
    return values[0] if values else None


_NOTHING: tuple[tuple[Type, object], ...] = (
    (INT, 0),
    (DECIMAL, Decimal(0)),
    (DOUBLE, 0.0),
    (DURATION, timedelta(0)),
    (DYN, 0),
)
_SUMS = tuple(Overload(_summed(kind), _sum(nothing)) for kind, nothing in _NOTHING)

FUNCTIONS: tuple[Function, ...] = (
    function(
        "distinct",
        "The elements of a list, each once, where it first stands.",
        Overload(_list, _distinct),
        walks=True,
    ),
    function("sort", "The elements of a list in order.", Overload(_list, _sorted), walks=True),
    function("sum", "The sum of a list of numbers or durations; of none 0.", *_SUMS, walks=True),
    function("first", "The first element of a list; null where there is none.", Overload(_element, _first)),
)
