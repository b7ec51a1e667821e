"""The runtime that is served now, and how it follows the database: at once by NOTIFY, within a second by looking."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

import asyncpg

from app.compiler.compile import compile_project
from app.compiler.runtime import Runtime
from app.database import DatabaseUnavailable, Pool, connect
from app.database_clock import DatabaseClock
from app.definitions.project import EMPTY, Project
from app.errors import RowgateError
from app.store.active import load_active

POLL_SECONDS = 1.0
IN_TOUCH_SECONDS = 5.0
CHANNEL = "rowgate"
_LOOK = "SELECT revision, clock_timestamp() AS at FROM rowgate.live"

_log = logging.getLogger("rowgate.reload")


class NotReady(RowgateError):
    """No definitions have been read from the database yet."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "definitions.unavailable"


class Live:
    """Holds the runtime; `refresh` brings it to the revision that the database has, once for all who wait.

    `clock` is set by the same look.
    """

    def __init__(self, pool: Pool, url: str) -> None:
        """Begin without a runtime."""
        self._pool = pool
        self._url = url
        self._runtime: Runtime | None = None
        self._lock = asyncio.Lock()
        self._began = 0
        self._succeeded = 0
        self._seen = -IN_TOUCH_SECONDS
        self._watcher: asyncio.Task[None] | None = None
        self.clock = DatabaseClock()
        self.compiles = True
        self.on_change: list[Callable[[Runtime], None]] = []

    @property
    def runtime(self) -> Runtime:
        """Give the runtime; raises NotReady before the first could be read."""
        if self._runtime is None:
            raise NotReady("The server has not read its definitions yet.", headers={"Retry-After": "1"})
        return self._runtime

    @property
    def ready(self) -> bool:
        """Say whether definitions are served, and are those that the database has."""
        return self._runtime is not None and self.compiles

    @property
    def in_touch(self) -> bool:
        """Say whether the database answered within the last few looks."""
        return time.monotonic() - self._seen < IN_TOUCH_SECONDS

    async def refresh(self) -> None:
        """Serve the revision that the database has now; raises DatabaseUnavailable.

        Who waits while another looks is content with a look that began after the asking: many at once are two looks.
        """
        asked = self._began
        async with self._lock:
            if self._succeeded > asked:
                return
            self._began += 1
            number = self._began
            await self._load()
            self._succeeded = number
            self._seen = time.monotonic()

    async def _load(self) -> None:
        async with self._pool.lease() as connection:
            asked = self.clock.ticks()
            seen = await connection.fetchrow(_LOOK)
            self.clock.measured(seen["at"], asked)
            if self._runtime is not None and self._runtime.revision == seen["revision"]:
                return
            revision, project = await load_active(connection)
        await self._compile(revision, project)

    async def _compile(self, revision: int, project: Project) -> None:
        # In a thread, since a large project takes longer than a request should wait for the loop.
        runtime, findings = await asyncio.to_thread(compile_project, project, revision)
        self.compiles = runtime is not None
        if runtime is None:
            _log.error("revision %d doesn't compile, and the one before goes on serving: %s", revision, findings[0])
            before = self._runtime or compile_project(EMPTY)[0]
            runtime = None if before is None else replace(before, revision=revision)
        self._runtime = runtime
        for tell in self.on_change:
            if runtime is not None:
                tell(runtime)

    def start(self) -> None:
        """Follow the database from here on."""
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Follow it no longer."""
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher

    async def _watch(self) -> None:
        """Refresh at each NOTIFY and each second; nothing that happens here ends it."""
        woken = asyncio.Event()
        listener: Any = None
        try:
            while True:
                if listener is None or listener.is_closed():
                    listener = await _listen(self._url, woken)
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await woken.wait()
                woken.clear()  # many notifications in one second are one look
                try:
                    await self.refresh()
                except RowgateError as error:
                    _log.warning("the definitions can't be read: %s", error.detail)
                except Exception:
                    _log.exception("reading the definitions failed")
        finally:
            if listener is not None:
                listener.terminate()


async def _listen(url: str, woken: asyncio.Event) -> Any:
    """Open the connection that listens; without one, looking each second is what is left."""
    listener: Any = None
    try:
        listener = await connect(url)
        await listener.add_listener(CHANNEL, lambda *_: woken.set())
    except (DatabaseUnavailable, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return None
    except BaseException:
        if listener is not None:
            listener.terminate()
        raise
    return listener
