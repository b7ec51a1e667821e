"""The runtime that is served now, and how it follows the database: at once by NOTIFY, within a second by looking."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, ClassVar

from app.compiler.runtime import DefinitionsBroken, Runtime
from app.compiler.stored import compile_stored, nothing_served
from app.database.background import Background
from app.database.clock import DatabaseClock
from app.database.connection import Connection
from app.database.faults import FAULTS, translated
from app.database.opening import DatabaseUnavailable
from app.database.pool import Pool, connect
from app.definitions.stored import Stored
from app.errors import RowgateError
from app.log import Outage
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

    `clock` is set by the same look; `on_look` is what else looks then.
    """

    def __init__(self, pool: Pool, url: str, clock: DatabaseClock | None = None) -> None:
        """Begin without a runtime."""
        self._pool = pool
        self._url = url
        self._runtime: Runtime | None = None
        self._lock = asyncio.Lock()
        self._began = 0
        self._succeeded = 0
        self._seen = -IN_TOUCH_SECONDS
        self._background = Background(self._watch)
        self._outage = Outage(_log)
        self.clock = clock or DatabaseClock()
        self.on_change: list[Callable[[Runtime], None]] = []
        self.on_look: list[Callable[[Connection], Awaitable[None]]] = []

    @property
    def runtime(self) -> Runtime:
        """Give the runtime; raises NotReady before the first could be read, DefinitionsBroken if it serves nothing."""
        if self._runtime is None:
            raise NotReady("The server has not read its definitions yet.", headers={"Retry-After": "1"})
        if self._runtime.broken.everything:
            raise DefinitionsBroken
        return self._runtime

    @property
    def ready(self) -> bool:
        """Say whether definitions are served, and are those that the database has."""
        return self._runtime is not None and not self._runtime.broken.everything

    @property
    def broken(self) -> list[str]:
        """Name the definitions that can't be served."""
        return [] if self._runtime is None else sorted(self._runtime.broken.parts)

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
            for look in self.on_look:
                await look(connection)
            if self._runtime is not None and self._runtime.revision == seen["revision"]:
                return
            revision, stored = await load_active(connection)
        await self._compile(revision, stored)

    async def _compile(self, revision: int, stored: Stored) -> None:
        # In a thread, since a large project takes longer than a request should wait for the loop.
        try:
            runtime = await asyncio.to_thread(compile_stored, stored, revision)
        except Exception:
            # Under this number nothing older may be served: what was made private meanwhile would be public.
            _log.exception("compiling revision %d failed", revision)
            runtime = nothing_served(revision, {})
        _tell(runtime)
        self._runtime = runtime
        if not runtime.broken.everything:
            for tell in self.on_change:
                tell(runtime)

    def start(self) -> None:
        """Follow the database from here on."""
        self._background.start()

    async def stop(self) -> None:
        """Follow it no longer."""
        await self._background.stop()

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
                except (RowgateError, *FAULTS) as error:
                    self._tell_of(error if isinstance(error, RowgateError) else translated(error))
                except Exception:
                    _log.exception("reading the definitions failed")
                else:
                    self._outage.found()
        finally:
            if listener is not None:
                listener.terminate()

    def _tell_of(self, error: Exception) -> None:
        """Log what keeps the definitions from being read, once for as long as it lasts."""
        if isinstance(error, DatabaseUnavailable):
            gone = f"the database doesn't answer, and requests get 503 until it does: {error.detail}"
            self._outage.lost(gone, "the database answers again")
        else:
            self._outage.lost(f"the definitions can't be read: {error}", "the definitions are read again")


def _tell(runtime: Runtime) -> None:
    """Log what of a revision isn't served, and what would not be saved so today."""
    if runtime.broken.everything:
        _log.error("revision %d is broken, and nothing of it is served until it is repaired", runtime.revision)
    for place, findings in runtime.broken.parts.items():
        _log.error("revision %d: %s is broken and not served: %s", runtime.revision, place, findings[0])
    for doubt in runtime.doubts:
        _log.warning("revision %d: this would not be saved so today: %s", runtime.revision, doubt)


async def _listen(url: str, woken: asyncio.Event) -> object:
    """Open the connection that listens; without one, looking each second is what is left."""
    listener: Any = None
    try:
        listener = await connect(url)
        await listener.add_listener(CHANNEL, lambda *_: woken.set())
    except BaseException as error:
        if listener is not None:
            listener.terminate()
        if isinstance(error, (RowgateError, *FAULTS)):
            return None
        raise
    return listener
