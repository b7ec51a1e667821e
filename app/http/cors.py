"""Cross-origin requests: which browsers' pages may call, answered without a database (the Fetch standard, 3.2)."""

from typing import Any

from app.http.header_names import header
from app.origins import Origins

Headers = list[tuple[bytes, bytes]]

_EXPOSED = (
    b"content-range, etag, idempotency-replayed, location, preference-applied, ratelimit, ratelimit-policy,"
    b" retry-after, server-timing, x-request-id"
)
_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_MAX_AGE = b"600"
_SAFE_HEADER = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_, ")


def allowed_headers(origin: bytes | None, origins: Origins) -> Headers:
    """Give what an answer to a page of this origin carries; no cookie ever counts, so none is allowed to go along."""
    if origin is None or not origins:
        return []
    vary = (b"vary", b"origin")
    text = origin.decode("latin-1").lower()
    if origins.any:
        return [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", _EXPOSED)]
    if not origins.allow(text):
        return [vary]
    return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED), vary]


def is_preflight(scope: Any) -> bool:
    """Say whether a browser asks before it calls."""
    asks = scope["method"] == "OPTIONS" and header(scope, b"origin") is not None
    return asks and header(scope, b"access-control-request-method") is not None


def preflight_headers(scope: Any, origins: Origins) -> Headers:
    """Give the answer to a preflight: nothing is allowed to an origin that isn't listed."""
    allowed = allowed_headers(header(scope, b"origin"), origins)
    if not any(name == b"access-control-allow-origin" for name, _ in allowed):
        return allowed
    wanted = header(scope, b"access-control-request-headers") or b""
    named = wanted if len(wanted) <= 1000 and set(wanted) <= _SAFE_HEADER else b""
    asked = [(b"access-control-allow-methods", _METHODS), (b"access-control-max-age", _MAX_AGE)]
    return [*allowed, *asked, *([(b"access-control-allow-headers", named)] if named else [])]


async def answer_preflight(scope: Any, send: Any, origins: Origins) -> None:
    """Answer a preflight."""
    await send({"type": "http.response.start", "status": 204, "headers": preflight_headers(scope, origins)})
    await send({"type": "http.response.body", "body": b""})


def with_headers(send: Any, more: Headers, but: bytes = b"") -> Any:
    """Give a `send` that adds headers to the answer, `but` one that the answer may have itself."""

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            own = message["headers"]
            said = any(name == but for name, _ in own)
            message["headers"] = [*own, *(one for one in more if not (said and one[0] == but))]
        await send(message)

    return sending
