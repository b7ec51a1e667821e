"""JSON of answers: exact decimals, moments in ISO 8601, bytes in base64, the same as Postgres writes it."""

import base64
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson

from app.expressions.exact_json import exact_json

_OPTIONS = orjson.OPT_NON_STR_KEYS


def to_json(value: Any) -> bytes:
    """Encode a value of a rule or a row; a number keeps every digit, whatever its size."""
    try:
        return orjson.dumps(value, default=_other, option=_OPTIONS)
    except orjson.JSONEncodeError:
        # A whole number beyond 64 bits, or a lone surrogate, which JSON can only escape.
        return exact_json(value, _scalar).encode()


def _other(value: object) -> object:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value).encode()) if value.is_finite() else str(value)
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return orjson.dumps(value, default=_other).decode()
