"""What the routes about users, keys and admins share: ids that are there, and roles that are defined."""

from collections.abc import Iterable
from typing import ClassVar

from app.control_plane.server import Server
from app.definitions.column_types import read_uuid
from app.definitions.project import Project
from app.definitions.wrong import Wrong
from app.errors import RowgateError


class NotThere(RowgateError):
    """There is no such user, key or admin."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "admin.not_found"

    def __init__(self, what: str) -> None:
        """Name what there is not."""
        super().__init__(f"There is no such {what}.")


class RolesUnknown(RowgateError):
    """Roles that the backend doesn't define."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "admin.roles_unknown"


def identifier(text: str, what: str) -> str:
    """Give the canonical form of an id; raises NotThere for what can't be one."""
    try:
        return str(read_uuid(text))
    except Wrong:
        raise NotThere(what) from None


def known_roles(server: Server, roles: Iterable[str]) -> list[str]:
    """Give the roles, each once; raises RolesUnknown."""
    return check_roles(server.live.runtime.project, roles)


def check_roles(project: Project, roles: Iterable[str]) -> list[str]:
    """Give the roles, each once; raises RolesUnknown for what the project doesn't define."""
    given = set(roles)
    known = {role.name for role in project.roles}
    if unknown := sorted(given - known):
        hint = f"There are {', '.join(sorted(known))}." if known else "The backend defines no roles."
        raise RolesUnknown(f"Unknown roles: {', '.join(repr(role) for role in unknown)}.", hint=hint)
    return sorted(given)
