"""Who may call: the access level of views and endpoints."""

from typing import Annotated, Literal

from pydantic import Field

from app.definitions.names import Definition, Items, Name


class RolesAccess(Definition):
    """Users and API keys that hold at least one of these roles."""

    roles: Items[Name] = Field(min_length=1)
    """Whoever holds one of them gets in."""


class PermanentAccess(Definition):
    """Whoever is signed in with an account that has an address."""

    authenticated: Literal["permanent"]
    """Anonymous users stay out."""


Access = Annotated[
    Literal["public", "authenticated"] | RolesAccess | PermanentAccess, Field(union_mode="left_to_right")
]


class RoleDef(Definition):
    """A role that a user or an API key can hold."""

    name: Name
    """What rules, `access` and the admin API call it."""
    was: Name | None = None
    """The name before, where this renames it."""
    description: str | None = None
    """For people who read the document."""
