"""What traces and the list of requests never show: passwords, tokens, secrets, keys; and nothing at great length."""

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"
_TEXT, _ITEMS, _DEPTH = 500, 20, 6
_HIDDEN = re.compile(
    r"passw|secret|token|api.?key|credential|authorization|cookie|otp$|(^|[._-])(pin|code|key|jwt)$", re.IGNORECASE
)
_CREDENTIAL = re.compile(r"\b(?:rgk_|rgp_|eyJ)[A-Za-z0-9_.\-]{8,}")


def is_hidden(name: str) -> bool:
    """Say whether a value of this name is not to be shown."""
    return any(_HIDDEN.search(part) for part in name.split("."))


def redacted(value: Any, name: str = "", depth: int = _DEPTH) -> Any:
    """Give a value as it may be shown: what its name or its form says is a credential isn't, and it is cut short."""
    if name and value is not None and is_hidden(name):
        return REDACTED
    if isinstance(value, str):
        shown = _CREDENTIAL.sub(REDACTED, value)
        return shown if len(shown) <= _TEXT else f"{shown[:_TEXT]}… ({len(shown)} characters)"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if depth == 0 and isinstance(value, Mapping | list | tuple):
        return "…"
    if isinstance(value, Mapping):
        return {key: redacted(item, str(key), depth - 1) for key, item in list(value.items())[:_ITEMS]}
    if isinstance(value, list | tuple):
        more = [f"… {len(value) - _ITEMS} more"] if len(value) > _ITEMS else []
        return [redacted(item, "", depth - 1) for item in value[:_ITEMS]] + more
    return value
