"""The times that an endpoint says are those that hold, in this process and in Postgres."""

import asyncio
from typing import Any

import pytest

from app.data_plane import pipeline
from app.data_plane.run import Run
from app.database.faults import Retryable
from app.http.deadline import Deadline
from tests.backend import Backend, serving

INSERT = {"do": "insert", "table": "marks", "set": {"n": 1}, "as": "mark"}
LIST = {"do": "list", "from": "marks", "as": "found"}


def endpoint(name: str, *steps: Any, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "method": "POST", "path": f"/{name}", "access": "public",
        "steps": [*steps, {"do": "respond", "body": "=mark.seen"}] if INSERT in steps else [*steps],
        **more,
    }  # fmt: skip


DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [{"name": "marks", "columns": [{"name": "n", "type": "integer"}, {"name": "seen", "type": "text"}]}],
    "endpoints": [
        endpoint("unsaid", INSERT),
        endpoint("quick", INSERT, timeout=1.5),
        endpoint("slow", INSERT, timeout=60),
        endpoint("strict", INSERT, timeout=60, isolation="serializable"),
        endpoint("kept_short", INSERT, timeout=0.0001),
        endpoint("read", LIST), endpoint("read_quick", LIST, timeout=2), endpoint("read_slow", LIST, timeout=60),
        endpoint("nothing", {"do": "respond", "body": 1}, timeout=60),
        endpoint("waits", {"do": "respond", "body": 1}, timeout=0.3),
    ],
}  # fmt: skip
SEES = """
CREATE FUNCTION data.sees() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.seen := current_setting('statement_timeout') || ' ' || current_setting('lock_timeout') || ' '
        || current_setting('transaction_isolation');
    RETURN NEW;
END $$
"""


async def test_statements_and_locks_may_take_what_the_endpoint_says(migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT) as backend:
        await backend.sql(SEES)
        await backend.sql("CREATE TRIGGER sees BEFORE INSERT ON data.marks FOR EACH ROW EXECUTE FUNCTION data.sees()")
        for name, seen in (
            ("slow", "1min 1min read committed"),
            ("quick", "1500ms 1500ms read committed"),
            ("strict", "1min 1min serializable"),
            ("unsaid", "5s 2s read committed"),  # and nothing of another request is left on the connection
        ):
            answer = await backend.client.post(f"/api/{name}")
            assert (answer.status_code, answer.json()) == (200, seen)
        assert (await backend.client.post("/api/kept_short")).status_code == 504
        said = {name: one.begin for name, one in backend.app.server.live.runtime.endpoints.items()}
        whole = "BEGIN; SET LOCAL statement_timeout = 60000"
        assert [said[name] for name in ("read", "read_quick", "read_slow", "nothing")] == [None, None, whole, None]
        assert str(said["kept_short"]).endswith("= 1")  # never 0, which would be no bound at all
        await once_more(backend)


async def once_more(backend: Backend) -> None:
    """A request that is run again has no more time than one that isn't."""
    deadlines: list[float | None] = []
    timed = Run.in_time

    def in_time(run: Run, target: Any) -> Deadline:
        block = timed(run, target)
        deadlines.append(block.at)
        return block

    async def executed(_bound: Any, _call: Any) -> Any:
        if len(deadlines) == 1:
            raise Retryable("Somebody was faster.")
        await asyncio.Event().wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "in_time", in_time)
        patch.setattr(pipeline, "execute", executed)
        answer = await backend.client.post("/api/waits")
    assert (answer.status_code, answer.json()["code"]) == (504, "request.timeout")
    assert len(deadlines) == 2
    assert deadlines[0] == deadlines[1]
