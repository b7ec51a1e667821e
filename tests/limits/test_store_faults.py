"""A whole server whose limits are counted in Redis: the store full, flushed, gone and back again."""

import asyncio
from pathlib import Path
from typing import Any

import redis

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


async def sign_in(backend: Backend) -> tuple[int, str | None]:
    body = {"email": "alice@example.com", "password": PASSWORD}
    answer = await backend.client.post("/auth/v1/token?grant_type=password", json=body)
    return answer.status_code, answer.headers.get("retry-after")


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
            assert await four(backend, "strict") == [200, 200, 200, 429]
            store.flushall()
            assert await four(backend, "strict") == [200, 200, 200, 429]
            store.flushall()
            store.config_set("maxmemory", 1)
            assert await four(backend, "strict") == [200, 200, 200, 429]
            assert (await sign_in(backend))[0] == 200
            await asyncio.to_thread(_kill, process)
            for name in ("strict", "failing"):
                answer = await backend.client.post(f"/api/{name}")
                told = (answer.status_code, answer.json()["code"], answer.headers["retry-after"])
                assert told == (503, "limit.store_unavailable", "1")
            assert await four(backend, "lenient") == await four(backend, "tried") == [200] * 4
            assert await sign_in(backend) == (503, "1")
            process = await asyncio.to_thread(start, port, tmp_path)
            assert await four(backend, "strict") == [200, 200, 200, 429]
            assert (await sign_in(backend))[0] == 200
    finally:
        store.close()
        _kill(process)


def _kill(process: Any) -> None:
    process.kill()
    process.wait(10)
