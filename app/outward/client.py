"""Calls to other services: bounded in time, size, redirects and number, and only to where they may go."""

import asyncio
import random
import ssl
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from app.outward.breaker import Breaker
from app.outward.calls import OutwardAnswer, OutwardCall
from app.outward.failures import CallFailed, RedirectRefused, TimedOut, Unreachable
from app.outward.urls import Target
from app.secrets.sealing import SealingKey
from app.secrets.uses import SecretUses

if TYPE_CHECKING:
    from app.outward.sending import Sender

MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AGAIN = frozenset({429, 502, 503, 504})
_SAFE = frozenset({"GET", "HEAD"})


class Outward:
    """The one way out of a process."""

    def __init__(self, key: SealingKey, tls: ssl.SSLContext | None = None) -> None:
        """Open nothing yet; `key` opens secrets, `uses` are theirs; `tls` says which certificates hold."""
        self.key = key
        self.uses = SecretUses()
        self._tls = tls
        self._sender: Sender | None = None
        self._breaker = Breaker()

    async def close(self) -> None:
        """Close every connection."""
        if self._sender is not None:
            await self._sender.close()

    async def send(self, call: OutwardCall) -> OutwardAnswer:
        """Make a call, again where it may be; raises CallFailed. An answer of 400 or above is an answer."""
        sender = self._sender or await self._opened()
        for attempt in range(call.retries + 1):
            last = attempt == call.retries
            try:
                answer = await self._once(sender, call)
            except (Unreachable, TimedOut):
                if last:
                    raise
            else:
                if last or answer.status not in _AGAIN:
                    return answer
            await asyncio.sleep(random.uniform(0.05, 0.2) * 2**attempt)  # noqa: S311 - jitter
        raise AssertionError("the last attempt answers or raises")

    async def _once(self, sender: "Sender", call: OutwardCall) -> OutwardAnswer:
        target = call.target()
        deadline = asyncio.get_running_loop().time() + call.timeout
        for _ in range(MAX_REDIRECTS + 1):
            async with self._breaker.call(target.authority, deadline):
                answer = await _in_time(sender, call, target, deadline)
            location = answer.headers.get("location")
            if answer.status not in _REDIRECTS or location is None or call.method not in _SAFE:
                return answer
            call, target = _redirected(call, target, location)
        raise RedirectRefused

    async def _opened(self) -> "Sender":
        """Load the client at the first call: many servers make none, and it takes its memory."""
        await asyncio.to_thread(import_module, "app.outward.sending")
        from app.outward.sending import Sender  # noqa: PLC0415 - loaded by the line above

        if self._sender is None:
            self._sender = Sender(self._tls)
        return self._sender


async def _in_time(sender: "Sender", call: OutwardCall, target: Target, deadline: float) -> OutwardAnswer:
    try:
        async with asyncio.timeout_at(deadline):
            return await sender.send(call, target)
    except TimeoutError:
        raise TimedOut from None


def _redirected(call: OutwardCall, target: Target, location: str) -> tuple[OutwardCall, Target]:
    """Give the call that follows a redirect, checked as any; another server gets none of the headers."""
    try:
        there = replace(call, url=urljoin(target.url, location).partition("#")[0])
        after = there.target()
    except (ValueError, CallFailed):  # urljoin's, of a host that nobody can read
        raise RedirectRefused from None
    if target.scheme == "https" and after.scheme != "https":
        raise RedirectRefused
    return (there if after.origin == target.origin else replace(there, headers=())), after
