"""A step as an admin says it: its kind, what every kind takes, and the fields that its kind checks."""

from typing import Any, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from app.definitions.expression_text import OptionalExpression
from app.definitions.names import BoundName, Definition, Items, Name

COMMON_FIELDS = frozenset({"do", "name", "when"})


class StepDef(Definition):
    """One step of a chain: its kind, what every step takes, and the keys of its kind.

    These stay as said in `fields`: the kind's own file gives them their types.
    """

    do: str
    """The kind of the step."""
    name: Name | None = None
    """What traces and `rowgate why` call it."""
    when: OptionalExpression = None
    """An expression; where it isn't true the step doesn't run, and what it binds is null."""
    fields: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, value: object) -> object:
        if not isinstance(value, dict) or "fields" in value:
            return value
        # The condition of an `if` is its own field: without it there is nothing to branch on.
        shared = COMMON_FIELDS - {"when"} if value.get("do") == "if" else COMMON_FIELDS
        common = {key: item for key, item in value.items() if key in shared}
        return {**common, "fields": {key: item for key, item in value.items() if key not in shared}}

    def as_said(self) -> dict[str, object]:
        """Give the step back in the form that an admin wrote, so that an export reads like its source."""
        common = {"do": self.do, "name": self.name, "when": self.when}
        return {key: item for key, item in common.items() if item is not None} | self.fields


class UseDef(Definition):
    """One middleware in a chain: its name, or `{use: name, with: {param: value}}`."""

    use: Name
    """The middleware's name."""
    arguments: dict[BoundName, Any] = Field(default_factory=dict, alias="with")
    """What its `params` are; a text that begins with `=` is an expression."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Give the schema of both forms."""
        return {"anyOf": [{"type": "string"}, handler(schema)]}

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        return {"use": value} if isinstance(value, str) else value

    def as_said(self) -> str | dict[str, object]:
        """Give the short form where there are no arguments."""
        return {"use": self.use, "with": self.arguments} if self.arguments else self.use


class StepsMixin(Definition):
    """A definition with steps: at least one."""

    steps: Items[StepDef] = Field(min_length=1)
    """What it does, in order."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [step.name for step in self.steps if step.name is not None]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            msg = f"two steps have the same name: {', '.join(repeated)}"
            raise ValueError(msg)
        return self
