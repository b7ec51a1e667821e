"""The parameters of a statement, and the names of its subqueries."""

from collections.abc import Callable

from app.expressions.compiling import Environment, constant

Evaluate = Callable[[Environment], object]


class Parameters:
    """The parameters of one statement in the making."""

    def __init__(self) -> None:
        """Begin with none."""
        self._evaluators: list[Evaluate] = []
        self._aliases = 0

    def alias(self) -> str:
        """Give a name for the rows of a subquery that no other one has."""
        self._aliases += 1
        return f"r{self._aliases}"

    def add(self, evaluate: Evaluate, pg: str) -> str:
        """Add a value that is computed for each run; gives `$n::pg`."""
        self._evaluators.append(evaluate)
        return f"${len(self._evaluators)}::{pg}"

    def constant(self, value: object, pg: str) -> str:
        """Add a value that never changes."""
        return self.add(constant(value), pg)

    @property
    def evaluators(self) -> tuple[Evaluate, ...]:
        """Give the closures that compute the parameters, in their order."""
        return tuple(self._evaluators)
