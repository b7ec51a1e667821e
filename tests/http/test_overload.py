"""A server with more to do than it can: refusals are early and whole, nothing is done for them, care goes on."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
import uvicorn

from app.cli import serving
from app.database.pool import SESSION_SETTINGS, connect
from app.http import overload
from app.http.head_refusals import HEAD_BYTES
from app.http.overload import Room, share_of
from app.http.protocol import BoundedHttpProtocol
from tests.backend import Backend
from tests.backend import serving as served
from tests.http.test_room import until

WAITS = [
    {"do": "fetch", "from": "doors", "where": 'item.name == "shut"', "lock": True, "as": "door"},
    {"do": "insert", "table": "notes", "set": {"body": "done"}},
    {"do": "respond", "body": "done"},
]
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {"name": "doors", "columns": [{"name": "name", "type": "text"}]},
        {"name": "notes", "columns": [{"name": "body", "type": "text"}]},
    ],
    "views": [{"name": "seen", "table": "notes", "columns": ["body"], "access": "public"}],
    "endpoints": [
        {"name": "slow", "method": "POST", "path": "/slow", "access": "public", "timeout": 30, "steps": WAITS},
        {"name": "quick", "method": "POST", "path": "/quick", "access": "public",
         "steps": [{"do": "respond", "body": "quick"}]},
    ],
}  # fmt: skip
ORIGIN = "https://app.example.com"


class Flooded:
    """A backend that listens on a port, and has few places."""

    def __init__(self, backend: Backend, server: uvicorn.Server, port: int, client: httpx.AsyncClient) -> None:
        self.backend, self.port, self.client = backend, port, client
        self.connections = server.server_state.connections

    async def notes(self) -> int:
        return int((await self.backend.sql("SELECT count(*) FROM data.notes"))[0]["count"])

    async def sent(self, data: bytes, answers: int = 1) -> bytes:
        """Send bytes on one connection and give what comes, up to so many answers."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        got = b""
        async with asyncio.timeout(10):
            while got.count(b"HTTP/1.1 ") < answers or not got.endswith(b"}"):
                more = await reader.read(65536)
                got += more
                if not more:
                    break
        writer.close()
        return got


@pytest.fixture
async def flooded(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Flooded]:
    for name in ("lock_timeout", "statement_timeout"):
        monkeypatch.setitem(SESSION_SETTINGS, name, "30s")
    async with served(migrated_url, DOCUMENT, pool_size=10, cors_origins=[ORIGIN]) as backend:
        await backend.sql("INSERT INTO data.doors (name) VALUES ('shut')")
        backend.app.admission.work = Room(5, 5)
        config = serving._config(backend.app, "127.0.0.1", 0)
        config.lifespan = "off"  # it runs here
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        await server.on_tick(0)
        port = int(server.servers[0].sockets[0].getsockname()[1])
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield Flooded(backend, server, port, client)
        await server.shutdown()


@asynccontextmanager
async def four_under_way(flooded: Flooded) -> AsyncIterator[list[asyncio.Task[httpx.Response]]]:
    """Have one endpoint hold all the places that it can have, until the block ends."""
    holder = await connect(flooded.backend.url)
    try:
        await holder.execute("BEGIN")
        await holder.execute("SELECT 1 FROM data.doors FOR UPDATE")
        running = [asyncio.create_task(flooded.client.post("/api/slow")) for _ in range(4)]
        await until(lambda: flooded.backend.app.admission.work.taken == 4)
        yield running
        await holder.execute("ROLLBACK")
        assert [(await one).status_code for one in running] == [200] * 4
    finally:
        await holder.close()


async def until_connected(flooded: Flooded, count: int) -> list[Any]:
    """Give the server's side of so many connections, as soon as there are as many."""
    await until(lambda: len(flooded.connections) == count)
    return list(flooded.connections)


async def test_beyond_its_places_a_request_is_refused_whole_and_nothing_is_done(flooded: Flooded) -> None:
    async with four_under_way(flooded):
        headers = {"Origin": ORIGIN, "X-Request-Id": "abc-1"}
        refused = await flooded.client.post("/api/slow", headers=headers)
        told = {name: refused.headers[name] for name in (
            "content-type", "retry-after", "x-request-id", "access-control-allow-origin", "cache-control",
            "x-content-type-options",
        )}  # fmt: skip
        assert (refused.status_code, told) == (
            503,
            {
                "content-type": "application/problem+json", "retry-after": "1", "x-request-id": "abc-1",
                "access-control-allow-origin": ORIGIN, "cache-control": "no-store", "x-content-type-options": "nosniff",
            },
        )  # fmt: skip
        assert refused.json() == {
            "type": "about:blank", "title": "Service Unavailable", "status": 503, "code": "server.overloaded",
            "detail": "The server has more to do than it can: try again.", "request_id": "abc-1",
        }  # fmt: skip
        assert "date" in refused.headers
    assert await flooded.notes() == 4
    assert (await flooded.client.post("/api/slow")).status_code == 200
    assert flooded.backend.app.admission.work.taken == 0


