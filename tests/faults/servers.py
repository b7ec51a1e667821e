"""What is killed: a Postgres that the script starts again itself, and Rowgate servers in processes of their own."""

import asyncio
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.cli.create_key import make_key
from app.database.embedded import SUPERUSER, EmbeddedPostgres, start_embedded
from app.database.pool import connect
from app.settings import load_settings
from app.store.migrate import migrate
from tests.backend import apply

SECRET = secrets.token_urlsafe(48)
START_SECONDS = 120
SETTINGS = {"ROWGATE_SECRET_KEY": SECRET, "ROWGATE_ENV": "development", "ROWGATE_CONFIRM_EMAIL": "false"}


@dataclass
class Postgres:
    """A Postgres of the script's own in a directory, with a database for each fault."""

    place: Path
    running: EmbeddedPostgres

    @classmethod
    async def start(cls, place: Path) -> "Postgres":
        return cls(place, await asyncio.to_thread(start_embedded, place))

    async def again(self) -> None:
        """Start it after `kill` or `stop`."""
        self.running = await asyncio.to_thread(start_embedded, self.place)

    async def kill(self) -> None:
        """Kill the postmaster; its backends notice that it is gone and end."""
        os.kill(self.running.pid, signal.SIGKILL)
        await self.stop()

    async def stop(self) -> None:
        await asyncio.to_thread(self.running.stop)

    async def database(self, name: str, document: Any) -> str:
        """Make a database with a backend in it, and give its URL."""
        connection = await connect(self.running.url(database="postgres", user=SUPERUSER))
        await connection.execute(f"CREATE DATABASE {name} OWNER rowgate")
        await connection.close()
        url = self.running.url(database=name)
        await migrate(url)
        await apply(url, document)
        return url


@dataclass
class Rowgate:
    """One server process on a port that it keeps; `url` None is one with an embedded Postgres in `place`."""

    place: Path
    url: str | None
    port: int = 0
    process: asyncio.subprocess.Process | None = None

    def __post_init__(self) -> None:
        self.port = self.port or free_port()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, arguments: tuple[str, ...] = ()) -> None:
        """Start it; `ready` waits until it serves. What it says goes into a log in `place`."""
        settings = dict(SETTINGS) if self.url is None else {**SETTINGS, "ROWGATE_DATABASE_URL": self.url}
        settings["ROWGATE_DATA_DIR"] = str(self.place)
        command = (str(Path(sys.executable).parent / "rowgate"), "serve", "--port", str(self.port), *arguments)
        with (self.place / f"rowgate-{self.port}.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command, env={**os.environ, **settings}, stdout=log, stderr=log
            )

    async def ready(self, client: httpx.AsyncClient, path: str = "/readyz") -> float:
        """Wait for the first 200, and give the seconds that it took; raises TimeoutError."""
        began = time.monotonic()
        async with asyncio.timeout(START_SECONDS):
            while True:
                with suppress(httpx.TransportError):
                    if (await client.get(f"{self.address}{path}", timeout=5)).status_code == 200:
                        return time.monotonic() - began
                if self.process is None or self.process.returncode is not None:
                    raise RuntimeError(f"the server has ended: see {self.place}/rowgate-{self.port}.log")
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            try:
                async with asyncio.timeout(40):
                    await self.process.wait()
            except TimeoutError:
                await self.kill()


@asynccontextmanager
async def serving(place: Path, url: str, client: httpx.AsyncClient, count: int = 1) -> AsyncIterator[list[Rowgate]]:
    """Serve a database by so many instances."""
    servers = [Rowgate(place, url) for _ in range(count)]
    try:
        for server in servers:
            await server.start()
            await server.ready(client)
        yield servers
    finally:
        for server in servers:
            await server.stop()


async def admin_of(url: str) -> dict[str, str]:
    """Make an owner's key, and give its header."""
    settings = load_settings(database_url=url, secret_key=SECRET)
    return {"Authorization": f"Bearer {await make_key(settings, url, f'soak-{secrets.token_hex(4)}', [], 'owner')}"}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
