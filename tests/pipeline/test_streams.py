"""Large answers are sent in pieces while they are read: the same bytes, in constant memory, and whole or cut off."""

import asyncio
import logging
import socket
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from app.data_plane import asgi
from app.data_plane.rest import read, streamed
from app.database.lending import Within
from app.database.session import HEAVY_BYTES, Session
from tests.backend import Backend, serving
from tests.listening import listening_port

ROWS = 10_000
MIB = 1024 * 1024
BATCH = 2 * MIB  # what may be held of an answer: some pieces, and what carries them


def view(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "table": "notes", "columns": ["id", "text", "number", "said"], "access": "public",
        "order": ["number"], "max_rows": 100_000, "max_bytes": 100_000_000, **more,
    }  # fmt: skip


DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {"name": "notes", "columns": [
            {"name": "text", "type": "text"}, {"name": "number", "type": "integer"}, {"name": "said", "type": "json"},
        ]},
        {"name": "calls", "columns": [{"name": "of", "type": "text"}]},
    ],
    "middleware": [{"name": "noted", "steps": [{"do": "insert", "table": "calls", "set": {"of": "view"}}]}],
    "views": [
        view("all_notes"),
        view("few", max_rows=5_000),
        view("bounded", max_bytes=1_500_000),
        view("noted_notes", middleware=["noted"]),
        view("small", max_rows=10),
    ],
}  # fmt: skip
FILL = r"""
INSERT INTO data.notes (text, number, said) SELECT repeat(chr(223 + n % 60), n % 200) || E'=,"\\\\\n' || n, n,
 CASE n % 3 WHEN 1 THEN jsonb_build_object('n', n, 't', '"a', 'l', jsonb_build_array(n, NULL)) WHEN 2 THEN '[]' END
FROM generate_series(1, $1::int) n
"""
LONG = "UPDATE data.notes SET text = repeat(md5(number::text), 64)"


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        await backend.sql(FILL, ROWS)
        yield backend


@pytest.fixture
async def port(backend: Backend) -> AsyncIterator[int]:
    async with listening_port(backend.app) as port:
        yield port


