"""What an expression asks of the tables and views whose rows it reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from app.expressions.parameters import Parameters
from app.expressions.types import Record

MOST_HOPS = 4


@dataclass(frozen=True, slots=True)
class RowsSql:
    """Rows in SQL: what stands behind FROM, the conditions of a view's filter, and what names a column of a row."""

    named: str
    conditions: tuple[str, ...]
    column: Callable[[str], str]


class Relation(Protocol):
    """A table or view whose rows an expression may read."""

    @property
    def item(self) -> Record:
        """Give what a row of it is to a rule."""

    def rows_sql(self, alias: str, parameters: Parameters) -> RowsSql:
        """Give its rows under an alias."""

    def never_null(self, name: str) -> bool:
        """Say whether a column always has a value."""


Relations = Mapping[str, Relation | str]
"""By name what rows there are; a text says why a view's can't be read here."""
