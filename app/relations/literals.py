"""Values as SQL literals: for what takes no parameters, the checks and defaults of tables."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.database.wire_values import encode_json
from app.expressions.compiling import Environment
from app.expressions.to_sql import Parameters


def literal(value: Any, pg: str) -> str:
    """Write a value as a literal of a Postgres type; the value comes from a definition, and every quote is doubled."""
    if value is None:
        return f"NULL::{pg}"
    if pg.endswith("[]"):
        items = ", ".join(literal(item, pg[:-2]) for item in value)
        return f"ARRAY[{items}]::{pg}"
    if pg == "jsonb":
        return f"{_quoted(encode_json(value))}::jsonb"
    return f"{_quoted(pg_text(value))}::{pg}"


def pg_text(value: object) -> str:
    """Write a value of a rule that is no JSON as the text from which Postgres reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value // timedelta(microseconds=1)} microseconds"
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, float | int | Decimal | str):
        return str(value)
    msg = f"no literal of {type(value).__name__}"
    raise TypeError(msg)


def _quoted(text: str) -> str:
    # With standard_conforming_strings, which the server's connections have on, a quote is all that can end a string.
    return "'" + text.replace("'", "''") + "'"


class Literals(Parameters):
    """Parameters written out, for expressions that depend on nothing but the row."""

    def add(self, evaluate: Callable[[Environment], Any], pg: str) -> str:
        """Evaluate now, once and for all."""
        return literal(evaluate({}), pg)
