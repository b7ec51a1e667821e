"""Rules with names: a condition that many definitions ask, said once."""

from typing import Self

from pydantic import Field, model_validator

from app.definitions.expression_text import ExpressionText
from app.definitions.inputs import ParamDef
from app.definitions.names import BoundName, Definition, Name


class NamedRuleDef(Definition):
    """A condition over `params`, which a call gives in their order: `is_member(row.team_id)`."""

    name: Name
    was: Name | None = None
    description: str | None = None
    params: dict[BoundName, ParamDef] = Field(default_factory=dict)
    that: ExpressionText

    @model_validator(mode="after")
    def _are_given(self) -> Self:
        for name, param in self.params.items():
            if param.default is not None or param.required:
                msg = f"{name} is always given by the call: it takes neither default nor required"
                raise ValueError(msg)
        return self
