"""Middleware: a named chain of steps with typed parameters."""

from pydantic import Field

from app.definitions.inputs import ParamDef
from app.definitions.names import BoundName, Name
from app.definitions.steps import StepsMixin


class MiddlewareDef(StepsMixin):
    """Steps that run before an endpoint's or a view's own logic, in the order in which they are listed there."""

    name: Name
    was: Name | None = None
    description: str | None = None
    params: dict[BoundName, ParamDef] = Field(default_factory=dict)
