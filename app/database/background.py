"""A task that runs beside requests from a start to a stop."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any


class Background:
    """Runs what it is given in the loop that starts it."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start nothing yet."""
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run it from here on."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """Cut it off, wherever it is, and wait until it has ended."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
