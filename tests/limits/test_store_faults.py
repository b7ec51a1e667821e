"""A whole server whose limits are counted in Redis: the store full, flushed, gone and back again."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
import redis

from app.limits import store_watch
from tests.backend import PASSWORD, Backend, serving
from tests.limits.test_redis_limits import free_port, needs_redis, start


def endpoint(name: str, **limit: Any) -> dict[str, Any]:
    steps = [{"do": "rate_limit", "limit": "3/minute", **limit}, {"do": "respond", "body": "done"}]
    return {"name": name, "method": "POST", "path": f"/{name}", "access": "public", "steps": steps}


DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "endpoints": [
        endpoint("strict"), endpoint("lenient", on_store_failure="allow"), endpoint("tried", dry_run=True),
        endpoint("failing", count="failures"),
    ],
}  # fmt: skip


async def four(backend: Backend, name: str) -> list[int]:
    return [(await backend.client.post(f"/api/{name}")).status_code for _ in range(4)]


async def sign_in(backend: Backend, password: str = PASSWORD) -> int:
    body = {"email": "alice@example.com", "password": password}
    return (await backend.client.post("/auth/v1/token?grant_type=password", json=body)).status_code


@pytest.fixture(autouse=True)
def probed_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, a store that runs answers in time."""
    monkeypatch.setattr(store_watch, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(store_watch, "PATIENCE", 2.0)


async def standing(backend: Backend, status: str) -> None:
    """Wait until /readyz says that it stands so."""
    for _ in range(1500):
        told = await backend.client.get("/readyz")
        if told.json()["status"] == status:
            break
        await asyncio.sleep(0.02)
    assert told.status_code == 200
    assert told.json()["checks"] == {"database": True, "definitions": True, "limits": status == "ready"}


@needs_redis
async def test_full_flushed_gone_and_back_is_never_unlimited_nor_another_error(
    migrated_url: str, tmp_path: Path
) -> None:
    port = free_port()
    process = start(port, tmp_path)
    store = redis.Redis(port=port)
    try:
        async with serving(migrated_url, DOCUMENT, redis_url=f"redis://127.0.0.1:{port}") as backend:
            await backend.sign_up("alice")
            await standing(backend, "ready")
            assert await four(backend, "strict") == [200, 200, 200, 429]
            store.flushall()
            assert await four(backend, "strict") == [200, 200, 200, 429]
            store.flushall()
            store.config_set("maxmemory", 1)
            assert await four(backend, "strict") == [200, 200, 200, 429]
            assert await sign_in(backend) == 200
            await standing(backend, "ready")
            await asyncio.to_thread(_kill, process)
            for name in ("strict", "failing"):
                answer = await backend.client.post(f"/api/{name}")
                told = (answer.status_code, answer.json()["code"], answer.headers["retry-after"])
                assert told == (503, "limit.store_unavailable", "1")
            await standing(backend, "degraded")
            assert await four(backend, "lenient") == await four(backend, "tried") == [200] * 4
            assert await sign_in(backend) == 200
            process = await asyncio.to_thread(start, port, tmp_path)
            await standing(backend, "ready")
            assert await four(backend, "strict") == [200, 200, 200, 429]
    finally:
        store.close()
        _kill(process)


@needs_redis
@pytest.mark.parametrize("fault", ["paused", "read only"])
async def test_a_store_that_takes_nothing_refuses_at_once_and_its_return_gives_no_guess_more(
    migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    port = free_port()
    process = start(port, tmp_path)
    store = redis.Redis(port=port)

    def stands(well: bool) -> None:
        if fault == "paused":
            process.send_signal(signal.SIGCONT if well else signal.SIGSTOP)
        else:
            store.replicaof(*(("NO", "ONE") if well else ("127.0.0.1", "1")))

    try:
        async with serving(migrated_url, DOCUMENT, redis_url=f"redis://127.0.0.1:{port}") as backend:
            await backend.sign_up("alice")
            await standing(backend, "ready")
            assert [await sign_in(backend, "wrong") for _ in range(2)] == [401] * 2
            await asyncio.to_thread(stands, False)
            await standing(backend, "degraded")
            monkeypatch.setattr(store_watch, "PATIENCE", 3600.0)  # whoever waited for it now would wait for good
            assert await four(backend, "strict") == [503] * 4
            assert await four(backend, "lenient") == [200] * 4
            assert await sign_in(backend) == 200
            assert [await sign_in(backend, "wrong") for _ in range(4)] == [401] * 4
            await asyncio.to_thread(stands, True)
            await standing(backend, "ready")
            assert await four(backend, "strict") == [200, 200, 200, 429]
            assert [await sign_in(backend, word) for word in ("wrong", "wrong", PASSWORD)] == [401, 429, 429]
    finally:
        store.close()
        _kill(process)


def _kill(process: Any) -> None:
    process.kill()
    process.wait(10)
