"""Connections to Postgres: what each one speaks, and a bounded pool of them that costs a request next to nothing."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar

import asyncpg

from app.database.connection import Connection
from app.database.connection_share import HEAVY_SECONDS, KNOWN, ConnectionShare, forget_unused, new_share
from app.database.lock_waits import READERS_WAIT, RowWaitingConnection, TablesChanging
from app.database.opening import CONNECT_SECONDS, SAME_MEANING, DatabaseUnavailable, opening
from app.database.wire_values import set_codecs
from app.errors import RowgateError
from app.shares import next_in_line

ACQUIRE_SECONDS = 1.0
CLOSE_SECONDS = 2.0

STATEMENT_SECONDS = 5
# Upper bounds of what one statement, one wait for a lock outside of a transaction, or a transaction that does nothing
# may take.
SESSION_SETTINGS = {
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": READERS_WAIT,
    "idle_in_transaction_session_timeout": "10s",
}


class DatabaseOverloaded(RowgateError):
    """Every connection that the request may use stayed in use for as long as it may wait."""

    status = 503
    code: ClassVar[str] = "db.overloaded"


async def connect(url: str) -> Any:
    """Open an asyncpg connection with our codecs, in UTC; also for what must not be pooled, such as LISTEN.

    A uuid or a range is a str, json and jsonb are plain values with their numbers exact, numeric is a Decimal; a
    timestamptz or date is a datetime in UTC or a date, or, where Python has none (infinity, BC, after 9999), Postgres'
    own text.
    Raises `DatabaseUnavailable` within 5 seconds.
    """
    with opening():
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await asyncpg.connect(
                url,
                timeout=CONNECT_SECONDS,
                connection_class=RowWaitingConnection,
                server_settings={
                    "application_name": "rowgate",
                    "DateStyle": "ISO",
                    **SAME_MEANING,
                    **SESSION_SETTINGS,
                },
            )
            try:
                await set_codecs(connection)
            except BaseException:
                connection.terminate()
                raise
    return connection


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """Give a connection of `connect` for as long as the block runs."""
    connection: Connection = await connect(url)
    try:
        yield connection
    finally:
        await connection.close()


# That the server has ended a connection can show as an error of its statement, or even of asyncpg's own state, before
# the connection knows that it is closed.
_LOST = (
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
_CUT_OFF = (asyncio.CancelledError, GeneratorExit, OSError, asyncpg.InterfaceError, *_LOST)


class Lease:
    """`async with pool.lease() as connection`: a connection for the length of a block."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: "Pool") -> None:
        """Promise a connection of the pool."""
        self._pool = pool
        self._connection: Any = None

    async def __aenter__(self) -> Any:
        """Take the connection."""
        self._connection = await self._pool.acquire()
        self._connection.waits_for_rows = False
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back, or have it closed when the block was cut off while it may have been in use.

        Raises `DatabaseUnavailable` in the place of what a lost connection raised, and `TablesChanging` where a block
        that only reads waited for a lock in vain.
        """
        lost = isinstance(error, _LOST) or (
            isinstance(error, asyncpg.InterfaceError) and bool(self._connection.is_closed())
        )
        self._pool.release(self._connection, reusable=not isinstance(error, _CUT_OFF))
        if lost:
            raise DatabaseUnavailable("The database is not available.") from error
        if isinstance(error, asyncpg.LockNotAvailableError) and not self._connection.waits_for_rows:
            raise TablesChanging from error


@dataclass(frozen=True, slots=True)
class PoolStanding:
    """How many connections there may be, are in use, were at most since this was last asked, and are waited for."""

    size: int
    used: int
    peak: int
    waiting: int


class Pool:
    """At most `size` connections, the last one given back used first; no query is sent when one changes hands.

    So a borrower must leave no state in the session: SET LOCAL only, advisory locks of a transaction only, no LISTEN.
    A connection that comes back inside a transaction, or from a block that was cancelled, is closed and not reused.
    A share may take one more if it holds at most four times as many as are left free then, or as many if it is slow:
    alone it gets 8 of 10, or 5; the last one goes to a share that holds none. Shares that wait take turns. Who borrows
    without a share may take any. A share `Within` another one has as much of that one. Belongs to one event loop.
    """

    def __init__(self, url: str, size: int, *, patience: float = ACQUIRE_SECONDS) -> None:
        """Open nothing yet; `patience` is how many seconds a request waits for a connection."""
        self.size = size
        self._url = url
        self._patience = patience
        self._idle: list[Any] = []
        self._leased: dict[Any, tuple[ConnectionShare, float]] = {}
        self._slots = 0  # connections that are open, opening or closing
        self._granted = 0  # those that are leased, or will be as soon as they are open
        self._peak = 0  # the most that were so at once, since `standing` was asked
        self._unshared = ConnectionShare()
        self._shares: dict[object, ConnectionShare] = {}
        self._waiting: deque[ConnectionShare] = deque()
        self._closings: set[asyncio.Task[None]] = set()
        self._closed = False
        self._drained = asyncio.Event()

    async def open(self) -> None:
        """Open the first connection, so that a database that cannot be used stops the start."""
        self.release(await self.acquire())

    def lease(self) -> Lease:
        """Give a block its connection: `async with pool.lease() as connection`."""
        return Lease(self)

    def at_once(self, on_behalf_of: object = None) -> Any:
        """Take a connection that is idle, for the share of a name or for none; None where `acquire` has to be asked."""
        share = self._share_of(on_behalf_of)
        if self._closed or not self._has_room(share) or (connection := self._popped()) is None:
            return None
        self._grant(share)
        self._leased[connection] = share, time.monotonic()
        return connection

    async def acquire(self, on_behalf_of: object = None) -> Any:
        """Take a connection, for the share of a name or for none.

        Raises `DatabaseOverloaded` when there is none in time that it may take, or `DatabaseUnavailable`.
        """
        if (connection := self.at_once(on_behalf_of)) is not None:
            return connection
        if self._closed:
            raise DatabaseUnavailable("The server is stopping.")
        share = self._share_of(on_behalf_of)
        if self._has_room(share) and self._slots < self.size:
            connection = self._taken(share)
        elif self._is_in_vain(share):
            raise _overloaded()
        else:
            connection = await self._wait(share)
        if connection is None:
            connection = await self._connect(share)
        self._leased[connection] = share, time.monotonic()
        return connection

    def release(self, connection: Any, *, reusable: bool = True, heavy: bool = False) -> None:
        """Give a connection back; what is not fit for the next borrower is closed. Twice is a mistake of ours.

        One that was `heavy` carried a large answer, and counts as slow: several at once are as much of a burden.
        """
        share, since = self._leased.pop(connection)
        seconds = time.monotonic() - since
        (share.within or share).note(max(seconds, HEAVY_SECONDS) if heavy else seconds)
        self._take_back(share)
        if self._closed and not self._leased:
            self._drained.set()
        if connection.is_closed():
            self._free_slot()
        elif self._closed or not reusable or _busy(connection):
            self._close_later(connection)
        else:
            self._idle.append(connection)
        if self._waiting:
            self._serve_waiters()

    def standing(self) -> PoolStanding:
        """Say how much of it is in use, and begin to look for the most at once anew."""
        used, peak = self._granted, max(self._peak, self._granted)
        self._peak = used
        waiting = sum(not one.done() for share in self._waiting for one in share.waiters)
        return PoolStanding(self.size, used, peak, waiting)

    async def close(self, grace: float = CLOSE_SECONDS) -> None:
        """Refuse new borrowers, wait `grace` seconds for the present ones, then close every connection."""
        self._closed = True
        for waiter in (waiter for share in self._waiting for waiter in share.waiters):
            if not waiter.done():
                waiter.set_exception(DatabaseUnavailable("The server is stopping."))
        self._waiting.clear()
        while self._idle:
            self._close_later(self._idle.pop())
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                if self._leased:
                    await self._drained.wait()
        for connection in self._leased:
            connection.terminate()
        await asyncio.gather(*self._closings)

    def _taken(self, share: ConnectionShare) -> Any:
        """Take for a share the idle connection that was used last, or None: the right to open one."""
        self._grant(share)
        connection = self._popped()
        if connection is None:
            self._slots += 1
        return connection

    def _popped(self) -> Any:
        """Give the idle connection that was used last; those that the server has closed meanwhile are dropped."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._slots -= 1
        return None

    def _share_of(self, on_behalf_of: object) -> ConnectionShare:
        share = self._unshared if on_behalf_of is None else self._shares.get(on_behalf_of)
        if share is None:
            share = new_share(self._shares, on_behalf_of)
        return share

    def _grant(self, share: ConnectionShare) -> None:
        share.hold(1)
        self._granted += 1
        self._peak = max(self._peak, self._granted)

    def _has_room(self, share: ConnectionShare) -> bool:
        return share is self._unshared or share.has_room(self.size - self._granted - 1)

    def _is_in_vain(self, share: ConnectionShare) -> bool:
        """Say whether one more would wait longer than it may, going by how long its share holds a connection."""
        seen = share.within or share
        known = seen.returned >= KNOWN and share.held > 0
        return known and len(share.waiters) * seen.usual > self._patience * share.held

    def _take_back(self, share: ConnectionShare) -> None:
        share.hold(-1)
        self._granted -= 1
        if share.within is not None:
            forget_unused(self._shares, share)

    async def _connect(self, share: ConnectionShare) -> Any:
        """Open a connection in a slot that is already ours."""
        try:
            return await connect(self._url)
        except BaseException:
            self._take_back(share)
            self._free_slot()
            raise

    async def _wait(self, share: ConnectionShare) -> Any:
        """Wait in the share's line for a connection, or for None: the right to open one."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Any] = loop.create_future()
        share.waiters.append(waiter)
        if share not in self._waiting:
            self._waiting.append(share)
        timer = loop.call_later(self._patience, _refuse, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            # Served and cancelled in the same turn of the loop: the next in line gets it.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._take_back(share)
                self._pass_on(waiter.result())
            raise
        finally:
            timer.cancel()
            if waiter in share.waiters:  # refused or cancelled, and nobody's turn
                share.waiters.remove(waiter)
            forget_unused(self._shares, share)

    def _pass_on(self, granted: Any) -> None:
        if granted is None or granted.is_closed():
            self._free_slot()
        elif self._closed:
            self._close_later(granted)
        else:
            self._idle.append(granted)
            self._serve_waiters()

    def _free_slot(self) -> None:
        self._slots -= 1
        self._serve_waiters()

    def _serve_waiters(self) -> None:
        """Give what is free to those in line, as far as their shares have room."""
        while self._idle or self._slots < self.size:
            share = next_in_line(self._waiting, self._has_room, asyncio.Future.done)
            if share is None:
                return
            share.waiters.popleft().set_result(self._taken(share))

    def _close_later(self, connection: Any) -> None:
        """Close in the background; the slot stays taken till then, so the server never sees more than `size` of us."""
        task = asyncio.get_running_loop().create_task(self._close_one(connection))
        self._closings.add(task)
        task.add_done_callback(self._closings.discard)

    async def _close_one(self, connection: Any) -> None:
        try:
            # asyncpg first waits until the server has confirmed that a cancelled statement ended.
            await connection.close(timeout=CLOSE_SECONDS)
        except BaseException as error:
            connection.terminate()
            if not isinstance(error, Exception):
                raise
        finally:
            self._free_slot()


def _busy(connection: Any) -> bool:
    """Whether a transaction is open or a statement still runs or is being cancelled."""
    return bool(connection.is_in_transaction() or connection._protocol._is_cancelling())


def _refuse(waiter: "asyncio.Future[Any]") -> None:
    if not waiter.done():
        waiter.set_exception(_overloaded())


def _overloaded() -> DatabaseOverloaded:
    said = "Every connection to the database that this may use is in use."
    return DatabaseOverloaded(said, headers={"Retry-After": "1"})
