"""One request to another service, by the client of HTTP, which is loaded with this module."""

import logging
import os
import ssl
from functools import cache

import httpcore
import httpx

from app.errors import RowgateError
from app.http.json_body import check_text
from app.http.long_json import read_json
from app.outward.calls import OutwardAnswer, OutwardCall
from app.outward.failures import AnswerUnreadable, Denied, TimedOut, Unreachable, UpstreamTooLarge
from app.outward.transport import named_transport, public_transport
from app.outward.urls import Target

MAX_ANSWER = 1024 * 1024
MAX_PIECES = 16 * 1024
_log = logging.getLogger("rowgate.outward")


@cache
def _trusted(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Read the certificates that public services are known by, once for each place that is named for them."""
    return httpx.create_ssl_context()


class Sender:
    """The connections of a process to other services: to those that a document names, and to public ones."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        """Open nothing yet; `tls` says which certificates hold."""
        context = tls or _trusted(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        # Without httpx's client, which would keep every cookie and read every Location.
        self._public = public_transport(context)
        self._named = named_transport(context)

    async def close(self) -> None:
        """Close every connection."""
        await self._public.aclose()
        await self._named.aclose()

    async def send(self, call: OutwardCall, target: Target) -> OutwardAnswer:
        """Send one request. A failure is logged by its kind alone: its words may quote what was sent."""
        way = self._named if target.is_named(call.allow) else self._public
        headers = [(name.encode(), value.encode()) for name, value in call.headers]
        headers.append((b"Accept-Encoding", b"identity"))
        try:
            times = {"timeout": httpx.Timeout(call.timeout).as_dict()}
            request = httpx.Request(call.method, target.url, headers=headers, content=call.body, extensions=times)
            response = await way.handle_async_request(request)
            try:
                return await _read(response)
            finally:
                await response.aclose()
        except httpcore.TimeoutException:
            raise TimedOut from None
        except (httpcore.ProtocolError, httpcore.NetworkError, OSError) as error:
            _log.warning("a call to %s failed: %s", target.authority, type(error).__name__)
            raise Unreachable from None
        except (httpx.InvalidURL, UnicodeError):
            raise Denied from None


async def _read(response: httpx.Response) -> OutwardAnswer:
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise AnswerUnreadable
    raw, pieces = bytearray(), 0
    async for part in response.aiter_raw():
        raw += part
        pieces += 1  # a byte a piece costs more than what it brings
        if len(raw) > MAX_ANSWER or pieces > MAX_PIECES:
            raise UpstreamTooLarge
    try:
        headers = {name: check_text(value) for name, value in response.headers.items()}
        return OutwardAnswer(response.status_code, headers, await _body(bytes(raw), headers.get("content-type", "")))
    except (RowgateError, UnicodeDecodeError):
        raise AnswerUnreadable from None


async def _body(raw: bytes, content_type: str) -> object:
    if not raw:
        return None
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return await read_json(raw)
    return check_text(raw.decode("utf-8"))
