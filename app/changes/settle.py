"""Gives a database what this version of Rowgate needs of it for the definitions that it holds."""

import asyncio
import logging
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.changes.apply import RevisionChanged, apply_holds
from app.changes.holds import held_there
from app.compiler.runtime import Runtime
from app.errors import RowgateError

ACTOR = "rowgate"
PAUSE = 5.0  # seconds

_log = logging.getLogger("rowgate.settle")


async def settle(engine: AsyncEngine, runtime: Runtime) -> bool:
    """Make the triggers that tables lack for what the live definitions hold; say whether there were any to make.

    An older Rowgate, which knows of none, may have made the revision. Raises what `apply_holds` raises.
    """
    async with engine.connect() as connection:
        if runtime.held <= await held_there(connection):
            return False
    try:
        return await apply_holds(engine, runtime.held, author=ACTOR, revision=runtime.revision)
    except RevisionChanged:
        return False  # whoever changed them has made what was lacking, or this is asked again for what they are now


class Settler:
    """Settles the database for each revision that is served, and tries again until it is done."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Do nothing yet."""
        self._engine = engine
        self._wanted: asyncio.Queue[Runtime] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def follow(self, runtime: Runtime) -> None:
        """Settle for another revision."""
        self._wanted.put_nowait(runtime)

    async def start(self) -> None:
        """Settle for what is served first, and go on in the background."""
        while not self._wanted.empty() and await self._settled(self._wanted.get_nowait()):
            pass
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Follow no longer."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            if not await self._settled(await self._wanted.get()):
                await asyncio.sleep(PAUSE)

    async def _settled(self, runtime: Runtime) -> bool:
        try:
            if await settle(self._engine, runtime):
                _log.info("tables got triggers for the rows that endpoints count before they write")
        except (RowgateError, SQLAlchemyError, OSError) as error:
            _log.warning("tables lack triggers for rows that are counted before a write, and can't get them: %s", error)
            self.follow(runtime)
            return False
        return True
