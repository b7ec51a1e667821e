"""Where a sign-in may end: patterns of URLs, each held against the parts of a URL and never against its text."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

MAX_URL = 2048  # characters
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_HOST = re.compile(r"[a-z0-9._*-]+|\[[0-9a-f:.]+\]")
_ODD = re.compile(r"[\x00-\x20\x7f\\<>\"`{}|^]|[^\x00-\x7f]")
# What a browser runs or reads instead of going there.
_NOWHERE = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "view-source", "filesystem"})
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class _UrlParts:
    """A URL in its parts, as far as it says where it leads; the port of its scheme is left out."""

    scheme: str
    host: str
    port: str
    path: str


@dataclass(frozen=True, slots=True)
class RedirectPattern:
    """A pattern in its parts, the host and the path as expressions."""

    scheme: str
    host: re.Pattern[str]
    port: str
    path: re.Pattern[str]
    literal_host: str

    def matches(self, url: str) -> bool:
        """Say whether a URL is one of these; a query and a fragment may be any."""
        try:
            parts = _parts(url)
        except ValueError:
            return False
        return (
            parts.scheme == self.scheme
            and parts.port == self.port
            and self.host.fullmatch(parts.host) is not None
            and self.path.fullmatch(parts.path) is not None
        )


@cache
def redirect_pattern(text: str) -> RedirectPattern:
    """Read a pattern: `*` stands for what holds no dot and no slash, in a path `**` for anything.

    Raises ValueError with what is wrong.
    """
    if "?" in text or "#" in text:
        msg = "a redirect URL says no query and no fragment: any may come with it"
        raise ValueError(msg)
    parts = _parts(text)
    if "*" in parts.scheme or "**" in parts.host or "*" in parts.host.rpartition(".")[2]:
        msg = "in a host * stands for a label that isn't the last, and scheme and port are written out"
        raise ValueError(msg)
    return RedirectPattern(parts.scheme, _pattern(parts.host), parts.port, _pattern(parts.path), parts.host)


def _pattern(text: str) -> re.Pattern[str]:
    stars = {"*": r"(?:(?!%2[eEfF]|%5[cC])[^./])*", "**": r".*"}
    return re.compile("".join(stars.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", text)), re.DOTALL)


def _parts(text: str) -> _UrlParts:
    """Take a URL apart; raises ValueError for what readers of URLs understand differently."""
    scheme, colon, rest = text.partition(":")
    if not colon or not _SCHEME.fullmatch(scheme) or scheme in _NOWHERE:
        msg = "a redirect URL is written out with its scheme, such as https://app.example.com/**"
        raise ValueError(msg)
    if len(text) > MAX_URL or _ODD.search(text) or not rest.startswith("//" if scheme in _PORTS else "/"):
        msg = f"a redirect URL begins with {scheme}:// and is of ASCII characters, without spaces and backslashes"
        raise ValueError(msg)
    parts = urlsplit(text)
    if "@" in parts.netloc:
        msg = "a redirect URL holds no user and no password"
        raise ValueError(msg)
    host, port = _host_and_port(parts.netloc.lower(), scheme)
    path = parts.path or "/"
    if any(one in {".", ".."} for one in re.split(r"/|%2f|%5c", path.lower().replace("%2e", "."))):
        msg = "a redirect URL holds no . and no .. in its path"
        raise ValueError(msg)
    return _UrlParts(scheme, host, port, path)


def _host_and_port(netloc: str, scheme: str) -> tuple[str, str]:
    found = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?", netloc)
    is_web = scheme in _PORTS
    if found is None or (is_web and not _HOST.fullmatch(found[1])) or (found[1] and not _HOST.fullmatch(found[1])):
        msg = "a redirect URL names a host, such as app.example.com, and perhaps a port"
        raise ValueError(msg)
    port = found[2] or ""
    return found[1], "" if port and int(port) == _PORTS.get(scheme) else port


def is_wide(pattern: RedirectPattern) -> bool:
    """Say whether hosts of several owners may be meant: a host that begins with `*`, under less than three labels."""
    labels = pattern.literal_host.split(".")
    return "*" in labels[-1] or "*" in "".join(labels[-2:])


def is_unencrypted(pattern: RedirectPattern) -> bool:
    """Say whether a browser goes there without TLS, and not on its own machine."""
    here = pattern.literal_host in {"localhost", "127.0.0.1", "[::1]"}
    return pattern.scheme == "http" and not here and not pattern.literal_host.endswith(".localhost")


def _checked_pattern(text: str) -> str:
    redirect_pattern(text)
    return text


def _checked_site(text: str) -> str:
    parts = _parts(text)
    if parts.scheme not in _PORTS or "*" in text or "?" in text or "#" in text:
        msg = "a site is a URL of https:// or http:// without *, query and fragment"
        raise ValueError(msg)
    return text.rstrip("/")


RedirectUrl = Annotated[str, AfterValidator(_checked_pattern)]
SiteUrl = Annotated[str, AfterValidator(_checked_site)]
