"""Recent requests, in memory and bounded: every refusal, what was slow, and one in a hundred of the others."""

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, Literal, NamedTuple

from app.auth.identity import Identity
from app.data_plane.run import Run
from app.data_plane.seeing.hidden import hidden_in_query, shown_path
from app.errors import FieldError, RowgateError
from app.http.query_string import query_pairs
from app.steps.redaction import hidden_in, redacted, without
from app.steps.running import Call
from app.steps.trace import StepInfo, rules_seen, rules_without

REFUSALS, SLOW, OTHERS, SAMPLED = 1000, 200, 200, 100
SLOW_AFTER = 0.25  # seconds
_FIELDS = 20
_LONGEST = 8192  # bytes of a path or a query


_Raw = tuple[object, ...]
Marks = Sequence[tuple[Any, float]]
"""What began one after the other, with when."""


@dataclass(frozen=True, slots=True)
class RequestsAsked:
    """Which requests are asked for; what is None is any. `caller` is an id or `anonymous`, `path` a part of it."""

    which: Literal["refused", "slow"] | None = None
    request_id: str | None = None
    caller: str | None = None
    target: str | None = None
    code: str | None = None
    path: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class RecentRequest(NamedTuple):
    """A request as it is kept: what is cheap to take, made readable, and redacted, when somebody asks for it.

    It holds nothing of the request's body, nor the refusal itself, whose traceback would hold everything.
    """

    at: float
    id: str
    method: str
    path: bytes
    query: bytes
    status: int
    caller: Identity | None
    stage: str
    target: str | None
    began: float
    ended: float
    stages: Marks
    template: str | None
    code: str | None
    detail: str
    errors: tuple[FieldError, ...]
    step: dict[str, Any] | None
    ran: Marks
    at_step: StepInfo | None

    @property
    def seconds(self) -> float:
        """Give how long it took."""
        return self.ended - self.began

    def fits(self, asked: RequestsAsked, slow_after: float) -> bool:
        """Say whether it is one of those that are asked for; of its path only what is shown is looked at."""
        wanted: list[tuple[object, object]] = [
            (asked.caller, self.caller and (self.caller.subject_id or self.caller.kind)),
            (asked.target, self.target),
            (asked.code, self.code),
        ]
        at = datetime.fromtimestamp(self.at, UTC)
        return (
            all(one is None or one == own for one, own in wanted)
            and (asked.which != "refused" or self.code is not None)
            and (asked.which != "slow" or self.seconds >= slow_after)
            and (asked.request_id is None or self.id.startswith(asked.request_id))
            and (asked.since is None or at >= asked.since)
            and (asked.until is None or at <= asked.until)
            and (asked.path is None or asked.path in self.shown_path)
        )

    @property
    def shown_path(self) -> str:
        """Give the path as it may be shown."""
        return str(redacted(shown_path(self.path.decode("latin-1"), self.template)))

    def shown(self) -> dict[str, Any]:
        """Give the members of an answer."""
        caller, hidden = self.caller, hidden_in_query(self.query)
        found = {
            "request_id": self.id,
            "at": datetime.fromtimestamp(self.at, UTC),
            "method": self.method,
            "path": self.shown_path,
            "query": without(_query(self.query), hidden),
            "status": self.status,
            "caller": None
            if caller is None
            else {"kind": caller.kind, "id": caller.subject_id, "roles": sorted(caller.roles)},
            "target": self.target,
            **self._times(),
        }
        if self.code is not None:
            listed = [{"loc": list(one.loc), "code": one.code, "message": one.message} for one in self.errors]
            detail = redacted(without(self.detail, hidden))
            found |= {"code": self.code, "detail": detail, "errors": without(listed, hidden)}
            found["stage"] = self.stage
        if self.step is None:
            return found
        before = [_named(one) for one, _ in self.ran if one is not self.at_step]
        step = {**self.step, "rules": rules_without(self.step["rules"], hidden)}
        return found | {"steps_before": before, "step": step}

    def _times(self) -> dict[str, Any]:
        """Say how long all of it, each stage and each step took; a stage of several tries has the times of all."""
        if not self.stages:
            return {}
        stages: dict[str, float] = {}
        stops = [*(began for _, began in self.stages), self.ended]
        for stage, seconds in _lasted(self.stages, stops):
            stages[stage] = stages.get(stage, 0.0) + seconds
        steps = _lasted(self.ran, sorted([*stops, *(began for _, began in self.ran)]))
        return {
            "milliseconds": _milliseconds(self.seconds),
            "stages": [{"stage": stage, "milliseconds": _milliseconds(took)} for stage, took in stages.items()],
            "steps": [{**_named(one), "milliseconds": _milliseconds(took)} for one, took in steps],
        }


