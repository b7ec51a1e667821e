"""Gives a database what this version of Rowgate needs of it for each revision that is served."""

import asyncio
import logging
from importlib import import_module

from app.changes.held_there import held_there
from app.compiler.runtime import Runtime
from app.database.background import Background
from app.database.faults import FAULTS
from app.database.pool import connected
from app.errors import RowgateError

PAUSE = 5.0  # seconds

_log = logging.getLogger("rowgate.settle")


class Settler:
    """Settles the database for each revision that is served, and tries again until it is done."""

    def __init__(self, url: str) -> None:
        """Do nothing yet."""
        self._url = url
        self._wanted: asyncio.Queue[Runtime] = asyncio.Queue()
        self._background = Background(self._run)

    def follow(self, runtime: Runtime) -> None:
        """Settle for another revision."""
        self._wanted.put_nowait(runtime)

    async def start(self) -> None:
        """Settle for what is served first, and go on in the background."""
        while not self._wanted.empty() and await self._settled(self._wanted.get_nowait()):
            pass
        self._background.start()

    async def stop(self) -> None:
        """Follow no longer."""
        await self._background.stop()

    async def _run(self) -> None:
        while True:
            if not await self._settled(await self._wanted.get()):
                await asyncio.sleep(PAUSE)

    async def _settled(self, runtime: Runtime) -> bool:
        try:
            if await self._lacks(runtime):
                await self._settle(runtime)
        except (RowgateError, *FAULTS) as error:
            _log.warning("tables lack triggers for rows that are counted before a write, and can't get them: %s", error)
            self.follow(runtime)
            return False
        return True

    async def _lacks(self, runtime: Runtime) -> bool:
        async with connected(self._url) as connection:
            return not runtime.held <= await held_there(connection)

    async def _settle(self, runtime: Runtime) -> None:
        # Hardly any database lacks something, and what makes changes takes as much memory as what serves.
        await asyncio.to_thread(import_module, "app.changes.settle")
        from app.changes.settle import settle  # noqa: PLC0415 - loaded by the line above

        if await settle(self._url, runtime):
            _log.info("tables got triggers for the rows that endpoints count before they write")
