"""Every function of the language, once: its signatures, what it does, and the sentence that documents it."""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import re2

from app.expressions.operations import EXACT, INT_MAX, INT_MIN, Unknown, to_decimal, to_double
from app.expressions.types import (
    BOOL,
    BYTES,
    DATE,
    DECIMAL,
    DOUBLE,
    DURATION,
    INT,
    LIST,
    MAP,
    STRING,
    TIMESTAMP,
    UUID,
    Type,
)

MAX_PATTERN = 1_000
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?", re.ASCII)
_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_DURATION = re.compile(r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{1,9})?(?:h|ms|us|ns|m|s))+", re.ASCII)
_DURATION_PART = re.compile(r"([0-9.]+)(h|ms|us|ns|m|s)", re.ASCII)
_NANOSECONDS = {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_LONGEST_NUMBER = 2_000
_TRUE = frozenset({"true", "True", "TRUE", "t", "1"})
_FALSE = frozenset({"false", "False", "FALSE", "f", "0"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature of a function: the types it takes (of a method the target first), its result, its Python half."""

    parameters: tuple[Type, ...]
    result: Type
    python: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language: how it is written (`f(x)`, `x.f()`, or both), its signatures, and what it does."""

    name: str
    function: bool
    method: bool
    overloads: tuple[Overload, ...]
    doc: str


def _trim_zero(value: float) -> str:
    written = repr(value)
    names = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}
    return names.get(written, written.removesuffix(".0"))


def _number_text(text: str) -> str:
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise Unknown("this string is no number")
    return text


def int_of_text(text: str) -> int:
    """Read a whole number of 64 bits; anything else is an error."""
    if not _INTEGER.fullmatch(text):
        raise Unknown("this string is no int")
    return _bounded(int(text))


def _bounded(value: int) -> int:
    if not INT_MIN <= value <= INT_MAX:
        raise Unknown("a number does not fit in 64 bits")
    return value


def _int_of_decimal(value: Decimal) -> int:
    if value.adjusted() > 18:
        raise Unknown("a number does not fit in 64 bits")
    return _bounded(int(value))


def _double_of_text(text: str) -> float:
    if text in ("NaN", "Infinity", "-Infinity"):
        return float(text)
    return to_double(Decimal(_number_text(text)))


def decimal_of_text(text: str) -> Decimal:
    """Read a decimal exactly; NaN and infinities are none."""
    return EXACT.create_decimal(_number_text(text))


def _decimal_of_double(value: float) -> Decimal:
    return decimal_of_text(repr(value))


def _bool_of_text(text: str) -> bool:
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise Unknown("this string is neither true nor false")


def uuid_of_text(text: str) -> str:
    """Read a UUID in its 8-4-4-4-12 form and give it in lower case."""
    lowered = text.lower()
    if not _UUID.fullmatch(lowered):
        raise Unknown("this string is no UUID")
    return lowered


def date_of_text(text: str) -> date:
    """Read `2026-01-31`."""
    if not _DATE.fullmatch(text):
        raise Unknown("this string is no date, as 2026-01-31 is")
    return date.fromisoformat(text)


def timestamp_of_text(text: str) -> datetime:
    """Read an RFC 3339 instant into UTC; digits past the microsecond are cut off."""
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        raise Unknown("this string is no timestamp, as 2026-01-31T12:00:00Z is")
    day, clock, fraction, zone = found.groups()
    micro = ((fraction or "") + "000000")[:6]
    offset = "+00:00" if zone in ("Z", "z") else zone
    return datetime.fromisoformat(f"{day}T{clock}.{micro}{offset}").astimezone(UTC)


def duration_of_text(text: str) -> timedelta:
    """Read `1h30m`, `1.5s`, `-250ms`; what is finer than a microsecond is cut off."""
    if not _DURATION.fullmatch(text):
        raise Unknown("this string is no duration, as 1h30m is")
    total = sum(Decimal(amount) * _NANOSECONDS[unit] for amount, unit in _DURATION_PART.findall(text))
    micro = int(total / 1_000)
    return timedelta(microseconds=-micro if text[0] == "-" else micro)


def _timestamp_of_date(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _timestamp_of_seconds(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)


def _seconds_of_timestamp(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(seconds=1)


def timestamp_text(moment: datetime) -> str:
    """Write an instant as RFC 3339 in UTC, with as many digits as it needs."""
    moment = moment.astimezone(UTC)
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f"{fraction}Z"


def duration_text(span: timedelta) -> str:
    """Write a duration in seconds: `5400s`, `1.5s`."""
    micro = span // timedelta(microseconds=1)
    whole, rest = divmod(abs(micro), 1_000_000)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return f"{'-' if micro < 0 else ''}{whole}{fraction}s"


def _decimal_text(value: Decimal) -> str:
    return format(value, "f")


def _bytes_text(value: bytes) -> str:
    return value.decode("utf-8")


def _bool_text(value: bool) -> str:
    return "true" if value else "false"


def _same(value: Any) -> Any:
    return value


@functools.lru_cache(maxsize=256)
def pattern(text: str) -> Any:
    """Compile an RE2 pattern of at most 1,000 characters; one that RE2 refuses is an error."""
    if len(text) > MAX_PATTERN:
        raise Unknown(f"a pattern has at most {MAX_PATTERN:,} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(text, options)
    except re2.error:
        raise Unknown("this is no RE2 pattern") from None


def _matches(text: str, written: str) -> bool:
    return pattern(written).search(text) is not None


def _function(name: str, doc: str, *signatures: tuple[tuple[Type, ...], Type, Callable[..., Any]]) -> Function:
    return Function(name, True, False, tuple(Overload(*signature) for signature in signatures), doc)


def _method(name: str, doc: str, *signatures: tuple[tuple[Type, ...], Type, Callable[..., Any]]) -> Function:
    return Function(name, False, True, tuple(Overload(*signature) for signature in signatures), doc)


_SIZE = tuple(Overload((kind,), INT, len) for kind in (STRING, BYTES, LIST, MAP))

_ALL = (
    Function("size", True, True, _SIZE, "The number of characters, bytes, elements or keys."),
    _method("startsWith", "Whether the string begins with another.", ((STRING, STRING), BOOL, str.startswith)),
    _method("endsWith", "Whether the string ends with another.", ((STRING, STRING), BOOL, str.endswith)),
    _method("contains", "Whether another string stands in it.", ((STRING, STRING), BOOL, str.__contains__)),
    Function(
        "matches", True, True, (Overload((STRING, STRING), BOOL, _matches),), "Whether an RE2 pattern matches a part."
    ),
    _method("trim", "The string without white space at either end.", ((STRING,), STRING, str.strip)),
    _function("lower", "The string in lower case.", ((STRING,), STRING, str.lower)),
    _function("upper", "The string in upper case.", ((STRING,), STRING, str.upper)),
    _function(
        "int",
        "A whole number of a number (cut towards zero), a string, or a timestamp (seconds since 1970).",
        ((INT,), INT, _same),
        ((DECIMAL,), INT, _int_of_decimal),
        ((DOUBLE,), INT, lambda value: _bounded(int(value))),
        ((STRING,), INT, int_of_text),
        ((TIMESTAMP,), INT, _seconds_of_timestamp),
    ),
    _function(
        "double",
        "A double of a number or a string.",
        ((DOUBLE,), DOUBLE, _same),
        ((INT,), DOUBLE, to_double),
        ((DECIMAL,), DOUBLE, to_double),
        ((STRING,), DOUBLE, _double_of_text),
    ),
    _function(
        "decimal",
        "An exact decimal of a number or a string.",
        ((DECIMAL,), DECIMAL, _same),
        ((INT,), DECIMAL, to_decimal),
        ((DOUBLE,), DECIMAL, _decimal_of_double),
        ((STRING,), DECIMAL, decimal_of_text),
    ),
    _function(
        "string",
        "The value written out; bytes are read as UTF-8.",
        ((STRING,), STRING, _same),
        ((BOOL,), STRING, _bool_text),
        ((INT,), STRING, str),
        ((DECIMAL,), STRING, _decimal_text),
        ((DOUBLE,), STRING, _trim_zero),
        ((BYTES,), STRING, _bytes_text),
        ((TIMESTAMP,), STRING, timestamp_text),
        ((DURATION,), STRING, duration_text),
        ((DATE,), STRING, date.isoformat),
        ((UUID,), STRING, _same),
    ),
    _function(
        "bool",
        "A boolean of a boolean or of a string (true, t, 1; false, f, 0).",
        ((BOOL,), BOOL, _same),
        ((STRING,), BOOL, _bool_of_text),
    ),
    _function(
        "timestamp",
        "An instant of an RFC 3339 string, a date (its midnight in UTC), or seconds since 1970.",
        ((TIMESTAMP,), TIMESTAMP, _same),
        ((STRING,), TIMESTAMP, timestamp_of_text),
        ((DATE,), TIMESTAMP, _timestamp_of_date),
        ((INT,), TIMESTAMP, _timestamp_of_seconds),
    ),
    _function(
        "duration",
        "A span of time, written as 1h30m or 1.5s.",
        ((DURATION,), DURATION, _same),
        ((STRING,), DURATION, duration_of_text),
    ),
    _function(
        "date",
        "A date of a string such as 2026-01-31, or the UTC date of a timestamp.",
        ((DATE,), DATE, _same),
        ((STRING,), DATE, date_of_text),
        ((TIMESTAMP,), DATE, lambda moment: moment.astimezone(UTC).date()),
    ),
    _function(
        "uuid",
        "A UUID of its 8-4-4-4-12 form.",
        ((UUID,), UUID, _same),
        ((STRING,), UUID, uuid_of_text),
    ),
)
TABLE: Mapping[str, Function] = {function.name: function for function in _ALL}

FROM_TEXT: Mapping[Type, Callable[[str], Any]] = {
    UUID: uuid_of_text,
    DATE: date_of_text,
    TIMESTAMP: timestamp_of_text,
    DURATION: duration_of_text,
}
