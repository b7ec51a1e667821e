"""What compiling a tree needs at every node: the closures' shape, the place of an error, the budget of work."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

from app.expressions import syntax
from app.expressions.operations import MAX_BUILT, BoundsExceeded, Unknown, check_built, guarded
from app.expressions.types import DYN, Enum, Scalar, Type

MAX_ITERATIONS = 10_000
_COMPARED_AN_ITERATION = 3
_SHORT = 64  # characters
BUDGET = "#budget"
RELATED = "#related"  # in an environment: the rows of tables and views by name, where they are at hand

Environment = Mapping[str, Any]
Closure = Callable[[Environment], Any]


def constant(value: object) -> Closure:
    """Give what evaluates to a value that never changes; of short words, numbers and flags there is one for each."""
    shared = type(value) in (int, bool, type(None)) or (type(value) is str and len(value) <= _SHORT)
    return _always(value) if shared else lambda _env: value


@functools.lru_cache(4_096, typed=True)
def _always(value: object) -> Closure:
    return lambda _env: value


@dataclasses.dataclass(slots=True)
class Budget:
    """The work left: loop iterations, and characters, bytes and elements to build.

    A caller that puts one into the environment under `BUDGET` shares it between the expressions of a request.
    """

    iterations: int = MAX_ITERATIONS
    built: int = MAX_BUILT

    def iterate(self, count: int = 1) -> None:
        """Take loop iterations; raises BoundsExceeded when none are left."""
        self.iterations -= count
        if self.iterations < 0:
            raise BoundsExceeded(f"the expression needs more than {MAX_ITERATIONS:,} loop iterations")

    def compare(self, size: int) -> None:
        """Take the iterations that a comparison of two lists or maps is worth; raises BoundsExceeded."""
        self.iterate(1 + size // _COMPARED_AN_ITERATION)

    def build(self, size: int) -> None:
        """Take room for a string or list in the making; raises BoundsExceeded when there is none left."""
        self.built -= size
        check_built(MAX_BUILT - self.built)


class State:
    """What one compilation knows: whether the closure needs a budget, and whether it stands inside a loop."""

    def __init__(self, compilers: Mapping[type, Callable[[State, Any], Closure]]) -> None:
        self.compilers = compilers
        self.budgeted = False
        self.looping = False

    def compile(self, node: syntax.Node) -> Closure:
        """Compile a node by its kind."""
        return self.compilers[type(node)](self, node)


def unknown(node: syntax.Node, message: str = "an operand is null") -> Unknown:
    """Give the error of an answer that is not known, with the place of the node."""
    return Unknown(message, node.line, node.column)


def placed(node: syntax.Node, operation: Callable[..., object]) -> Callable[..., object]:
    """Wrap an operation so that what it raises carries the node's place."""

    def apply(*arguments: Any) -> object:
        try:
            return guarded(operation, *arguments)
        except Unknown as error:
            raise Unknown(error.detail, node.line, node.column) from None

    return apply


def flat(kind: Type) -> bool:
    """Say whether the check brought both sides to this one type, so that Python's own `==` is right."""
    return isinstance(kind, Enum) or (isinstance(kind, Scalar) and kind != DYN)
