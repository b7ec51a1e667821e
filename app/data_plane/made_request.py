"""A request that nobody sent: made of its parts, for simulations and tests."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from app.data_plane.request import Request
from app.http.json_answer import to_json

_SAFE = "/%:@!$&'()*+,;=~-._"


def made_request(method: str, path: str, query: str, headers: Mapping[str, str], body: object) -> Request:
    """Make a request as if it came from this machine; the body is sent as JSON, None sends none."""
    sent = [(name.lower().encode("latin-1", "replace"), _line(text)) for name, text in headers.items()]
    content = b"" if body is None else to_json(body)
    if content:
        if not any(name == b"content-type" for name, _ in sent):
            sent.append((b"content-type", b"application/json"))
        sent = [(name, text) for name, text in sent if name != b"content-length"]
        sent.append((b"content-length", str(len(content)).encode()))
    scope = {
        "method": method,
        "raw_path": quote(path, safe=_SAFE).encode(),
        "query_string": query.encode("latin-1", "replace"),
        "headers": sent,
        "client": ("127.0.0.1", 0),
    }
    messages = iter([{"type": "http.request", "body": content, "more_body": False}])

    async def receive() -> Mapping[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    return Request(scope, receive, f"simulated-{uuid4().hex}", ())


def _line(text: str) -> bytes:
    return text.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace")