class Recent:
    """What was refused, where and by which rule, and what took how long: slow is what takes `slow_after` seconds.

    A flood of refusals displaces older ones and nothing else.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._refused: deque[_Raw] = deque(maxlen=REFUSALS)
        self._slow: deque[_Raw] = deque(maxlen=SLOW)
        self._others: deque[_Raw] = deque(maxlen=OTHERS)
        self._served = 0
        self.slow_after = SLOW_AFTER

    def note(self, run: Run, status: int, refusal: RowgateError | None) -> None:
        """Keep a refusal and what was slow, or count what was served and keep one of many."""
        ended = time.perf_counter()
        if refusal is not None:
            self._refused.append(_taken(run, status, refusal, ended))
            return
        if ended - run.began >= self.slow_after:
            self._slow.append(_taken(run, status, None, ended))
            return
        self._served += 1
        if self._served % SAMPLED == 1:
            self._others.append(_taken(run, status, None, ended))

    def listed(self, asked: RequestsAsked | None = None, most: int | None = None) -> list[dict[str, Any]]:
        """Give what is kept and asked for, the newest first, at most so many."""
        wanted = asked or RequestsAsked()
        found = (one.shown() for one in self._newest_first() if one.fits(wanted, self.slow_after))
        return list(islice(found, most))

    def find(self, request_id: str) -> RecentRequest | None:
        """Give the newest request of this id."""
        return next((one for one in self._newest_first() if one.id == request_id), None)

    def _newest_first(self) -> list[RecentRequest]:
        every = chain(self._refused, self._slow, self._others)
        return sorted(map(RecentRequest._make, every), key=lambda one: one.at, reverse=True)


def kept(run: Run, status: int, refusal: RowgateError | None) -> RecentRequest:
    """Take of a request what is kept of it."""
    return RecentRequest._make(_taken(run, status, refusal, time.perf_counter()))


def _taken(run: Run, status: int, refusal: RowgateError | None, ended: float) -> _Raw:
    """Take it in the order of `RecentRequest`, as a plain tuple: a flood of refusals makes many."""
    request, call, target = run.request, run.call, run.target
    place, template = (None, None) if target is None else (target.place, target.template)
    path, query = request.path, request.query
    if len(path) + len(query) > _LONGEST:
        path, query = path[:_LONGEST], query[:_LONGEST]
    code, detail, errors = (None, "", ()) if refusal is None else (refusal.code, refusal.detail, refusal.errors)
    ran, at_step = ((), None) if call is None else (tuple(call.ran), call.at)
    step = None
    if call is not None and refusal is not None:
        hidden = hidden_in(call.env)
        detail, step = str(without(refusal.detail, hidden)), _step(call, hidden)
    return (
        time.time(), request.id, request.method, path, query, status, run.identity, run.at, place,
        run.began, ended, tuple(run.marks), template, code, detail, errors[:_FIELDS], step, ran, at_step,
    )  # fmt: skip


def _named(step: StepInfo) -> dict[str, Any]:
    return {"step": step.kind, "name": step.name, "place": step.place}


def _lasted(marks: Marks, stops: Sequence[float]) -> Iterator[tuple[Any, float]]:
    """Give each with the seconds until the next of the stops, the last of which is the end."""
    for what, began in marks:
        yield what, stops[min(bisect_right(stops, began), len(stops) - 1)] - began


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _query(query: bytes) -> dict[str, object]:
    try:
        pairs: Iterable[tuple[str, str]] = query_pairs(query)[:_FIELDS] if query else []
    except RowgateError:
        return {}
    return {name[:100]: redacted(value, name) for name, value in pairs}


def _step(call: Call, hidden: Collection[str]) -> dict[str, object] | None:
    """Say what refused it: the step that began last, and what its rules had before them."""
    at = call.at
    if at is None:
        return None
    rules = rules_without(rules_seen(at.rules, call.env), hidden)
    return {"step": at.kind, "name": at.name, "place": at.place, "rules": rules}
