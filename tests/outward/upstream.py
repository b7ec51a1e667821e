"""A real HTTP server on a socket of its own, which remembers what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Answering = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Upstream:
    """`answers` maps a path to what it answers: raw bytes, or a function that writes them."""

    port: int = 0
    connections: int = 0
    tasks: set[Any] = field(default_factory=set)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    answers: dict[str, bytes | Answering] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.tasks.add(asyncio.current_task())
        self.writers.append(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, path, _ = head[0].split(" ", 2)
            pairs = (line.split(": ", 1) for line in head[1:] if line)
            headers = {name.lower(): value for name, value in pairs}
            asked = Asked(method, path, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
            self.asked.append(asked)
            answer = self.answers.get(path.partition("?")[0], reply(b'{"ok": true}'))
            if isinstance(answer, bytes):
                writer.write(answer)
            else:
                await answer(asked, writer)
            await writer.drain()
        writer.close()


_last = Upstream()


def reply(body: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    """Serve on the port of the time before, if it is free: a document that names it is then one that was there."""
    found = Upstream()
    try:
        server = await asyncio.start_server(found.serve, "127.0.0.1", _last.port)
    except OSError:
        server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = _last.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in found.tasks:
            task.cancel()
        await asyncio.gather(*found.tasks, return_exceptions=True)
        for writer in found.writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def gate(callers: int = 1) -> tuple[asyncio.Event, asyncio.Event, Answering]:
    """Give an event that so many callers have come, one that lets them go, and the answer that waits between."""
    came, go, waiting = asyncio.Event(), asyncio.Event(), 0

    async def wait(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting
        waiting += 1
        if waiting >= callers:
            came.set()
        await go.wait()
        writer.write(reply(b"1"))

    return came, go, wait


async def soon(event: asyncio.Event) -> None:
    """Wait for what has to happen, and not for ever."""
    async with asyncio.timeout(60):
        await event.wait()
