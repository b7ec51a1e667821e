"""A request's body: bounded before its bytes are in memory, of the right content type, and within a time."""

import asyncio
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from app.errors import RowgateError
from app.http.deadline import Deadline
from app.http.exchange import exchange_of

BODY_SECONDS = 30.0


class BodyTooLarge(RowgateError):
    """The body has more bytes than the endpoint takes."""

    status: ClassVar[int] = 413
    code: ClassVar[str] = "input.too_large"


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


async def read_body(
    receive: Any, headers: Sequence[tuple[bytes, bytes]], *, limit: int, media_types: Collection[str]
) -> bytes:
    """Read a body of at most `limit` bytes; one without any bytes needs no content type."""
    length = _said_length(headers, limit)
    if length is not None and length > limit:
        raise _too_large(limit)
    if length == 0:
        return b""
    exchange = exchange_of(receive)
    body = None if exchange is None else exchange.whole_body()
    if body is None:
        body = await _received_in_time(receive, limit)
    if len(body) > limit:
        raise _too_large(limit)
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


async def _received_in_time(receive: Any, limit: int) -> bytes:
    try:
        with Deadline(asyncio.get_running_loop().time() + BODY_SECONDS):
            return await _received(receive, limit)
    except TimeoutError:
        raise BodyTimeout("The body didn't come in time.") from None


async def _received(receive: Any, limit: int) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        return bytes(message.get("body", b""))
    chunks, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise BodyIncomplete("The body didn't come whole.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()


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
