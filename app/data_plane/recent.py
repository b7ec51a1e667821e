"""Recent requests, in memory and bounded: every refusal, and one in a hundred of the others."""

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from app.data_plane.request import Request
from app.errors import RowgateError
from app.query_string import query_pairs
from app.steps.redaction import redacted
from app.steps.trace import rules_seen

REFUSALS, OTHERS, SAMPLED = 1000, 200, 100
_FIELDS = 20


class Recent:
    """What was refused, where and by which rule. A flood of refusals displaces older ones and nothing else."""

    def __init__(self) -> None:
        """Begin empty."""
        self._refused: deque[dict[str, Any]] = deque(maxlen=REFUSALS)
        self._others: deque[dict[str, Any]] = deque(maxlen=OTHERS)
        self._served = 0

    def note(self, request: Request, status: int, refusal: RowgateError | None) -> None:
        """Keep a refusal, or count what was served and keep one of many."""
        if refusal is not None:
            self._refused.append(_described(request, status) | _refused(request, refusal))
            return
        self._served += 1
        if self._served % SAMPLED == 1:
            self._others.append(_described(request, status))

    def listed(self) -> list[dict[str, Any]]:
        """Give all that is kept, the newest first."""
        return sorted(chain(self._refused, self._others), key=lambda one: one["at"], reverse=True)

    def find(self, request_id: str) -> dict[str, Any] | None:
        """Give the newest request of this id."""
        return next((one for one in self.listed() if one["request_id"] == request_id), None)


def _described(request: Request, status: int) -> dict[str, Any]:
    caller = request.caller
    return {
        "request_id": request.id,
        "at": datetime.now(UTC),
        "method": request.method,
        "path": redacted(request.path.decode("latin-1")),
        "query": _query(request.query),
        "status": status,
        "caller": None
        if caller is None
        else {"kind": caller.kind, "id": caller.subject_id, "roles": sorted(caller.roles)},
    }


def _query(query: bytes) -> dict[str, Any]:
    try:
        pairs: Iterable[tuple[str, str]] = query_pairs(query)[:_FIELDS] if query else []
    except RowgateError:
        return {}
    return {name[:100]: redacted(value, name) for name, value in pairs}


def _refused(request: Request, refusal: RowgateError) -> dict[str, Any]:
    """Say what refused it: the step that began last, and what its rules had before them."""
    errors = [{"loc": list(one.loc), "code": one.code, "message": one.message} for one in refusal.errors[:_FIELDS]]
    told = {"code": refusal.code, "detail": redacted(refusal.detail), "errors": errors}
    call = request.call
    if call is None or call.at is None:
        return told
    at = call.at
    rules = rules_seen(at.rules, call.env)
    return told | {"step": {"step": at.kind, "name": at.name, "place": at.place, "rules": rules}}
