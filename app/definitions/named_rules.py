"""Rules with names: a condition that many definitions ask, said once."""

from typing import Self

from pydantic import Field, model_validator

from app.definitions.expression_text import ExpressionText
from app.definitions.inputs import ParamDef
from app.definitions.names import BoundName, Definition, Name


class NamedRuleDef(Definition):
    """A condition over `params`, which a call gives in their order: `is_member(row.team_id)`."""

    name: Name
    """What other rules call it."""
    was: Name | None = None
    """The name before, where this renames it."""
    description: str | None = None
    """For people who read the document."""
    params: dict[BoundName, ParamDef] = Field(default_factory=dict)
    """What a call gives, in this order; the rule reads them as `params.…`."""
    that: ExpressionText
    """An expression over `auth`, `now`, `params`, tables, views and other rules."""

    @model_validator(mode="after")
    def _are_given(self) -> Self:
        for name, param in self.params.items():
            if param.default is not None or param.required:
                msg = f"{name} is always given by the call: it takes neither default nor required"
                raise ValueError(msg)
        return self
