"""kill -9 of the server, and of the postmaster, while acknowledged writes go on."""

import asyncio
import os
import random
import signal
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx
import yaml

from app.database.pool import connect
from tests.faults.held import Held, Sizes, spread
from tests.faults.servers import Postgres, Rowgate

RESTART_SECONDS = 5.0  # from the start of a killed server to its first 200
POSTGRES_SECONDS = 10.0  # from the kill of the postmaster to the first 200
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {"name": "parents", "columns": [{"name": "ref", "type": "uuid", "required": True}]},
        {"name": "children", "columns": [
            {"name": "parent", "type": "reference", "table": "parents", "required": True},
            {"name": "n", "type": "integer", "required": True},
        ]},
    ],
    "endpoints": [
        {"name": "alive", "method": "GET", "path": "/alive", "access": "public",
         "steps": [{"do": "exists", "from": "parents", "as": "any"}, {"do": "respond", "body": "=any"}]},
        {"name": "add", "method": "POST", "path": "/add", "access": "public",
         "input": {"body": {
             "ref": {"type": "uuid", "required": True}, "refused": {"type": "boolean", "default": False}}},
         "steps": [
             {"do": "insert", "table": "parents", "set": {"ref": "=input.ref"}, "as": "parent"},
             *({"do": "insert", "table": "children", "set": {"parent": "=parent.id", "n": n}} for n in (1, 2, 3)),
             {"do": "fail", "status": 422, "code": "soak.refused", "when": "input.refused"},
             {"do": "respond", "status": 201, "body": {"ref": "=input.ref"}},
         ]},
    ],
}  # fmt: skip


@dataclass
class Ledger:
    """What one writer sent and what was acknowledged, each line on the disk before the writer goes on."""

    file: IO[str]
    sent: set[str] = field(default_factory=set)
    acked: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    again: int = 0

    def note(self, what: str, ref: str, into: set[str]) -> None:
        self.file.write(f"{what} {ref}\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        into.add(ref)


class Writers:
    """Writers that go on while servers come and go; every second one sends what got no answer again, under its key."""

    def __init__(self, place: Path, count: int, address: str) -> None:
        self.address = address
        self.done = asyncio.Event()
        self.ledgers = [Ledger((place / f"writer-{number}.log").open("a")) for number in range(count)]
        self.odd: Counter[str] = Counter()
        self.task = asyncio.create_task(self._run())

    @property
    def acked(self) -> int:
        return sum(len(one.acked) for one in self.ledgers)

    async def _run(self) -> None:
        async with httpx.AsyncClient(base_url=self.address, timeout=15) as client:
            await asyncio.gather(*(self._write(client, number) for number in range(len(self.ledgers))))

    async def _write(self, client: httpx.AsyncClient, number: int) -> None:
        ledger, count = self.ledgers[number], 0
        while not self.done.is_set():
            count += 1
            ref, refused = str(uuid.uuid4()), count % 7 == 3
            ledger.note("sent", ref, ledger.sent)
            while not await self._answered(client, ledger, ref, refused=refused) and number % 2 == 0:
                ledger.again += 1
                await asyncio.sleep(0.1)

    async def _answered(self, client: httpx.AsyncClient, ledger: Ledger, ref: str, *, refused: bool) -> bool:
        """Send once; gives False where it is not known what became of it."""
        try:
            body = {"ref": ref, "refused": refused}
            answer = await client.post("/api/add", json=body, headers={"Idempotency-Key": ref})
        except httpx.TransportError:
            await asyncio.sleep(0.5)  # so that those who wait don't take the machine from the server that starts
            return False
        if answer.status_code == 503 or (answer.status_code == 409 and "idempotency.running" in answer.text):
            return False
        if answer.status_code == 201 and not refused:
            ledger.note("acked 201", ref, ledger.acked)
        elif answer.status_code == 422 and refused and "soak.refused" in answer.text:
            ledger.note("acked 422", ref, ledger.refused)
        else:
            self.odd[f"{answer.status_code} {answer.text[:200]}"] += 1
        return True

    async def more(self, wanted: int) -> None:
        """Wait until so many more are acknowledged."""
        goal = self.acked + wanted
        async with asyncio.timeout(120):
            while self.acked < goal:  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)

    async def finish(self) -> None:
        """Let each writer have the answer that it waits for."""
        self.done.set()
        async with asyncio.timeout(180):
            await self.task


@asynccontextmanager
async def _written(
    place: Path, server: Rowgate, client: httpx.AsyncClient, count: int, arguments: tuple[str, ...] = ()
) -> AsyncIterator[Writers]:
    """Serve, and write meanwhile; at the end each writer has its answer, and the server is stopped."""
    await server.start(arguments)
    try:
        await server.ready(client)
        writers = Writers(place, count, server.address)
        try:
            yield writers
            await writers.finish()
        finally:
            writers.task.cancel()
            for one in writers.ledgers:
                one.file.close()
    finally:
        await server.stop()


