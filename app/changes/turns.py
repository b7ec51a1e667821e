"""Changes take turns: one at a time in a process, and among all processes that share the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

_LOCK = 0x726F776368616E67  # "rowchang"


class Turns:
    """Lets one edit after the other read what is stored and write what it makes of it."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take where connections come from; only the one whose turn it is in this process holds one."""
        self._engine = engine
        self._here = asyncio.Lock()

    @asynccontextmanager
    async def next(self) -> AsyncIterator[None]:
        """Wait for a turn, which lasts as long as the block."""
        async with self._here, self._engine.connect() as connection:
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            yield