@contextmanager
def held_whole() -> Iterator[None]:
    """Have every answer made as one value, as small ones are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read, "HEAVY_BYTES", 100_000_000)
        yield


@contextmanager
def counted_streams() -> Iterator[list[int]]:
    """Count the bytes that streams are said to have."""
    sizes: list[int] = []
    init = streamed.RowStream.__init__

    def noted(self: Any, *given: Any) -> None:
        init(self, *given)
        sizes.append(self.size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed.RowStream, "__init__", noted)
        yield sizes


ASKED: list[tuple[str, dict[str, str]]] = [
    ("/rest/v1/all_notes", {}),
    ("/rest/v1/all_notes", {"Accept": "text/csv"}),
    ("/rest/v1/all_notes", {"Prefer": "count=exact"}),
    ("/rest/v1/all_notes?limit=9000&offset=7", {"Prefer": "count=exact", "Accept": "text/csv"}),
    ("/rest/v1/all_notes", {"Range": "5-8000", "Prefer": "count=planned"}),
    ("/rest/v1/all_notes", {"Accept": "application/vnd.pgrst.array+json;nulls=stripped"}),
    ("/rest/v1/all_notes?order=text.desc,id&select=t:text,number,said->n", {}),
    ("/rest/v1/all_notes?select=text,x:number::text&number=gt.3000", {"Accept": "text/csv"}),
    ("/rest/v1/few", {"Prefer": "count=exact"}),
    ("/rest/v1/noted_notes", {}),
]


def forget(backend: Backend) -> None:
    """Have no query found read, with the statement that it had."""
    for one in backend.app.server.live.runtime.views.values():
        one.shapes.read._known.clear()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - what is looked at tells nobody
            await asyncio.sleep(0.01)


async def test_a_large_answer_has_the_bytes_and_headers_of_one_that_is_held_whole(backend: Backend) -> None:
    names = ("content-range", "content-type", "content-length", "preference-applied", "cache-control")
    for path, headers in ASKED:
        forget(backend)
        with counted_streams() as sizes:
            got = await backend.client.get(path, headers=headers)
        forget(backend)
        with held_whole():
            whole = await backend.client.get(path, headers=headers)
        assert sizes == [len(whole.content)], path
        assert got.content == whole.content, path
        assert [got.headers.get(name) for name in names] == [whole.headers.get(name) for name in names]
        assert got.status_code == whole.status_code


async def test_one_large_row_is_one_object_and_several_are_refused(backend: Backend) -> None:
    await backend.sql("UPDATE data.notes SET text = repeat('x', 3000000) WHERE number < 3")
    single = {"Accept": "application/vnd.pgrst.object+json"}
    with counted_streams() as sizes:
        one = await backend.client.get("/rest/v1/all_notes?select=text&number=eq.1", headers=single)
        two = await backend.client.get("/rest/v1/all_notes?select=text&number=lt.3", headers=single)
    assert sizes == [len(one.content)]
    assert one.json() == {"text": "x" * 3_000_000}
    assert (two.status_code, two.json()["code"]) == (406, "PGRST116")
    await until(lambda: backend.app.server.pool.standing().used == 0)


async def test_bounds_of_rows_and_bytes_hold_and_are_known_before_the_first_byte(backend: Backend) -> None:
    with counted_streams() as sizes:
        few = await backend.client.get("/rest/v1/few")
        refused = await backend.client.get("/rest/v1/bounded")
        behind = await backend.client.get("/rest/v1/all_notes?offset=20000", headers={"Prefer": "count=exact"})
    assert len(few.json()) == 5_000
    assert few.headers["content-range"] == "0-4999/*"
    assert (refused.status_code, "too large" in refused.text) == (413, True)
    assert behind.status_code == 416
    assert len(sizes) == 1
    await until(lambda: backend.app.server.pool.standing().used == 0)


async def test_head_has_the_length_and_no_rows(backend: Backend) -> None:
    length = (await backend.client.get("/rest/v1/all_notes")).headers["content-length"]
    told = await backend.client.head("/rest/v1/all_notes")
    assert (told.content, told.headers["content-length"]) == (b"", length)
    await until(lambda: backend.app.server.pool.standing().used == 0)


async def test_what_middleware_writes_before_a_large_answer_is_written_once(backend: Backend) -> None:
    assert (await backend.client.get("/rest/v1/noted_notes")).status_code == 200
    assert len(await backend.sql("SELECT FROM data.calls")) == 1


async def test_an_answer_that_is_small_when_it_is_asked_again_is_held_whole(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor = Session.cursor

    async def emptied(self: Session, *given: Any) -> Any:
        await backend.sql("DELETE FROM data.notes")
        return await cursor(self, *given)

    monkeypatch.setattr(Session, "cursor", emptied)
    answer = await backend.client.get("/rest/v1/all_notes", headers={"Prefer": "count=exact"})
    assert (answer.json(), answer.headers["content-range"]) == ([], "*/0")
    await until(lambda: backend.app.server.pool.standing().used == 0)


async def test_little_of_a_large_answer_is_held_at_once(backend: Backend) -> None:
    await backend.sql(LONG)
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/rest/v1/all_notes",
        "raw_path": b"/rest/v1/all_notes", "query_string": b"", "root_path": "", "headers": [(b"host", b"x")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip
    size = largest = 0

    async def receive() -> Any:
        raise AssertionError("a GET has no body")

    async def send(message: Any) -> None:
        nonlocal size, largest
        size += len(message.get("body", b""))
        largest = max(largest, len(message.get("body", b"")))

    await backend.app({**scope}, receive, send)
    size = 0
    tracemalloc.start()
    try:
        await backend.app({**scope}, receive, send)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 20 * MIB
    assert largest < 2 * streamed.PIECE
    assert peak < BATCH + 3 * HEAVY_BYTES  # what is tried first may have so many bytes


Ask = Callable[..., Awaitable[tuple[asyncio.StreamReader, int]]]


@asynccontextmanager
async def slow_clients(port: int) -> AsyncIterator[Ask]:
    """Give what asks and reads no more than the head of the answer, whose status it gives."""
    writers = []

    async def ask(path: str, said: str = "") -> tuple[asyncio.StreamReader, int]:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=made, limit=4096)
        writers.append(writer)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: slow-one\r\n{said}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        return reader, int(head.split()[1])

    try:
        yield ask
    finally:
        for writer in writers:
            writer.transport.abort()


async def whole_body(reader: asyncio.StreamReader) -> int:
    """Give how many bytes come before the connection ends."""
    size = 0
    try:
        while piece := await reader.read(MIB):
            size += len(piece)
    except ConnectionError:
        pass
    return size


async def test_slow_readers_hold_some_connections_and_others_are_answered(backend: Backend, port: int) -> None:
    await backend.sql(LONG)
    pool = backend.app.server.pool
    pool._patience = 0.5  # how soon a refused caller is told isn't asked here
    async with slow_clients(port) as ask:
        paths = [f"/rest/v1/{name}" for name in ("all_notes", "few", "noted_notes")] * 4
        statuses = [status for _, status in await asyncio.gather(*map(ask, paths))]
        assert 0 < statuses.count(200) <= pool.size // 2
        assert set(statuses) == {200, 503}
        assert pool.standing().used >= statuses.count(200)
        assert (await backend.client.get("/rest/v1/small")).status_code == 200
    await until(lambda: pool.standing().used == 0)  # the clients are gone, and their connections are there
    assert {one.get("code") for one in backend.app.server.recent.listed()} >= {"request.client_gone"}


async def test_slow_readers_leave_connections_to_other_callers(backend: Backend, port: int) -> None:
    await backend.sql(LONG)
    pool = backend.app.server.pool
    tokens = [(await backend.sign_up(name)).session["access_token"] for name in ("ann", "bob")]
    ann, bob = [f"Authorization: Bearer {token}\r\n" for token in tokens]
    pool._patience = 0.5  # how soon a refused caller is told isn't asked here
    async with slow_clients(port) as ask:
        for caller, most in ((ann, 3), ("", 1), (bob, 1)):
            asked = await asyncio.gather(*(ask("/rest/v1/all_notes", caller) for _ in range(pool.size)))
            assert [status for _, status in asked].count(200) == most
            assert {status for _, status in asked} == {200, 503}
        assert (await ask("/rest/v1/few", ann))[1] == 503
    await until(lambda: pool.standing().used == 0)
    assert [name for name in pool._shares if isinstance(name, Within)] == []


async def test_who_reads_nothing_for_long_is_cut_off_however_long_the_answer_may_take(
    backend: Backend, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backend.sql(LONG)
    monkeypatch.setattr(asgi, "SILENT_SECONDS", 0.2)
    pool = backend.app.server.pool
    async with slow_clients(port) as ask:
        reader, status = await ask("/rest/v1/all_notes")
        assert status == 200
        await until(lambda: pool.standing().used == 0)  # all of it may take more than a minute
        assert await whole_body(reader) < 20 * MIB


async def test_who_reads_too_slowly_is_cut_off(
    backend: Backend, port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await backend.sql(LONG)
    monkeypatch.setattr(asgi, "STREAM_SECONDS", 0.5)
    monkeypatch.setattr(asgi, "SLOWEST", 1e12)
    pool = backend.app.server.pool
    async with slow_clients(port) as ask:
        reader, status = await ask("/rest/v1/all_notes")
        assert status == 200
        await until(lambda: pool.standing().used == 0)
        assert await whole_body(reader) < 20 * MIB
    assert any("slow-one" in one.message and one.levelno == logging.WARNING for one in caplog.records)


async def test_a_connection_that_is_lost_in_the_midst_cuts_the_answer_off(
    backend: Backend, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    await backend.sql(LONG)
    async with slow_clients(port) as ask:
        reader, status = await ask("/rest/v1/all_notes")
        assert status == 200
        await backend.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'FETCH%'")
        assert await whole_body(reader) < 20 * MIB
    assert any("slow-one" in one.message and one.levelno == logging.ERROR for one in caplog.records)
    await until(lambda: backend.app.server.pool.standing().used == 0)
    assert (await backend.client.get("/rest/v1/all_notes")).status_code == 200
