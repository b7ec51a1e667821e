"""What a rehearsed request came to, and in what two such verdicts differ."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.data_plane.retries import serve_with_retries
from app.data_plane.seeing.rehearsal import Rehearsal
from app.errors import RowgateError
from app.http.json_body import json_or_text
from app.steps.trace import Trace

# What a limit has left, and when it has more, is not the same twice.
_COUNTED = frozenset({"retry-after", "ratelimit", "ratelimit-policy"})
_MOST = 10
_MISSING = object()


class Undecided(Exception):
    """The machine, and no rule, ended the run: a lock, a timeout, a change meanwhile."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a caller would see of a run, and what only its admin does."""

    answer: dict[str, Any]
    refusal: RowgateError | None
    trace: Trace

    @property
    def is_stubbed(self) -> bool:
        """Say whether it came to a step that a rehearsal leaves out: what is behind it can't be told."""
        return any(entry["decision"] == "stubbed" for entry in _entries(self.trace.shown()))

    @property
    def target(self) -> str | None:
        """Name the endpoint or view that was found."""
        return next((str(stage["to"]) for stage in self.trace.shown() if "to" in stage), None)

    @property
    def place(self) -> str | None:
        """Say which step or stage refused."""
        refused = [entry for entry in _entries(self.trace.shown()) if entry["decision"] == "refused"]
        return str(refused[-1].get("place") or refused[-1].get("stage")) if refused else None

    def shown(self) -> dict[str, Any]:
        """Give what is kept of it; nothing of the body."""
        said = {"status": self.answer["status"]}
        if self.refusal is not None:
            said |= {"code": self.refusal.code, "place": self.place}
        return said


def _entries(shown: list[dict[str, Any]]) -> Iterator[dict[str, object]]:
    for entry in shown:
        yield entry
        yield from _entries(entry.get("steps", []))


async def verdict(rehearsal: Rehearsal) -> Verdict:
    """Run a rehearsal, and say what it came to. Raises Undecided."""
    trace = rehearsal.trace
    refusal: RowgateError | None = None
    try:
        answer = await serve_with_retries(rehearsal)
    except RowgateError as refused:
        if _is_of_the_machine(refused):
            raise Undecided from refused
        refusal = refused
    trace.leave(refusal)
    if refusal is not None:
        listed = [[list(one.loc), one.code, one.message] for one in refusal.errors]
        body: Any = {"code": refusal.code, "detail": refusal.detail, "errors": listed}
        return Verdict({"status": refusal.status, "headers": _headers(refusal.headers), "body": body}, refusal, trace)
    seen = {"status": answer.status, "headers": _headers(dict(answer.headers)), "body": json_or_text(answer.body)}
    return Verdict(seen, None, trace)


def _is_of_the_machine(refusal: RowgateError) -> bool:
    made_by_us = type(refusal).__module__.startswith("app.")
    return refusal.code == "db.locked" or (refusal.status in (503, 504) and made_by_us)


def _headers(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() not in _COUNTED}


def differences(live: Any, again: object, draft: object, place: str = "") -> list[str]:
    """Name where the draft's answer differs from the live one, except where that is not the same twice itself.

    `again` is the live answer of another run: new ids, random tokens and times differ in it too.
    """
    return list(_differences(live, again, draft, place))[:_MOST]


def _differences(live: Any, again: object, draft: object, place: str) -> Iterator[str]:
    if isinstance(live, dict) and isinstance(draft, dict):
        twin: Any = again if isinstance(again, dict) else {}
        for key in {**live, **draft}:
            inner = f"{place}.{key}" if place else str(key)
            yield from _differences(live.get(key, _MISSING), twin.get(key, _MISSING), draft.get(key, _MISSING), inner)
    elif isinstance(live, list) and isinstance(draft, list):
        twin = again if isinstance(again, list) and len(again) == len(live) else live
        if len(live) != len(draft) and twin is again:
            yield place
            return
        for index, (one, same, other) in enumerate(zip(live, twin, draft, strict=False)):
            yield from _differences(one, same, other, f"{place}[{index}]")
    elif live != draft and (live == again or type(live) is not type(draft)):
        yield place
