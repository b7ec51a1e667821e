"""Reading the audit log."""

from typing import Any

from app.database.connection import Connection


async def events(connection: Connection, limit: int, before: int | None) -> list[dict[str, Any]]:
    """List events before an id, the newest first."""
    rows = await connection.fetch(
        "SELECT id, at, actor, action, target, detail FROM rowgate.audit"
        " WHERE $2::bigint IS NULL OR id < $2 ORDER BY id DESC LIMIT $1",
        limit,
        before,
    )
    return [dict(row) for row in rows]
