"""What traces and the list of requests never show: passwords, tokens, secrets, keys; and nothing at great length."""

import functools
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

REDACTED = "[redacted]"
_TEXT, _ITEMS, _DEPTH = 500, 20, 6
_SHORTEST, _LOOKED_AT = 4, 5000  # characters of what is found again by its text; values that are looked at
_HIDDEN = re.compile(
    r"passw|secret|token|api.?key|credential|authorization|cookie|otp$|(^|[._-])(pin|code|key|jwt)$", re.IGNORECASE
)
_CREDENTIAL = re.compile(r"\b(?:rgk_|rgp_|eyJ)[A-Za-z0-9_.\-]{8,}")


@functools.lru_cache(4096)
def is_hidden(name: str) -> bool:
    """Say whether a value of this name is not to be shown."""
    return any(_HIDDEN.search(part) for part in name.split("."))


def redacted(value: object, name: str = "", depth: int = _DEPTH) -> object:
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


def hidden_in(value: object, name: str = "") -> set[str]:
    """Give the texts and numbers under hidden names, however deep: a step may bind them under other names.

    What is shorter than four characters stands in too many places to be found again by its text.
    """
    found: set[str] = set()
    waiting = [(value, bool(name) and is_hidden(name))]
    for _ in range(_LOOKED_AT):
        if not waiting:
            break
        item, hides = waiting.pop()
        if isinstance(item, Mapping):
            waiting += [(inner, hides or is_hidden(str(key))) for key, inner in item.items()]
        elif isinstance(item, list | tuple):
            waiting += [(inner, hides) for inner in item]
        elif hides and isinstance(item, str | int | Decimal) and len(text := str(item)) >= _SHORTEST:
            found.add(text)
    return found - {"True", "False"}


def without(value: Any, hidden: Collection[str]) -> object:
    """Give a value in which none of these texts stands."""
    if not hidden:
        return value
    if isinstance(value, str):
        for text in sorted(hidden, key=len, reverse=True):
            value = value.replace(text, REDACTED)
        return value
    if isinstance(value, Mapping):
        return {key: without(item, hidden) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without(item, hidden) for item in value]
    return REDACTED if isinstance(value, int | Decimal) and str(value) in hidden else value