async def test_others_the_admin_api_the_checks_and_browsers_questions_are_answered_meanwhile(flooded: Flooded) -> None:
    admin = await flooded.backend.admin()
    async with four_under_way(flooded):
        assert (await flooded.client.post("/api/slow")).status_code == 503
        assert (await flooded.client.post("/api/quick")).json() == "quick"
        assert (await flooded.client.get("/rest/v1/seen")).json() == []
        flooded.backend.app.admission.work.taken += 1  # and now there is no place at all
        assert (await flooded.client.post("/api/quick")).status_code == 503
        for path in ("/rest/v1/seen", "/openapi.json", "/auth/v1/user"):
            assert (await flooded.client.get(path)).status_code == 503
        for path, status in (("/api/quick", 405), ("/api/nothing", 404), ("/rest/v1/nothing", 404)):
            assert (await flooded.client.get(path)).status_code == status  # what is refused by its head needs no place
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/admin/v1/users", 200), ("/admin/v1/nothing", 404)):
            assert (await flooded.client.get(path, headers=admin)).status_code == status
        asks = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
        asked = await flooded.client.options("/api/quick", headers=asks)
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, ORIGIN)
        flooded.backend.app.admission.work.taken -= 1


@pytest.mark.parametrize(
    ("path", "members"),
    [
        ("/rest/v1/seen", {"code": "server.overloaded", "rowgate_code": "server.overloaded", "hint": None}),
        ("/auth/v1/user", {"code": "server.overloaded", "error_code": "overloaded"}),
        ("/auth/v1/token", {"error_code": "overloaded", "error": "invalid_request"}),
    ],
)
async def test_a_refusal_has_the_form_of_its_path(flooded: Flooded, path: str, members: dict[str, Any]) -> None:
    flooded.backend.app.admission.work = Room(0, 0)
    refused = await flooded.client.get(path)
    assert refused.status_code == 503
    assert members.items() <= refused.json().items()
    assert refused.json()["request_id"] == refused.headers["x-request-id"]


async def test_a_refused_body_is_read_to_its_end_and_the_connection_goes_on(flooded: Flooded) -> None:
    flooded.backend.app.admission.work = Room(0, 0)
    body = b"x" * 200_000
    sent = b"POST /api/quick HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    answers = await flooded.sent(sent + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 2)
    assert answers.count(b"HTTP/1.1 503 ") == 1
    assert answers.endswith(b'{"status":"alive"}')


async def test_requests_that_come_at_one_blow_are_each_refused_in_turn(
    flooded: Flooded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overload, "MOST_WAITING", 0)
    monkeypatch.setattr(overload, "WAIT_SECONDS", 0.001)
    flooded.backend.app.admission.work = Room(0, 0)
    answers = await flooded.sent(b"POST /api/quick HTTP/1.1\r\nHost: x\r\n\r\n" * 400, 400)
    assert answers.count(b"HTTP/1.1 503 ") == 400


