"""Limits on the fixed routes, by the client's address; the only file that knows slowapi."""

import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import ClassVar

from fastapi import Depends, FastAPI, Request, params
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded

from app.errors import RowgateError
from app.http.client_address import Networks, client_address
from app.http.fixed_routes import refuses
from app.limits.keys import counted_key
from app.limits.limit import Limit, StoreUnavailable, parse_limit

__all__ = ["RateLimitExceeded", "RouteLimited", "RouteLimits", "count_for", "retry_after"]


_numbers = itertools.count()


class RouteLimited(RowgateError):
    """More requests to a fixed route than one address may send."""

    status: ClassVar[int] = 429
    code: ClassVar[str] = "auth.rate_limited"


class RouteLimits:
    """Counts requests to sign-in and the admin API, each route and address by itself.

    These bounds keep floods off: first in this process, since slowapi would ask a store within the event loop and hold
    everybody up while it waits, and then over all processes, where they share a store. Without an answer of the store
    each process goes by its own count, so that nobody is kept out. Wrong passwords are counted by `failures`.
    """

    def __init__(self) -> None:
        """Count by the address that the trusted proxies give, and by the application: a process may have several."""
        self._limiter = Limiter(
            key_func=_who,
            storage_uri="memory://",
            strategy="moving-window",
            key_style="endpoint",
        )
        self._limiter.enabled = True  # slowapi lets RATELIMIT_ENABLED in the environment switch it off

    def at_most(self, limit: str, route: str) -> params.Depends:
        """Give the dependency that limits a route to such as `20/minute`; each route counts under its own name."""
        shared = parse_limit(limit)

        @refuses(RouteLimited)
        async def within_limit(request: Request) -> None:
            """Count the request; slowapi's decorator raises where it is one too many of this process's."""
            await _count_with_others(request, shared, route)

        within_limit.__name__ = route
        checked: Callable[[Request], Awaitable[None]] = self._limiter.limit(limit)(within_limit)
        found: params.Depends = Depends(checked)
        return found


async def _count_with_others(request: Request, limit: Limit, route: str) -> None:
    """Count the request in the store that processes share, if there is one; raises RouteLimited."""
    limiter = request.app.state.server.limiter
    if limiter.watch is None:  # this process counts alone, and has done so
        return
    who = client_address(request.scope, request.app.state.counted_as[1])
    with suppress(StoreUnavailable):
        outcome = await limiter.hit(limit, f"routes.{route}", who)
        if not outcome.allowed:
            wait = {"Retry-After": str(outcome.retry_after)}
            raise RouteLimited("Too many requests from this address.", headers=wait)


def count_for(app: FastAPI, trusted: Networks) -> None:
    """Have the requests of an application counted for themselves, by the address that these proxies give."""
    app.state.counted_as = next(_numbers), trusted


def _who(request: Request) -> str:
    # slowapi's own functions believe headers that any client can send.
    number, trusted = request.app.state.counted_as
    return f"{number} {counted_key(client_address(request.scope, trusted))}"


def retry_after(error: RateLimitExceeded) -> int:
    """Give the seconds after which a request surely has room again."""
    return 60 if error.limit is None else int(error.limit.limit.get_expiry())
