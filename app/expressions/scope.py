"""What an expression is checked against, and what comes of it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from app.expressions import syntax
from app.expressions.named import NamedRule
from app.expressions.relation import Relation, Relations
from app.expressions.types import Type


class Copied:
    """A frozen dataclass of which compiling makes many copies, each a little different: one is the copy of a dict."""

    def but(self, **changes: Any) -> Self:
        """Give a copy in which these fields are others; a TypeError for what is no field."""
        said, made = vars(self), object.__new__(type(self))
        kept = vars(made)
        kept.update(said)
        kept.update(changes)
        if len(kept) != len(said):
            msg = f"{type(self).__name__} has no such fields: {', '.join(kept.keys() - said)}"
            raise TypeError(msg)
        return made


@dataclasses.dataclass(frozen=True)
class Scope(Copied):
    """The names an expression may use; `rows` are those that live in SQL, `secrets` lets it read secrets as strings.

    `relations` are the tables and views whose rows it may read where it is `related`: where Postgres decides it.
    `rules` are those with names, or why one can't be called.
    """

    names: Mapping[str, Type]
    rows: frozenset[str] = frozenset()
    secrets: bool = False
    unsent: frozenset[str] = frozenset()  # those that are bound to nothing where the input behind them wasn't sent
    relations: Relations = dataclasses.field(default_factory=dict, compare=False)
    related: bool = False
    rules: Mapping[str, NamedRule | str] = dataclasses.field(default_factory=dict, compare=False)
    undecided: frozenset[str] = frozenset()  # those that are null where nobody knows which rows count
    sure: frozenset[str] = frozenset()  # paths of inputs that may be null, and aren't here

    def with_names(self, **names: Type) -> "Scope":
        """Give a scope that has these names too, each bound to something."""
        unsent, undecided = self.unsent - set(names), self.undecided - set(names)
        return self.but(names={**self.names, **names}, unsent=unsent, undecided=undecided)

    def sure_of(self, paths: frozenset[str]) -> "Scope":
        """Give a scope in which these paths of inputs have a value."""
        return self.but(sure=self.sure | paths)

    def only(self, names: frozenset[str]) -> "Scope":
        """Give a scope that has no other names."""
        return self.without(*(self.names.keys() - names))

    def without(self, *names: str) -> "Scope":
        """Give a scope that lacks these names."""
        kept = {name: kind for name, kind in self.names.items() if name not in names}
        return self.but(names=kept, rows=self.rows - set(names))


@dataclasses.dataclass(frozen=True, slots=True)
class Counted:
    """The rows of `relation` of which one that the condition can't decide leaves a step without an answer.

    `name` is what is made of the others, if that is bound; `wants_one` says that one row which it holds for is enough.
    """

    relation: Relation
    name: str | None
    wants_one: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression: its typed tree, the type of its value, the dotted paths and the rows that it reads.

    `text` is its full form; `said` is what was said where that is less. `reads` are the tables and views whose rows it
    reads, beside `rows`, those that are at hand: Postgres decides it. `counted` is what a step makes of its rows.
    """

    text: str
    tree: syntax.Node
    type: Type
    paths: frozenset[str]
    rows: frozenset[str]
    constant: bool
    said: str | None = None
    reads: Mapping[str, Relation] = dataclasses.field(default_factory=dict, compare=False)
    counted: Counted | None = dataclasses.field(default=None, compare=False)