async def judged(fault: str, ledgers: Sequence[Ledger], odd: Counter[str], url: str) -> list[Held]:
    """Hold what is in the database against what was sent and acknowledged."""
    connection = await connect(url)
    try:
        rows = await connection.fetch(
            "SELECT p.ref::text AS ref, count(c.id) AS children FROM data.parents p"
            " LEFT JOIN data.children c ON c.parent = p.id GROUP BY p.id, p.ref"
        )
        orphans = await connection.fetchval(
            "SELECT count(*) FROM data.children c WHERE NOT EXISTS (SELECT FROM data.parents p WHERE p.id = c.parent)"
        )
        durable = [await connection.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit")]
    finally:
        await connection.close()
    sent, acked, refused = (
        set().union(*(getattr(one, name) for one in ledgers)) for name in ("sent", "acked", "refused")
    )
    again = sum(one.again for one in ledgers)
    found = Counter(row["ref"] for row in rows)
    broken = sum(row["children"] != 3 for row in rows) + orphans
    unknown = sent - acked - refused
    twice = sum(count > 1 for count in found.values())
    return [
        Held(fault, "what was acknowledged is there", acked <= set(found), f"{len(acked)} acknowledged, "
             f"{len(acked - set(found))} lost"),
        Held(fault, "what was never sent isn't", set(found) <= sent, f"{len(found)} there, "
             f"{len(set(found) - sent)} unsent"),
        Held(fault, "what was refused isn't", not refused & set(found), f"{len(refused)} refused, "
             f"{len(refused & set(found))} there"),
        Held(fault, "each parent has three children", not broken, f"{broken} halves; of {len(unknown)} without "
             f"an answer {len(unknown & set(found))} are there"),
        Held(fault, "a key has one effect", not twice, f"{again} sent again, {twice} there twice"),
        Held(fault, "no other answer than 201, 422, 503", not odd,
             f"others: {dict(odd.most_common(3)) or 'none'}"),
        Held(fault, "the disk is waited for", durable == ["on", "on"], "fsync and synchronous_commit are on"),
    ]  # fmt: skip


async def kill_servers(postgres: Postgres, place: Path, sizes: Sizes) -> list[Held]:
    """Kill the server again and again."""
    url = await postgres.database("server_kills", DOCUMENT)
    server, chance, took = Rowgate(place, url), random.Random(sizes.seed), []
    async with httpx.AsyncClient() as client, _written(place, server, client, sizes.writers) as writers:
        for _ in range(sizes.server_kills):
            await writers.more(1)
            await asyncio.sleep(chance.uniform(0.5, 3))
            await server.kill()
            await server.start()
            took.append(await server.ready(client, "/api/alive"))
    fault = f"{sizes.server_kills} kills of the server"
    bound = RESTART_SECONDS * sizes.slow
    claim = f"first 200 within {bound:g} s of a restart"
    return [
        *await judged(fault, writers.ledgers, writers.odd, url),
        Held(fault, claim, max(took, default=0.0) <= bound, spread(took)),
    ]


async def kill_postmasters(postgres: Postgres, place: Path, sizes: Sizes) -> list[Held]:
    """Kill the postmaster under the server again and again; the script starts it, or the server its embedded one."""
    home = place / "embedded" if sizes.embedded else place
    home.mkdir(exist_ok=True)
    url = None if sizes.embedded else await postgres.database("postmaster_kills", DOCUMENT)
    server, chance, took = Rowgate(home, url), random.Random(sizes.seed), []
    (home / "backend.yaml").write_text(yaml.safe_dump(DOCUMENT))
    arguments = ("--config", str(home / "backend.yaml")) if url is None else ()
    async with httpx.AsyncClient() as client, _written(home, server, client, sizes.writers, arguments) as writers:
        for _ in range(sizes.postmaster_kills):
            await writers.more(1)
            await asyncio.sleep(chance.uniform(0.5, 3))
            began = time.monotonic()
            if url is None:
                os.kill(int((home / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
            else:
                await postgres.kill()
                await postgres.again()
            await _first_answer(client, server)
            took.append(time.monotonic() - began)
        await writers.finish()
        # An embedded one goes with its server.
        fault = f"{sizes.postmaster_kills} kills of the postmaster"
        listed = await judged(fault, writers.ledgers, writers.odd, url or _socket_url(home))
    bound = POSTGRES_SECONDS * sizes.slow
    claim = f"first 200 within {bound:g} s of the kill"
    return [*listed, Held(fault, claim, max(took, default=0.0) <= bound, spread(took))]


async def _first_answer(client: httpx.AsyncClient, server: Rowgate) -> None:
    with suppress(httpx.TransportError):
        await client.get(f"{server.address}/api/alive", timeout=5)  # one that may still be answered by the old one
    await server.ready(client, "/api/alive")


def _socket_url(home: Path) -> str:
    socket = (home / "postgres" / "postmaster.pid").read_text().splitlines()[4]
    return f"postgresql://rowgate@/rowgate?host={socket}"
