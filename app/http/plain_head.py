"""A head that nothing needs to be understood of but a few headers, all of it there and no body behind it."""

import re
from typing import Any

from app.http.head_refusals import HEAD_BYTES

_PLAIN_HEAD = re.compile(rb"GET (/[^ ?#%\r\n]*)[^ %\r\n]* HTTP/1\.1\r\n")
_TELLING = re.compile(
    rb"\r\n(origin|x-request-id|connection|content-length|transfer-encoding|expect|upgrade)[ \t]*:[ \t]*([^\r\n]*)",
    re.IGNORECASE,
)
_HARMLESS = frozenset({b"origin", b"x-request-id"})


def plain_head(data: bytes) -> dict[str, Any] | None:
    """Give what a refusal needs of a head without a body; None if it needs more than a look."""
    end = data.find(b"\r\n\r\n")
    found = _PLAIN_HEAD.match(data)
    if found is None or end != len(data) - 4 or end > HEAD_BYTES:
        return None
    headers = [(name.lower(), value) for name, value in _TELLING.findall(data)]
    if headers and not _HARMLESS.issuperset(name for name, _ in headers):
        return None
    return {"method": "GET", "path": found[1].decode("latin-1"), "headers": headers}
