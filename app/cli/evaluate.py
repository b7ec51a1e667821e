"""`rowgate eval`: JSON lines with expressions in, JSON lines with their values out, one at a time."""

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.auth.identity import SignIn, auth_env
from app.changes.files import read_project
from app.errors import RowgateError
from app.expressions.check import Scope, caret, check
from app.expressions.conversion import to_type
from app.expressions.evaluate import compile_value, forget
from app.expressions.library.conversions import double_text, duration_of_text, duration_text, timestamp_of_text
from app.expressions.operations import EvaluationError
from app.expressions.problems import ExpressionErrors
from app.expressions.types import DYN, STRING, ListOf, Record, Type, TypeName, describe
from app.http.json_body import BadJson, parse_json
from app.relations.names import base_scope
from app.relations.schema import tables_of

MAX_LINE = 4 * 1024 * 1024
_BINDING = re.compile(r"\s*([A-Za-z_]\w*)\s*=(?!=)\s*(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Names:
    """What expressions may name besides the variables of their line: types, and a value for each."""

    scope: Scope = field(default_factory=lambda: Scope({}))
    values: Mapping[str, Any] = field(default_factory=dict)

    def binding(self, name: str, kind: Type, value: object) -> "Names":
        """Give these names and one more."""
        return Names(self.scope.with_names(**{name: kind}), {**self.values, name: value})


def eval_lines(lines: Iterable[str], write: Callable[[str], object], names: Names | None = None) -> None:
    """Answer each line `{"expr": …, "vars": {…}}` by `{"value": …}` or `{"error": …}`; nothing is kept between them."""
    for line in lines:
        if line.strip():
            write(json.dumps(_answer(line, names or Names()), ensure_ascii=False, allow_nan=False) + "\n")
            forget()


def converse(read: Callable[[str], str], write: Callable[[str], object], names: Names) -> None:
    """Answer expressions one by one until `read` raises EOFError; `name = expression` keeps a value under a name."""
    write("An expression, or name = expression. Known: " + ", ".join(sorted(names.scope.names)) + "\n")
    while True:
        try:
            line = read("> ")
        except EOFError:
            return
        if line.strip():
            names = _turn(line, write, names)


def _turn(line: str, write: Callable[[str], object], names: Names) -> Names:
    bound = _BINDING.fullmatch(line)
    text = bound.group(2) if bound else line
    try:
        expression = check(text, names.scope)
        value = compile_value(expression)(names.values)
    except ExpressionErrors as errors:
        for problem in errors.problems:
            write(f"{caret(text, problem)}\n")
    except EvaluationError as error:
        write(f"No answer: {error.detail}, at {error.line}:{error.column}. Where a rule asks, it refuses.\n")
    else:
        write(f"{json.dumps(shown_value(value), ensure_ascii=False)}  {describe(expression.type)}\n")
        return names.binding(bound.group(1), expression.type, value) if bound else names
    return names


def _answer(line: str, names: Names) -> dict[str, object]:
    try:
        said = parse_json(line[: MAX_LINE + 1].encode("utf-8", "surrogatepass"))
        if not isinstance(said, dict) or not isinstance(said.get("expr"), str):
            return _error("input.invalid", 'a line is {"expr": "1 + 1", "vars": {}}')
        given = said.get("vars", {})
        if not isinstance(given, dict):
            return _error("input.invalid", "vars is an object")
        variables = {name: read_value(value) for name, value in given.items()}
        expression = check(said["expr"], names.scope.with_names(**dict.fromkeys(variables, DYN)))
        return {"value": shown_value(compile_value(expression)({**names.values, **variables}))}
    except ExpressionErrors as errors:
        first = errors.problems[0]
        return _error(first.code, first.message, first.line, first.column)
    except EvaluationError as error:
        return _error(error.code, error.detail, error.line, error.column)
    except BadJson:
        return _error("input.bad_json", "the line is not JSON")
    except RowgateError as error:
        return _error(error.code, error.detail)


def _error(code: str, message: str, line: int = 0, column: int = 0) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "line": line, "column": column}}


_READERS: Mapping[str, Callable[[Any], object]] = {
    "timestamp": timestamp_of_text,
    "duration": duration_of_text,
    "bytes": lambda text: base64.b64decode(text, validate=True),
    "double": float,
    "decimal": lambda text: Decimal(str(text)),
    "date": date.fromisoformat,
}


def read_value(value: object) -> object:
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


def shown_value(value: object) -> object:
    """Give a value as the answer shows it."""
    if isinstance(value, dict):
        return {str(key): shown_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shown_value(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else {"double": double_text(value)}
    for kind, show in _SHOWN:
        if isinstance(value, kind):
            return show(value)
    return value


def _timestamp(value: datetime) -> dict[str, str]:
    return {"timestamp": value.astimezone(UTC).isoformat().replace("+00:00", "Z")}


_SHOWN: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (datetime, _timestamp),
    (date, lambda value: {"date": value.isoformat()}),
    (timedelta, lambda value: {"duration": duration_text(value)}),
    (bytes, lambda value: {"bytes": base64.b64encode(value).decode()}),
    (Decimal, lambda value: {"decimal": str(value)}),
    (TypeName, lambda value: {"type": value.name}),
)


def caller_names(path: Path, user_file: Path | None) -> Names:
    """Give `auth` and `now` as rules of a document see them: for the user in a JSON file, or for a stranger."""
    users = tables_of(read_project(path))["users"]
    scope = base_scope(users)
    user = None
    if user_file is not None:
        try:
            given = read_value(parse_json(user_file.read_bytes()))
        except OSError as error:
            raise BadJson(f"{user_file} can't be read: {error.strerror}.") from None
        record = Record("auth.user", {**users.record.fields, "roles": ListOf(STRING)})
        user = {**dict.fromkeys(users.record.fields), "roles": [], **to_type(given, record)}
    caller = auth_env("anonymous") if user is None else auth_env("user", user, SignIn())
    return Names(scope, {"auth": caller, "now": datetime.now(UTC)})
