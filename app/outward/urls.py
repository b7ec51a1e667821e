"""URLs of calls, read in one way only: what two readers could take for two hosts is refused."""

import re
from dataclasses import dataclass

from app.outward.failures import Denied
from app.outward.hosts import MAX_PORT, names, normal_host

MAX_URL = 8192
_URL = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?([/?].*)?", re.IGNORECASE)
_UNCLEAR = re.compile(r"[\x00-\x20\x7f-\xa0\\#\u2028\u2029]|%00")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes."""

    scheme: str
    host: str
    port: int
    rest: str

    @property
    def url(self) -> str:
        """Give the URL in its one spelling."""
        return f"{self.scheme}://{self.authority}{self.rest}"

    @property
    def authority(self) -> str:
        """Give the host, and the port where it isn't the scheme's own."""
        return self.host if self.port == _PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Give what says whether two URLs speak to the same server."""
        return self.scheme, self.host, self.port

    def is_named(self, entries: tuple[str, ...]) -> bool:
        """Say whether one of these hosts is this one."""
        return any(names(entry, self.host, self.port) for entry in entries)


def read_url(text: object) -> Target:
    """Read the URL of a call; raises Denied."""
    if not isinstance(text, str) or len(text) > MAX_URL or _UNCLEAR.search(text):
        raise Denied
    match = _URL.fullmatch(text)
    if match is None:
        raise Denied
    scheme = match[1].lower()
    port = int(match[3]) if match[3] else _PORTS[scheme]
    try:
        host = normal_host(match[2])
    except ValueError:
        raise Denied from None
    if not host or not 0 < port <= MAX_PORT:
        raise Denied
    rest = match[4] or "/"
    return Target(scheme, host, port, f"/{rest}" if rest.startswith("?") else rest)
