"""Conversions between types, and the readers and writers of their texts."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from app.expressions.library.conversion_sql import (
    DATES,
    DOUBLE_OF_TEXT,
    INT64,
    IS_INT,
    IS_NUMBER,
    LONGEST_NUMBER,
    double_of_decimal,
    when,
)
from app.expressions.library.signature import Function, Kinds, Overload, always, function, plain
from app.expressions.operations import EXACT, INT_MAX, INT_MIN, Unknown, bounded_span, to_decimal, to_double, type_name
from app.expressions.types import (
    BOOL,
    BYTES,
    DATE,
    DECIMAL,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIME,
    TIMESTAMP,
    TYPE,
    UUID,
    Type,
    TypeName,
)

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_DURATION = re.compile(r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{1,9})?(?:h|ms|us|ns|m|s))+", re.ASCII)
_DURATION_PART = re.compile(r"([0-9.]+)(h|ms|us|ns|m|s)", re.ASCII)
_NANOSECONDS = {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_TRUE = frozenset({"true", "True", "TRUE", "t", "1"})
_FALSE = frozenset({"false", "False", "FALSE", "f", "0"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def double_text(value: float) -> str:
    """Write a double as JSON would, and NaN, Infinity and -Infinity by name."""
    written = repr(value)
    names = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}
    return names.get(written, written.removesuffix(".0"))


def _number_text(text: str) -> str:
    if len(text) > LONGEST_NUMBER or not _NUMBER.fullmatch(text):
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


def time_of_text(text: str) -> str:
    """Read a time of day, `18:00` or `18:00:00.5`, and give it with its seconds, as Postgres writes it."""
    if not _TIME.fullmatch(text):
        raise Unknown("this string is no time of day, as 18:00 is")
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    seconds = whole if whole.count(":") > 1 else f"{whole}:00"
    return f"{seconds}.{fraction}" if fraction else seconds


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
    return bounded_span(timedelta(microseconds=-micro if text[0] == "-" else micro))


def date_text(day: date) -> str:
    """Write a date as `2026-01-31`."""
    return day.isoformat()


def _int_of_double(value: float) -> int:
    if not INT_MIN < value < INT_MAX:
        raise Unknown("a number does not fit in 64 bits")
    return int(value)


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


def decimal_text(value: Decimal) -> str:
    """Write a decimal with all its digits and no exponent."""
    return format(value, "f")


def _bytes_text(value: bytes) -> str:
    text = value.decode("utf-8")
    if "\0" in text:
        raise Unknown("a text can't hold a NUL")
    return text


def bool_text(value: bool) -> str:
    """Write `true` or `false`."""
    return "true" if value else "false"


def _same(value: object) -> object:
    return value


def _typed(name: str) -> Callable[[object], TypeName]:
    answer = TypeName(name)
    return lambda _value: answer


def _uuid(kinds: Kinds) -> Type | None:
    return TYPE if tuple(kinds) == (UUID,) else None


def _time(kinds: Kinds) -> Type | None:
    return TYPE if tuple(kinds) == (TIME,) else None


def _any(kinds: Kinds) -> Type | None:
    return TYPE if len(kinds) == 1 else None


def _dynamic(kinds: Kinds) -> Type | None:
    return DYN if len(kinds) == 1 else None


_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_TRUE_SQL, _FALSE_SQL = (", ".join(f"'{word}'" for word in sorted(words)) for words in (_TRUE, _FALSE))


FUNCTIONS: tuple[Function, ...] = (
    function(
        "int",
        "A whole number of a number (cut towards zero), a text, or a timestamp (seconds since 1970).",
        plain((INT,), INT, _same, "{0}"),
        plain(
            (DECIMAL,),
            INT,
            _int_of_decimal,
            when(f"trunc({{0}}) {INT64}", "trunc({0})::bigint"),
        ),
        plain(
            (DOUBLE,),
            INT,
            _int_of_double,
            when(f"{{0}} > {INT_MIN} AND {{0}} < {INT_MAX}", "trunc({0})::bigint"),
        ),
        plain(
            (STRING,),
            INT,
            int_of_text,
            when(
                IS_INT,
                f"CASE WHEN ({{0}})::numeric {INT64} THEN ({{0}})::bigint END",
            ),
        ),
        plain(
            (TIMESTAMP,),
            INT,
            _seconds_of_timestamp,
            when("isfinite({0})", "floor(extract(epoch FROM {0} AT TIME ZONE 'UTC'))::bigint"),
        ),
    ),
    function(
        "double",
        "A double of a number or a text.",
        plain((DOUBLE,), DOUBLE, _same, "{0}"),
        plain((INT,), DOUBLE, to_double, "({0})::double precision"),
        plain((DECIMAL,), DOUBLE, to_double, double_of_decimal("{0}")),
        plain((STRING,), DOUBLE, _double_of_text, DOUBLE_OF_TEXT),
    ),
    function(
        "decimal",
        "An exact decimal of a number or a text.",
        plain((DECIMAL,), DECIMAL, _same, "{0}"),
        plain((INT,), DECIMAL, to_decimal, "({0})::numeric"),
        plain((DOUBLE,), DECIMAL, _decimal_of_double),
        plain((STRING,), DECIMAL, decimal_of_text, when(IS_NUMBER, "({0})::numeric")),
    ),
    function(
        "string",
        "The value written out; bytes are read as UTF-8.",
        plain((STRING,), STRING, _same, "{0}"),
        plain((BOOL,), STRING, bool_text, "({0})::text"),
        plain((INT,), STRING, str, "({0})::text"),
        plain((DECIMAL,), STRING, decimal_text),
        plain((DOUBLE,), STRING, double_text),
        plain((BYTES,), STRING, _bytes_text),
        plain((TIMESTAMP,), STRING, timestamp_text),
        plain((DURATION,), STRING, duration_text),
        plain((DATE,), STRING, date_text, when(f"{{0}} BETWEEN {DATES}", "to_char({0}, 'YYYY-MM-DD')"), always),
        plain((UUID,), STRING, _same, "({0})::text"),
        plain((TIME,), STRING, _same, "({0})::text"),
    ),
    function(
        "bool",
        "A boolean of a boolean or of a text (true, t, 1; false, f, 0).",
        plain((BOOL,), BOOL, _same, "{0}"),
        plain(
            (STRING,),
            BOOL,
            _bool_of_text,
            f"(CASE WHEN {{0}} IN ({_TRUE_SQL}) THEN true WHEN {{0}} IN ({_FALSE_SQL}) THEN false END)",
        ),
    ),
    function(
        "bytes",
        "The UTF-8 of a text.",
        plain((BYTES,), BYTES, _same, "{0}"),
        plain((STRING,), BYTES, str.encode, "convert_to({0}, 'UTF8')", always),
    ),
    function(
        "timestamp",
        "An instant of an RFC 3339 text, a date (its midnight in UTC), or seconds since 1970.",
        plain((TIMESTAMP,), TIMESTAMP, _same, "{0}"),
        plain((STRING,), TIMESTAMP, timestamp_of_text),
        plain(
            (DATE,),
            TIMESTAMP,
            _timestamp_of_date,
            when(f"{{0}} BETWEEN {DATES}", "(({0})::timestamp AT TIME ZONE 'UTC')"),
        ),
        plain(
            (INT,),
            TIMESTAMP,
            _timestamp_of_seconds,
            when(
                f"{{0}} BETWEEN {_FIRST_SECOND} AND {_LAST_SECOND}",
                "(timestamp 'epoch' + ({0}) * interval '1 second') AT TIME ZONE 'UTC'",
            ),
        ),
        literal=timestamp_of_text,
    ),
    function(
        "duration",
        "A span of time, written as 1h30m or 1.5s.",
        plain((DURATION,), DURATION, _same, "{0}"),
        plain((STRING,), DURATION, duration_of_text),
        literal=duration_of_text,
    ),
    function(
        "date",
        "A date of a text such as 2026-01-31, or the UTC date of a timestamp.",
        plain((DATE,), DATE, _same, "{0}"),
        plain((STRING,), DATE, date_of_text),
        plain(
            (TIMESTAMP,),
            DATE,
            lambda moment: moment.astimezone(UTC).date(),
            when("isfinite({0})", "({0} AT TIME ZONE 'UTC')::date"),
        ),
        literal=date_of_text,
    ),
    function(
        "time",
        "A time of day, of a text such as 18:00 or 18:00:30.5.",
        plain((TIME,), TIME, _same, "{0}"),
        plain((STRING,), TIME, time_of_text),
        literal=time_of_text,
    ),
    function(
        "uuid",
        "A UUID of its 8-4-4-4-12 form.",
        plain((UUID,), UUID, _same, "{0}"),
        plain((STRING,), UUID, uuid_of_text),
        literal=uuid_of_text,
    ),
    function(
        "dyn", "The value, with a type that is only looked at when it runs.", Overload(_dynamic, _same, nulls=True)
    ),
    function(
        "type",
        "The type of a value, which can be compared with int, double, decimal, bool, string, list, map and so on.",
        Overload(_uuid, _typed("uuid")),
        Overload(_time, _typed("time")),
        Overload(_any, lambda value: TypeName(type_name(value)), nulls=True),
    ),
)
