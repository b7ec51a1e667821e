"""What a server makes of its backend when it starts: defined once by a file, managed by one, or left as it is."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from app.changes.apply import Judge, Plan, apply_project
from app.changes.files import parse_named, read_bytes
from app.changes.managed import ManagedMark, end_mark
from app.store.engine import make_engine
from app.store.rows import LiveRow, table_of

ACTOR = "command"
_LOCK = 0x726F777374617274  # "rowstart": servers that start at once take turns
_LIVE: sa.Table = table_of(LiveRow)
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


async def begin(url: str, said: Start, *, judge: Judge) -> Plan | None:
    """Bring a migrated database to what the start says; gives what changed, if anything was to be.

    Raises what `apply_project` raises; then nothing has changed.
    """
    engine = make_engine(url)
    try:
        async with engine.connect() as turn:
            await turn.execute(sa.select(sa.func.pg_advisory_lock(_LOCK)))
            if said.config is not None:
                return await _manage(engine, said.config, said, judge)
            async with engine.begin() as connection:
                ended = await end_mark(connection)
                revision = (await connection.execute(sa.select(_LIVE.c.revision))).scalar_one()
            if ended is not None:
                _log.warning("%s doesn't manage the definitions any more: this start names no --config", ended)
            return None if said.start_with is None else await _define(engine, said.start_with, revision, judge)
    finally:
        await engine.dispose()


async def _manage(engine: AsyncEngine, path: Path, said: Start, judge: Judge) -> Plan:
    raw = read_bytes(path)
    mark = ManagedMark(str(path), hashlib.sha256(raw).hexdigest(), said.allow_rollback)
    plan = await apply_project(
        engine, parse_named(path, raw), author=ACTOR, destroy=said.destroy, judge=judge,
        allow_wider=said.allow_wider, mark=mark,
    )  # fmt: skip
    _log.info("%s manages the definitions, which are at revision %s", path, plan.revision)
    return plan


async def _define(engine: AsyncEngine, path: Path, revision: int, judge: Judge) -> Plan | None:
    if revision > 0:
        _log.info("the backend is defined already, at revision %d: %s was left alone", revision, path)
        return None
    # Beside a backend that nobody has defined, whatever a document says lets somebody in: it is what it is named for.
    plan = await apply_project(
        engine, parse_named(path, read_bytes(path)), author=ACTOR, judge=judge, allow_wider=True, expected_revision=0
    )
    _log.info("%s has defined the backend, once: from here on it is changed by the admin API or rowgate apply", path)
    return plan
