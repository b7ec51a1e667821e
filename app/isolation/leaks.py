"""What the proof has found: one person's request that reached the other's rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.compiler.test_targets import Served
from app.isolation.callers import Caller
from app.isolation.made_inputs import Sent
from app.policy_tests.compare import called
from app.review.links import Place


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that came through: what the caller did to the other, in which columns, and the checks that let it by.

    `kind` is a verb: `shows`, `changes`, `deletes`, `writes in the name of`, or `tells of` where the answer carries
    nothing of a row and yet depends on it.
    """

    what: Served
    kind: str
    caller: Caller
    places: frozenset[Place]
    sent: Sent
    status: int
    let_by: Sequence[Mapping[str, Any]]
    decided: Mapping[str, Any] | None
    labels: Mapping[Any, str]


@dataclass(frozen=True, slots=True)
class Leak:
    """All requests at one endpoint, or one action of a view, that did the same; `first` is told."""

    first: Seen
    places: frozenset[Place]
    count: int

    @property
    def is_shown(self) -> bool:
        """Say whether the answers carry what was reached."""
        return self.first.kind == "shows"

    @property
    def where(self) -> str:
        """Give the place of the definition."""
        return f"{self.first.what.kind}s/{self.first.what.name}"

    @property
    def reached(self) -> list[str]:
        """Name the columns that were reached, of a table as a whole the table."""
        by_column = self.first.kind in ("shows", "changes")
        return sorted({f"{table}.{column}" if by_column else table for table, column in self.places})

    def shown(self) -> dict[str, Any]:
        """Give the members of an answer; ids are the labels of their rows."""
        one = self.first
        request: dict[str, object] = {"method": one.sent.method, "path": one.sent.path, "query": one.sent.query}
        request |= {"headers": dict(one.sent.headers), "body": one.sent.body}
        return {
            "where": self.where,
            "action": one.what.action,
            "kind": one.kind,
            "reached": self.reached,
            "caller": one.caller.name,
            "other": one.caller.other,
            "columns": dict(one.caller.columns),
            "request": called(request, one.labels),
            "status": one.status,
            "let_by": called(list(one.let_by), one.labels),
            "decided": called(one.decided, one.labels),
            "requests": self.count,
        }


def merged(seen: Sequence[Seen], owned: Collection[str]) -> list[Leak]:
    """Put what is the same into one, told by its shortest request, and leave out what is nobody's.

    That an answer tells of rows which others show is not said twice.
    """
    found: dict[tuple[Served, str], Leak] = {}
    for one in seen:
        places = frozenset(place for place in one.places if place[0] in owned)
        if places:
            known = found.get((one.what, one.kind), Leak(one, frozenset(), 0))
            first = min(known.first, one, key=lambda leak: len(leak.sent.text))
            found[one.what, one.kind] = Leak(first, known.places | places, known.count + 1)
    shown = {(leak.first.what, table) for leak in found.values() for table, _ in leak.places if leak.is_shown}
    return [
        leak
        for leak in found.values()
        if leak.first.kind != "tells of" or not all((leak.first.what, table) in shown for table, _ in leak.places)
    ]
