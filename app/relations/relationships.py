"""How rows of one view find rows of another: along references, both ways, and through a join table.

Only what views show can be followed: the columns that refer have to be shown by their view, and those that they refer
to by the other one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from app.definitions.views import ViewDef
from app.relations.references import ForeignKey
from app.relations.source import Source


@dataclass(frozen=True, slots=True)
class Join:
    """The view of a join table: its reference `here` is to this side, its reference `there` to the other."""

    source: Source
    here: ForeignKey
    there: ForeignKey


@dataclass(frozen=True, slots=True)
class Relationship:
    """Rows of `target` whose columns `there` equal this row's columns `here`, or whose join table says so.

    `name` tells relationships of a project apart; `hints` are the words by which a client picks one. `refers` says that
    this row refers to the other one, and not the other way round.
    """

    name: str
    target: Source = field(compare=False)
    here: tuple[str, ...]
    there: tuple[str, ...]
    many: bool
    refers: bool = False
    through: Join | None = field(default=None, compare=False)
    hints: tuple[str, ...] = field(default=(), compare=False)

    @property
    def cardinality(self) -> str:
        """Name the kind, as PostgREST's errors do."""
        if self.through is not None:
            return "many-to-many"
        if self.refers:
            return "many-to-one"
        return "one-to-many" if self.many else "one-to-one"


class Relationships:
    """The relationships between the views of a project, found when they are first asked for."""

    def __init__(self, views: Mapping[str, Source], definitions: Mapping[str, ViewDef]) -> None:
        """Take every view, as it is read and as it was said."""
        self._views = views
        self._definitions = definitions
        self._known: dict[tuple[str, str], tuple[Relationship, ...]] = {}

    def between(self, here: Source, target: str) -> tuple[Relationship, ...]:
        """Give the ways from a view to what `target` names: a view, a column by which this one refers, or a constraint.

        A join table whose two columns are unique together says that it is one; another is followed only where there is
        no other way.
        """
        key = (here.name, target)
        if (known := self._known.get(key)) is not None:
            return known
        found = tuple(self._found(here, target))
        if found or target in self._views:  # of names that mean nothing there is no end
            self._known[key] = found
        return found

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
            return list(self._by_name(here, target))
        there = self._views[target]
        along = [way for one in references(here) if (way := _along(here, there, one))]
        against = [way for one in references(there) if (way := _against(here, there, one))]
        joins = list(self._through(here, there))
        sure = [join for join in joins if _is_join(join.through)]
        return [*along, *against, *sure] or joins

    def _by_name(self, here: Source, name: str) -> Iterator[Relationship]:
        """Give the ways that a column of this view names, or a constraint of either side.

        In a table that refers to itself they are only those to the row that is referred to.
        """
        said = [one for one in references(here) if name in _hints(one)]
        for view in self._views.values():
            yield from (way for one in said if (way := _along(here, view, one)))
            if view.table.name != here.table.name:
                yield from (way for one in references(view) if name == one.hint and (way := _against(here, view, one)))

    def _through(self, here: Source, there: Source) -> Iterator[Relationship]:
        for view in self._views.values():
            if self.reason_against(view.name) is not None or view.table in (here.table, there.table):
                continue
            refers = references(view)
            for first in (one for one in refers if shows(here, one)):
                for second in (one for one in refers if one != first and shows(there, one)):
                    name = f"{here.name}<{view.name}({_listed(first.columns)},{_listed(second.columns)})>{there.name}"
                    hints = (view.name, view.table.name) if view.name != view.table.name else (view.name,)
                    join = Join(view, first, second)
                    yield Relationship(name, there, first.to, second.to, many=True, through=join, hints=hints)


def references(source: Source) -> list[ForeignKey]:
    """Give the references all of whose columns a view shows."""
    return [one for one in source.table.references if _shows_all(source, one.columns)]


def _along(here: Source, there: Source, one: ForeignKey) -> Relationship | None:
    """Give the way along a reference of this view's."""
    if not shows(there, one):
        return None
    # In a table that refers to itself, a column's name as a hint means the rows that refer.
    hints = _hints(one) if here.table.name != there.table.name else one.to[:1]
    name = f"{here.name}({_listed(one.columns)})>{there.name}"
    return Relationship(name, there, one.columns, one.to, many=False, refers=True, hints=hints)


def _against(here: Source, there: Source, one: ForeignKey) -> Relationship | None:
    """Give the way along a reference of the other view's."""
    if not shows(here, one):
        return None
    many = not there.table.has_one(one.columns)
    name = f"{here.name}<{there.name}({_listed(one.columns)})"
    return Relationship(name, there, one.to, one.columns, many=many, hints=_hints(one))


def shows(source: Source, one: ForeignKey) -> bool:
    """Say whether a view shows what a reference refers to."""
    return one.target == source.table.name and _shows_all(source, one.to)


def _shows_all(source: Source, columns: Sequence[str]) -> bool:
    return all(name in source.shown and name not in source.computed for name in columns)


def _hints(one: ForeignKey) -> tuple[str, ...]:
    return (*one.columns, one.hint) if len(one.columns) == 1 else (one.hint,)


def _listed(columns: Sequence[str]) -> str:
    return ",".join(columns)


def _is_join(join: Join | None) -> bool:
    if join is None:
        return False
    return frozenset((*join.here.columns, *join.there.columns)) in join.source.table.unique
