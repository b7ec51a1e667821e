"""Middleware: a named chain of steps with typed parameters."""

from pydantic import Field

from app.definitions.inputs import ParamDef
from app.definitions.names import BoundName, Name
from app.definitions.steps import StepsMixin


class MiddlewareDef(StepsMixin):
    """Steps that run before an endpoint's or a view's own logic, in the order in which they are listed there."""

    name: Name
    """What `middleware` and `call` name it."""
    was: Name | None = None
    """The name before, where this renames it."""
    description: str | None = None
    """For people who read the document."""
    params: dict[BoundName, ParamDef] = Field(default_factory=dict)
    """What whoever uses it may give in `with`; its steps read `params.…`."""
