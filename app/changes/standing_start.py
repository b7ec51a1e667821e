"""What a start says of a backend, and whether that stays as it is: then what changes backends isn't loaded."""

import logging
from dataclasses import dataclass
from pathlib import Path

from app.database.connection import Connection

_log = logging.getLogger("rowgate.start")


@dataclass(frozen=True, slots=True)
class Start:
    """The file that the definitions are from here on (`config`), or that defines an empty backend (`start_with`)."""

    config: Path | None = None
    start_with: Path | None = None
    destroy: tuple[str, ...] = ()
    allow_wider: bool = False
    allow_rollback: bool = False

    @property
    def path(self) -> Path | None:
        """Give the file, whichever of the two it is."""
        return self.config or self.start_with


async def stays(connection: Connection, said: Start) -> bool:
    """Say whether a migrated database is as the start says: no file manages it, and it is defined if it has to be."""
    if said.config is not None:
        return False
    if await connection.fetchval("SELECT EXISTS (SELECT FROM rowgate.managed WHERE until IS NULL)"):
        return False
    revision = await connection.fetchval("SELECT revision FROM rowgate.live")
    if said.start_with is not None and revision > 0:
        left_alone(said.start_with, revision)
    return said.start_with is None or revision > 0


def left_alone(path: Path, revision: int) -> None:
    """Tell that a file which defines an empty backend had nothing to define."""
    _log.info("the backend is defined already, at revision %d: %s was left alone", revision, path)
