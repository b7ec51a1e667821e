"""The tables and views whose rows a rule may read, by name."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from app.expressions.relation import Relation
from app.relations.schema import Table
from app.relations.source import Source, table_source


@dataclass(frozen=True, slots=True, eq=False)
class Readable(Mapping[str, Relation | str]):
    """Tables as they are, and views by `view`, which gives one or says why it can't be read at this place."""

    tables: Mapping[str, Table]
    names: Mapping[str, object]
    view: Callable[[str], Source | str]

    def __getitem__(self, name: str) -> Relation | str:
        if name in self.names:
            return self.view(name)
        return table_source(self.tables[name])

    def __iter__(self) -> Iterator[str]:
        yield from self.tables
        yield from (name for name in self.names if name not in self.tables)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def tables_alone(tables: Mapping[str, Table]) -> Readable:
    """Give the tables, where no view is to be read."""
    return Readable(tables, {}, lambda name: f"{name} is no table")
