"""Rate limits in Redis, against a server that these tests start and stop themselves."""

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from app.limits import store_watch
from app.limits.limit import BadLimit, Limit, StoreUnavailable
from app.limits.limiter import Limiter

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is: this is about counts, and not about how long one waits for them."""
    monkeypatch.setattr(store_watch, "PATIENCE", 30.0)
    monkeypatch.setattr(store_watch, "LINE_TIMEOUT", 60.0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    process = start(port, folder)
    client = redis.Redis(port=port)
    try:
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(10)


def start(port: int, folder: Path) -> subprocess.Popen[bytes]:
    command = [shutil.which("redis-server") or "redis-server", "--port", str(port), "--bind", "127.0.0.1"]
    process = subprocess.Popen([*command, "--save", "", "--dir", str(folder)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise AssertionError("redis-server did not start")


def address(server: redis.Redis) -> str:
    return f"redis://127.0.0.1:{server.connection_pool.connection_kwargs['port']}/0"


@pytest.fixture
async def limiter(server: redis.Redis) -> AsyncIterator[Limiter]:
    server.config_set("maxmemory", 0)
    server.flushall()
    limiter = Limiter.in_redis(address(server))
    yield limiter
    await limiter.close()


@pytest.mark.parametrize("url", ["", "memory://", "http://127.0.0.1", "async+redis://127.0.0.1"])
def test_an_address_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(BadLimit):
        Limiter.in_redis(url)


async def test_a_store_that_is_not_there_is_a_503_that_says_when_to_try_again() -> None:
    limiter, limit = Limiter.in_redis(f"redis://127.0.0.1:{free_port()}"), Limit(1, 60)
    for ask in (limiter.hit, limiter.look):
        with pytest.raises(StoreUnavailable) as refusal:
            await ask(limit, "s", "a")
        assert (refusal.value.status, refusal.value.headers) == (503, {"Retry-After": "1"})
        assert "127.0.0.1" not in refusal.value.detail
    await limiter.close()


@needs_redis
async def test_two_processes_share_one_count_under_concurrency(limiter: Limiter, server: redis.Redis) -> None:
    other = Limiter.in_redis(address(server))
    hits = await asyncio.gather(*(one.hit(Limit(30, 60), "s", "a") for _ in range(500) for one in (limiter, other)))
    await other.close()
    assert sum(hit.allowed for hit in hits) == 30
    assert all(hit.retry_after is not None and 1 <= hit.retry_after <= 61 for hit in hits if not hit.allowed)


@needs_redis
async def test_waiting_for_retry_after_succeeds_also_for_a_cost_of_several(limiter: Limiter) -> None:
    limit = Limit(4, 2)
    assert (await limiter.hit(limit, "s", "a", 1)).remaining == 3
    await asyncio.sleep(0.5)
    assert (await limiter.hit(limit, "s", "a", 3)).remaining == 0
    single = await limiter.hit(limit, "s", "a", 1)
    several = await limiter.hit(limit, "s", "a", 3)
    assert not single.allowed
    assert several.retry_after == 2
    await asyncio.sleep(several.retry_after)
    assert (await limiter.hit(limit, "s", "a", 3)).allowed


@needs_redis
async def test_every_key_in_the_store_is_named_and_expires(limiter: Limiter, server: redis.Redis) -> None:
    await limiter.hit(Limit(3, 60), "sign_in", "x" * 5000)
    await limiter.hit(Limit(3, 60), "sign_in", "alice@example.org")
    keys = [key.decode() for key in server.scan_iter()]
    assert len(keys) == 2
    assert all(key.startswith("rowgate:limit/sign_in/#") and len(key) < 130 for key in keys)
    assert all(0 < int(server.ttl(key)) <= 60 for key in keys)  # type: ignore[arg-type]


@needs_redis
async def test_a_flush_of_keys_and_scripts_is_no_error(limiter: Limiter, server: redis.Redis) -> None:
    assert (await limiter.hit(Limit(1, 60), "s", "a")).allowed
    server.flushall()
    server.script_flush()
    assert (await limiter.hit(Limit(1, 60), "s", "a")).allowed
    assert not (await limiter.hit(Limit(1, 60), "s", "a")).allowed


@needs_redis
async def test_a_full_store_still_limits_and_is_no_error(limiter: Limiter, server: redis.Redis) -> None:
    server.config_set("maxmemory", 1)
    hits = [await limiter.hit(Limit(5, 60), "s", "a") for _ in range(8)]
    assert [hit.allowed for hit in hits] == [True] * 5 + [False] * 3


@needs_redis
async def test_what_one_process_counts_holds_for_the_other(limiter: Limiter, server: redis.Redis) -> None:
    other, limit = Limiter.in_redis(address(server)), Limit(2, 60)
    for _ in range(2):
        assert (await other.look(limit, "s", "2001:db8::1")).allowed
        await limiter.hit(limit, "s", "2001:db8::1")
    assert not (await other.look(limit, "s", "2001:db8::2")).allowed
    await other.close()


@needs_redis
async def test_what_a_full_store_had_no_room_for_is_still_spent(limiter: Limiter, server: redis.Redis) -> None:
    limit = Limit(2, 60)
    server.config_set("maxmemory-policy", "noeviction")
    server.config_set("maxmemory", 1)
    for _ in range(2):
        assert (await limiter.hit(limit, "s", "a")).allowed
    assert not (await limiter.look(limit, "s", "a")).allowed
