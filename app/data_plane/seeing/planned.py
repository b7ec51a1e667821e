"""A read of a view that is planned and not run: what Postgres would do for somebody, and nothing of what it finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from app.auth.identity import Identity
from app.data_plane.seeing.rehearsal import Rehearsal
from app.data_plane.targets import Target
from app.database.connection import Connection
from app.database.session import Session
from app.database.statement import Statement

# Never with ANALYZE, which would run it.
_EXPLAIN = "EXPLAIN (FORMAT JSON) "
_SIZES = """
SELECT c.relname AS name, greatest(c.reltuples, 0)::bigint AS rows FROM pg_class c
WHERE c.relnamespace = 'data'::regnamespace AND c.relname = ANY($1) AND c.relkind = 'r'
"""
_NOTHING: dict[str, Any] = {"body": "[]", "page": 0, "total": None}


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A statement, and what Postgres would do for it, as `EXPLAIN (FORMAT JSON)` tells."""

    sql: str
    plan: Any


class PlannedSession(Session):
    """A session that runs what comes before the read, plans the read, and gives no rows for it."""

    __slots__ = ("run",)

    run: "PlannedRead"

    async def bound_rows(self, statement: Statement, parameters: Sequence[Any]) -> list[Any]:
        """Run a statement of the chain; of the read itself have a plan made."""
        if self.run.at != "execute":
            return await super().bound_rows(statement, parameters)
        if self.run.found is None:
            await self.connection()  # which confirms the guard, so that it doesn't stand in the plan
            planned = Statement(f"{_EXPLAIN}{statement.sql}", statement.evaluators)
            (row,) = await super().bound_rows(planned, parameters)
            self.run.found = ReadPlan(statement.sql, row[0])
        return [_NOTHING]


async def sizes(connection: Connection, tables: Sequence[str]) -> dict[str, int]:
    """Give how many rows these tables are taken to have."""
    return {row["name"]: row["rows"] for row in await connection.fetch(_SIZES, list(tables))}


class PlannedRead(Rehearsal):
    """A rehearsal of a read that ends with its plan."""

    __slots__ = ("found",)

    opens: ClassVar[type[Session]] = PlannedSession
    found: ReadPlan | None

    def begin(self) -> None:
        """Begin a try without a plan."""
        self.found = None
        super().begin()

    def session(self, target: Target, identity: Identity) -> Session:
        """Give the session, which knows at which stage it is asked."""
        session = super().session(target, identity)
        if isinstance(session, PlannedSession):
            session.run = self
        return session
