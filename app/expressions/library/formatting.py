"""`format`: the clauses of CEL's strings extension."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.expressions.library.conversions import (
    bool_text,
    date_text,
    decimal_text,
    double_text,
    duration_text,
    timestamp_text,
)
from app.expressions.operations import BoundsExceeded, Unknown, check_built
from app.expressions.types import TypeName

_CLAUSE = re.compile(r"%(?:(%)|(?:\.([0-9]{1,3}))?([a-zA-Z])?)")
_MOST_DIGITS = 100
_DEEPEST = 32


def formatted(text: str, values: list[object]) -> str:
    """Fill the clauses of a text with values, in order; a clause without its value, or of another type, is an error."""
    written: list[str] = []
    size = position = taken = 0
    for match in _CLAUSE.finditer(text):
        percent, digits, clause = match.groups()
        parts = [text[position : match.start()]]
        position = match.end()
        if percent:
            parts.append("%")
        else:
            if taken >= len(values):
                raise Unknown("a clause of the format has no value")
            parts.append(_clause(clause, int(digits) if digits else 6, values[taken]))
            taken += 1
        size += sum(map(len, parts))
        check_built(size)
        written += parts
    return "".join((*written, text[position:]))


def _clause(clause: str | None, digits: int, value: object) -> str:
    write = _CLAUSES.get(clause or "")
    if write is None or digits > _MOST_DIGITS:
        raise Unknown("the format has a clause that isn't one of %s %d %f %e %x %X %o %b")
    return write(value, digits)


def _string(value: object, _digits: int) -> str:
    return _shown(value, [0], 0)


def _shown(value: Any, written: list[int], depth: int) -> str:
    """Write a value; `written` counts the characters of all its parts, so that the whole is bounded."""
    if depth > _DEEPEST:
        raise BoundsExceeded("a value is nested too deep to be written")
    if isinstance(value, list):
        text = f"[{', '.join(_shown(item, written, depth + 1) for item in value)}]"
    elif isinstance(value, dict):
        pairs = {_shown(key, written, depth + 1): _shown(item, written, depth + 1) for key, item in value.items()}
        text = "{" + ", ".join(f"{key}: {pairs[key]}" for key in sorted(pairs)) + "}"
    else:
        text = _scalar(value)
    written[0] += len(text) + 1
    check_built(written[0])
    return text


def _scalar(value: object) -> str:
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    raise Unknown("this value can't be written")


_WRITERS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (str, str),
    (bool, bool_text),
    (int, str),
    (float, double_text),
    (Decimal, decimal_text),
    (type(None), lambda _value: "null"),
    (datetime, timestamp_text),
    (date, date_text),
    (timedelta, duration_text),
    (bytes, lambda value: value.decode("utf-8", "replace")),
    (TypeName, lambda value: value.name),
)


def _number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _unfinite(value: object) -> str | None:
    shown = double_text(value) if isinstance(value, float) else ""
    return shown if shown in ("NaN", "Infinity", "-Infinity") else None


def _decimal(value: object, _digits: int) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if (shown := _unfinite(value)) is not None:
        return shown
    raise Unknown("%d takes an int")


def _fixed(kind: str) -> Callable[[object, int], str]:
    def write(value: Any, digits: int) -> str:
        if not _number(value):
            raise Unknown(f"%{kind} takes a number")
        return _unfinite(value) or format(value, f".{digits}{kind}")

    return write


def _based(kind: str) -> Callable[[object, int], str]:
    def write(value: Any, _digits: int) -> str:
        if isinstance(value, bool) and kind == "b":
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return format(value, kind)
        if kind in "xX" and isinstance(value, str | bytes):
            shown = (value.encode() if isinstance(value, str) else value).hex()
            return shown.upper() if kind == "X" else shown
        raise Unknown(f"%{kind} doesn't take this value")

    return write


_CLAUSES: dict[str, Callable[[object, int], str]] = {
    "s": _string,
    "d": _decimal,
    "f": _fixed("f"),
    "e": _fixed("e"),
    "x": _based("x"),
    "X": _based("X"),
    "o": _based("o"),
    "b": _based("b"),
}
