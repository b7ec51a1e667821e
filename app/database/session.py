"""The database side of one request: a connection taken at the first statement, one transaction, and the guard."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, TypeVar

import asyncpg

from app.database.faults import FAULTS, AnswerTooLarge, Contended, LockTimeout, Stale, Streamed, Unfused, translated
from app.database.held_cursor import DECLARE, HeldCursor
from app.database.lending import Connections
from app.database.lock_waits import WAIT_FOR_ROWS
from app.database.staged_rows import StagedRows
from app.database.statement import CONFIRM, Environment, Statement
from app.errors import RowgateError

HEAVY_BYTES = 1_000_000

Guard = tuple[int, str | None, int | None]


T = TypeVar("T")


class RowsChanged(RowgateError):
    """What the request had read changed while it waited, for another service or a hash; nothing was written."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "step.changed"


_Bound = tuple[Statement, Sequence[object]]
Watch = Callable[[str, Sequence[object], Awaitable[list[object]]], Awaitable[list[object]]]


@dataclass(frozen=True, slots=True)
class Ends:
    """The statements that end a request's transaction: when it has succeeded, and when it is refused."""

    commit: str = "COMMIT"
    rollback: str = "ROLLBACK"


LASTING = Ends()
# What COMMIT would have refused is refused all the same.
UNDONE = Ends("SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK")


