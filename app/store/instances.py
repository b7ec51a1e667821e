"""The rows of the processes that serve this database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.database.connection import Connection

# The first time, those that said nothing for a day are forgotten.
_TELL = """
WITH forgotten AS (DELETE FROM rowgate.instances WHERE seen_at < now() - interval '1 day')
INSERT INTO rowgate.instances (id, started_at, seen_at, host, process, version, state)
VALUES ($1, $2, clock_timestamp(), $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, state = excluded.state
"""
_GONE = "DELETE FROM rowgate.instances WHERE id = $1"
_LIST = """
SELECT id, started_at, seen_at, host, process, version, state, clock_timestamp() - seen_at > $1 AS silent
FROM rowgate.instances WHERE id <> $2 ORDER BY started_at DESC, id
"""


@dataclass(frozen=True, slots=True)
class Process:
    """A process that serves: what it is, and since when."""

    id: str
    started_at: datetime
    host: str
    process: int
    version: str


async def tell(connection: Connection, one: Process, state: Any) -> None:
    """Say that a process is there, and how it fares."""
    await connection.execute(_TELL, one.id, one.started_at, one.host, one.process, one.version, state)


async def untell(connection: Connection, process_id: str) -> None:
    """Say that a process serves no more."""
    await connection.execute(_GONE, process_id)


async def others(connection: Connection, process_id: str, silent_after: Any) -> list[Any]:
    """Give the processes beside one, the one that began last first, and which of them said nothing for so long."""
    found: list[Any] = await connection.fetch(_LIST, silent_after, process_id)
    return found
