"""What a client asks of a view: which columns, which rows, in what order, and how many."""

from dataclasses import dataclass
from typing import Literal

Count = Literal["exact", "planned", "estimated"] | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A column of the answer: its name there, and the view's column that it is."""

    label: str
    column: str


@dataclass(frozen=True, slots=True)
class Test:
    """`column operator values`; the values are texts as they came, and stay parameters.

    `quantifier` is `any` or `all` where one value is a list of which one or each has to pass.
    """

    column: str
    operator: str
    values: tuple[str, ...]
    negated: bool = False
    quantifier: Literal["any", "all"] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Tests joined by `and` or `or`."""

    joined_by: Literal["and", "or"]
    parts: "tuple[Condition, ...]"
    negated: bool = False


Condition = Test | Group


@dataclass(frozen=True, slots=True)
class Ordered:
    """One term of an order."""

    column: str
    descending: bool
    nulls_first: bool | None


@dataclass(frozen=True, slots=True)
class Query:
    """A request's question; `shown` is None for every column of the view."""

    shown: tuple[Shown, ...] | None
    conditions: tuple[Condition, ...]
    order: tuple[Ordered, ...]
    limit: int | None
    offset: int
    count: Count
    single: bool
    csv: bool = False


def columns_named(condition: Condition) -> list[str]:
    """Name every column that a condition tests."""
    if isinstance(condition, Test):
        return [condition.column]
    return [name for part in condition.parts for name in columns_named(part)]


def values_of(condition: Condition) -> list[str]:
    """Give the values of a condition in the order in which its SQL takes them."""
    if isinstance(condition, Test):
        return list(condition.values)
    return [value for part in condition.parts for value in values_of(part)]