class Session:
    """Runs the statements of one request.

    No connection is taken before the first statement. A transactional session opens its transaction there and ends it
    as the block ends: by commit, or after any error by rollback. Another runs its one statement by itself. The first
    statement confirms the guard: the revision, the caller's subject and authority version. Raises `Stale` where one of
    them has changed.
    """

    __slots__ = (
        "_begin", "_broken", "_connection", "_cursor", "_ends", "_fresh", "_guard", "_heavy", "_held",
        "_in_transaction", "_late", "_locks", "_on_behalf_of", "_patience", "_patient", "_pool", "_staged", "_watch",
        "_when_committed", "_wrote", "confirmed", "in_doubt", "settled",
    )  # fmt: skip

    def __init__(
        self,
        pool: Connections,
        guard: Guard | None,
        *,
        begin: str | None,
        locks: tuple[str, ...] = (),
        ends: Ends = LASTING,
        watch: Watch | None = None,
        on_behalf_of: object = None,
        patience: str = WAIT_FOR_ROWS,
    ) -> None:
        """Take nothing yet; `begin` is the statement that opens the transaction, None for a session without one.

        `locks` are those that lock what the transaction needs before any of it sees the database.
        `watch` is told of every statement. Without a guard there is nothing to confirm. `on_behalf_of` names the share
        of the pool that the connection is taken for. `patience` is the statement that lets it wait for rows.
        A transaction that says no more than BEGIN is opened when it first locks or writes: what is read before sees the
        same by itself, and confirms the guard each time.
        """
        self._pool = pool
        self._patience = patience
        self._on_behalf_of = on_behalf_of
        self._guard = guard
        self._begin = begin
        self._locks = locks
        self._late = begin == "BEGIN" and not locks
        self._ends = ends
        self._watch = watch
        self._connection: Any = None
        self._cursor: HeldCursor | None = None
        self._staged: StagedRows | None = None
        self._in_transaction = False
        self._patient = False
        self.confirmed = guard is None
        # Whether this transaction has confirmed the guard, what it has to find again after a pause, whether it wrote.
        self._fresh = guard is None
        self._held: list[tuple[_Bound | None, _Bound, list[Any]]] = []
        self._wrote = False
        self._broken = False
        self._heavy = False
        self._when_committed: list[Callable[[], None]] = []
        # Set while a writing statement runs by itself: cut off in it, nobody knows here whether it was carried out.
        self.in_doubt = False
        self.settled = False

    async def __aenter__(self) -> "Session":
        """Take nothing yet."""
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Commit; after any error roll back, and close the connection if it was cut off in a statement."""
        try:
            if self._connection is not None:
                if error is None:
                    await self.commit()
                else:
                    await self.rollback(reusable=isinstance(error, RowgateError | Stale | Unfused | Streamed))
        finally:
            if self._staged is not None:
                await self._staged.close()

    def rows(self, statement: Statement, env: Environment, *more: Any) -> Coroutine[Any, Any, list[Any]]:
        """Run a statement and give its rows; `more` are parameters behind those that the statement evaluates."""
        return self.bound_rows(statement, [*statement.bind(env), *more] if more else statement.bind(env))

    async def bound_rows(self, statement: Statement, parameters: Sequence[Any]) -> list[Any]:
        """Run a statement with these parameters and give its rows."""
        if self._held and self._connection is None:
            await self._find_again()
        if statement.writes:
            self._wrote = True
        return await self._run(statement, parameters)

    async def aside(self, statement: Statement, env: Environment) -> list[Any] | None:
        """Read for a trace alone, inside the transaction; a statement that fails fails nothing else, and gives None."""
        connection = await self.connection()
        await connection.execute("SAVEPOINT aside")
        try:
            return await self.rows(statement, env)
        except RowgateError:
            await connection.execute("ROLLBACK TO SAVEPOINT aside")
            return None

    async def held_rows(self, statement: Statement, env: Environment, hold: Statement | None = None) -> list[object]:
        """Read rows that are held until the end: the statement locks them by itself, or `hold` does so before it.

        After a pause they are held and read again before anything else is.
        """
        if self._connection is None:
            await self._find_again()
        held = None if hold is None else (hold, hold.bind(env))
        read = (statement, statement.bind(env))
        found = await self._hold_and_read(held, read)
        self._held.append((held, read, found))
        return found

    async def hold(self, hold: Statement, env: Environment) -> None:
        """Hold rows until the end that a statement behind it reads."""
        if self._connection is None:
            await self._find_again()
        await self._hold((hold, hold.bind(env)))

    async def _hold_and_read(self, held: _Bound | None, read: _Bound) -> list[Any]:
        if held is not None:
            await self._hold(held)
        return await self._run(*read)

    async def _hold(self, held: _Bound) -> None:
        """Hold rows by a statement of its own: only what begins behind it sees what those wrote that it waited for."""
        try:
            await self._run(*held)
        except LockTimeout:
            raise Contended from None

    async def _find_again(self) -> None:
        """Read and hold again, after a pause, what was held before it; raises RowsChanged if it isn't the same."""
        for held, read, before in self._held:
            found = await self._hold_and_read(held, read)
            if [dict(row) for row in found] != [dict(row) for row in before]:
                raise RowsChanged("Somebody has changed this meanwhile: read it again, and try again.")

    async def _run(self, statement: Statement, parameters: Sequence[Any]) -> list[Any]:
        try:
            if self._connection is None:
                self._connection = self._pool.at_once(self._on_behalf_of)
            if self._connection is None or self._begin is not None:
                await self._ready(waits=statement.waits)
            try:
                found = await self._fetch(statement, parameters)
            except asyncpg.LockNotAvailableError:
                if self._in_transaction or not statement.waits:
                    raise
                # By itself it waits no longer for a row than readers wait; nothing has happened, and now it may.
                await self._connection.execute(f"BEGIN; {self._patience}")
                self._in_transaction = self._patient = True
                found = await self._fetch(statement, parameters)
        except FAULTS as error:
            self._broken = True
            refusal = translated(error, reading=not statement.waits)
            self._heavy = self._heavy or isinstance(refusal, AnswerTooLarge)
            raise refusal from error
        self.confirmed = True
        self._fresh = self._in_transaction or self._guard is None
        return found

    async def _fetch(self, statement: Statement, parameters: Sequence[Any]) -> list[Any]:
        guard = () if self._fresh else self._guard or ()
        self.in_doubt = statement.writes and not self._in_transaction
        fetched = self._connection.rows(statement.sql if self._fresh else statement.guarded, (*parameters, *guard))
        if self._watch is not None:
            fetched = self._watch(statement.sql, parameters, fetched)
        found: list[object] = await fetched
        self.in_doubt = False
        return found

    def carried(self, size: int) -> None:
        """Note how many bytes a statement's rows, or what was made of them, had."""
        self._heavy = self._heavy or size > HEAVY_BYTES

    async def confirm(self, *, again: bool = False) -> None:
        """Confirm the guard where no statement has yet: a request without a database step does this alone.

        A statement that was refused has not, and its transaction answers nothing any more: it is undone before.
        `again` undoes it in any case, unless it is lasting, and confirms once more.
        """
        if again and not self.settled:
            await self.rollback()
            self._begin, self.confirmed = None, self._guard is None
        if not self.confirmed:
            if self._broken:
                await self.rollback()
            await self._confirm_now()

    async def _confirm_now(self) -> None:
        try:
            await self._ready(waits=False)
            await self._connection.fetch(CONFIRM, *(self._guard or ()))
        except FAULTS as error:
            raise translated(error, reading=True) from error
        self.confirmed = True
        self._fresh = self._in_transaction or self._guard is None

    async def connection(self) -> Any:
        """Give the connection itself, inside the transaction and confirmed, to what runs statements of its own."""
        if self._connection is None:
            await self._find_again()
        self._wrote = True  # what it runs is not known here
        await self._open()
        return self._connection

    async def use(self, work: Callable[[Any], Awaitable[T]], *, writes: bool = False) -> T:
        """Let `work` run statements of its own on the connection, confirmed and inside the transaction."""
        if self._connection is None:
            await self._find_again()
        self._wrote = self._wrote or writes
        await self._open()
        try:
            return await work(self._connection)
        except FAULTS as error:
            raise translated(error) from error

    async def _open(self) -> None:
        """Have the connection, inside of a transaction and confirmed, for statements that are not known here."""
        try:
            await self._ready(waits=True, several=True)
        except FAULTS as error:
            raise translated(error) from error
        if not self._fresh:
            await self._confirm_now()

    async def cursor(self, statement: Statement, env: Environment) -> HeldCursor:
        """Have Postgres keep the rows of a statement; behind the commit the connection is theirs, until they end.

        After any error the rows are gone with the transaction, and nobody has to end them.
        """
        await self._open()
        try:
            await self._connection.rows(DECLARE + statement.sql, statement.bind(env))
        except FAULTS as error:
            self._broken = True
            raise translated(error, reading=True) from error
        self._cursor = HeldCursor(self._pool, self._connection)
        return self._cursor

    async def staging(self, on_behalf_of: object) -> StagedRows:
        """Have Postgres keep rows, outside of the transaction, on the connection that the session then has to itself.

        It confirms the guard before it takes any.
        """
        self._staged = StagedRows(self._pool, await self._pool.acquire(on_behalf_of))
        self._pool = self._staged
        await self._staged.begin(self._guard)
        return self._staged

    def as_one(self) -> None:
        """Have a transaction around all statements, also where there is only one: it may be refused behind it."""
        self._begin = self._begin or "BEGIN"

    def when_committed(self, tell: Callable[[], None]) -> None:
        """Have somebody told as soon as the transaction is committed; a pause commits it then."""
        self._when_committed.append(tell)

    async def pause(self) -> None:
        """End the transaction, which has read only, and give the connection back while the request waits elsewhere.

        The next statement begins another one: it confirms the guard again, and finds what was held as it was.
        """
        if self._wrote:
            raise AssertionError("a transaction that has written can't pause")
        await (self.commit() if self._when_committed else self.rollback())
        self._fresh = self._guard is None

    async def settle(self) -> None:
        """Make what was done lasting for good: nothing that is read behind it undoes it, or needs what was held."""
        await self.commit()
        self._locks, self._held = (), []
        self.settled = True

    async def _ready(self, *, waits: bool, several: bool = False) -> None:
        """Have a connection, and the transaction if there is to be one, as there is for `several` statements.

        What `waits` may wait there for rows; inside of somebody else's transaction for as long as that does.
        """
        if self._connection is None:
            self._connection = await self._pool.acquire(self._on_behalf_of)
        begin = self._begin or ("BEGIN" if several else None)
        if begin is None or (self._late and not self._in_transaction and not waits and not several):
            return
        said = [] if self._in_transaction else [begin]
        if (waits or self._locks) and not self._patient and begin.startswith("BEGIN"):
            said.append(self._patience)
            self._patient = True
        if not self._in_transaction:
            said += self._locks
        if said:
            await self._begin_by("; ".join(said))
            self._in_transaction = True

    async def _begin_by(self, begin: str) -> None:
        try:
            await self._connection.execute(begin)
        except asyncpg.LockNotAvailableError:
            if self._locks:
                raise Contended from None
            raise

    def _let_go(self) -> tuple[Any, bool]:
        """Have no connection any more, and so no transaction; gives the connection, and whether one was open."""
        connection, was_open = self._connection, self._in_transaction
        self._connection, self._in_transaction, self._patient = None, False, False
        return connection, was_open

    async def commit(self) -> None:
        """Make what was written lasting, and give the connection back. A connection lost in COMMIT is 503."""
        connection, was_open = self._let_go()
        cursor, self._cursor = self._cursor, None
        if connection is None:
            return
        reusable = False
        try:
            if was_open:
                await connection.execute(self._ends.commit)
            reusable = True
        except FAULTS as error:
            raise translated(error, committing=True) from error
        finally:
            if cursor is None or not reusable:
                self._pool.release(connection, reusable=reusable, heavy=self._heavy)
        for tell in self._when_committed:
            tell()
        self._when_committed.clear()

    async def rollback(self, *, reusable: bool = True) -> None:
        """Undo what was written, and give the connection back.

        `reusable=False` has it closed instead, which undoes as well: for a request that was cut off in a statement.
        """
        self._when_committed.clear()
        self._cursor = None
        self._broken = False
        connection, was_open = self._let_go()
        if connection is None:
            return
        clean = False
        try:
            if reusable and was_open and not connection.is_closed():
                await connection.execute(self._ends.rollback)
            clean = reusable
        except FAULTS:
            clean = False
        finally:
            self._pool.release(connection, reusable=clean, heavy=self._heavy)
