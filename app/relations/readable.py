"""The tables and views whose rows a rule may read, by name."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.definitions.access import Access, RolesAccess
from app.definitions.views import ViewDef
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


def view_of(said: ViewDef, accesses: Iterable[Access], what: str, views: Any) -> Source | str:
    """Give a view to a rule that those with these accesses come to, or say why it can't be read there."""
    problem = unreadable(said, accesses, what)
    if problem is not None:
        return problem[0]
    found: Source | str | None = views.get(said.name)
    if isinstance(found, str):
        return f"the views read each other in a circle: {found}"
    return found or f"there is something wrong with the view {said.name} itself"


def unreadable(other: ViewDef, accesses: Iterable[Access], what: str) -> tuple[str, str | None] | None:
    """Say, with a hint, why a view can't be read where those with these accesses come; None where it can.

    Who may not read it would be told that there are no rows: to a rule, that may be a yes.
    """
    if other.middleware or other.params or "select" not in other.allow:
        lacks = "middleware" if other.middleware else "params" if other.params else "no select in allow"
        return f"the view {other.name} has {lacks}, so it can't be read inside another", None
    if not all(covers(other.rule("select").access, access) for access in accesses):
        hint = "give the two the same access, or read the table with a where of its own"
        return f"the view {other.name} is not for everybody who may {what}", hint
    return None


def covers(wide: Access, narrow: Access) -> bool:
    """Say whether everybody whom `narrow` lets in is let in by `wide` too."""
    if wide in ("public", narrow):
        return True
    if wide == "authenticated":
        return narrow != "public"
    return isinstance(narrow, RolesAccess) and isinstance(wide, RolesAccess) and set(narrow.roles) <= set(wide.roles)


def tables_alone(tables: Mapping[str, Table]) -> Readable:
    """Give the tables, where no view is to be read."""
    return Readable(tables, {}, lambda name: f"{name} is no table")
