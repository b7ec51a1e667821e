"""`rowgate eval`: JSON lines with expressions in, JSON lines with their values out, one at a time."""

import base64
import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.errors import RowgateError
from app.expressions.check import Scope, check
from app.expressions.evaluate import compile_value
from app.expressions.functions import duration_of_text, timestamp_of_text
from app.expressions.operations import EvaluationError
from app.expressions.problems import ExpressionErrors
from app.expressions.types import DYN
from app.json_body import BadJson, parse_json

MAX_LINE = 4 * 1024 * 1024


def eval_lines(lines: Iterable[str], write: Callable[[str], Any]) -> None:
    """Answer each line `{"expr": …, "vars": {…}}` by `{"value": …}` or `{"error": …}`; nothing is kept between them."""
    for line in lines:
        if line.strip():
            write(json.dumps(_answer(line), ensure_ascii=False, allow_nan=False) + "\n")


def _answer(line: str) -> dict[str, Any]:
    try:
        said = parse_json(line[: MAX_LINE + 1].encode("utf-8", "surrogatepass"))
        if not isinstance(said, dict) or not isinstance(said.get("expr"), str):
            return _error("input.invalid", 'a line is {"expr": "1 + 1", "vars": {}}')
        given = said.get("vars", {})
        if not isinstance(given, dict):
            return _error("input.invalid", "vars is an object")
        variables = {name: read_value(value) for name, value in given.items()}
        expression = check(said["expr"], Scope(dict.fromkeys(variables, DYN)))
        return {"value": shown_value(compile_value(expression)(variables))}
    except ExpressionErrors as errors:
        first = errors.problems[0]
        return _error(first.code, first.message, first.line, first.column)
    except EvaluationError as error:
        return _error(error.code, error.detail, error.line, error.column)
    except BadJson:
        return _error("input.bad_json", "the line is not JSON")
    except RowgateError as error:
        return _error(error.code, error.detail)


def _error(code: str, message: str, line: int = 0, column: int = 0) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "line": line, "column": column}}


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "timestamp": timestamp_of_text,
    "duration": duration_of_text,
    "bytes": lambda text: base64.b64decode(text, validate=True),
    "double": float,
    "decimal": lambda text: Decimal(str(text)),
    "date": date.fromisoformat,
}


def read_value(value: Any) -> Any:
    """Read a value of `vars`: `{"timestamp": "…Z"}` and its kin are what they name, a number with a point a double."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [read_value(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, inner),) = value.items()
        if name in _READERS and isinstance(inner, str):
            try:
                return _READERS[name](inner)
            except (EvaluationError, ValueError, ArithmeticError):
                raise BadJson(f"this is no {name}") from None
    return {key: read_value(item) for key, item in value.items()}


def shown_value(value: Any) -> Any:
    """Give a value as the answer shows it."""
    if isinstance(value, dict):
        return {str(key): shown_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shown_value(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else {"double": _UNFINITE[repr(value)]}
    for kind, show in _SHOWN:
        if isinstance(value, kind):
            return show(value)
    return value


_UNFINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _timestamp(value: datetime) -> dict[str, str]:
    return {"timestamp": value.astimezone(UTC).isoformat().replace("+00:00", "Z")}


def _duration(value: timedelta) -> dict[str, str]:
    micros = value // timedelta(microseconds=1)
    whole, rest = divmod(abs(micros), 1_000_000)
    fraction = f".{rest:06d}".rstrip("0") if rest else ""
    return {"duration": f"{'-' if micros < 0 else ''}{whole}{fraction}s"}


_SHOWN: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (datetime, _timestamp),
    (date, lambda value: {"date": value.isoformat()}),
    (timedelta, _duration),
    (bytes, lambda value: {"bytes": base64.b64encode(value).decode()}),
    (Decimal, lambda value: {"decimal": str(value)}),
)
