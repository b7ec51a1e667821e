"""Limits on the fixed routes, by the client's address; the only file that knows slowapi."""

from collections.abc import Callable
from typing import Any

from fastapi import Request
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded

from app.client_address import client_address
from app.rate_limits import counted_key
from app.settings import Settings

__all__ = ["RateLimitExceeded", "RouteLimits"]

Endpoint = Callable[..., Any]


class RouteLimits:
    """Counts requests to sign-in and the admin API, each route and address by itself."""

    def __init__(self, settings: Settings) -> None:
        """Count in Redis where it is set, else in this process."""
        trusted = settings.trusted_proxies

        def address(request: Request) -> str:
            # slowapi's own functions believe headers that any client can send.
            return counted_key(client_address(request.scope, trusted))

        redis = settings.redis_url
        self._limiter = Limiter(
            key_func=address,
            storage_uri="memory://" if redis is None else redis.get_secret_value(),
            strategy="moving-window",
            key_style="endpoint",
        )

    def at_most(self, limit: str) -> Callable[[Endpoint], Endpoint]:
        """Limit a route, whose function takes `request`, to such as `20/minute`."""
        decorate: Callable[[Endpoint], Endpoint] = self._limiter.limit(limit)
        return decorate


def retry_after(error: RateLimitExceeded) -> int:
    """Give the seconds after which a request surely has room again."""
    return 60 if error.limit is None else int(error.limit.limit.get_expiry())
