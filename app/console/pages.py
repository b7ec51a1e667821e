"""Serves the console: one page for every path below `/console`, and its hashed files, which are kept for ever."""

import gzip
import re
import secrets
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from app.auth.mailing import CONSOLE as PREFIX
from app.http.cors import Headers
from app.http.header_names import header

__all__ = ["PREFIX", "page_of"]

BUILT = Path(__file__).parent / "built"
NONCE = b"__nonce__"  # stands in the page where the answer's own nonce goes
_MEDIA = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
_HASHED = re.compile(r"assets/[\w-]+\.(?:css|js|svg)")
_KEPT = (b"cache-control", b"public, max-age=31536000, immutable")
# Scripts are files alone; a style may have the answer's nonce, since the components bring some of theirs with them.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"vary", b"accept-encoding"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered: the headers and the body."""

    headers: Headers
    body: bytes

    async def __call__(self, send: Any, *, head: bool) -> None:
        """Answer with it, or with its headers alone."""
        length = (b"content-length", b"%d" % len(self.body))
        await send({"type": "http.response.start", "status": 200, "headers": [*self.headers, length]})
        await send({"type": "http.response.body", "body": b"" if head else self.body})


def page_of(scope: Any) -> Page | None:
    """Give what is at the path of a request; None where that is nothing of the console, or nothing to read."""
    path = scope["path"]
    if scope["method"] not in {"GET", "HEAD"} or not (path == PREFIX or path.startswith(f"{PREFIX}/")):
        return None
    name = path.removeprefix(PREFIX).strip("/")
    zipped = b"gzip" in (header(scope, b"accept-encoding") or b"")
    if _HASHED.fullmatch(name) and (BUILT / name).is_file():
        body = _zipped(name) if zipped else (BUILT / name).read_bytes()
        return _page(body, _MEDIA[Path(name).suffix], [_KEPT], zipped=zipped)
    if name.startswith("assets/"):
        return None
    nonce = secrets.token_urlsafe(16)
    body = (BUILT / "index.html").read_bytes().replace(NONCE, nonce.encode())
    policy = (b"content-security-policy", _POLICY.format(nonce=nonce).encode())
    return _page(body, _MEDIA[".html"], [(b"cache-control", b"no-store"), policy], zipped=False)


def _page(body: bytes, media_type: bytes, more: Headers, *, zipped: bool) -> Page:
    encoded = [(b"content-encoding", b"gzip")] if zipped else []
    return Page([(b"content-type", media_type), *more, *encoded, *_ALWAYS], body)


@cache
def _zipped(name: str) -> bytes:
    return gzip.compress((BUILT / name).read_bytes(), mtime=0)
