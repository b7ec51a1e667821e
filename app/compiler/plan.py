"""What an endpoint sends to the database: its statements in their order, and the round trips that they take."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.database.statement import CONFIRM
from app.steps.context import Step


@dataclass(frozen=True, slots=True)
class StepSent:
    """What one step sends, or the first of several that are sent as one: `steps` are their places and kinds.

    `at_most` counts its statements; those that it has ready are in `statements`.
    """

    steps: tuple[tuple[str, str], ...]
    at_most: int
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """The statements of a request, the one that opens the transaction if there is to be one, and the round trips.

    A request that sends none confirms by one what it rests on.
    """

    begin: str | None
    sent: tuple[StepSent, ...]

    @property
    def round_trips(self) -> int:
        """Count what is waited for, at most: BEGIN and COMMIT are two of their own."""
        return max(1, sum(one.at_most for one in self.sent)) + (0 if self.begin is None else 2)

    def told(self) -> str:
        """Say it in lines."""
        trips = "1 round trip" if self.round_trips == 1 else f"at most {self.round_trips} round trips"
        lines = [f"{trips}, {'no transaction' if self.begin is None else 'a transaction'}"]
        lines += ["", f"{self.begin};"] if self.begin is not None else []
        for one in self.sent:
            named = ", ".join(f"{kind} ({place})" for place, kind in one.steps)
            together = " as one statement" if len(one.steps) > 1 else ""
            lines += ["", f"-- {named}{together}", *(f"{sql};" for sql in one.statements)]
            if one.at_most > len(one.statements):
                lines.append(f"-- at most {one.at_most} statements")
        if not any(one.at_most for one in self.sent):
            lines += ["", "-- no step sends a statement: this confirms what the request rests on", f"{CONFIRM};"]
        lines += ["", "COMMIT;"] if self.begin is not None else []
        return "\n".join(lines)

    def shown(self) -> dict[str, object]:
        """Give it as JSON has it."""
        sent = [
            {"steps": [place for place, _ in one.steps], "at_most": one.at_most, "statements": list(one.statements)}
            for one in self.sent
        ]
        return {"round_trips": self.round_trips, "begin": self.begin, "sent": sent}


NOTHING_PLANNED = RequestPlan(None, ())


def plan_of(steps: Sequence[Step], begin: str | None) -> RequestPlan:
    """Give the plan of a chain."""
    sent: list[StepSent] = []
    for step in steps:
        if step.info is None:
            continue
        named = (step.info.place, step.info.kind)
        if step.with_before and sent:
            last = sent[-1]
            sent[-1] = StepSent((*last.steps, named), last.at_most, last.statements)
        else:
            sent.append(StepSent((named,), step.statements, tuple(one.sql for one in step.sends)))
    return RequestPlan(begin, tuple(one for one in sent if one.at_most))
