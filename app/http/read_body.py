"""A request's body: bounded before its bytes are in memory, of the right content type, and within a time."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from app.errors import RowgateError
from app.http.deadline import Deadline
from app.http.exchange import exchange_of
from app.http.json_body import BodyTooLarge

BODY_SECONDS = 30.0
# Whoever sends or is sent something in pieces has so many seconds, and one more for so many bytes.
STREAM_SECONDS = 10.0
SLOWEST = 256 * 1024
SILENT_SECONDS = 8.0
PIECE = 64 * 1024


class BodyTypeUnsupported(RowgateError):
    """The body is of another content type than the endpoint takes, or compressed."""

    status: ClassVar[int] = 415
    code: ClassVar[str] = "input.media_type"


class BodyIncomplete(RowgateError):
    """The body didn't come whole."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "input.incomplete"


class BodyTimeout(RowgateError):
    """The body didn't come in time."""

    status: ClassVar[int] = 408
    code: ClassVar[str] = "input.timeout"


class ChangedMeanwhile(RowgateError):
    """The definitions or the caller changed while the request waited, and can't run again; nothing was written."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "request.changed"

    def __init__(self) -> None:
        """Say so: a call was made, or a body has come meanwhile, and neither can be had again."""
        super().__init__("The backend was changed while the request was under way: try again.")


async def read_body(
    receive: Any, headers: Sequence[tuple[bytes, bytes]], *, limit: int, media_types: Collection[str]
) -> bytes:
    """Read a body of at most `limit` bytes; one without any bytes needs no content type."""
    body = await begin_body(receive, headers, held=limit, limit=limit, media_types=media_types)
    if isinstance(body, LongBody):
        raise AssertionError("a body is longer than its limit")
    return body


async def begin_body(
    receive: Any, headers: Sequence[tuple[bytes, bytes]], *, held: int, limit: int, media_types: Collection[str]
) -> "bytes | LongBody":
    """Read a body of at most `held` bytes; of one that is longer, within `limit`, only that it is."""
    length = _said_length(headers, limit)
    if length is not None and length > limit:
        raise _too_large(limit)
    if length == 0:
        return b""
    exchange = exchange_of(receive)
    whole = None if exchange is None else exchange.whole_body()
    body = await _received_in_time(receive, held, limit) if whole is None else _as_held(whole, receive, held, limit)
    if body:
        _check_type(headers, media_types)
    return body


def _said_length(headers: Sequence[tuple[bytes, bytes]], limit: int) -> int | None:
    length = None
    for name, value in headers:
        if name == b"content-length":
            length = int(value) if value.isdigit() and len(value) < 20 else limit + 1
        elif name == b"content-encoding" and value.strip().lower() != b"identity":
            raise BodyTypeUnsupported("A compressed body is not taken.")
    return length


def _too_large(limit: int) -> BodyTooLarge:
    # The rest of the body is still on its way: the connection can't be used for another request.
    return BodyTooLarge(f"The body may have at most {limit} bytes.", headers={"Connection": "close"})


async def _received_in_time(receive: Any, held: int, limit: int) -> "bytes | LongBody":
    try:
        with Deadline(asyncio.get_running_loop().time() + BODY_SECONDS):
            return await _received(receive, held, limit)
    except TimeoutError:
        raise BodyTimeout("The body didn't come in time.") from None


def _as_held(body: bytes, receive: Any, held: int, limit: int) -> "bytes | LongBody":
    if len(body) > limit:
        raise _too_large(limit)
    return body if len(body) <= held else LongBody(receive, body, limit, more=False)


async def _received(receive: Any, held: int, limit: int) -> "bytes | LongBody":
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        return _as_held(bytes(message.get("body", b"")), receive, held, limit)
    chunks, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise BodyIncomplete("The body didn't come whole.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        more = bool(message.get("more_body"))
        if size > held:
            return LongBody(receive, b"".join(chunks), limit, more=more)
        if not more:
            return b"".join(chunks)
        message = await receive()


class LongBody:
    """A body that isn't held whole: its beginning, and the rest as it comes. Its pieces are given once.

    `spent` says that the rest was begun, and `digest` is the SHA-256 of what was given, in hexadecimal digits.
    """

    __slots__ = ("_begun", "_digest", "_limit", "_more", "_receive", "_size", "spent")

    def __init__(self, receive: Any, begun: bytes, limit: int, *, more: bool) -> None:
        """Take what has come, and where more comes from, if there is more; all of it has at most `limit` bytes."""
        self._receive, self._begun, self._limit, self._more = receive, begun, limit, more
        self._size = len(begun)
        self._digest = hashlib.sha256(begun)
        self.spent = False

    @property
    def digest(self) -> str:
        """Give the digest."""
        return self._digest.hexdigest()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give pieces of about 64 KiB; raises BodyTooLarge, BodyIncomplete or BodyTimeout."""
        self.spent = True
        begun, self._begun = self._begun, b""
        for start in range(0, len(begun), PIECE):
            yield begun[start : start + PIECE]
        loop, left = asyncio.get_running_loop(), STREAM_SECONDS
        chunks, size = [], 0
        while self._more:
            waits = loop.time()
            chunk = await self._chunk(waits + min(left, SILENT_SECONDS))
            left += len(chunk) / SLOWEST - (loop.time() - waits)
            chunks.append(chunk)
            size += len(chunk)
            if size >= PIECE or not self._more:
                yield b"".join(chunks)
                chunks, size = [], 0

    async def _chunk(self, until: float) -> bytes:
        try:
            with Deadline(until):
                message = await self._receive()
        except TimeoutError:
            raise BodyTimeout("The body came too slowly.") from None
        if message["type"] == "http.disconnect":
            raise BodyIncomplete("The body didn't come whole.")
        chunk: bytes = message.get("body", b"")
        self._more = bool(message.get("more_body"))
        self._size += len(chunk)
        if self._size > self._limit:
            raise _too_large(self._limit)
        self._digest.update(chunk)
        return chunk


def media_type_of(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """Give the media type that the headers say, without its parameters; empty where they don't say one."""
    return _content_type(headers)[0]


def _content_type(headers: Sequence[tuple[bytes, bytes]]) -> tuple[str, str]:
    given = [value for name, value in headers if name == b"content-type"]
    return _parts(given[0]) if len(given) == 1 else ("", "")


@lru_cache(64)
def _parts(said: bytes) -> tuple[str, str]:
    kind, _, parameters = said.decode("latin-1").lower().partition(";")
    return kind.strip(), parameters


def _check_type(headers: Sequence[tuple[bytes, bytes]], media_types: Collection[str]) -> None:
    kind, parameters = _content_type(headers)
    charset = parameters.replace(" ", "").replace('"', "")
    if kind not in media_types or ("charset=" in charset and "charset=utf-8" not in charset):
        wanted = " or ".join(sorted(media_types))
        raise BodyTypeUnsupported("The body is of a content type that is not taken here.", hint=f"Send {wanted}.")
