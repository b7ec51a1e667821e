"""A server that the tests of a module take in turn, each of them as it was when it began to serve."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

from tests.backend import Backend, calling, serving

# What happens while a backend serves, beside the rows of its own tables.
HAPPENED = (
    "accounts",
    "user_roles",
    "sessions",
    "refresh_tokens",
    "sign_in_failures",
    "first_answers",
    "deliveries",
    "outbox",
    "mail",
    "one_time_tokens",
    "counted",
)
_TABLES = "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables WHERE schemaname = 'data'"
_MARKS = """
SELECT (SELECT revision FROM rowgate.live),
 (SELECT string_agg(concat(email, role, password_hash, disabled_at), ',') FROM rowgate.admins),
 (SELECT count(*) FROM rowgate.api_keys), (SELECT count(*) FROM rowgate.secrets)
"""


class Turns:
    """Gives the server with its first admin, without people and rows; where a test left more than these, a new one."""

    def __init__(self, stack: AsyncExitStack, document: Any, databases: Callable[[], Iterator[str]]) -> None:
        """Take what ends the servers, what they serve, and what makes a database and drops it."""
        self._stack, self._document, self._databases = stack, document, databases
        self._backend: Backend | None = None
        self._marks: Any = None
        self._taken = 0

    async def next(self) -> Backend:
        """Give it to the next test, with a client whose address nothing has been counted for."""
        backend = self._backend
        if backend is None or await self._marks_of(backend) != self._marks:
            backend = await self._served()
        else:
            (tables,) = await backend.sql(_TABLES)
            happened = ", ".join(f"rowgate.{name}" for name in HAPPENED)
            await backend.sql(f"TRUNCATE {tables[0]}, {happened} RESTART IDENTITY CASCADE")
        self._taken += 1
        client = calling(backend.app, f"127.1.{self._taken // 250}.{self._taken % 250 + 1}")
        return Backend(backend.app, await self._stack.enter_async_context(client), backend.url, has_admin=True)

    async def _served(self) -> Backend:
        database = self._databases()
        url = await asyncio.to_thread(next, database)
        self._stack.push_async_callback(asyncio.to_thread, lambda: next(database, None))
        self._backend = await self._stack.enter_async_context(serving(url, self._document))
        await self._backend.admin()
        self._marks = await self._marks_of(self._backend)
        return self._backend

    async def _marks_of(self, backend: Backend) -> Any:
        (row,) = await backend.sql(_MARKS)
        return tuple(row)
