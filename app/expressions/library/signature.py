"""What a function is: how it is written, which types it takes, and its two halves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.expressions.types import NUMBERS, Type, assignable

if TYPE_CHECKING:
    from app.expressions.syntax import Node

Kinds = Sequence[Type]
Sql = Callable[[Sequence[str], "Sequence[Node]"], str | None]
Varies = Callable[["Sequence[Node]"], bool]


def never(_nodes: "Sequence[Node]") -> bool:
    """Say of a function's SQL that no index minds it."""
    return False


def always(_nodes: "Sequence[Node]") -> bool:
    """Say of a function's SQL that no index can rest on it."""
    return True


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature: its result for the types it takes (of a method the target first), and its two halves.

    `fits` gives None for types that it doesn't take. `sql` gets the texts of the arguments and their nodes; None, as
    value or as answer, says that SQL has no such function that agrees. `nulls` lets nulls in, which are else unknown.
    `varies` says of the nodes whether Postgres takes that SQL for STABLE, so that no index can rest on it.
    """

    fits: Callable[[Kinds], Type | None]
    python: Callable[..., object]
    sql: Sql | None = None
    nulls: bool = False
    varies: Varies = never


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language: how it is written (`f(x)`, `x.f()`, or both), its signatures, and what it does.

    `pure` says that equal arguments give equal answers; `walks` that the work grows with the lists it is given.
    `literal` reads a text written out as the last argument, so that what is none is refused when it is saved.
    """

    name: str
    function: bool
    method: bool
    overloads: tuple[Overload, ...]
    doc: str
    pure: bool = True
    walks: bool = False
    literal: Callable[[str], Any] | None = None


def plain(
    parameters: tuple[Type, ...],
    result: Type,
    python: Callable[..., object],
    sql: str | Sql | None = None,
    varies: Varies = never,
) -> Overload:
    """Give the signature of fixed types; an `sql` text has `{0}`, `{1}` where the arguments go."""

    def fits(kinds: Kinds) -> Type | None:
        pairs = zip(kinds, parameters, strict=False)
        taken = len(kinds) == len(parameters) and all(_takes(kind, want) for kind, want in pairs)
        return result if taken else None

    half = (lambda texts, _nodes, sql=sql: sql.format(*texts)) if isinstance(sql, str) else sql
    return Overload(fits, python, half, varies=varies)


def sql_position(text: str) -> str:
    """Give a bigint as an integer that is right where it counts characters or elements.

    Postgres computes what is constant before it looks at the CASE around it, so the cast itself must not fail.
    """
    return f"least(greatest({text}, -1), 2147483646)::integer"


def _takes(kind: Type, wanted: Type) -> bool:
    return assignable(kind, wanted) and (kind == wanted or kind not in NUMBERS)


def function(name: str, doc: str, *overloads: Overload, **more: Any) -> Function:
    """Give a function that is written `f(x)`; `more` are the last members of Function."""
    return Function(name, True, False, overloads, doc, **more)


def method(name: str, doc: str, *overloads: Overload, **more: Any) -> Function:
    """Give a function that is written `x.f()`; `more` are the last members of Function."""
    return Function(name, False, True, overloads, doc, **more)
