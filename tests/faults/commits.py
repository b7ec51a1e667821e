"""The connection is cut in COMMIT, before or behind it: whoever asked is told so, and finds out by the same key."""

import asyncio
import uuid
from collections import Counter
from pathlib import Path

import httpx

from app.database.pool import connect
from tests.faults.held import Held, Sizes
from tests.faults.kills import DOCUMENT
from tests.faults.servers import Postgres, free_port, serving


class Proxy:
    """Stands between the server and Postgres, and cuts the next COMMIT where it is told to: `before`, `behind`."""

    def __init__(self, socket: Path) -> None:
        self.socket, self.port = socket / ".s.PGSQL.5432", free_port()
        self.cut: str | None = None
        self.cuts: Counter[str] = Counter()

    async def __aenter__(self) -> "Proxy":
        self.server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    async def _relay(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        answers, there = await asyncio.open_unix_connection(str(self.socket))
        silent = asyncio.Event()
        down = asyncio.create_task(self._answers(answers, back, silent))
        try:
            while data := await client.read(65_536):
                cut = self.cut if b"COMMIT" in data else None
                if cut is not None:
                    self.cut = None
                    self.cuts[cut] += 1
                if cut == "before":
                    break
                if cut == "behind":
                    silent.set()
                there.write(data)
                await there.drain()
                if cut == "behind":
                    await down
                    break
        finally:
            for writer in (back, there):
                writer.close()
            down.cancel()

    async def _answers(self, answers: asyncio.StreamReader, back: asyncio.StreamWriter, silent: asyncio.Event) -> None:
        """Carry answers back; once `silent`, the next one, which says that it was committed, is kept back."""
        while (data := await answers.read(65_536)) and not silent.is_set():
            back.write(data)
            await back.drain()
        back.close()  # as Postgres has, or is taken to have


async def commit_cut(postgres: Postgres, place: Path, sizes: Sizes) -> list[Held]:
    """Cut commits, half of them before and half behind, and send each request again under its key."""
    direct = await postgres.database("commits", DOCUMENT)
    told, again, made, twice = Counter[str](), Counter[int](), Counter[str](), 0
    async with Proxy(postgres.running.socket_dir) as proxy, httpx.AsyncClient(timeout=30) as client:
        url = f"postgresql://rowgate@127.0.0.1:{proxy.port}/commits?sslmode=disable"
        async with serving(place, url, client) as (server,):
            connection = await connect(direct)
            for number in range(sizes.cuts):
                proxy.cut = ("before", "behind")[number % 2]
                where, ref = proxy.cut, str(uuid.uuid4())
                asked = {"json": {"ref": ref}, "headers": {"Idempotency-Key": ref}}
                answer = await client.post(f"{server.address}/api/add", **asked)  # type: ignore[arg-type]
                told[f"{answer.status_code} {answer.json().get('code')}"] += 1
                made[where] += await connection.fetchval("SELECT count(*) FROM data.parents WHERE ref = $1", ref)
                again[(await client.post(f"{server.address}/api/add", **asked)).status_code] += 1  # type: ignore[arg-type]
                twice += await connection.fetchval("SELECT count(*) <> 1 FROM data.parents WHERE ref = $1", ref)
            await connection.close()
    fault, half = f"{sizes.cuts} commits cut", sizes.cuts // 2
    cut = dict(proxy.cuts) == {"before": sizes.cuts - half, "behind": half}
    return [
        Held(fault, "each was cut in its COMMIT", cut, str(dict(proxy.cuts))),
        Held(fault, "503 db.commit_unknown", set(told) == {"503 db.commit_unknown"}, str(dict(told))),
        Held(fault, "it was made or not, as it was cut", (made["before"], made["behind"]) == (0, half),
             f"there: {dict(made)}"),
        Held(fault, "sent again it is 201, with one effect", set(again) == {201} and not twice,
             f"{dict(again)}, {twice} not exactly once"),
    ]  # fmt: skip
