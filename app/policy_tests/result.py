"""What came of a test: the answer, what of it was not expected, and the step or rule that decided it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.steps.registry import KINDS


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that came otherwise than expected; `place` is that of the expectation."""

    place: str
    expected: str
    came: str

    def __str__(self) -> str:
        return f"expected {self.expected}, and came {self.came}"


@dataclass(frozen=True, slots=True)
class Result:
    """One test that was run; `decided` is the stage or step that made the answer, as a trace shows it.

    `let_by` are the checks that passed where a refusal was expected.
    """

    name: str
    place: str
    failures: tuple[Failure, ...]
    status: int | None
    code: str | None
    decided: Mapping[str, Any] | None
    milliseconds: float
    let_by: tuple[Mapping[str, Any], ...] = ()

    @property
    def passed(self) -> bool:
        """Say whether everything came as expected."""
        return not self.failures

    def shown(self) -> dict[str, Any]:
        """Give the members of an answer."""
        failures = [{"place": one.place, "expected": one.expected, "came": one.came} for one in self.failures]
        return {
            "name": self.name,
            "place": self.place,
            "passed": self.passed,
            "status": self.status,
            "code": self.code,
            "failures": failures,
            "decided": self.decided,
            "let_by": list(self.let_by),
            "milliseconds": round(self.milliseconds, 2),
        }


def deciding(stages: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Find in a trace what made the answer: the innermost step that refused or answered, else the last stage.

    The stage that only sends it made none of it.
    """
    if not stages:
        return None
    *before, stage = stages
    if before and stage["stage"] == "respond" and stage["decision"] == "passed":
        stage = before[-1]
    found = {"stage": stage["stage"], **_without_steps(stage)}
    inside: Mapping[str, Any] | None = _last(stage.get("steps", ()))
    while inside is not None:
        found = {"stage": stage["stage"], **_without_steps(inside)}
        inside = _last(inside.get("steps", ()))
    return found


def checks_passed(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, object]]:
    """List the steps of a trace that could have refused and didn't, in order."""
    found = []
    for entry in entries:
        kind = KINDS.get(entry.get("step", ""))
        if kind is not None and kind.asks is not None and kind.asks.is_check and entry["decision"] == "passed":
            found.append(_without_steps(entry))
        found += checks_passed(entry.get("steps", ()))
    return found


def _last(steps: Sequence[Mapping[str, object]]) -> Mapping[str, object] | None:
    return next((step for step in reversed(steps) if step["decision"] in ("refused", "answered")), None)


def _without_steps(entry: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in entry.items() if name not in ("steps", "statements", "microseconds")}