async def test_refusals_that_need_no_place_come_in_turns_too(flooded: Flooded) -> None:
    """Each answer begins the next request of its connection: at one blow they would be one inside of the other."""
    answers = await flooded.sent(b"GET /api/quick HTTP/1.1\r\nHost: x\r\n\r\n" * 400, 400)
    assert answers.count(b"HTTP/1.1 405 ") == 400


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the parser is given from here on."""
    given: list[bytes] = []
    parse = BoundedHttpProtocol._parse

    def parsing(self: Any, data: bytes) -> None:
        given.append(data)
        parse(self, data)

    monkeypatch.setattr(BoundedHttpProtocol, "_parse", parsing)
    return given


def none_may_wait_but_one(flooded: Flooded, monkeypatch: pytest.MonkeyPatch, name: str = "work") -> Room:
    """Give a room without a place, in which somebody waits and nobody else may."""
    monkeypatch.setattr(overload, "MOST_WAITING", 1)
    room = Room(0, 0)
    setattr(flooded.backend.app.admission, name, room)

    def wait() -> None:
        room.admit("somebody", lambda _: None, wait)

    wait()
    return room


async def test_what_would_be_refused_anyhow_is_refused_unread_and_what_came_behind_it_is_answered(
    flooded: Flooded, monkeypatch: pytest.MonkeyPatch, parsed: list[bytes]
) -> None:
    none_may_wait_but_one(flooded, monkeypatch)
    plain = f"GET /rest/v1/seen?id=eq.1 HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nX-Request-ID: abc-1\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", flooded.port)
    asks = [plain, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"]
    [connection] = await until_connected(flooded, 1)
    for data in asks:  # the second comes before the first is answered
        connection.data_received(data)
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        assert await reader.readuntil(b"}")
    writer.close()
    assert parsed == asks[1:]
    longer = await flooded.client.get("/rest/v1/seen", headers={"Origin": ORIGIN, "X-Request-ID": "abc-1"})
    got = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    same = {name: value for name, value in longer.headers.raw if name != b"date"}
    assert got.pop(b"date")
    assert (head.split(b"\r\n")[0], got, body) == (b"HTTP/1.1 503 Service Unavailable", same, longer.content)
    assert parsed[1:], "httpx says how it wants the connection, which is for the parser to understand"


async def test_a_flood_of_health_checks_is_refused_unread_too(
    flooded: Flooded, monkeypatch: pytest.MonkeyPatch, parsed: list[bytes]
) -> None:
    none_may_wait_but_one(flooded, monkeypatch, "care")
    check = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", flooded.port)
    writer.write(check)
    async with asyncio.timeout(10):
        assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
    writer.close()
    assert parsed == []
    assert (await flooded.client.post("/api/quick")).json() == "quick"


@pytest.mark.parametrize("data", [
    b"HEAD /api/quick HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/quick HTTP/1.0\r\nHost: x\r\n\r\n",
    b"GET /api/quick HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /api/quick HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n",
    b"GET /api/quick HTTP/1.1\r\nHost: x\r\nTransfer-encoding : chunked\r\n\r\n",
    b"GET /api/%71uick HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/quick HTTP/1.1\r\nHost: x\r\n\r\nGET /api/quick HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /admin/v1/users HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/quick HTTP/1.1\r\nHost: x\r\n",
])  # fmt: skip
async def test_what_has_to_be_understood_is_read(
    flooded: Flooded, monkeypatch: pytest.MonkeyPatch, parsed: list[bytes], data: bytes
) -> None:
    none_may_wait_but_one(flooded, monkeypatch)
    _, writer = await asyncio.open_connection("127.0.0.1", flooded.port)
    writer.write(data)
    await until(lambda: parsed)
    writer.close()


async def test_who_sends_on_and_on_behind_what_is_refused_is_cut_off(
    flooded: Flooded, monkeypatch: pytest.MonkeyPatch
) -> None:
    none_may_wait_but_one(flooded, monkeypatch)
    reader, writer = await asyncio.open_connection("127.0.0.1", flooded.port)
    [connection] = await until_connected(flooded, 1)
    for data in (b"GET /api/quick HTTP/1.1\r\nHost: x\r\n\r\n", b"x" * (HEAD_BYTES + 1)):
        connection.data_received(data)
    async with asyncio.timeout(10):
        with suppress(ConnectionResetError):  # what the peer reads of an abort is its system's matter
            assert await reader.read() == b""
    await until(lambda: not flooded.connections)
    writer.close()


@pytest.mark.parametrize("head", [b"HEAD /api/quick HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                                  b"HEAD /api/quick HTTP/1.0\r\nHost: x\r\n\r\n"])  # fmt: skip
async def test_a_refusal_of_head_has_no_body_and_closes_where_it_is_asked_to(flooded: Flooded, head: bytes) -> None:
    flooded.backend.app.admission.work = Room(0, 0)
    answer = await flooded.sent(head)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(b"\r\nconnection: close\r\n\r\n")


async def test_who_is_gone_while_it_waits_takes_no_place(flooded: Flooded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overload, "WAIT_SECONDS", 3600)
    work = flooded.backend.app.admission.work
    async with four_under_way(flooded):
        _, writer = await asyncio.open_connection("127.0.0.1", flooded.port)
        writer.write(b"POST /api/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        await until(lambda: work.waiting)
        waiting: Any = work._by_age[0]
        writer.close()
        await until(lambda: waiting.begin.func.__self__.disconnected)
    assert await flooded.notes() == 4
    assert (work.taken, work._shares) == (0, {})


def test_a_share_is_what_begins_alike() -> None:
    def share(method: str, path: str) -> Any:
        return share_of({"method": method, "path": path})

    assert share("GET", "/api/notes/1") == share("GET", "/api/notes/2")
    different = [
        share("GET", "/api/notes/1"), share("POST", "/api/notes/1"), share("GET", "/api/notes"), share("GET", "/api/x"),
        share("POST", "/api/notes/1/submit"), share("GET", "/rest/v1/a"), share("GET", "/rest/v1/b"),
        share("POST", "/rest/v1/rpc/a"), share("POST", "/rest/v1/rpc/b"), share("GET", "/"),
    ]  # fmt: skip
    assert len(set(different)) == len(different)


def test_a_thousand_connections_at_once_find_room_to_be_accepted() -> None:
    assert serving._config(None, "127.0.0.1", 0).backlog >= 1_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, hard))
        serving._allow_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(hard, serving.OPEN_FILES)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
