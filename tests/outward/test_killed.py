"""`after: commit` when the server is killed: each call whose transaction committed is made, and no other."""

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from app.database.pool import connect
from app.outward.emptying import AT_ONCE
from tests.backend import SECRET_KEY, apply
from tests.outward.test_outbox import document
from tests.outward.upstream import Upstream, gate, soon, upstream

SERVE = (str(Path(sys.executable).parent / "rowgate"), "serve", "--port", "0")


@asynccontextmanager
async def server(database: str) -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    """Serve in a process of its own, which is killed at the end."""
    settings = {"ROWGATE_DATABASE_URL": database, "ROWGATE_SECRET_KEY": SECRET_KEY, "ROWGATE_ENV": "development"}
    process = await asyncio.create_subprocess_exec(
        *SERVE, env={**os.environ, **settings}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        said = []
        async for line in process.stdout:
            said.append(line.decode())
            if said[-1].startswith("Rowgate listens on "):
                break
        assert said[-1].startswith("Rowgate listens on "), said
        async with httpx.AsyncClient(base_url=said[-1].split()[-1], timeout=30) as client:
            yield client, process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def write(client: httpx.AsyncClient, who: str, acked: set[str], refused: set[str]) -> None:
    """Write until the server is gone; each third request is rolled back."""
    with suppress(httpx.TransportError):
        for number in range(10_000):
            name = "rolled_back" if number % 3 == 2 else "add"
            body = f"{who} {number} {name}"
            answer = await client.post(f"/api/{name}", json={"body": body})
            assert answer.status_code == (409 if name == "rolled_back" else 204), answer.text
            (refused if name == "rolled_back" else acked).add(body)


async def test_a_killed_server_loses_no_call_and_makes_none_without_a_commit(migrated_url: str) -> None:
    acked: set[str] = set()
    refused: set[str] = set()
    async with upstream() as up:
        await apply(migrated_url, document(up))
        came, go, up.answers["/hook"] = gate(AT_ONCE)
        async with server(migrated_url) as (client, process):
            writers = [asyncio.create_task(write(client, f"writer {n}", acked, refused)) for n in range(4)]
            # Some calls are being delivered, which nobody answers; all the others have been committed and wait.
            await soon(came)
            async with asyncio.timeout(120):
                while len(acked) < 20 or len(refused) < 5:  # noqa: ASYNC110 - what is waited for has no event
                    await asyncio.sleep(0.01)
            process.kill()
            await asyncio.gather(*writers)
        begun = keys(up)
        assert len(begun) >= AT_ONCE
        go.set()
        connection = await connect(migrated_url)
        try:
            committed = {row["body"] for row in await connection.fetch("SELECT body FROM data.notes")}
            assert await connection.fetchval("SELECT count(*) FROM rowgate.outbox") == len(committed)
            # The lease of whoever died is over.
            await connection.execute("UPDATE rowgate.outbox SET next_at = now()")
            async with server(migrated_url), asyncio.timeout(120):
                while await connection.fetchval("SELECT count(*) FROM rowgate.outbox"):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.05)
        finally:
            await connection.close()
        assert acked <= committed
        assert not any(body.endswith("rolled_back") for body in committed)
        made = keys(up)
        assert set(made) == committed
        assert [body for body, one in made.items() if len(set(one)) > 1] == []
        assert len({one[0] for one in made.values()}) == len(made)
        assert [body for body in begun if len(made[body]) < 2] == []


def keys(up: Upstream) -> dict[str, list[str]]:
    """Give the Idempotency-Key of each call that came, by what it was about."""
    found = defaultdict(list)
    for asked in up.asked:
        found[asked.body.decode().split('"')[3]].append(asked.headers["idempotency-key"])
    return found
