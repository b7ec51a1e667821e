"""Reading the project of a revision, over the connection of a request or a process that serves."""

import json
from typing import Any, ClassVar

from app.definitions.project import KINDS, Project, parse_project
from app.errors import RowgateError

SECTIONS = {kind: section for section, kind in KINDS.items()}

_ACTIVE = "SELECT kind, body::text AS body FROM rowgate.definitions WHERE valid_to IS NULL ORDER BY kind, position"
_AT = (
    "SELECT kind, body::text AS body FROM rowgate.definitions"
    " WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to > $1) ORDER BY kind, position"
)


class StoreBroken(RowgateError):
    """What is stored can't be read as a project: it was changed by hand, or by a newer Rowgate."""

    code: ClassVar[str] = "store.broken"


async def load_active(connection: Any) -> tuple[int, Project]:
    """Give the live revision and its project, both of one instant."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        revision = await connection.fetchval("SELECT revision FROM rowgate.live")
        rows = await connection.fetch(_ACTIVE)
    return revision, project_of([(row["kind"], json.loads(row["body"])) for row in rows])


async def load_revision(connection: Any, revision: int) -> Project:
    """Give the project as it was at a revision."""
    rows = await connection.fetch(_AT, revision)
    return project_of([(row["kind"], json.loads(row["body"])) for row in rows])


def project_of(rows: list[tuple[str, dict[str, Any]]]) -> Project:
    """Make a project of stored definitions in their order."""
    document: dict[str, Any] = {"rowgate": 1}
    for kind, body in rows:
        if kind in SECTIONS:
            document.setdefault(SECTIONS[kind], []).append(body)
        else:
            document[kind] = body
    project, findings = parse_project(document, stored=True)
    if project is None:
        raise StoreBroken(f"The stored definitions can't be read: {findings[0]}")
    return project
