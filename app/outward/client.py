"""Calls to other services: bounded in time, size, redirects and number, and only to where they may go."""

import asyncio
import logging
import os
import random
import ssl
from dataclasses import replace
from functools import cache
from urllib.parse import urljoin

import httpcore
import httpx

from app.errors import RowgateError
from app.http.json_body import check_text, parse_json
from app.outward.breaker import Breaker
from app.outward.calls import OutwardAnswer, OutwardCall
from app.outward.failures import (
    AnswerUnreadable,
    CallFailed,
    Denied,
    RedirectRefused,
    TimedOut,
    Unreachable,
    UpstreamTooLarge,
)
from app.outward.transport import named_transport, public_transport
from app.outward.urls import Target
from app.secrets.sealing import SealingKey
from app.secrets.uses import SecretUses

MAX_ANSWER = 1024 * 1024
MAX_PIECES = 16 * 1024
MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AGAIN = frozenset({429, 502, 503, 504})
_SAFE = frozenset({"GET", "HEAD"})
_log = logging.getLogger("rowgate.outward")


@cache
def _trusted(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Read the certificates that public services are known by, once for each place that is named for them."""
    return httpx.create_ssl_context()


class Outward:
    """The one way out of a process."""

    def __init__(self, key: SealingKey, tls: ssl.SSLContext | None = None) -> None:
        """Open nothing yet; `key` opens secrets, `uses` are theirs; `tls` says which certificates hold."""
        self.key = key
        self.uses = SecretUses()
        context = tls or _trusted(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        self._public = httpx.AsyncClient(transport=public_transport(context), trust_env=False)
        self._named = httpx.AsyncClient(transport=named_transport(context), trust_env=False)
        self._breaker = Breaker()

    async def close(self) -> None:
        """Close every connection."""
        await self._public.aclose()
        await self._named.aclose()

    async def send(self, call: OutwardCall) -> OutwardAnswer:
        """Make a call, again where it may be; raises CallFailed. An answer of 400 or above is an answer."""
        for attempt in range(call.retries + 1):
            last = attempt == call.retries
            try:
                answer = await self._once(call)
            except (Unreachable, TimedOut):
                if last:
                    raise
            else:
                if last or answer.status not in _AGAIN:
                    return answer
            await asyncio.sleep(random.uniform(0.05, 0.2) * 2**attempt)  # noqa: S311 - jitter
        raise AssertionError("the last attempt answers or raises")

    async def _once(self, call: OutwardCall) -> OutwardAnswer:
        target = call.target()
        deadline = asyncio.get_running_loop().time() + call.timeout
        for _ in range(MAX_REDIRECTS + 1):
            async with self._breaker.call(target.authority, deadline):
                answer = await self._in_time(call, target, deadline)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or location is None or call.method not in _SAFE:
                return answer
            call, target = _redirected(call, target, location)
        raise RedirectRefused

    async def _in_time(self, call: OutwardCall, target: Target, deadline: float) -> OutwardAnswer:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._sent(call, target)
        except TimeoutError:
            raise TimedOut from None

    async def _sent(self, call: OutwardCall, target: Target) -> OutwardAnswer:
        """Send one request. A failure is logged by its kind alone: its words may quote what was sent."""
        client = self._named if target.is_named(call.allow) else self._public
        headers = [(name.encode(), value.encode()) for name, value in call.headers]
        headers.append((b"Accept-Encoding", b"identity"))
        try:
            # Said here, since the client's own timeout would end what may take longer.
            times = {"timeout": httpx.Timeout(call.timeout).as_dict()}
            request = httpx.Request(call.method, target.url, headers=headers, content=call.body, extensions=times)
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                return await _read(response)
            finally:
                await response.aclose()
        except (httpx.TimeoutException, httpcore.TimeoutException):
            raise TimedOut from None
        except (httpx.HTTPError, httpcore.ProtocolError, httpcore.NetworkError, OSError) as error:
            _log.warning("a call to %s failed: %s", target.authority, type(error).__name__)
            raise Unreachable from None
        except (httpx.InvalidURL, UnicodeError):
            raise Denied from None


def _redirected(call: OutwardCall, target: Target, location: str) -> tuple[OutwardCall, Target]:
    """Give the call that follows a redirect, checked as any; another server gets none of the headers."""
    there = replace(call, url=urljoin(target.url, location).partition("#")[0])
    try:
        after = there.target()
    except CallFailed:
        raise RedirectRefused from None
    if target.scheme == "https" and after.scheme != "https":
        raise RedirectRefused
    return (there if after.origin == target.origin else replace(there, headers=())), after


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
        return OutwardAnswer(response.status_code, headers, _body(bytes(raw), headers.get("content-type", "")))
    except (RowgateError, UnicodeDecodeError):
        raise AnswerUnreadable from None


def _body(raw: bytes, content_type: str) -> object:
    if not raw:
        return None
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return parse_json(raw)
    return check_text(raw.decode("utf-8"))
