"""Origins: where browsers say that a page is from, read as they write it, and matched against those that may call."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

ANY = "*"
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_ORIGIN = re.compile(
    rf"[a-z][a-z0-9+.-]*://(?:(?:\*\.{_LABEL}\.)?(?:{_LABEL}\.)*{_LABEL}|\[[0-9a-f:.]+\])(?::[1-9][0-9]{{0,4}})?"
)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class BadOrigin(ValueError):
    """No browser ever sends it; `hint` says what to write."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def read_origin(said: str) -> str:
    """Give an origin as it may be listed, `https://a.example.com`, `https://*.example.com` or `*`, or raise BadOrigin.

    A browser sends scheme, host and a port that isn't the scheme's own, in small letters (RFC 6454, 6.2). A wildcard
    stands for one label, in front of at least two. `null` is what any sandboxed page sends, so it can't be listed.
    """
    if said == ANY:
        return said
    if said == "null":
        raise BadOrigin("null is the origin of every sandboxed page and file", "list the origin of your own pages")
    if not _ORIGIN.fullmatch(said):
        raise BadOrigin(f"{said!r} is no origin that a browser sends", f"write {_meant(said)}")
    if said != (whole := _without_default_port(said)):
        raise BadOrigin("browsers leave out the port that a scheme has anyhow", f"write {whole}")
    return said


def _without_default_port(origin: str) -> str:
    scheme = origin.partition(":")[0]
    return origin.removesuffix(_DEFAULT_PORTS.get(scheme, "\0"))


def _meant(said: str) -> str:
    """Say what was meant, as far as it can be read."""
    text = said.strip().lower()
    parts = urlsplit(text if "://" in text else f"https://{text}", allow_fragments=False)
    origin = _without_default_port(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
    return origin if _ORIGIN.fullmatch(origin) else "scheme and host, such as https://app.example.com"


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins whose pages may call: each as it is, or by all but its first label."""

    exact: frozenset[str]
    under: frozenset[str]

    @classmethod
    def of(cls, listed: Iterable[str]) -> "Origins":
        """Read those that are listed; what was stored before and can't be read matches nothing."""
        read = set()
        for one in listed:
            try:
                read.add(read_origin(one))
            except BadOrigin:
                continue
        under = frozenset(one for one in read if "://*." in one)
        return cls(frozenset(read - under), under)

    def __bool__(self) -> bool:
        return bool(self.exact or self.under)

    @property
    def any(self) -> bool:
        """Say whether every page may call."""
        return ANY in self.exact

    def allow(self, origin: str) -> bool:
        """Say whether a page of this origin may call."""
        if origin in self.exact:
            return True
        scheme, separator, host = origin.partition("://")
        label, dot, parent = host.partition(".")
        return bool(self.under and separator and label and dot) and f"{scheme}://*.{parent}" in self.under
