"""A store of limits that is away, silent, slow or no store at all: one request finds out, and the others don't wait."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.limits import store_watch
from app.limits.limit import Limit, StoreUnavailable
from app.limits.limiter import Limiter
from app.limits.store_watch import StoreWatch, _patience
from tests.limits.test_redis_limits import free_port

LIMIT = Limit(3, 60)
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[str]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def answering(answer: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(answer)
        writer.close()

    return handler


@pytest.mark.parametrize(
    "answer",
    [
        b"",  # nothing at all
        b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff" * 20, b"+OK\r\n", b":1\r\n", b"$5\r\nab", b"*1\r\n" * 5000,
        b"-LOADING Redis is loading the dataset in memory\r\n", b"-READONLY You can't write.\r\n",
        b"-NOAUTH Authentication required.\r\n", b"-BUSY Redis is busy running a script.\r\n", b"-CLUSTERDOWN\r\n",
    ],
)  # fmt: skip
async def test_whatever_is_no_answer_of_a_store_is_a_503_and_is_asked_no_more(answer: bytes) -> None:
    asked = 0

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await answering(answer)(reader, writer)

    async with listening(counted) as url:
        limiter = Limiter.in_redis(url)
        assert limiter.watch is not None
        with pytest.raises(StoreUnavailable):
            await limiter.hit(LIMIT, "s", "a")
        before = asked
        for _ in range(20):
            for ask in (limiter.hit, limiter.look):
                with pytest.raises(StoreUnavailable):
                    await ask(LIMIT, "s", "a")
        assert (asked, limiter.watch.answers, limiter.watch.outages, limiter.watch.unanswered) == (before, False, 1, 41)
        await limiter.close()


async def test_all_that_wait_for_a_silent_store_are_let_go_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_watch, "LINE_TIMEOUT", 3600.0)
    async with listening(answering(b"")) as url:
        limiter = Limiter.in_redis(url)
        asked = [limiter.hit(LIMIT, "s", str(n)) for n in range(4 * store_watch.STORE_CONNECTIONS)]
        given = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(one) for one in given} == {StoreUnavailable}
        await limiter.close()


async def test_a_line_before_a_store_that_answers_ends_and_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_watch, "LINE_TIMEOUT", 0.01)
    monkeypatch.setattr(store_watch, "PATIENCE", 3600.0)
    watch, release = StoreWatch(lambda: asyncio.sleep(0)), asyncio.Event()

    async def ask() -> None:
        async with watch.asked():
            await release.wait()

    held = [asyncio.create_task(ask()) for _ in range(store_watch.STORE_CONNECTIONS)]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable):
        await ask()
    release.set()
    await asyncio.gather(*held)
    assert (watch.answers, watch.unanswered) == (True, 1)


async def test_a_store_that_is_gone_is_said_once_and_again_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store_watch, "PROBE_SECONDS", 0.01)
    gone, probed = True, asyncio.Event()

    async def probe() -> None:
        probed.set()
        if gone:
            raise ConnectionRefusedError

    watch = StoreWatch(probe)
    watch.start()

    async def probes(n: int) -> None:
        for _ in range(n):
            probed.clear()
            await probed.wait()

    await probes(5)
    assert not watch.answers
    gone = False
    await probes(2)
    assert watch.answers
    gone = True
    await probes(2)
    await watch.stop()
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "the store of rate limits doesn't answer (ConnectionRefusedError)",
        "the store of rate limits answers again",
        "the store of rate limits doesn't answer (ConnectionRefusedError)",
    ]
    assert watch.outages == 2


async def test_a_process_that_is_held_up_itself_doesnt_blame_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    assert store_watch.PATIENCE == 0.05
    monkeypatch.setattr(store_watch, "PATIENCE", 0.01)
    async with _patience():
        for _ in range(5):
            time.sleep(0.02)  # noqa: ASYNC251 - the loop is held up, and this is what it is about
            await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with _patience():
            await asyncio.Event().wait()


async def test_no_store_at_the_start_is_no_reason_not_to_start() -> None:
    limiter = Limiter.in_redis(f"redis://127.0.0.1:{free_port()}")
    limiter.start()
    with pytest.raises(StoreUnavailable):
        await limiter.hit(LIMIT, "s", "a")
    await limiter.close()
