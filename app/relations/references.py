"""References: which columns of a table hold the key of a row of another, by one column or by several together."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.definitions.column_types import KEY
from app.definitions.columns import ColumnDef, OnDelete
from app.definitions.tables import ReferenceDef

LONGEST_NAME = 63  # bytes that Postgres keeps of a name


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """What a foreign key says: the values of `columns` are those of `to` in one row of the table `target`, or a null.

    `table` is the one that it is of, and `on_delete` says what becomes of its row when the other one is deleted.
    """

    table: str
    columns: tuple[str, ...]
    target: str
    to: tuple[str, ...]
    on_delete: OnDelete = "restrict"

    @property
    def name(self) -> str:
        """Give the constraint's name."""
        return part_name(self.table, *self.columns, "fkey")

    @property
    def hint(self) -> str:
        """Give the name that Postgres would have given it, by which PostgREST's clients pick it."""
        return f"{self.table}_{'_'.join(self.columns)}_fkey"

    @property
    def is_by_id(self) -> bool:
        """Say whether it holds the other row's id."""
        return self.to == (KEY,)


def references_of(table: str, columns: Sequence[ColumnDef], together: Sequence[ReferenceDef] = ()) -> list[ForeignKey]:
    """Give what the columns of a table refer to by themselves and together; an array refers to nothing."""
    return [*_single(table, columns), *(_composite(table, one) for one in together)]


def _single(table: str, columns: Sequence[ColumnDef]) -> Iterator[ForeignKey]:
    for one in columns:
        if one.target is not None and not one.array:
            yield ForeignKey(table, (one.name,), one.target, (one.key,), one.on_delete or "restrict")


def _composite(table: str, said: ReferenceDef) -> ForeignKey:
    return ForeignKey(table, said.columns, said.table, said.to, said.on_delete or "restrict")


def part_name(table: str, *words: str) -> str:
    """Give a name of at most 63 bytes that differs for different words: no name of a table or a column has a dot."""
    name = ".".join((table, *words))
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9]}.{digest}"


def unique_name(table: str, columns: tuple[str, ...]) -> str:
    """Give the name of the constraint by which columns are unique together."""
    return part_name(table, *columns, "key")
