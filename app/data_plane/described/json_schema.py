"""Values as JSON Schema says them: what may be sent, and what is answered."""

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any

from app.definitions.column_types import COLUMN_TYPES
from app.definitions.columns import ValueType
from app.definitions.defaults import literal_default
from app.expressions.types import BYTES, DURATION, Enum, ListOf, Record, Scalar, Type

_EXACT = 15  # digits that a double holds
_OF_NO_COLUMN: dict[Type, dict[str, str]] = {BYTES: {"type": "string"}, DURATION: {"type": "string"}}


def shown_schema(kind: Type) -> dict[str, object]:
    """Give the schema of a value that is answered; of one that may be anything an empty one."""
    if isinstance(kind, Enum):
        return {"type": "string", "enum": list(kind.values)}
    if isinstance(kind, ListOf):
        return {"type": "array", "items": shown_schema(kind.element)}
    if isinstance(kind, Record):
        return shown_row(kind.fields)
    known = (one for one in COLUMN_TYPES.values() if Scalar(one.rule) == kind)
    found = next((one.schema if one.shown is None else one.shown for one in known), None)
    return dict(_OF_NO_COLUMN.get(kind, {}) if found is None else found)


def shown_row(fields: Mapping[str, Type]) -> dict[str, Any]:
    """Give the schema of a row of a view, or of an object inside of one."""
    return {"type": "object", "properties": {name: nullable(shown_schema(kind)) for name, kind in fields.items()}}


def nullable(schema: dict[str, Any]) -> dict[str, object]:
    """Give the schema of a value that may be null too."""
    if "type" not in schema:
        return schema
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    listed = {**schema, "type": [*kinds, "null"]}
    return {**listed, "enum": [*schema["enum"], None]} if "enum" in schema else listed


def sent_schema(said: ValueType, bigints: Collection[str]) -> dict[str, Any]:
    """Give the schema of what may be sent for a column or an input; `bigints` names the tables whose id is a bigint."""
    schema = dict(said.described_with(bigints).schema)
    low, high = said.described.range or (None, None)
    if said.precision is not None:
        digits = _of_digits(said.precision, said.scale or 0)
        schema |= digits
        low, high = digits.get("minimum"), digits.get("maximum")
    options: dict[str, object] = {
        "minimum": _tighter(max, said.min, low),
        "maximum": _tighter(min, said.max, high),
        "minLength": said.min_length,
        "maxLength": said.max_length,
        "pattern": None if said.pattern is None else f"^(?:{said.pattern})$",
        "enum": None if said.values is None else list(said.values),
    }
    schema |= {key: value for key, value in options.items() if value is not None}
    if said.format in {"email", "url"}:
        schema["format"] = {"email": "email", "url": "uri"}[said.format]
    if said.array:
        schema = {"type": "array", "items": schema}
    if (default := literal_default(said)) is not None:
        schema["default"] = default
    elif said.default is not None:
        schema["description"] = f"Where it isn't sent, the database gives it: {said.default}"
    return schema


def _of_digits(precision: int, scale: int) -> dict[str, Any]:
    """Give the limits of a decimal: of a text its form, of a number its bounds where a double has them exact."""
    whole = precision - scale
    before = rf"0*[0-9]{{1,{whole}}}" if whole else "0+"
    behind = rf"(\.[0-9]{{1,{scale}}}0*)?" if scale else r"(\.0+)?"
    told = {"pattern": f"^-?{before}{behind}$", "description": f"Of {precision} digits, {scale} of them decimals."}
    if precision > _EXACT:
        return told
    most = Decimal(10**precision - 1).scaleb(-scale)
    return {**told, "minimum": -most, "maximum": most}


def _tighter(choose: Callable[..., Any], said: Decimal | None, other: object) -> object:
    bounds = [one for one in (said, other) if one is not None]
    return _plain_number(choose(bounds)) if bounds else None


def _plain_number(bound: Decimal | int) -> Decimal | int:
    return int(bound) if bound == int(bound) else bound
