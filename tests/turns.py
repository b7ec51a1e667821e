"""A server that the tests of a module take in turn, each of them as it was when it began to serve."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from app.database.embedded import SUPERUSER
from app.database.pool import connected
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
# The tables of people and rows, with all that refers to them, and the sequences of their ids.
_TABLES = """
WITH RECURSIVE emptied AS (
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind = 'r' AND (nspname = 'data' OR (nspname = 'rowgate' AND relname = ANY ($1)))
    UNION SELECT conrelid FROM pg_constraint JOIN emptied ON confrelid = emptied.oid
)
SELECT array_agg(DISTINCT emptied.oid::regclass::text) AS tables,
 array_remove(array_agg(DISTINCT s.oid::regclass::text), NULL) AS sequences
FROM emptied LEFT JOIN pg_depend ON refobjid = emptied.oid AND deptype IN ('a', 'i') AND classid = 'pg_class'::regclass
 LEFT JOIN pg_class s ON s.oid = objid AND s.relkind = 'S'
"""
_MARKS = """
SELECT (SELECT revision FROM rowgate.live),
 (SELECT md5(string_agg(body::text, ',' ORDER BY kind, name)) FROM rowgate.definitions WHERE valid_to IS NULL),
 (SELECT string_agg(concat(email, role, password_hash, disabled_at), ',') FROM rowgate.admins),
 (SELECT count(*) FROM rowgate.api_keys), (SELECT count(*) FROM rowgate.secrets)
"""


class Turns:
    """Gives the server with its first admin, without people and rows; where a test left more than these, a new one."""

    def __init__(self, stack: AsyncExitStack, document: Any, databases: Callable[[], Iterator[str]]) -> None:
        """Take what ends the servers, what they serve, and what makes a database and drops it."""
        self._stack, self._document, self._databases = stack, document, databases
        self._backend: Backend | None = None
        self._beside: Any = None  # a connection of the database's superuser
        self._marks: Any = None
        self._emptying = ""
        self._taken = 0

    async def next(self) -> Backend:
        """Give it to the next test, with a client whose address nothing has been counted for."""
        backend = self._backend
        if backend is None or not await self._emptied():
            backend = await self._served()
        self._taken += 1
        client = calling(backend.app, f"127.1.{self._taken // 250}.{self._taken % 250 + 1}")
        return replace(backend, client=await self._stack.enter_async_context(client), people={}, has_admin=True)

    async def _served(self) -> Backend:
        database = self._databases()
        url = await asyncio.to_thread(next, database)
        self._stack.push_async_callback(asyncio.to_thread, lambda: next(database, None))
        self._backend = await self._stack.enter_async_context(serving(url, self._document))
        await self._backend.admin()
        superuser = self._backend.url.replace("//rowgate@", f"//{SUPERUSER}@")
        self._beside = await self._stack.enter_async_context(connected(superuser))
        self._marks = await self._beside.fetchrow(_MARKS)
        tables, sequences = await self._beside.fetchrow(_TABLES, HAPPENED)
        # Each is emptied by itself, without what its triggers and its references would do to the others.
        self._emptying = "; ".join(
            ["SET session_replication_role = replica"]
            + [f"DELETE FROM {name}" for name in tables]
            + [f"SELECT setval('{name}', 1, false)" for name in sequences]
        )
        return self._backend

    async def _emptied(self) -> bool:
        """Take away what happened; says whether nothing else is left of the test before."""
        if await self._beside.fetchrow(_MARKS) != self._marks:
            return False
        await self._beside.execute(self._emptying)
        return True
