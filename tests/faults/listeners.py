"""Two instances whose listeners are frozen: a revocation and an endpoint made private hold at the next request."""

import asyncio
import os
import secrets
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from app.database.embedded import SUPERUSER
from app.database.pool import connect
from tests.faults.held import Held, Sizes
from tests.faults.servers import Postgres, admin_of, serving

AT_ONCE = 8
OPEN = {"name": "open", "method": "GET", "path": "/open", "access": "public", "steps": [{"do": "respond", "body": 1}]}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "endpoints": [OPEN, {**OPEN, "name": "mine", "path": "/mine", "access": "authenticated"}],
}


async def frozen_listeners(postgres: Postgres, place: Path, sizes: Sizes) -> list[Held]:
    """Freeze what would tell the other instance, and ask it at once, many at a time."""
    url = await postgres.database("listeners", DOCUMENT)
    fault = "two instances, frozen listeners"
    late: Counter[str] = Counter()
    async with httpx.AsyncClient(timeout=30) as client, serving(place, url, client, 2) as (first, second):
        admin = await admin_of(url)
        frozen = await _freeze(postgres)
        try:
            for number in range(sizes.rounds):
                here, there = (first, second) if number % 2 else (second, first)
                late["session"] += await _revoked(client, admin, here.address, there.address)
                late["endpoint"] += await _made_private(client, admin, here.address, there.address)
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
    asked = sizes.rounds * AT_ONCE
    return [
        Held(fault, "their listeners were frozen", len(frozen) >= 2, f"{len(frozen)} backends stopped"),
        Held(fault, "a revoked session is out on the other one at once", not late["session"],
             f"{asked} asked after {sizes.rounds} revocations, {late['session']} let in"),
        Held(fault, "an endpoint made private is so on the other one at once", not late["endpoint"],
             f"{asked} asked after {sizes.rounds} changes, {late['endpoint']} let in"),
    ]  # fmt: skip


async def _freeze(postgres: Postgres) -> list[int]:
    """Stop the backends that LISTEN: nobody sees an event of them, nor that they are gone."""
    connection = await connect(postgres.running.url(database="postgres", user=SUPERUSER))
    rows = await connection.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = 'listeners' AND query ILIKE 'listen%' AND state = 'idle'"
    )
    await connection.close()
    for row in rows:
        os.kill(row["pid"], signal.SIGSTOP)
    return [row["pid"] for row in rows]


async def _asked(client: httpx.AsyncClient, address: str, headers: dict[str, str]) -> int:
    """Ask many at once, and count those that are let in."""
    answers = await asyncio.gather(*(client.get(address, headers=headers) for _ in range(AT_ONCE)))
    return sum(one.status_code != 401 for one in answers)


async def _revoked(client: httpx.AsyncClient, admin: dict[str, str], here: str, there: str) -> int:
    body = {"email": f"{secrets.token_hex(6)}@example.com", "password": "correct horse battery"}
    session = (await client.post(f"{there}/auth/v1/signup", json=body)).json()
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    for address in (here, there):  # both know it well
        assert (await client.get(f"{address}/api/mine", headers=headers)).status_code == 200
    ended = await client.post(f"{here}/admin/v1/users/{session['user']['id']}/sign-out", headers=admin)
    assert ended.status_code == 204, ended.text
    return await _asked(client, f"{there}/api/mine", headers)


async def _made_private(client: httpx.AsyncClient, admin: dict[str, str], here: str, there: str) -> int:
    await _access(client, admin, here, "public")
    async with asyncio.timeout(30):  # what opens may take a second: only what shuts holds at once
        while (await client.get(f"{there}/api/open")).status_code != 200:  # noqa: ASYNC110 - it has no event here
            await asyncio.sleep(0.1)
    await _access(client, admin, here, "authenticated")
    return await _asked(client, f"{there}/api/open", {})


async def _access(client: httpx.AsyncClient, admin: dict[str, str], address: str, access: str) -> None:
    path = f"{address}/admin/v1/endpoints/open?allow_wider=true"
    answer = await client.patch(path, json={"access": access}, headers=admin)
    assert answer.status_code == 200, answer.text
