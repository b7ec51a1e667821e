"""Asking: a request as somebody, over the rows as they were inserted, or without those of one person."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.compiler.runtime import Runtime
from app.data_plane.made_request import made_request
from app.data_plane.request import Request
from app.isolation.callers import Caller
from app.isolation.made_inputs import Sent
from app.policy_tests.attempt import Attempt, attempt, versions
from app.policy_tests.scratch import Scratch
from app.relations.fixtures import Versions
from app.steps.trace import Trace, Untold

Deletes = tuple[str, Sequence[object]]
"""A statement that deletes the rows of its ids, and the ids."""


class Asking:
    """The requests over one connection; each leaves the rows as they were for the next one."""

    def __init__(self, held: Scratch, runtime: Runtime) -> None:
        """Take the connection, whose rows are inserted."""
        self.held, self.runtime = held, runtime
        self.count = 0
        self._versions: Versions | None = None
        self._away: Sequence[Deletes] = ()  # what is deleted at the savepoint that stands

    async def ask(self, caller: Caller, sent: Sent) -> Attempt:
        """Run a request without a trace; what it writes is there until the next one."""
        self.count += 1
        return await self._ask(caller, sent, Untold())

    async def explain(self, caller: Caller, sent: Sent) -> Attempt:
        """Run a request again, for a trace that counts the rows of its filters as well."""
        return await self._ask(caller, sent, Trace())

    async def ask_without(self, caller: Caller, sent: Sent, deleting: Sequence[Deletes]) -> Attempt:
        """Run a request where these rows are away; what it writes is not looked at.

        They are deleted once for all requests that follow each other.
        """
        self.count += 1
        if self._away is deleting:
            await self.held.connection.execute("ROLLBACK TO SAVEPOINT rowgate_away")
        else:
            self._away = ()
            await self.held.connection.execute("ROLLBACK TO SAVEPOINT rowgate_rows")
            for sql, ids in deleting:
                await self.held.connection.execute(sql, ids)
            await self.held.connection.execute("SAVEPOINT rowgate_away")
            self._away = deleting
        request = _made(sent)
        return await attempt(self.held, self.runtime, caller.identity, request, caller.now, trace=Untold(), looks=False)

    async def _ask(self, caller: Caller, sent: Sent, trace: Trace) -> Attempt:
        self._away = ()
        await self.held.connection.execute("ROLLBACK TO SAVEPOINT rowgate_rows")
        if self._versions is None:
            self._versions = await versions(self.held, self.runtime)  # which a rollback gives back
        return await attempt(
            self.held, self.runtime, caller.identity, _made(sent), caller.now, self._versions, trace=trace
        )

    async def read(self, table: str, id_: Any) -> Mapping[str, Any]:
        """Give a row as JSON, as the last request has left it; of one that is gone nothing."""
        name = self.runtime.schema.tables[table].sql
        sql = f"SELECT to_jsonb(t.*) FROM {name} t WHERE id::text = $1"  # noqa: S608 - a quoted name
        found: Mapping[str, object] | None = await self.held.connection.fetchval(sql, str(id_))
        return found or {}


def _made(sent: Sent) -> Request:
    return made_request(sent.method, sent.path, sent.query, sent.headers, sent.body)
