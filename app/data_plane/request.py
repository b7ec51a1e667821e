"""One request as it came in, before anything of it is believed."""

import hashlib
from collections.abc import Collection
from typing import Any

from app.http.client_address import Networks, client_address
from app.http.header_names import CREDENTIALS, header_names
from app.http.read_body import LongBody, begin_body, read_body

Header = tuple[bytes, bytes]


class Request:
    """Method, path, query, headers and body. The body is read once, when a stage asks for it, however often it runs.

    `named` are the parts of the path that its route names, once that is known.
    """

    __slots__ = (
        "_address", "_body", "_headers", "_long", "_names", "_receive", "_scope", "_trusted", "id", "method", "named",
        "path", "query",
    )  # fmt: skip

    def __init__(self, scope: Any, receive: object, request_id: str, trusted: Networks) -> None:
        """Take what the server parsed; nothing of the body is read."""
        self.method: str = scope["method"]
        self.path: bytes = scope["raw_path"].partition(b"?")[0]
        self.query: bytes = scope["query_string"]
        self._headers: list[Header] = scope["headers"]
        self._names = header_names(scope)
        self.id = request_id
        self.named: dict[str, str] = {}
        self._address: str | None = None
        self._scope, self._trusted = scope, trusted
        self._receive = receive
        self._body: bytes | None = None
        self._long: LongBody | None = None

    @property
    def headers(self) -> list[Header]:
        """Give all of them, in their order."""
        return self._headers

    @headers.setter
    def headers(self, said: list[Header]) -> None:
        self._headers, self._names = said, dict(said)

    @property
    def address(self) -> str:
        """Give the client's address, which most requests need for nothing."""
        if self._address is None:
            self._address = client_address(self._scope, self._trusted)
        return self._address

    @address.setter
    def address(self, said: str) -> None:
        self._address = said

    def header(self, name: bytes) -> str | None:
        """Give a header's value, of several the first; names are lower-case."""
        if name in self._names:
            for key, value in self._headers:
                if key == name:
                    return value.decode("latin-1")
        return None

    def joined(self, names: Collection[bytes]) -> dict[bytes, str]:
        """Give these headers' values; one that stands twice is one list (RFC 9110, 5.3), and nothing is dropped."""
        found: dict[bytes, str] = {}
        if self._names.keys().isdisjoint(names):
            return found
        for name, value in self._headers:
            if name in names:
                text = value.decode("latin-1")
                found[name] = f"{found[name]}, {text}" if name in found else text
        return found

    def header_count(self, name: bytes) -> int:
        """Count the lines of a header."""
        return sum(key == name for key, _ in self._headers)

    async def body(self, limit: int, media_types: frozenset[str]) -> bytes:
        """Read the body, at most `limit` bytes of one of these media types."""
        if self._body is None:
            self._body = await read_body(self._receive, self.headers, limit=limit, media_types=media_types)
        return self._body

    async def begun_body(self, held: int, limit: int, media_types: frozenset[str]) -> bytes | LongBody:
        """Read the body where it has at most `held` bytes; a longer one, within `limit`, is given once, in pieces."""
        if self._body is None and self._long is None:
            body = await begin_body(self._receive, self.headers, held=held, limit=limit, media_types=media_types)
            if isinstance(body, LongBody):
                self._long = body
            else:
                self._body = body
        return self._long or self._body or b""

    @property
    def is_spent(self) -> bool:
        """Say whether the body can't be read again."""
        return self._long is not None and self._long.spent

    @property
    def sent(self) -> bytes:
        """Give what of the body is held: all of it, behind the stage that binds the input, unless it is too long."""
        return self._body or b""

    @property
    def digest(self) -> str:
        """Give the SHA-256 of the body, held or not, in hexadecimal digits."""
        return hashlib.sha256(self.sent).hexdigest() if self._long is None else self._long.digest

    def described(self) -> dict[str, Any]:
        """Give what rules see as `request`; credentials are not among the headers."""
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in self._headers if key not in CREDENTIALS
        }
        return {
            "method": self.method,
            "path": self.path.decode("latin-1"),
            "ip": self.address,
            "user_agent": headers.get("user-agent", ""),
            "id": self.id,
            "headers": headers,
        }
