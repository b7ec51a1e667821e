"""The parameters of a statement, and the names of its subqueries."""

from collections.abc import Callable
from enum import Enum

from app.expressions.compiling import Environment, constant

Evaluate = Callable[[Environment], object]


class Place(Enum):
    """Where the SQL will stand; in a table's own rules Postgres takes less than in a statement."""

    STATEMENT = "in SQL"
    CHECK = "in the SQL of a check"
    """No subquery."""
    INDEX = "in the SQL of an index"
    """No subquery either, and nothing that might be another value under other settings of the session."""


class Parameters:
    """The parameters of one statement in the making."""

    def __init__(self, place: Place = Place.STATEMENT) -> None:
        """Begin with none."""
        self.place = place
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
