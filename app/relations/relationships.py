"""How rows of one view find rows of another: along user and reference columns, both ways, and through a join table.

Only what views show can be followed: the column that refers has to be shown by its view, and `id` by the other one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from app.definitions.views import ViewDef
from app.relations.source import Source


@dataclass(frozen=True, slots=True)
class Join:
    """The view of a join table: its column `here` refers to this side, its column `there` to the other."""

    source: Source
    here: str
    there: str


@dataclass(frozen=True, slots=True)
class Relationship:
    """Rows of `target` whose column `there` equals this row's column `here`, be it through a join table.

    `name` tells relationships of a project apart; `hints` are the words by which a client picks one.
    """

    name: str
    target: Source = field(compare=False)
    here: str
    there: str
    many: bool
    through: Join | None = field(default=None, compare=False)
    hints: tuple[str, ...] = field(default=(), compare=False)

    @property
    def cardinality(self) -> str:
        """Name the kind, as PostgREST's errors do."""
        if self.through is not None:
            return "many-to-many"
        if self.here == "id":
            return "one-to-many" if self.many else "one-to-one"
        return "many-to-one"


class Relationships:
    """The relationships between the views of a project, found when they are first asked for."""

    def __init__(self, views: Mapping[str, Source], definitions: Mapping[str, ViewDef]) -> None:
        """Take every view, as it is read and as it was said."""
        self._views = views
        self._definitions = definitions
        self._known: dict[tuple[str, str], tuple[Relationship, ...]] = {}

    def between(self, here: Source, target: str) -> tuple[Relationship, ...]:
        """Give the ways from a view to what `target` names: a view, or a column of this view that refers to a table.

        A join table whose two columns are unique together says that it is one; another is followed only where there is
        no other way.
        """
        if target not in self._views and target not in here.shown:
            return ()
        key = (here.name, target)
        if key not in self._known:
            self._known[key] = tuple(self._found(here, target))
        return self._known[key]

    def reason_against(self, name: str) -> str | None:
        """Say what keeps a view from being read inside another, or None."""
        said = self._definitions[name]
        if "select" not in said.allow:
            return "shows no rows"
        if said.middleware:
            return "has middleware of its own"
        return "has params" if said.params else None

    def _found(self, here: Source, target: str) -> list[Relationship]:
        if target not in self._views:
            table = references(here).get(target)
            others = [view for view in self._views.values() if view.table.name == table]
            return [one for other in others for one in _along(here, other) if one.here == target]
        there = self._views[target]
        direct = [*_along(here, there), *_against(here, there)]
        joins = list(self._through(here, there))
        sure = [join for join in joins if _is_join(join.through)]
        return [*direct, *sure] or joins

    def _through(self, here: Source, there: Source) -> Iterator[Relationship]:
        if not _keyed(here) or not _keyed(there):
            return
        for view in self._views.values():
            if self.reason_against(view.name) is not None or view.table in (here.table, there.table):
                continue
            refers = references(view)
            for first in (name for name, table in refers.items() if table == here.table.name):
                for second in (name for name, table in refers.items() if table == there.table.name):
                    if first != second:
                        name = f"{here.name}<{view.name}({first},{second})>{there.name}"
                        hints = (view.name, view.table.name) if view.name != view.table.name else (view.name,)
                        join = Join(view, first, second)
                        yield Relationship(name, there, "id", "id", many=True, through=join, hints=hints)


def references(source: Source) -> dict[str, str]:
    """Give the columns that a view shows and that refer to a table, each with the table's name."""
    found = {}
    for name in source.shown:
        column = source.table.columns.get(name)
        if column is None or name in source.computed or column.definition is None or column.definition.array:
            continue
        if column.target is not None:
            found[name] = column.target
    return found


def _along(here: Source, there: Source) -> Iterator[Relationship]:
    """Give the ways along this view's own columns."""
    if not _keyed(there):
        return
    for column, table in references(here).items():
        if table == there.table.name:
            # In a table that refers to itself, a column's name as a hint means the rows that refer.
            hints = _hints(here, column) if here.table.name != there.table.name else ("id",)
            yield Relationship(f"{here.name}({column})>{there.name}", there, column, "id", many=False, hints=hints)


def _against(here: Source, there: Source) -> Iterator[Relationship]:
    """Give the ways along the other view's columns."""
    if not _keyed(here):
        return
    for column, table in references(there).items():
        if table == here.table.name:
            many = frozenset({column}) not in there.table.unique
            name = f"{here.name}<{there.name}({column})"
            yield Relationship(name, there, "id", column, many=many, hints=_hints(there, column))


def _keyed(source: Source) -> bool:
    return "id" in source.shown and "id" not in source.computed


def _hints(source: Source, column: str) -> tuple[str, ...]:
    return (column, f"{source.table.name}_{column}_fkey")


def _is_join(join: Join | None) -> bool:
    return join is not None and frozenset({join.here, join.there}) in join.source.table.unique
