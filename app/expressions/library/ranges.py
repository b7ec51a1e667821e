"""Ranges in rules: what is in them, and where they begin and end; and how texts written out are read."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from app.expressions.library.conversions import (
    date_of_text,
    decimal_of_text,
    duration_of_text,
    int_of_text,
    time_of_text,
    timestamp_of_text,
    uuid_of_text,
)
from app.expressions.library.signature import Overload, always, function, never, plain
from app.expressions.operations import Unknown
from app.expressions.types import (
    BIGINT_RANGE,
    BOOL,
    DATE,
    DATE_RANGE,
    DECIMAL,
    DECIMAL_RANGE,
    DURATION,
    INT,
    INTEGER_RANGE,
    RANGES,
    STRING,
    TIME,
    TIMESTAMP,
    TIMESTAMP_RANGE,
    UUID,
    Type,
    pg_type,
)
from app.ranges.text import Range, read_range, written_range

# A moment as Postgres writes it in a range: `2027-01-31 18:00:00+00`.
_SHORT_ZONE = re.compile(r" ([0-9:.]+[+-][0-9]{2})$")
_BOUNDS: Mapping[Type, Callable[[str], Any]] = {
    INT: int_of_text,
    DECIMAL: decimal_of_text,
    DATE: date_of_text,
    TIMESTAMP: lambda text: timestamp_of_text(_SHORT_ZONE.sub(r"T\1:00", text)),
}


def _of_text(text: str, inside: Type) -> Range:
    try:
        return read_range(text, _BOUNDS[inside])
    except (ValueError, OverflowError):
        raise Unknown("this string is no range, as [1,5) is") from None


def _reader(inside: Type) -> Callable[[str], str]:
    return lambda text: written_range(_of_text(text, inside))


def _end(of: str, inside: Type) -> Callable[[str], Any]:
    return lambda text: getattr(_of_text(text, inside), of)


def _ends(of: str) -> tuple[Overload, ...]:
    return tuple(
        plain((kind,), inside, _end(of, inside), f"{of}({{0}})::{pg_type(inside)}") for kind, inside in RANGES.items()
    )


def _contains(inside: Type) -> Callable[[str, Any], bool]:
    return lambda text, value: _of_text(text, inside).contains(value)


def _overlaps(inside: Type) -> Callable[[str, str], bool]:
    return lambda text, other: _of_text(text, inside).overlaps(_of_text(other, inside))


def _holding(kind: Type) -> str:
    """Write the range that a number of 64 bits may be in, where the column's own is of 32."""
    return "({0})::text::int8range" if kind == INTEGER_RANGE else "{0}"


LOWER, UPPER = _ends("lower"), _ends("upper")
CONTAINS = tuple(
    plain(
        (kind, inside),
        BOOL,
        _contains(inside),
        f"({_holding(kind)} @> ({{1}})::{pg_type(inside)})",
        always if kind == INTEGER_RANGE else never,
    )
    for kind, inside in RANGES.items()
)
OVERLAPS = tuple(plain((kind, kind), BOOL, _overlaps(inside), "({0} && {1})") for kind, inside in RANGES.items())

FUNCTIONS = tuple(
    function(
        name,
        f"A range of a text such as {such_as}.",
        plain((kind,), kind, lambda text: text, "{0}"),
        plain((STRING,), kind, _reader(RANGES[kind])),
        literal=_reader(RANGES[kind]),
    )
    for name, kind, such_as in (
        ("integer_range", INTEGER_RANGE, "[1,5)"),
        ("bigint_range", BIGINT_RANGE, "[1,5)"),
        ("decimal_range", DECIMAL_RANGE, "[0.5,1.5)"),
        ("date_range", DATE_RANGE, "[2027-01-01,2027-02-01)"),
        ("timestamp_range", TIMESTAMP_RANGE, "[2027-01-31T18:00:00Z,)"),
    )
)

FROM_TEXT: Mapping[Type, Callable[[str], object]] = {
    UUID: uuid_of_text,
    TIME: time_of_text,
    DATE: date_of_text,
    TIMESTAMP: timestamp_of_text,
    DURATION: duration_of_text,
    **{kind: _reader(inside) for kind, inside in RANGES.items()},
}
