"""Who may call: the access level of views and endpoints."""

from typing import Annotated, Literal

from pydantic import Field

from app.definitions.names import Definition, Items, Name


class RolesAccess(Definition):
    """Users and API keys that hold at least one of these roles."""

    roles: Items[Name] = Field(min_length=1)


Access = Annotated[Literal["public", "authenticated"] | RolesAccess, Field(union_mode="left_to_right")]


class RoleDef(Definition):
    """A role that a user or an API key can hold."""

    name: Name
    was: Name | None = None
    description: str | None = None
