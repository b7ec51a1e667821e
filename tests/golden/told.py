"""What an admin is told of a request: by simulating it, and by what is kept of the real one."""

from dataclasses import dataclass
from typing import Any

from tests.backend import Backend, Person

# What a simulation can't be told: it says itself who calls, and sends JSON.
_REAL_ONLY = {"credential", "raw"}


@dataclass(frozen=True)
class Told:
    """Where a request was decided; `rows` are those before and after a view's filter."""

    status: int
    code: str | None
    stage: str
    place: str | None
    rows: tuple[int, int] | None = None


async def told_by_simulation(
    backend: Backend, admin: dict[str, str], asked: dict[str, Any], people: dict[str, Person]
) -> Told | None:
    """Simulate the request; None where only the real one says."""
    if _REAL_ONLY & asked.keys() or asked.get("simulated") is False:
        return None
    who = asked.get("as")
    said: dict[str, Any] = {key: asked[key] for key in ("method", "path", "query", "headers", "body") if key in asked}
    said["as"] = "anonymous" if who is None else people[who].id
    answer = await backend.client.post("/admin/v1/simulate", json=said, headers=admin)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    stage = found["trace"][-1]
    if stage["stage"] == "respond" and stage["decision"] == "passed":
        stage = found["trace"][-2]  # what was decided, was decided before the answer
    entry = stage
    while entry.get("steps"):
        entry = entry["steps"][-1]
    rows = (entry["rows_before_filter"], entry["rows_after_filter"]) if "rows_before_filter" in entry else None
    refusal = entry.get("refusal") or stage.get("refusal") or {}
    if found["status"] >= 400:
        assert stage["decision"] == "refused"
    return Told(found["status"], refusal.get("code"), stage["stage"], entry.get("place"), rows)


async def told_by_requests(backend: Backend, admin: dict[str, str], request_id: str) -> Told:
    """Find what is kept of the real request."""
    answer = await backend.client.get(f"/admin/v1/requests/{request_id}", headers=admin)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return Told(found["status"], found["code"], found["stage"], found.get("step", {}).get("place"))
