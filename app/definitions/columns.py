"""Columns: their types, and which options each type takes."""

from decimal import Decimal, InvalidOperation
from math import isinf
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from app.definitions.names import Definition, Items, Name

ColumnType = Literal[
    "text", "integer", "bigint", "decimal", "float", "boolean", "date", "uuid", "timestamp", "json", "enum", "user",
    "reference",
]  # fmt: skip
OnDelete = Literal["restrict", "cascade", "set_null"]
TextFormat = Literal["email", "url", "slug"]

LARGEST_EXPONENT = 1000  # of decimals, as a value and as a bound
INTEGER_RANGES = {"integer": (-(2**31), 2**31 - 1), "bigint": (-(2**63), 2**63 - 1)}

_LENGTHS = frozenset({"min_length", "max_length", "pattern", "format"})
_BOUNDS = frozenset({"min", "max"})
OPTIONS_OF_TYPE: dict[str, frozenset[str]] = {
    "text": _LENGTHS,
    "integer": _BOUNDS,
    "bigint": _BOUNDS,
    "decimal": _BOUNDS | {"precision", "scale"},
    "float": _BOUNDS,
    "enum": frozenset({"values"}),
    "user": frozenset({"on_delete"}),
    "reference": frozenset({"table", "on_delete"}),
}
TYPED_OPTIONS = frozenset().union(*OPTIONS_OF_TYPE.values())


def _exact(value: object) -> object:
    """Take the number as it was written, so that a bound of a decimal is exact: 0.1 stays 0.1."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return Decimal(str(value))
        except InvalidOperation:
            return value
    return value


def _in_range(value: Decimal) -> Decimal:
    if value and abs(value.adjusted()) > LARGEST_EXPONENT:
        msg = f"a bound has an exponent of at most {LARGEST_EXPONENT}"
        raise ValueError(msg)
    return value


Bound = Annotated[Decimal, BeforeValidator(_exact), Field(allow_inf_nan=False), AfterValidator(_in_range)]


class ValueType(Definition):
    """What a column and a declared input have in common: a type, its options, and whether it must be there."""

    type: ColumnType
    required: bool = False
    default: Any = None
    array: bool = False
    description: str | None = None
    min_length: int | None = Field(default=None, ge=0)
    max_length: int | None = Field(default=None, ge=1)
    pattern: str | None = Field(default=None, max_length=200)
    format: TextFormat | None = None
    min: Bound | None = None
    max: Bound | None = None
    precision: int | None = Field(default=None, ge=1, le=1000)
    scale: int | None = Field(default=None, ge=0, le=1000)
    values: Items[str] | None = None
    table: Name | None = None
    on_delete: OnDelete | None = None

    @model_validator(mode="after")
    def _options_fit_the_type(self) -> Self:
        allowed = OPTIONS_OF_TYPE.get(self.type, frozenset())
        given = {name for name in TYPED_OPTIONS if getattr(self, name) is not None}
        if wrong := sorted(given - allowed):
            msg = f"{', '.join(wrong)}: not an option of the type {self.type}"
            raise ValueError(msg)
        _check_needed(self)
        _check_ranges(self)
        return self


def _check_needed(column: ValueType) -> None:
    if column.type == "enum" and not column.values:
        msg = "an enum needs values: [one, two]"
        raise ValueError(msg)
    if column.values is not None and len(set(column.values)) != len(column.values):
        msg = "the values of an enum must differ from each other"
        raise ValueError(msg)
    if column.type == "reference" and column.table is None:
        msg = "a reference needs table: the name of the table that it refers to"
        raise ValueError(msg)
    if column.on_delete == "set_null" and column.required:
        msg = "on_delete: set_null can't hold on a required column: use restrict or cascade"
        raise ValueError(msg)
    if column.scale is not None and (column.precision is None or column.scale > column.precision):
        msg = "scale needs a precision that is at least as large"
        raise ValueError(msg)


def _check_ranges(column: ValueType) -> None:
    if column.type == "float" and any(bound and isinf(float(bound)) for bound in (column.min, column.max)):
        msg = "min and max of a float are numbers that a float can be"
        raise ValueError(msg)
    if column.min_length is not None and column.max_length is not None and column.min_length > column.max_length:
        msg = "min_length is greater than max_length"
        raise ValueError(msg)
    if column.min is not None and column.max is not None and column.min > column.max:
        msg = "min is greater than max"
        raise ValueError(msg)
    if column.type in INTEGER_RANGES:
        lowest, highest = INTEGER_RANGES[column.type]
        for bound in (column.min, column.max):
            if bound is not None and (bound != bound.to_integral_value() or not lowest <= bound <= highest):
                msg = f"min and max of the type {column.type} are whole numbers from {lowest} to {highest}"
                raise ValueError(msg)


class ColumnDef(ValueType):
    """A column of a table: `{name: title, type: text, required: true, max_length: 200}`."""

    name: Name
    was: Name | None = None
    unique: bool = False
    index: bool = False


class UserColumnDef(ColumnDef):
    """A column that an admin adds to `users`; `self_editable` lets a person change it in the own row."""

    self_editable: bool = False
