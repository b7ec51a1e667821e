"""What is refused before anything is begun for it is refused as it would be otherwise, and leaves nothing behind."""

import asyncio
import gc
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from app.errors import RowgateError
from tests.backend import Backend
from tests.listening import listening_port
from tests.turns import Turns

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "project": {"cors_origins": ["https://app.example"]},
    "roles": [{"name": "staff"}],
    "tables": [{"name": "notes", "columns": [{"name": "owner", "type": "user"}, {"name": "word", "type": "text"}]}],
    "views": [
        {"name": "mine", "table": "notes", "columns": ["id", "word"], "filter": "row.owner == auth.user.id",
         "allow": ["select", "insert"], "presets": {"owner": "=auth.user.id"}},
        {"name": "open_notes", "table": "notes", "columns": ["id"], "access": "public"},
    ],
    "endpoints": [
        {"name": "hello", "method": "GET", "path": "/hello", "access": "public",
         "steps": [{"do": "respond", "body": {"hello": "=request.method"}}]},
        {"name": "add", "method": "POST", "path": "/notes/{id}", "access": {"roles": ["staff"]},
         "input": {"path": {"id": {"type": "bigint"}}},
         "steps": [{"do": "respond", "body": {"id": "=input.id"}}]},
    ],
}  # fmt: skip

REFUSED = [
    ("GET", "/rest/v1/mine?limit=2", 401),
    ("HEAD", "/rest/v1/mine", 401),
    ("POST", "/rest/v1/mine", 401),
    ("DELETE", "/rest/v1/mine", 405),
    ("OPTIONS", "/rest/v1/mine", 204),
    ("GET", "/rest/v1/nothing", 404),
    ("GET", "/rest/v1/rpc/add", 404),
    ("PUT", "/rest/v1/rpc/hello", 405),
    ("POST", "/rest/v1/rpc/nothing", 404),
    ("POST", "/api/notes/1", 401),
    ("PUT", "/api/hello", 405),
    ("OPTIONS", "/api/notes/1", 204),
    ("GET", "/api/nothing", 404),
    ("GET", "/api/notes/%2f", 400),
    ("GET", "/functions/v1/nothing", 404),
]


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


@pytest_asyncio.fixture(loop_scope="module")
async def port(backend: Backend) -> AsyncIterator[int]:
    async with listening_port(backend.app) as found:
        yield found


async def sent(port: int, *requests: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Send requests on one connection in one write, and read their answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(requests))
    found = []
    async with asyncio.timeout(20):
        for one in requests:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            size = 0 if one.startswith(b"HEAD") else int(headers.get("content-length", "0"))
            found.append((int(first.split()[1]), headers, await reader.readexactly(size)))
    writer.close()
    return found


def request(method: str, path: str, *lines: str, body: bytes = b"") -> bytes:
    """Write a request."""
    if body:
        lines = (*lines, "Content-Type: application/json", f"Content-Length: {len(body)}")
    return (
        "\r\n".join([f"{method} {path} HTTP/1.1", "Host: test", "X-Request-Id: same", *lines, "", ""]).encode() + body
    )


@pytest.mark.parametrize("origin", [None, "https://app.example", "https://other.example"])
async def test_a_refusal_at_once_is_the_refusal_that_it_would_be(
    backend: Backend, port: int, origin: str | None
) -> None:
    lines = [] if origin is None else [f"Origin: {origin}"]
    for method, path, status in REFUSED:
        # The client of tests calls the application itself, whose every request is a task.
        headers = {"X-Request-Id": "same"} | ({} if origin is None else {"Origin": origin})
        wanted = await backend.client.request(method, path, headers=headers)
        body = b'{"word": "a"}' if method == "POST" else b""
        ((found, given, text),) = await sent(port, request(method, path, *lines, body=body))
        assert (found, wanted.status_code) == (status, status), path
        own = {name: value for name, value in given.items() if name not in {"date", "server"}}
        assert own == dict(wanted.headers), path
        assert text == wanted.content, path


async def test_what_is_not_refused_is_served_once(backend: Backend, port: int) -> None:
    answers = await sent(
        port,
        request("GET", "/api/hello"),
        request("POST", "/rest/v1/mine", body=b'{"word": "never"}'),
        request("GET", "/rest/v1/open_notes"),
        request("GET", "/rest/v1/mine", "Authorization: Bearer nonsense"),
    )
    assert [(status, body) for status, _, body in answers][::2] == [(200, b'{"hello":"GET"}'), (200, b"[]")]
    assert [answers[1][0], answers[3][0]] == [401, 401]
    refused = [one for one in backend.app.server.recent.listed() if "code" in one][:2]
    assert [one["code"] for one in refused] == ["auth.token_invalid", "access.sign_in_required"]
    assert {"stage", "milliseconds", "stages"} <= refused[1].keys()


async def test_refusals_are_noted_with_their_stage(backend: Backend, port: int) -> None:
    counted = backend.app.counts.minutes()[-1]
    before = counted.answered + counted.refused
    await sent(port, request("GET", "/rest/v1/mine"), request("GET", "/api/nothing"))
    last = [(one["stage"], one["code"], one["target"]) for one in backend.app.server.recent.listed()[:2]]
    assert last == [
        ("accept", "route.not_found", None),
        ("authorize", "access.sign_in_required", "views/mine"),
    ]
    minutes = backend.app.counts.minutes()[-2:]
    assert sum(one.answered + one.refused for one in minutes) >= before + 2


async def test_a_refusal_leaves_no_cycle(port: int) -> None:
    # A cycle holds a request until Python looks for cycles, which is seldom: under a flood that is half of the time.
    async def flood() -> None:
        for method, path, _ in REFUSED:
            await sent(port, *[request(method, path)] * 20)

    await flood()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await flood()
        gc.collect()
        left = [one for one in gc.garbage if isinstance(one, RowgateError)]
        assert left == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def test_a_fault_of_ours_is_a_500_by_the_ordinary_way(
    backend: Backend, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("app.data_plane.pipeline.accept", broken)
    ((status, headers, body),) = await sent(port, request("GET", "/api/hello"))
    assert (status, headers["x-request-id"]) == (500, "same")
    assert re.search(rb'"code":\s?"internal"', body)
