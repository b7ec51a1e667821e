"""The head of a request on a real socket: too large, too slow or unclear, it is refused and the connection closed."""

import asyncio
import contextlib
import io
import logging
import sys
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from app import log
from app.http import protocol as http_protocol
from app.http.protocol import BoundedHttpProtocol
from app.log import start_log
from tests.listening import listening_port


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the method, the path, the names of the headers and the length of the body, if it is to be read."""
    if scope["type"] != "http":
        return
    length, more = 0, scope["path"] != "/unread"
    while more:
        message = await receive()
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    body = f"{scope['method']} {scope['path']} {length} {[name.decode() for name, _ in scope['headers']]}".encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with listening_port(hello, timeout_keep_alive=1) as port:
        yield port


async def answered(port: int, sent: bytes, *, then: bytes = b"", patience: float = 5) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        await writer.drain()
        if then:
            await asyncio.sleep(0.05)
            writer.write(then)
        async with asyncio.timeout(patience):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


HOST = b"Host: x\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X : y\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 400),
        (b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"CONNECT x:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"get / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"A" * 8192 + b" / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n", 400),
        (b"\r\n" * 20000, 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 100_000, 431),
        (b"GET /" + b"a" * 1_100_000, 414),
        (b"GET / HTTP/1.1\r\n\r\nGET /second HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET /" + b"a" * 33_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 33_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 101 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 40_000 + b"\r\nZ: " + b"y" * 40_000, 431),
    ],
)
async def test_a_head_past_a_bound_is_refused(port: int, head: bytes, status: int) -> None:
    answer = await answered(port, head)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in answer
    assert b"content-type: application/problem+json" in answer
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_head_that_does_not_come_in_time_is_refused(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.1)
    for sent in (b"", b"GET / HTTP/1.1\r\nHost"):
        assert (await answered(port, sent)).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("sent", "status"), [(b"GET /" + b"a" * 40_000, 414), (b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000, 431)]
)
async def test_what_is_over_a_bound_and_stops_is_refused_for_its_bytes(
    port: int, monkeypatch: pytest.MonkeyPatch, sent: bytes, status: int
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.2)
    assert (await answered(port, sent)).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("cut", [10, 20_000, 33_000])
async def test_a_head_of_32_kib_is_taken_however_it_is_cut(port: int, cut: int) -> None:
    head = (
        b"GET /" + b"a" * 32_000 + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\nX: " + b"y" * 32_000 + b"\r\n\r\n"
    )
    answer = await answered(port, head[:cut], then=head[cut:])
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET /"])
async def test_a_connection_after_an_answer_has_the_same_time(
    port: int, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.2)
    begun = asyncio.get_running_loop().time()
    answer = await answered(port, b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", then=sent, patience=4)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert asyncio.get_running_loop().time() - begun < 3


async def test_line_ends_forever_do_not_hold_a_connection(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    async with asyncio.timeout(5):
        while not reader.at_eof():
            writer.write(b"\r\n")
            await asyncio.sleep(0.05)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await reader.read(65536)
    writer.close()


async def test_a_second_head_that_is_refused_is_never_the_answer_to_the_first(port: int) -> None:
    answer = await answered(port, b"GET /first HTTP/1.1\r\n" + HOST + b"\r\nGET /second HTTP/1.1\r\n\r\n")
    assert b" 400 " not in answer
    assert b"second" not in answer


async def test_what_stands_behind_the_body_is_no_header_and_bounded(port: int) -> None:
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    answer = await answered(port, head + b"Authorization: Bearer x\r\n\r\n")
    assert answer.endswith(b"POST / 3 ['host', 'connection', 'transfer-encoding']")
    assert (await answered(port, head + b"X: y\r\n" * 101 + b"\r\n")).startswith(b"HTTP/1.1 431 ")
    assert (await answered(port, head + b"X: ", then=b"y" * 200_000)).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("size", [0, 3, 20_000, 30_000, 300_000])
@pytest.mark.parametrize("split", [1, 30, 60])
async def test_a_body_of_any_size_is_taken_however_it_is_cut(port: int, size: int, split: int) -> None:
    sent = b"POST / HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size
    answer = await answered(port, sent[:split], then=sent[split:])
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\n\r\nPOST / %d [" % size in answer


async def test_many_requests_in_one_piece_are_all_answered(port: int) -> None:
    one = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3000\r\n\r\n" + b"a" * 3000
    last = b"GET /last HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    answer = await answered(port, one * 20 + last[:10], then=last[10:])
    assert answer.count(b"HTTP/1.1 200 ") == 21
    assert b"GET /last 0" in answer


async def trickled(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
async def test_a_body_that_nobody_reads_does_not_hold_the_connection(
    port: int, monkeypatch: pytest.MonkeyPatch, more: bytes
) -> None:
    monkeypatch.setattr(http_protocol, "LINGER_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /unread HTTP/1.1\r\n" + HOST + more + b"Content-Length: 1000000000\r\n\r\n")
    async with asyncio.timeout(5):
        assert (await reader.read(65536)).startswith(b"HTTP/1.1 200 ")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await trickled(writer)
    writer.close()


async def test_a_flood_behind_an_answer_ends_the_connection(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /unread HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000000\r\n\r\n")
    async with asyncio.timeout(1.5):
        await reader.read(65536)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            await flooded(writer)
    writer.close()


async def flooded(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"a" * 65536)
        await writer.drain()
        await asyncio.sleep(0)


async def test_an_early_answer_reaches_a_client_that_still_sends(port: int) -> None:
    body = b"a" * 500_000
    head = b"POST /unread HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    answer = await answered(port, head + body[:100_000], then=body[100_000:])
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"POST /unread 0" in answer


async def test_a_connection_goes_on_once_an_unread_body_has_come(port: int) -> None:
    head = b"POST /unread HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n"
    last = b"GET /last HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    answer = await answered(port, head, then=b"aaaaa" + last)
    assert b"GET /last 0" in answer


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
async def test_an_upgrade_is_ignored_and_what_follows_it_is_not_read(port: int, upgrade: bytes) -> None:
    sent = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: " + upgrade + b"\r\n\r\n"
    answer = await answered(port, sent + b"GET /second HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"second" not in answer


async def test_a_plain_request_in_two_pieces_is_answered(port: int) -> None:
    answer = await answered(port, b"GET / HTTP/1.1\r\n", then=HOST + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"GET / 0 ['host', 'connection']")


async def test_a_flood_of_invalid_requests_is_one_line_of_the_log_in_a_second(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, seconds = io.StringIO(), SimpleNamespace(monotonic=lambda: 100.0)
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(log, "time", seconds)
    start_log("text")
    for _ in range(20):
        assert (await answered(port, b"\x16\x03\x01\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    seconds.monotonic = lambda: 101.0
    await answered(port, b"\x16\x03\x01\r\n\r\n")
    logging.getLogger("uvicorn.error").warning("Another one.")
    logging.getLogger("uvicorn.error").warning("Another one.")
    first, second, *others = written.getvalue().splitlines()
    assert first == "warning: uvicorn.error: Invalid HTTP request received."
    assert second == f"{first} 19 more came before it."
    assert len(others) == 2


class _Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return False


async def _written(app: Any, sent: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") -> list[bytes]:
    """Give what an application writes, call by call, up to the end of its answer."""
    config = uvicorn.Config(app, http=BoundedHttpProtocol, ws="none", lifespan="off", log_config=None)
    config.load()
    protocol, wire = BoundedHttpProtocol(config, ServerState(), {}), _Wire()
    protocol.connection_made(wire)
    protocol.data_received(sent)
    await asyncio.gather(*protocol.tasks, return_exceptions=True)
    protocol.connection_lost(None)
    return wire.written


def _saying(*parts: bytes, headers: Any = ()) -> Any:
    """Make an application that answers in so many parts, with a turn of the loop between them."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [*headers]})
        for part in parts[:-1]:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": parts[-1]})

    return app


