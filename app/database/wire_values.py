"""How values of Postgres' text format become Python values and back, without losing a digit or raising on a date."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from app.expressions.exact_json import exact_json

_INT_DIGITS = 4000  # Python refuses to turn longer texts into an int


class _DecimalInside(Exception):
    """The fast encoder met a Decimal."""


def encode_json(value: object) -> str:
    """Write JSON; a Decimal keeps every digit. Raises ValueError for NaN and infinity, TypeError for other types."""
    try:
        return json.dumps(value, allow_nan=False, default=_not_json)
    except _DecimalInside:
        return exact_json(value, _scalar)


def decode_json(text: str) -> object:
    """Read JSON; a number with a point or an exponent is a Decimal, every other one an int."""
    return json.loads(text, parse_float=Decimal, parse_int=_whole)


def encode_decimal(value: Decimal | int) -> str:
    """Write a finite number exactly. Raises ValueError for NaN and infinity, TypeError for bool, float and the rest."""
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise TypeError("a decimal is needed")
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError("a finite number is needed")
    return str(number)


def decode_decimal(text: str) -> Decimal:
    """Read a numeric; NaN and infinity, which a column may hold from elsewhere, stay what they are."""
    return Decimal(text)


def encode_timestamp(value: datetime | str) -> str:
    """Write a moment. Raises ValueError without a time zone; Postgres' own text, as it was read, passes."""
    if isinstance(value, str):
        return value
    if value.utcoffset() is None:
        raise ValueError("a timestamp needs a time zone")
    return value.isoformat()


def decode_timestamp(text: str) -> datetime | str:
    """Read a moment in UTC; infinity, BC and years that Python has not stay text."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return text


def encode_date(value: date | str) -> str:
    """Write a date; Postgres' own text, as it was read, passes. Raises TypeError for a datetime."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        raise TypeError("a date is needed, not a moment")
    return value.isoformat()


def decode_date(text: str) -> date | str:
    """Read a date; infinity, BC and years that Python has not stay text."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


def _not_json(value: object) -> object:
    if isinstance(value, Decimal):
        raise _DecimalInside
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) < _INT_DIGITS else Decimal(text)


def _scalar(value: object) -> str:
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError("NaN and infinity are not JSON")
        return str(value)
    return json.dumps(value, allow_nan=False, default=_not_json)


_CODECS = {
    "uuid": (str, str),
    "json": (encode_json, decode_json),
    "jsonb": (encode_json, decode_json),
    "numeric": (encode_decimal, decode_decimal),
    "timestamptz": (encode_timestamp, decode_timestamp),
    "date": (encode_date, decode_date),
    "time": (str, str),
}
# Their ids in every Postgres. What asyncpg makes of ranges by itself knows nothing of the codecs of what is in them.
_RANGES = {"int4range": 3904, "numrange": 3906, "tstzrange": 3910, "daterange": 3912, "int8range": 3926}


async def set_codecs(connection: Any) -> None:
    """Let an asyncpg connection give and take these values, and ranges as the texts that Postgres writes."""
    for name, (encoder, decoder) in _CODECS.items():
        await connection.set_type_codec(name, schema="pg_catalog", encoder=encoder, decoder=decoder)
    settings = connection._protocol.get_settings()  # set_type_codec takes no ranges
    for name, oid in _RANGES.items():
        settings.add_python_codec(oid, name, "pg_catalog", [], "scalar", str, str, "text")
