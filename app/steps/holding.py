"""Rows that a step has read and a later step of the request relies on: they are held until the transaction ends."""

from dataclasses import dataclass
from typing import Any

from app.database.statement import Statement
from app.relations.locks import Hold, Reading, hold_of
from app.steps.context import Context
from app.steps.running import Call


@dataclass(frozen=True, slots=True)
class Holding:
    """What a step holds before its own statement; of None nothing.

    In a serializable transaction, which sees what was there as it began, that locked the tables then: `by_table`.
    """

    hold: Hold | None
    by_table: bool

    @property
    def statement(self) -> Statement | None:
        """Give the statement that holds the rows, if one is needed."""
        return None if self.hold is None or self.by_table else self.hold.statement

    @property
    def statements(self) -> int:
        """Count the statements that it sends."""
        return int(self.statement is not None)

    @property
    def sends(self) -> tuple[Statement, ...]:
        """Give the statements that it sends."""
        return () if self.statement is None else (self.statement,)

    def tell(self, call: Call) -> None:
        """Say in the trace what is held."""
        if call.trace is not None and self.hold is not None:
            call.trace.note(held=f"{self.hold.told}{', by a lock on tables' if self.by_table else ''}")

    async def take(self, call: Call) -> None:
        """Hold the rows."""
        self.tell(call)
        if self.statement is not None:
            await call.db.hold(self.statement, call.env)


NOTHING = Holding(None, by_table=False)


@dataclass(frozen=True, slots=True)
class HeldRead:
    """A reading statement and what holds its rows, itself where it `locks`."""

    sql: Statement
    holding: Holding
    locks: bool

    @property
    def statements(self) -> int:
        """Count the statements that it sends."""
        return 1 + self.holding.statements

    @property
    def sends(self) -> tuple[Statement, ...]:
        """Give the statements that it sends."""
        return (*self.holding.sends, self.sql)

    async def rows(self, call: Call) -> list[Any]:
        """Give the rows; after a pause of the request they are held and read again."""
        self.holding.tell(call)
        if self.locks or self.holding.hold is not None:
            return await call.db.held_rows(self.sql, call.env, self.holding.statement)
        return await call.db.rows(self.sql, call.env)


def holding(context: Context, reading: Reading) -> Holding:
    """Have the rows held that a step reads, where a later step writes what its answer rests on."""
    hold = hold_of(reading, context.later_writes)
    if hold is not None:
        context.held.update(hold.held)
    return Holding(hold, context.serializable)


def held_read(context: Context, sql: Statement, reading: Reading, *, locks: bool = False) -> HeldRead:
    """Have a statement's rows held, by itself where it `locks` them."""
    return HeldRead(sql, holding(context, reading), locks)
