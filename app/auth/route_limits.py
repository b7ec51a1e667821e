"""Limits on the fixed routes, by the client's address; the only file that knows slowapi."""

from collections.abc import Callable
from typing import Any

from fastapi import Request
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded

from app.http.client_address import client_address
from app.limits.keys import counted_key
from app.settings import Settings

__all__ = ["RateLimitExceeded", "RouteLimits", "retry_after"]

Endpoint = Callable[..., Any]


class RouteLimits:
    """Counts requests to sign-in and the admin API, each route and address by itself, in this process.

    These bounds keep floods off. They are not shared by processes, since slowapi would ask a store within the event
    loop and hold everybody up while it waits; wrong passwords are counted across processes, by `failures`.
    """

    def __init__(self, settings: Settings) -> None:
        """Count by the address that the trusted proxies give."""
        trusted = settings.trusted_proxies

        def address(request: Request) -> str:
            # slowapi's own functions believe headers that any client can send.
            return counted_key(client_address(request.scope, trusted))

        self._limiter = Limiter(
            key_func=address,
            storage_uri="memory://",
            strategy="moving-window",
            key_style="endpoint",
        )
        self._limiter.enabled = True  # slowapi lets RATELIMIT_ENABLED in the environment switch it off

    def at_most(self, limit: str) -> Callable[[Endpoint], Endpoint]:
        """Limit a route, whose function takes `request`, to such as `20/minute`."""
        decorate: Callable[[Endpoint], Endpoint] = self._limiter.limit(limit)
        return decorate


def retry_after(error: RateLimitExceeded) -> int:
    """Give the seconds after which a request surely has room again."""
    return 60 if error.limit is None else int(error.limit.limit.get_expiry())
