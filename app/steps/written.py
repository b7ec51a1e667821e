"""What an update or a delete gives back: the one row that was expected, or all that were touched."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.expressions.types import ListOf, Type
from app.relations.schema import Table
from app.steps.refusals import RowNotFound, TooManyRows


def written(rows: Sequence[Any], *, one: bool) -> Any:
    """Give the row or the rows; where one was expected, none is a 404 and more are refused."""
    if not one:
        return [dict(row) for row in rows]
    if not rows:
        raise RowNotFound
    if len(rows) > 1:
        raise TooManyRows
    return dict(rows[0])


def binds_written(name: str | None, table: Table, *, one: bool) -> Mapping[str, Type]:
    """Give what `as` binds."""
    if name is None:
        return {}
    return {name: table.record if one else ListOf(table.record)}
