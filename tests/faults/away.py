"""The database is gone for a while: refusals come fast, and answers as soon as it is back."""

import asyncio
import time
from pathlib import Path

import httpx

from tests.faults.held import Held, Sizes, spread
from tests.faults.kills import DOCUMENT
from tests.faults.servers import Postgres, serving

REFUSED_SECONDS = 1.0
BACK_SECONDS = 2.0


async def database_away(postgres: Postgres, place: Path, sizes: Sizes) -> list[Held]:
    """Stop Postgres, ask all the while, and start it."""
    url = await postgres.database("away", DOCUMENT)
    fault, took, others, alive = f"database away {sizes.away:g} s", list[float](), list[str](), list[int]()
    async with httpx.AsyncClient(timeout=30) as client, serving(place, url, client) as (server,):
        assert (await client.get(f"{server.address}/api/alive")).status_code == 200
        await postgres.stop()
        end = time.monotonic() + sizes.away
        while time.monotonic() < end:
            began = time.monotonic()
            answer = await client.get(f"{server.address}/api/alive")
            took.append(time.monotonic() - began)
            if answer.status_code != 503 or "retry-after" not in answer.headers:
                others.append(f"{answer.status_code} {answer.text[:100]}")
            alive.append((await client.get(f"{server.address}/healthz")).status_code)
            await asyncio.sleep(0.1)
        await postgres.again()
        back = await server.ready(client, "/api/alive")
    refused, bound = REFUSED_SECONDS * sizes.slow, BACK_SECONDS * sizes.slow
    return [
        Held(
            fault,
            "every answer is 503 with Retry-After",
            not others,
            f"{len(took)} asked, others: {others[:3] or 'none'}",
        ),
        Held(fault, f"each within {refused:g} s", max(took) <= refused, spread(took)),
        Held(fault, "/healthz is 200 meanwhile", set(alive) == {200}, f"{len(alive)} asked"),
        Held(fault, f"first 200 within {bound:g} s of its return", back <= bound, f"{back:.2f} s"),
    ]
