"""What a chain asks before it goes on, and which rows it then reaches: what two versions of it are compared by."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.expressions.syntax import Node
from app.steps.kind import Asks, Kind, Means


@dataclass(frozen=True, slots=True)
class Check:
    """What has to be true for a request to go on, where and how the definition says it; `inside` is under what.

    `is_stated` says that the definition states it as a rule; else it is that a step doesn't refuse by itself.
    """

    rule: Node
    said: str
    kind: str
    asks: Asks
    place: str
    inside: tuple[Node, ...]
    is_stated: bool = True


@dataclass(frozen=True, slots=True)
class Reached:
    """What a step does: in words, for which rows, and by field what else it says; `lasts` whatever is refused later.

    `seen` is what an answer shows of it where it only reads, and so does nothing else; None where it does something.
    `chosen` says which rows those are of which it takes only some; None where it takes all.
    """

    what: str
    rows: Node
    rest: Mapping[str, Node]
    kind: Kind | None
    source: str | None
    place: str
    inside: tuple[Node, ...]
    lasts: bool = False
    seen: str | None = None
    chosen: str | None = None

    @property
    def writes(self) -> bool:
        """Say whether it writes rows."""
        return self.kind is not None and self.kind.writes

    def named(self, meaning: Means) -> tuple[str, ...]:
        """Name the fields of its step that mean this."""
        return () if self.kind is None else self.kind.named(meaning)


@dataclass(slots=True)
class Reach:
    """All that a chain asks and reaches: in order, the middleware that it is made of, and the conditions in it.

    `shown` is what its answers show, each with the rule under which it does; `sources` are the tables and views that
    its steps speak of.
    """

    events: list[Check | Reached] = field(default_factory=list)
    shown: list[tuple[Node, Node]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    conditions: list[tuple[str, Node]] = field(default_factory=list)

    @property
    def checks(self) -> list[Check]:
        """Give what it asks."""
        return [one for one in self.events if isinstance(one, Check)]

    @property
    def reached(self) -> list[Reached]:
        """Give what it reaches."""
        return [one for one in self.events if isinstance(one, Reached)]
