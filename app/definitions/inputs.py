"""What an endpoint takes in: fields with the columns' types, objects and lists, and rules across them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from app.definitions.column_types import ANY_JSON, ANYTHING
from app.definitions.columns import ValueType
from app.definitions.expression_text import ExpressionText
from app.definitions.names import Definition, FieldName, Items


class ParamDef(ValueType):
    """A declared value: an input, a view's query parameter or a middleware's parameter."""


class ObjectDef(Definition):
    """A nested object: `{type: object, fields: {...}}`; a key that isn't declared is refused."""

    type: Literal["object"]
    """That it is an object."""
    fields: dict[FieldName, InputDef]
    """What it holds; any other key is refused."""
    required: bool = False
    """Whether it has to be sent."""
    default: dict[str, Any] | None = None
    """What it is where it isn't sent."""
    description: str | None = None
    """For the OpenAPI document."""


class ListDef(Definition):
    """A list of one type: `{type: list, of: {type: text}}`."""

    type: Literal["list"]
    """That it is a list."""
    of: InputDef
    """What each item is."""
    required: bool = False
    """Whether it has to be sent."""
    default: Items[Any] | None = None
    """What it is where it isn't sent."""
    min_length: int | None = Field(default=None, ge=0)
    """The fewest items."""
    max_length: int | None = Field(default=None, ge=0)
    """The most items."""
    description: str | None = None
    """For the OpenAPI document."""

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        if self.min_length is not None and self.max_length is not None and self.min_length > self.max_length:
            msg = "min_length is greater than max_length"
            raise ValueError(msg)
        return self


def _shape(value: object) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if kind in ("object", "list") else "value"


InputDef = Annotated[
    Annotated[ParamDef, Tag("value")] | Annotated[ObjectDef, Tag("object")] | Annotated[ListDef, Tag("list")],
    Discriminator(_shape),
]


class RuleDef(Definition):
    """A rule over all of the input: `{rule: input.ends_on >= input.starts_on, message: …, field: ends_on}`."""

    rule: ExpressionText
    """An expression that has to be true."""
    message: str | None = None
    """What the refusal says."""
    field: FieldName | None = None
    """The field that the refusal names."""


def header_name(name: str) -> str:
    """Give the header that an input is read from: `userAgent` and `x_total` are sent as User-Agent and X-Total."""
    dashed = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
    return dashed.replace("_", "-")


class InputsDef(Definition):
    """Where each input comes from. All of them land in one `input`, so a name stands once."""

    path: dict[FieldName, ParamDef] = Field(default_factory=dict)
    """The names in braces of the path."""
    query: dict[FieldName, ParamDef] = Field(default_factory=dict)
    """Parameters behind `?`."""
    headers: dict[FieldName, ParamDef] = Field(default_factory=dict)
    """Headers: `userAgent` is read from User-Agent."""
    body: dict[FieldName, InputDef] | Literal["any"] = Field(default_factory=dict)
    """Fields of the JSON body, of which any other is refused; or `any`: whatever JSON comes is `input.body`."""

    @property
    def all(self) -> dict[str, ParamDef | ObjectDef | ListDef]:
        """Every input by its name."""
        return {name: field for fields in self.places.values() for name, field in fields.items()}

    @property
    def places(self) -> Mapping[str, Mapping[str, ParamDef | ObjectDef | ListDef]]:
        """The inputs of each place; a body that may be `any` is one of it."""
        return {"path": self.path, "query": self.query, "headers": self.headers, "body": self.body_fields}

    @property
    def body_fields(self) -> Mapping[str, ParamDef | ObjectDef | ListDef]:
        """The inputs of the body."""
        return _ANY_BODY if isinstance(self.body, str) else self.body

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [name for fields in self.places.values() for name in fields]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            msg = f"an input's name stands in two places: {', '.join(repeated)}; all inputs land in one `input`"
            raise ValueError(msg)
        headers = [header_name(name) for name in self.headers]
        if shared := sorted({name for name in headers if headers.count(name) > 1}):
            msg = f"two inputs would be read from one header: {', '.join(shared)}"
            raise ValueError(msg)
        if arrays := sorted(n for n, field in self.path.items() if field.array or field.described.rule == ANY_JSON):
            msg = f"a path can't hold an array or json: {', '.join(arrays)}"
            raise ValueError(msg)
        return self


_ANY_BODY = {"body": ParamDef(type=ANYTHING)}
