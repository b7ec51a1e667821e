"""Roles that somebody gives: each has to be one that the backend defines."""

from collections.abc import Iterable
from typing import ClassVar

from app.definitions.project import Project
from app.errors import RowgateError


class RolesUnknown(RowgateError):
    """Roles that the backend doesn't define."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "admin.roles_unknown"


def check_roles(project: Project, roles: Iterable[str]) -> list[str]:
    """Give the roles, each once; raises RolesUnknown for what the project doesn't define."""
    given = set(roles)
    known = {role.name for role in project.roles}
    if unknown := sorted(given - known):
        hint = f"There are {', '.join(sorted(known))}." if known else "The backend defines no roles."
        raise RolesUnknown(f"Unknown roles: {', '.join(repr(role) for role in unknown)}.", hint=hint)
    return sorted(given)