async def test_the_head_of_an_answer_leaves_with_its_body() -> None:
    written = await _written(_saying(b"ok", headers=[(b"content-length", b"2")]))
    assert written == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]


async def test_an_answer_to_head_has_a_length_and_no_body() -> None:
    app = _saying(b"ok", headers=[(b"content-length", b"2")])
    written = await _written(app, b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert written == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"]


async def test_a_head_whose_body_comes_in_parts_leaves_at_once() -> None:
    head, *parts = await _written(_saying(b"a", b"b"))
    assert head == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    assert parts == [b"1\r\na\r\n", b"1\r\nb\r\n0\r\n\r\n"]


async def test_a_body_in_parts_may_have_a_length() -> None:
    written = await _written(_saying(b"a", b"b", headers=[(b"content-length", b"2")]))
    assert b"".join(written) == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([(b"x", b"a\r\ny: b")], b"ok"),
        ([(b"x", b"a\x00b")], b"ok"),
        ([(b"x: y\r\nz", b"a")], b"ok"),
        ([], b"longer"),
        ([], b"o"),
    ],
)
async def test_an_answer_that_is_none_is_never_written(headers: Any, body: bytes) -> None:
    written = await _written(_saying(body, headers=[*headers, (b"content-length", b"2")]))
    assert not any(b"200 OK" in one for one in written)


async def test_an_answer_that_closes_says_so_once() -> None:
    length = (b"content-length", b"2")
    closing = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    by_client, by_app = (
        await _written(_saying(b"ok", headers=[length]), closing),
        await _written(_saying(b"ok", headers=[length, (b"connection", b"close")])),
    )
    assert by_client == by_app == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"]
