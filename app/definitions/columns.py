"""Columns: their types, and which options each type takes."""

from collections.abc import Container
from decimal import Decimal, InvalidOperation
from math import isinf
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticKnownError

from app.definitions.column_types import COLUMN_TYPES, LARGEST_EXPONENT, NUMBERED, ColumnType
from app.definitions.names import Definition, Items, Name

OnDelete = Literal["restrict", "cascade", "set_null"]
TextFormat = Literal["email", "url", "slug"]
_OPTIONS = frozenset[str]().union(*(one.options for one in COLUMN_TYPES.values()))
_DOUBLE = "double"  # the rule type of numbers that have an end


def _known_type(value: object) -> str:
    if isinstance(value, str) and value in COLUMN_TYPES:
        return value
    *names, last = (f"'{name}'" for name in COLUMN_TYPES)
    raise PydanticKnownError("literal_error", {"expected": f"{', '.join(names)} or {last}"})


TypeName = Annotated[str, PlainValidator(_known_type), WithJsonSchema({"type": "string", "enum": list(COLUMN_TYPES)})]


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

    type: TypeName
    """What it holds; documents.md has every type."""
    required: bool = False
    """Whether it must be there: a column is not null, an input has to be sent unless it has a default."""
    default: Any = None
    """What it is where nothing is said: a value of its type, or for a column one that the database computes."""
    array: bool = False
    """Whether it holds a list of such values."""
    description: str | None = None
    """For people who read the document, and the OpenAPI document."""
    min_length: int | None = Field(default=None, ge=0)
    """The fewest characters of a text."""
    max_length: int | None = Field(default=None, ge=1)
    """The most characters of a text."""
    pattern: str | None = Field(default=None, max_length=200)
    """An RE2 pattern that the whole text has to fit."""
    format: TextFormat | None = None
    """A form that the text has to have."""
    min: Bound | None = None
    """The least number, exactly as it is written."""
    max: Bound | None = None
    """The greatest number, exactly as it is written."""
    precision: int | None = Field(default=None, ge=1, le=1000)
    """The digits of a decimal, those behind the point among them."""
    scale: int | None = Field(default=None, ge=0, le=1000)
    """The digits of a decimal behind the point."""
    values: Items[str] | None = None
    """The words of an enum."""
    table: Name | None = None
    """The table that a reference leads to."""
    on_delete: OnDelete | None = None
    """What becomes of the row where the one that it leads to is deleted; `restrict` by itself."""

    @model_validator(mode="after")
    def _options_fit_the_type(self) -> Self:
        given = {name for name in _OPTIONS if getattr(self, name) is not None}
        if wrong := sorted(given - self.described.options):
            msg = f"{', '.join(wrong)}: not an option of the type {self.type}"
            raise ValueError(msg)
        _check_needed(self)
        _check_ranges(self)
        return self

    @property
    def described(self) -> ColumnType:
        """Give what its type means."""
        return COLUMN_TYPES[self.type]

    def described_with(self, bigints: Container[str]) -> ColumnType:
        """Give what its type means where `bigints` names the tables whose ids are numbers; a reference is an id."""
        return COLUMN_TYPES[NUMBERED if self.table in bigints else self.type]

    @property
    def target(self) -> str | None:
        """Name the table whose ids it holds, one of them or, of an array, several."""
        return self.table or self.described.table

    @property
    def choices(self) -> tuple[Any, ...]:
        """Give every value there is where these are few: the words of an enum, false and true."""
        return self.values or self.described.choices


def _check_needed(column: ValueType) -> None:
    needs = column.described.needs
    if needs is not None and not getattr(column, needs[0]):
        raise ValueError(needs[1])
    if column.values is not None and len(set(column.values)) != len(column.values):
        msg = "the values of an enum must differ from each other"
        raise ValueError(msg)
    if column.on_delete == "set_null" and column.required:
        msg = "on_delete: set_null can't hold on a required column: use restrict or cascade"
        raise ValueError(msg)
    if column.scale is not None and (column.precision is None or column.scale > column.precision):
        msg = "scale needs a precision that is at least as large"
        raise ValueError(msg)


def _check_ranges(column: ValueType) -> None:
    kind = column.described
    if kind.rule == _DOUBLE and any(bound and isinf(float(bound)) for bound in (column.min, column.max)):
        msg = "min and max of a float are numbers that a float can be"
        raise ValueError(msg)
    if column.min_length is not None and column.max_length is not None and column.min_length > column.max_length:
        msg = "min_length is greater than max_length"
        raise ValueError(msg)
    if column.min is not None and column.max is not None and column.min > column.max:
        msg = "min is greater than max"
        raise ValueError(msg)
    if kind.range is not None:
        lowest, highest = kind.range
        for bound in (column.min, column.max):
            if bound is not None and (bound != bound.to_integral_value() or not lowest <= bound <= highest):
                msg = f"min and max of the type {column.type} are whole numbers from {lowest} to {highest}"
                raise ValueError(msg)


class ColumnDef(ValueType):
    """A column of a table: `{name: title, type: text, required: true, max_length: 200}`."""

    name: Name
    """What views, steps and rules call it."""
    was: Name | None = None
    """The name before, where this renames it: its data stays."""
    unique: bool = False
    """Whether no two rows may have the same value."""
    index: bool = False
    """Whether reads by it have an index."""


class UserColumnDef(ColumnDef):
    """A column that an admin adds to `users`; `self_editable` lets a person change it in the own row."""

    self_editable: bool = False
    """Whether a person may change it in the own row."""
