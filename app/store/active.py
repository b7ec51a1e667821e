"""Reading the definitions of a revision, over the connection of a request or a process that serves."""

from app.database.connection import Connection
from app.definitions.stored import Stored, stored_of

_SELECT = "SELECT kind, name, body::text AS body FROM rowgate.definitions"
_ACTIVE = f"{_SELECT} WHERE valid_to IS NULL ORDER BY kind, position"
_AT = f"{_SELECT} WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to > $1) ORDER BY kind, position"


async def load_active(connection: Connection) -> tuple[int, Stored]:
    """Give the live revision and what is stored of it, both of one instant."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        revision = await connection.fetchval("SELECT revision FROM rowgate.live")
        rows = await connection.fetch(_ACTIVE)
    return revision, stored_of(tuple(row) for row in rows)


async def load_revision(connection: Connection, revision: int) -> Stored:
    """Give the definitions as they were at a revision."""
    return stored_of(tuple(row) for row in await connection.fetch(_AT, revision))
