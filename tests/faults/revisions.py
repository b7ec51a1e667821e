"""Revisions are published under load: no request fails, and each answer is wholly of one of them."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from app.database.pool import connect
from tests.faults.held import Held, Sizes, spread
from tests.faults.servers import Postgres, admin_of, serving

READERS = 8


def document(number: int) -> dict[str, Any]:
    """Give the backend of a revision: its number stands in a middleware, an endpoint and a view."""
    grown = [{"name": f"c{n}", "type": "text"} for n in range(number // 20 + 1)]
    return {
        "rowgate": 1,
        "tables": [
            {"name": "things", "columns": [{"name": "n", "type": "integer"}]}, {"name": "grown", "columns": grown},
        ],
        "views": [{"name": "seen", "table": "things", "access": "public", "columns": [
            "n", {"name": "one", "value": f"{number} + 0 * row.n"}, {"name": "other", "value": f"{number} * row.n"}]}],
        "middleware": [{"name": "first", "steps": [{"do": "set", "values": {"one": number}}]}],
        "endpoints": [{
            "name": "version", "method": "GET", "path": "/version", "access": "public", "middleware": ["first"],
            "steps": [
                {"do": "list", "from": "seen", "as": "rows"},
                {"do": "respond", "body": {"one": "=one", "other": number, "rows": "=rows"}},
            ],
        }],
    }  # fmt: skip


class Load:
    """Readers that ask all the while."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.done = asyncio.Event()
        self.failed: Counter[str] = Counter()
        self.mixed: list[Any] = []
        self.back = self.asked = 0
        self.seen: set[int] = set()

    async def read(self, client: httpx.AsyncClient, path: str) -> None:
        last = 0
        while not self.done.is_set():
            self.asked += 1
            try:
                answer = await client.get(f"{self.address}{path}")
            except httpx.TransportError as error:
                self.failed[repr(error)] += 1
                continue
            if answer.status_code != 200:
                self.failed[f"{answer.status_code} {answer.text[:150]}"] += 1
                continue
            said = answer.json()
            row = said[0] if isinstance(said, list) else said["rows"][0]
            parts = {row["one"], row["other"]} if isinstance(said, list) else {
                said["one"], said["other"], row["one"], row["other"]}  # fmt: skip
            if len(parts) > 1:
                self.mixed.append(said)
            self.back += max(parts) < last
            last = max(parts)
            self.seen |= parts


async def published(postgres: Postgres, place: Path, sizes: Sizes) -> list[Held]:
    """Publish revision after revision; each twentieth adds a column to a table that stands beside."""
    url = await postgres.database("revisions", document(1))
    connection = await connect(url)
    await connection.execute("INSERT INTO data.things (n) VALUES (1)")
    await connection.close()
    took: list[float] = []
    async with httpx.AsyncClient(timeout=30) as client, serving(place, url, client) as (server,):
        admin, load = await admin_of(url), Load(server.address)
        paths = ("/api/version", "/rest/v1/seen")
        readers = [asyncio.create_task(load.read(client, paths[number % 2])) for number in range(READERS)]
        for number in range(2, sizes.revisions + 2):
            began = time.monotonic()
            path = f"{server.address}/admin/v1/config?allow_wider=true"
            answer = await client.put(path, json=document(number), headers=admin)
            took.append(time.monotonic() - began)
            assert answer.status_code == 200, answer.text
        load.done.set()
        await asyncio.gather(*readers)
    fault = f"{sizes.revisions} revisions under load"
    failed = sum(load.failed.values())
    return [
        Held(fault, "no request fails", not failed,
             f"{load.asked} asked, {failed} failed {dict(load.failed.most_common(2)) or ''}"),
        Held(fault, "each answer is wholly of one revision", not load.mixed,
             f"{len(load.mixed)} mixed {load.mixed[:1] or ''}"),
        Held(fault, "nobody is taken back to an older one", not load.back, f"{load.back} went back"),
        Held(fault, "the readers saw them change", len(load.seen) > 1,
             f"{len(load.seen)} seen; a PUT took {spread(took)}"),
    ]  # fmt: skip
