"""Answers made to do harm: each is refused within its time, and none takes much more memory than an answer may."""

import asyncio
import gzip
import json
import sys

from app.outward.sending import MAX_ANSWER
from tests.outward.upstream import Answering, Asked, reply, upstream

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
TEN_GB = 10 * 1024**3
ZEROS = bytes(MAX_ANSWER - 1000)


def pouring(head: bytes, part: bytes, pause: float = 0) -> Answering:
    """Answer with the head, and then with the part for as long as somebody reads."""

    async def pour(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return pour


async def silent(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


BOMBS: dict[str, tuple[bytes | Answering, float, str]] = {
    "/chunked": (pouring(CHUNKED, b"10000\r\n" + bytes(65536) + b"\r\n"), 30, "http.too_large"),
    "/long": (pouring(OK + b"Content-Length: %d\r\n\r\n" % TEN_GB, bytes(65536)), 30, "http.too_large"),
    "/unending": (pouring(OK + b"\r\n", bytes(65536)), 30, "http.too_large"),
    "/crumbs": (pouring(CHUNKED, b"1\r\nx\r\n" * 10_000), 30, "http.too_large"),
    "/gzip": (reply(gzip.compress(bytes(10_000_000)), Content_Encoding="gzip"), 30, "http.unreadable"),
    "/gzip-framed": (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 30, "http.unreachable"),
    "/headers": (pouring(OK, b"X-A: b\r\n" * 100_000), 30, "http.unreachable"),
    "/header": (pouring(OK + b"X-A: ", b"b" * 65536), 30, "http.unreachable"),
    "/status-line": (pouring(b"HTTP/1.1 200 ", b"b" * 65536), 30, "http.unreachable"),
    "/early-hints": (pouring(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000), 30, "http.unreachable"),
    "/extension": (pouring(CHUNKED + b"1;", b"a" * 65536), 30, "http.unreachable"),
    "/trailers": (pouring(CHUNKED + b"0\r\n", b"X-A: b\r\n" * 1000), 30, "http.unreachable"),
    "/drip": (pouring(OK + b"Content-Length: 1000\r\n\r\n", b"x", 0.05), 0.5, "http.timeout"),
    "/head-drip": (pouring(OK, b"X-A: b\r\n", 0.05), 0.5, "http.timeout"),
    "/silent": (silent, 0.5, "http.timeout"),
    "/bad-json": (reply(b'{"a": ' + ZEROS), 30, "http.unreadable"),
    "/deep-json": (reply(b"[" * (MAX_ANSWER - 1)), 30, "http.unreadable"),
    "/cut-off": (OK + b"Content-Length: 1000\r\n\r\nabc", 30, "http.unreachable"),
}

READ_WHOLE = {"/bad-json", "/deep-json"}  # these are parsed: as bytes, and as a text


async def test_no_answer_takes_more_time_or_memory_than_it_may() -> None:
    async with upstream() as up:
        up.answers |= {path: answer for path, (answer, _, _) in BOMBS.items()}
        words = [word for path, (_, seconds, _) in BOMBS.items() for word in (path, str(seconds))]
        # Without bytecode: the bound was measured over what a process holds that has compiled its code.
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-B",
            "-X",
            "pycache_prefix=/dev/null",
            "-m",
            "tests.outward.calling",
            up.host,
            *words,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await child.communicate()
    found = json.loads(said)
    assert found["codes"] == {path: code for path, (_, _, code) in BOMBS.items()}
    most = {path: (4 if path in READ_WHOLE else 2) * MAX_ANSWER for path in BOMBS}
    assert {path: peak for path, peak in found["peaks"].items() if peak > most[path]} == {}
    assert found["resident"] < 8 * MAX_ANSWER
