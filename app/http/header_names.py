"""The headers of a request by their names, looked through once."""

from typing import Any

NAMES = "rowgate.header_names"  # in a scope, where they have been looked through
CREDENTIALS = frozenset({b"authorization", b"proxy-authorization", b"cookie", b"apikey"})
"""By which a caller shows who it is: rules never see them among the headers."""


def header_names(scope: Any) -> dict[bytes, bytes]:
    """Give which headers a request has; of one that stands several times, the value is none to go by."""
    names: dict[bytes, bytes] | None = scope.get(NAMES)
    if names is None:
        names = scope[NAMES] = dict(scope["headers"])
    return names


def header(scope: Any, name: bytes) -> bytes | None:
    """Give the first value of a header; names are lower-case."""
    if name in (scope.get(NAMES) or header_names(scope)):
        for key, value in scope["headers"]:
            if key == name:
                return bytes(value)
    return None
