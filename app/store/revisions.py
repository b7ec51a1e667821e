"""Reading the revisions: who changed the definitions, when and how."""

from typing import Any

from app.database.connection import Connection

_SELECT = "SELECT number, created_at, author, comment, changes FROM rowgate.revisions"
_LARGEST = 2**63 - 1


async def revisions(connection: Connection, limit: int, before: int | None) -> list[dict[str, Any]]:
    """List revisions before a number, the newest first."""
    rows = await connection.fetch(
        f"{_SELECT} WHERE $2::bigint IS NULL OR number < $2 ORDER BY number DESC LIMIT $1", limit, before
    )
    return [dict(row) for row in rows]


async def revision_numbered(connection: Connection, number: int) -> dict[str, Any] | None:
    """Give one revision; None where there is none."""
    if not 0 < number <= _LARGEST:
        return None
    row = await connection.fetchrow(f"{_SELECT} WHERE number = $1", number)
    return None if row is None else dict(row)
