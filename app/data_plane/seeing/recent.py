"""Recent requests, in memory and bounded: every refusal, and one in a hundred of the others."""

import time
from collections import deque
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple

from app.auth.identity import Identity
from app.data_plane.run import Run
from app.data_plane.seeing.hidden import hidden_in_query, shown_path
from app.errors import FieldError, RowgateError
from app.http.query_string import query_pairs
from app.steps.redaction import hidden_in, redacted, without
from app.steps.running import Call
from app.steps.trace import StepInfo, rules_seen, rules_without

REFUSALS, OTHERS, SAMPLED = 1000, 200, 100
_FIELDS = 20
_LONGEST = 8192  # bytes of a path or a query


_Raw = tuple[object, ...]


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
    template: str | None
    code: str | None
    detail: str
    errors: tuple[FieldError, ...]
    step: dict[str, Any] | None
    ran: tuple[StepInfo, ...]

    def shown(self) -> dict[str, Any]:
        """Give the members of an answer."""
        caller, hidden = self.caller, hidden_in_query(self.query)
        found = {
            "request_id": self.id,
            "at": datetime.fromtimestamp(self.at, UTC),
            "method": self.method,
            "path": redacted(shown_path(self.path.decode("latin-1"), self.template)),
            "query": without(_query(self.query), hidden),
            "status": self.status,
            "caller": None
            if caller is None
            else {"kind": caller.kind, "id": caller.subject_id, "roles": sorted(caller.roles)},
        }
        if self.code is not None:
            listed = [{"loc": list(one.loc), "code": one.code, "message": one.message} for one in self.errors]
            detail = redacted(without(self.detail, hidden))
            found |= {"code": self.code, "detail": detail, "errors": without(listed, hidden)}
            found["stage"] = self.stage
        if self.step is None:
            return found
        before = [{"step": one.kind, "name": one.name, "place": one.place} for one in self.ran]
        step = {**self.step, "rules": rules_without(self.step["rules"], hidden)}
        return found | {"steps_before": before, "step": step}


class Recent:
    """What was refused, where and by which rule. A flood of refusals displaces older ones and nothing else."""

    def __init__(self) -> None:
        """Begin empty."""
        self._refused: deque[_Raw] = deque(maxlen=REFUSALS)
        self._others: deque[_Raw] = deque(maxlen=OTHERS)
        self._served = 0

    def note(self, run: Run, status: int, refusal: RowgateError | None) -> None:
        """Keep a refusal, or count what was served and keep one of many."""
        if refusal is not None:
            self._refused.append(_taken(run, status, refusal))
            return
        self._served += 1
        if self._served % SAMPLED == 1:
            self._others.append(_taken(run, status, None))

    def listed(self) -> list[dict[str, Any]]:
        """Give all that is kept, the newest first."""
        return [one.shown() for one in self._newest_first()]

    def find(self, request_id: str) -> dict[str, object] | None:
        """Give the newest request of this id."""
        return next((one.shown() for one in self._newest_first() if one.id == request_id), None)

    def _newest_first(self) -> list[RecentRequest]:
        return sorted(
            map(RecentRequest._make, chain(self._refused, self._others)), key=lambda one: one.at, reverse=True
        )


def kept(run: Run, status: int, refusal: RowgateError | None) -> RecentRequest:
    """Take of a request what is kept of it."""
    return RecentRequest._make(_taken(run, status, refusal))


def _taken(run: Run, status: int, refusal: RowgateError | None) -> _Raw:
    """Take it in the order of `RecentRequest`, as a plain tuple: a flood of refusals makes many."""
    request, call = run.request, run.call
    template = None if run.target is None else run.target.template
    path, query = request.path, request.query
    if len(path) + len(query) > _LONGEST:
        path, query = path[:_LONGEST], query[:_LONGEST]
    seen = (time.time(), request.id, request.method, path, query, status, run.identity, run.at)
    if refusal is None:
        return (*seen, template, None, "", (), None, () if call is None else _before(call))
    errors = refusal.errors[:_FIELDS] if refusal.errors else ()
    if call is None:
        return (*seen, template, refusal.code, refusal.detail, errors, None, ())
    hidden = hidden_in(call.env)
    detail = without(refusal.detail, hidden)
    return (*seen, template, refusal.code, detail, errors, _step(call, hidden), _before(call))


def _before(call: Call) -> tuple[StepInfo, ...]:
    return tuple(one for one in call.ran if one is not call.at)


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
