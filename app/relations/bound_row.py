"""Rows that steps bind: as a whole they are what is shown, and by name they give what a rule is told."""

from collections.abc import Callable, Mapping
from typing import Any

from app.relations.source import Source, told_apart

_TOLD = "rowgate_told_{}"


class BoundRow(dict[str, Any]):
    """A row in which a rule is told of some columns otherwise than they are shown: null, where nobody knows.

    Whoever walks through it, such as a writer of JSON, meets what is shown.
    """

    __slots__ = ("_told",)

    def __init__(self, shown: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        """Take what is shown, and the columns of which a rule is told something else."""
        super().__init__(shown)
        self._told = told

    def __getitem__(self, name: str) -> Any:
        """Give what a rule is told."""
        return self._told[name] if name in self._told else super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Give what a rule is told."""
        return self._told[name] if name in self._told else super().get(name, default)

    def shown(self, name: str) -> Any:
        """Give what is shown."""
        return super().get(name)


def told_columns(source: Source) -> dict[str, str]:
    """Give the columns of which a rule is told something else, each with the name that a statement has for that."""
    return {name: _TOLD.format(index) for index, name in enumerate(told_apart(source))}


def binding(source: Source) -> Callable[[Any], dict[str, Any]]:
    """Give what makes a row of a step's statement the row that is bound."""
    told = told_columns(source)
    if not told:
        return dict
    names = tuple(source.shown)

    def bound(row: Any) -> dict[str, Any]:
        return BoundRow({name: row[name] for name in names}, {name: row[label] for name, label in told.items()})

    return bound


class PartOfRow(dict[str, object]):
    """The columns of a row that anything reads; it is never told that it were the row."""
