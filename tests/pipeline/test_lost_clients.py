"""Clients that close the connection before the answer: their statement is cancelled, and nothing of it stays."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.backend import Backend, serving
from tests.listening import listening_port

# ROWGATE_LOST_CLIENTS=10000 takes some minutes.
MANY = int(os.environ.get("ROWGATE_LOST_CLIENTS", "200"))
AT_ONCE = 20
RUNNING = """
SELECT count(*) AS n FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle' AND query LIKE '%data.%'
"""


def insert(title: str) -> dict[str, Any]:
    return {"do": "insert", "table": "notes", "set": {"title": title}}


DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {"name": "notes", "columns": [{"name": "title", "type": "text"}]},
        {"name": "gates", "columns": [{"name": "open", "type": "boolean"}]},
    ],
    "endpoints": [
        {
            "name": "waits",
            "method": "POST",
            "path": "/waits",
            "access": "public",
            "steps": [
                insert("before"),
                {"do": "update", "table": "gates", "where": "true", "set": {"open": True}, "expect": "any"},
                insert("after"),
            ],
        }
    ],
}


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        await backend.sql("INSERT INTO data.gates (open) VALUES (false)")
        yield backend


@pytest.fixture
async def port(backend: Backend) -> AsyncIterator[int]:
    async with listening_port(backend.app) as port:
        yield port


async def leave(port: int, *, after: float, path: str = "/api/waits") -> None:
    """Send a request and close the connection without waiting for the answer."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    await asyncio.sleep(after)
    writer.close()


async def settled(backend: Backend, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while (await backend.sql(RUNNING))[0]["n"]:  # noqa: ASYNC110 - what ends is in Postgres
            await asyncio.sleep(0.05)


async def titles(backend: Backend) -> list[str]:
    return [row["title"] for row in await backend.sql("SELECT title FROM data.notes ORDER BY id")]


async def test_a_lost_clients_statement_is_cancelled_within_a_second_and_undone(backend: Backend, port: int) -> None:
    pool = backend.app.server.pool
    async with pool.lease() as connection, connection.transaction():
        await connection.execute("SELECT FROM data.gates FOR UPDATE")
        await leave(port, after=0.2)
        # The lock is still held: had the statement not been cancelled, it would wait for two seconds.
        await asyncio.sleep(0.05)
        async with asyncio.timeout(1):
            while (await backend.sql(RUNNING + " AND state = 'active'"))[0]["n"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    await settled(backend, 1)
    assert await titles(backend) == []
    noted = backend.app.server.recent.listed()[0]
    assert (noted["status"], noted["code"]) == (499, "request.client_gone")


async def test_many_lost_clients_leave_no_connection_no_row_and_no_state(backend: Backend, port: int) -> None:
    pool = backend.app.server.pool
    for begun in range(0, MANY, AT_ONCE):
        await asyncio.gather(*(leave(port, after=(begun + i) % 37 / 1000) for i in range(AT_ONCE)))
    async with asyncio.timeout(10):
        # A connection on its way for who has gone is counted before it is open.
        while not pool._slots == len(pool._idle) <= pool.size:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await settled(backend, 10)
    kept = await titles(backend)
    assert kept.count("before") == kept.count("after")  # each request is whole or left nothing
    for _ in range(2 * pool.size):
        assert (await backend.client.post("/api/waits")).status_code == 204
    assert len(await titles(backend)) == len(kept) + 4 * pool.size
