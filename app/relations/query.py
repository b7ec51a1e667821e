"""What a client asks of a view: which columns, which rows, in what order, how many, and what of other views beside.

All of it but the values is the shape of a query, on which alone its statement depends. The values stand in a tuple of
their own; tests, limits and paths name them by their slot there. Slots 0 and 1 are the query's own limit and offset.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from app.definitions.column_types import KEY
from app.relations.relationships import Relationship

# `bounded` counts as far as COUNTED, which is in query_sql.py.
Count = Literal["exact", "bounded"] | None

LIMIT_SLOT = 0
OFFSET_SLOT = 1


@dataclass(frozen=True, slots=True)
class Operand:
    """A column, or what a path leads to in its JSON: `path` is the slot of the keys, `as_text` says `->>`."""

    column: str
    path: int | None = None
    as_text: bool = False


@dataclass(frozen=True, slots=True)
class Picked:
    """A value of the answer under its name; `cast` is a Postgres type, an aggregate's operand None for count()."""

    label: str
    operand: Operand | None
    cast: str | None = None
    aggregate: str | None = None
    aggregate_cast: str | None = None


@dataclass(frozen=True, slots=True)
class Test:
    """`operand operator value`, the value by its slot.

    `word` is what `is` asks for, `language` the slot of a text search's language. `quantifier` is `any` or `all` where
    the value is a list of which one or each has to pass.
    """

    operand: Operand
    operator: str
    slot: int | None = None
    word: str | None = None
    language: int | None = None
    negated: bool = False
    quantifier: Literal["any", "all"] | None = None


@dataclass(frozen=True, slots=True)
class Present:
    """Whether there is a row of the embedded view of this name."""

    label: str
    negated: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Tests joined by `and` or `or`."""

    joined_by: Literal["and", "or"]
    parts: "tuple[Condition, ...]"
    negated: bool = False


Condition = Test | Present | Group


@dataclass(frozen=True, slots=True)
class Ordered:
    """One term of an order; `embed` names the embedded view whose one row has the operand, if it isn't this view's."""

    operand: Operand
    descending: bool
    nulls_first: bool | None
    embed: str | None = None


@dataclass(frozen=True, slots=True)
class Embed:
    """Rows of another view beside each row, under a name.

    `inner` leaves rows out that have none; `spread` puts the other row's values beside this one's.
    """

    label: str
    relationship: Relationship
    read: "Read"
    inner: bool = False
    spread: bool = False

    @property
    def hidden(self) -> bool:
        """Say whether it only tests: nothing of it is in the answer."""
        items = self.read.items
        return items is not None and all(isinstance(item, Embed) and item.hidden for item in items)


@dataclass(frozen=True, slots=True)
class Read:
    """What is read of one view; `items` is None for every column that it shows; limit and offset are slots.

    `paged` says of an embedded view that the client has set one of them: rows that the page leaves out aren't there.
    """

    items: tuple[Picked | Embed, ...] | None = None
    conditions: tuple[Condition, ...] = ()
    order: tuple[Ordered, ...] = ()
    limit: int = LIMIT_SLOT
    offset: int | None = None
    paged: bool = False

    @property
    def embeds(self) -> list[Embed]:
        """Give the embedded views, in order."""
        return [item for item in self.items or () if isinstance(item, Embed)]

    @property
    def aggregates(self) -> bool:
        """Say whether rows are grouped."""
        return any(item.aggregate is not None for item in picked_of(self))


@dataclass(frozen=True, slots=True)
class Query:
    """A request's question: its shape in `read`, `count`, `csv` and `stripped`, and its values."""

    read: Read
    values: tuple[Any, ...] = ()
    limit: int | None = None
    offset: int = 0
    count: Count = None
    single: bool = False
    csv: bool = False
    stripped: bool = False

    @property
    def shape(self) -> Any:
        """Give what of the query its statement depends on."""
        return (self.read, self.count, self.csv, self.stripped)

    def bound(self, limit: int) -> tuple[Any, ...]:
        """Give the values by their slots, with the limit that the view sets."""
        return (limit, self.offset, *self.values)


def picked_of(read: Read) -> Iterator[Picked]:
    """Give what is picked of each row, from the one row beside it too whose values are put beside its own."""
    for item in read.items or ():
        if isinstance(item, Picked):
            yield item
        elif item.spread and not item.relationship.many:
            yield from picked_of(item.read)


def hidden(read: Read) -> Read:
    """Give the read with the same tests, of whose rows nothing is in the answer."""
    items = tuple(replace(embed, read=hidden(embed.read)) for embed in read.embeds)
    return replace(read, items=items)


def tests_of(read: Read) -> Iterator[Test]:
    """Give every test, of embedded views too."""
    yield from tests_in(read.conditions)
    for embed in read.embeds:
        yield from tests_of(embed.read)


def tests_in(conditions: Iterable[Condition]) -> Iterator[Test]:
    """Give every test of conditions, those in groups too."""
    waiting = list(conditions)
    while waiting:
        condition = waiting.pop()
        if isinstance(condition, Group):
            waiting += condition.parts
        elif isinstance(condition, Test):
            yield condition


def names_rows(condition: Condition) -> bool:
    """Say whether a condition does no more than name rows by their ids."""
    if not isinstance(condition, Test) or condition.negated or condition.quantifier is not None:
        return False
    return condition.operand == Operand(KEY) and condition.operator in ("eq", "in")
