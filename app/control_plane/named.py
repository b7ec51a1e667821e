"""What the routes about users, keys and admins share: ids that are there, and roles that are defined."""

from collections.abc import Iterable
from typing import ClassVar

from app.auth.role_names import check_roles
from app.control_plane.server import Server
from app.definitions.column_types import read_uuid
from app.definitions.wrong import Wrong
from app.errors import RowgateError


class NotThere(RowgateError):
    """There is no such user, key or admin."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "admin.not_found"

    def __init__(self, what: str) -> None:
        """Name what there is not."""
        super().__init__(f"There is no such {what}.")


def identifier(text: str, what: str) -> str:
    """Give the canonical form of an id; raises NotThere for what can't be one."""
    try:
        return str(read_uuid(text))
    except Wrong:
        raise NotThere(what) from None


def known_roles(server: Server, roles: Iterable[str]) -> list[str]:
    """Give the roles, each once; raises RolesUnknown."""
    return check_roles(server.live.runtime.project, roles)
