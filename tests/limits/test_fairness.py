"""One endpoint whose queries are slow takes only its share of the connections: others are answered meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from app.database.pool import ACQUIRE_SECONDS, SESSION_SETTINGS, connect
from tests.backend import Backend, serving

COUNT = {"do": "count", "from": "notes", "as": "n"}
SLOW = {"do": "fetch", "from": "notes", "where": 'item.body == "held"', "lock": True, "as": "note"}


def endpoint(name: str, *steps: Any) -> dict[str, Any]:
    done = {"do": "respond", "body": "done"}
    return {
        "name": name, "method": "POST", "path": f"/{name}", "access": "public", "timeout": 30, "steps": [*steps, done],
    }  # fmt: skip


DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [{"name": "notes", "columns": [{"name": "body", "type": "text"}]}],
    "views": [{"name": "seen", "table": "notes", "columns": ["body"], "access": "public"}],
    "endpoints": [endpoint("slow", SLOW), endpoint("quick", COUNT), endpoint("bare")],
}


@pytest.fixture
async def backend(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Backend]:
    for name in ("lock_timeout", "statement_timeout"):  # the slow ones end when the test lets them, and not before
        monkeypatch.setitem(SESSION_SETTINGS, name, "30s")
    async with serving(migrated_url, DOCUMENT, pool_size=8) as served:
        await served.sql("INSERT INTO data.notes (body) VALUES ('held')")
        yield served


@asynccontextmanager
async def slow(backend: Backend, count: int) -> AsyncIterator[list[asyncio.Task[httpx.Response]]]:
    """Have so many requests under way that wait, with a connection or for one, until the block ends."""
    holder = await connect(backend.url)
    try:
        await holder.execute("BEGIN")
        await holder.execute("SELECT 1 FROM data.notes FOR UPDATE")
        running = [asyncio.create_task(backend.client.post("/api/slow")) for _ in range(count)]
        async with asyncio.timeout(10):
            while await holder.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        yield running
        await holder.execute("ROLLBACK")
        await asyncio.gather(*running)
    finally:
        await holder.close()


async def test_others_are_answered_while_one_endpoint_has_all_that_it_may_have(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    async with slow(backend, 12) as running:
        asked = (
            backend.client.post("/api/quick"), backend.client.get("/rest/v1/seen"), backend.client.post("/api/bare"),
            backend.client.post("/rest/v1/rpc/quick"), alice.get("/auth/v1/user"), backend.sign_up("bob"),
        )  # fmt: skip
        answers = await asyncio.gather(*asked)
        assert [answer.status_code for answer in answers[:5]] == [200] * 5
        assert sum(not task.done() for task in running) >= 4


async def test_what_is_over_the_share_waits_a_while_and_is_told_to_come_again(backend: Backend) -> None:
    backend.app.server.pool._patience = ACQUIRE_SECONDS
    async with slow(backend, 9) as running:
        first = asyncio.as_completed(running, timeout=10)
        refused = [await next(first) for _ in range(5)]
        told = [(answer.status_code, answer.json()["code"], answer.headers["retry-after"]) for answer in refused]
        assert told == [(503, "db.overloaded", "1")] * 5
        holding = [task for task in running if not task.done()]
        assert len(holding) == 4
        waiting = asyncio.create_task(backend.client.post("/api/slow"))
        await asyncio.sleep(0.01)
    assert [(await task).status_code for task in [*holding, waiting]] == [200] * 5


async def test_a_slow_view_and_an_endpoint_of_its_name_have_shares_of_their_own(backend: Backend) -> None:
    document = {**DOCUMENT, "endpoints": [*DOCUMENT["endpoints"], endpoint("seen", SLOW)]}
    await backend.apply(document)
    await backend.app.server.live.refresh()
    assert (await backend.client.post("/api/seen")).status_code == 200
    assert (await backend.client.get("/rest/v1/seen")).status_code == 200
    assert len(backend.app.server.pool._shares) == 2
