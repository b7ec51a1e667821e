"""The step `http` against a real server: what is bound, what is refused, and what the database sees meanwhile."""

import asyncio
import io
import logging
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.compiler.check import check_project
from app.definitions.project import parse_project
from app.log import start_log
from tests.backend import Backend, serving
from tests.outward.upstream import Asked, Upstream, gate, reply, soon, upstream

NOTES = {"name": "notes", "columns": [{"name": "body", "type": "text"}, {"name": "n", "type": "integer", "default": 0}]}
GET = {"do": "http", "method": "GET", "as": "got"}
FETCH = {"do": "fetch", "from": "notes", "where": 'item.body == "first"', "as": "note"}
WRITE = {"do": "update", "table": "notes", "id": "note.id", "set": {"n": "=item.n + 1"}, "as": "note"}
FEW = {"do": "count", "from": "notes", "where": "item.n == 7", "as": "many"}
SHOW = {"do": "respond", "body": "=got"}
OK = {"do": "respond"}


def endpoint(name: str, *steps: Any, **more: Any) -> dict[str, Any]:
    body = {"body": {"url": {"type": "text"}}}
    return {
        "name": name,
        "method": "POST",
        "path": f"/{name}",
        "access": "public",
        "timeout": 60,
        "input": body,
        "steps": steps,
        **more,
    }


def document(up: Upstream) -> dict[str, Any]:
    def get(path: str, **more: Any) -> dict[str, Any]:
        return {**GET, "url": up.url + path, "timeout": 60, **more}

    post: dict[str, Any] = {"do": "http", "method": "POST", "url": f"{up.url}/post", "as": "got"}
    keyed = {"headers": {"Authorization": '="Bearer " + secrets.KEY', "X-Line": "=input.url"}}
    return {
        "rowgate": 1,
        "project": {"http_allow": [up.host]},
        "tables": [NOTES],
        "middleware": [{"name": "asks", "steps": [FETCH, get("/slow")]}],
        "endpoints": [
            endpoint("any", {**GET, "url": "=input.url"}, SHOW),
            endpoint("any_bound", {**GET, "url": "=input.url", "on_error": "bind"}, SHOW),
            endpoint("quick", {**GET, "url": "=input.url", "timeout": 2}, SHOW),
            endpoint("again", {**GET, "url": "=input.url", "retries": 2}, SHOW),
            endpoint("post", {**post, "json": {"a": ["=input.url"], "b": 1.5}}, SHOW),
            endpoint("form", {**post, "form": {"a": "=input.url", "b": [1, True], "c": None}}, SHOW),
            endpoint("keyed", {**GET, "url": "=input.url", **keyed}, SHOW),
            endpoint("keyed_post", {**post, **keyed, "json": {"k": "=secrets.KEY"}}, SHOW),
            endpoint("write", FETCH, get("/slow"), WRITE, {"do": "respond", "body": "=note.n"}),
            endpoint("few", FEW, get("/slow"), {"do": "require", "that": "many < 3"}, INSERT),
            endpoint("slow", {"do": "count", "from": "notes", "as": "n"}, get("/slow"), SHOW),
            endpoint("slow_keyed", get("/slow", headers=keyed["headers"]), SHOW),
            endpoint("slow_looped", {"do": "for_each", "each": "[1]", "as": "i", "steps": [FETCH, get("/slow")]}, OK),
            endpoint("slow_called", FETCH, {"do": "call", "use": "asks"}, OK),
            endpoint("slow_first", OK, middleware=["asks"]),
            endpoint("add", INSERT),
            endpoint("count", {"do": "count", "from": "notes", "as": "n"}, {"do": "respond", "body": "=n"}),
            endpoint("fails_after", get("/ok"), INSERT, {"do": "fail", "status": 409}),
        ],
    }  # fmt: skip


@pytest.fixture
async def up() -> AsyncIterator[Upstream]:
    async with upstream() as found:
        yield found


@pytest.fixture
async def backend(migrated_url: str, up: Upstream) -> AsyncIterator[Backend]:
    async with serving(migrated_url, document(up), pool_size=3) as backend:
        await backend.sql("INSERT INTO data.notes (body) VALUES ('first')")
        yield backend


async def ask(backend: Backend, name: str, url: str = "") -> httpx.Response:
    return await backend.client.post(f"/api/{name}", json={"url": url})


async def test_json_and_text_are_bound_with_status_and_headers(backend: Backend, up: Upstream) -> None:
    up.answers["/json"] = reply(b'{"a": [1, 2.50]}', 201, X_Total="7")
    up.answers["/text"] = reply("grüß".encode(), kind="text/plain; charset=utf-8")
    up.answers["/none"] = reply(b"", 204)
    got = (await ask(backend, "any", f"{up.url}/json")).json()
    assert (got["status"], got["headers"]["x-total"], got["body"], got["error"]) == (201, "7", {"a": [1, 2.5]}, None)
    assert (await ask(backend, "any", f"{up.url}/text")).json()["body"] == "grüß"
    assert (await ask(backend, "any", f"{up.url}/none")).json()["body"] is None


async def test_json_and_forms_are_sent(backend: Backend, up: Upstream) -> None:
    await ask(backend, "post", "x\r\ny")
    await ask(backend, "form", "a&b=ü")
    assert (up.asked[0].body, up.asked[0].headers["content-type"]) == (
        b'{"a":["x\\r\\ny"],"b":1.5}',
        "application/json",
    )
    assert up.asked[1].body == b"a=a%26b%3D%C3%BC&b=1&b=true"


async def drip(_asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless(_asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        await writer.drain()


BAD: list[tuple[Any, int, str]] = [
    (drip, 504, "http.timeout"),
    (endless, 502, "http.too_large"),
    (reply(b"x" * 1_048_577), 502, "http.too_large"),
    (reply(b"\x1f\x8b" * 10, Content_Encoding="gzip"), 502, "http.unreadable"),
    (reply(b'{"a": NaN}'), 502, "http.unreadable"),
    (reply(b"[" * 100_000), 502, "http.unreadable"),
    (reply(b'"\\u0000"'), 502, "http.unreadable"),
    (reply(b"\xff\xfe", kind="text/plain"), 502, "http.unreadable"),
    (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100_000 + b"\r\n", 502, "http.unreachable"),
    (b"SSH-2.0-OpenSSH\r\n", 502, "http.unreachable"),
    (b"", 502, "http.unreachable"),
    (reply(b"canary-body", 500, "text/plain"), 502, "http.status"),
    (reply(b"canary-body", 404, "text/plain"), 502, "http.status"),
]


@pytest.mark.parametrize(("answer", "status", "code"), BAD)
async def test_an_answer_that_is_none_is_refused_and_not_repeated(
    backend: Backend, up: Upstream, caplog: pytest.LogCaptureFixture, answer: Any, status: int, code: str
) -> None:
    up.answers["/bad"] = answer
    got = await ask(backend, "quick", f"{up.url}/bad")
    assert (got.status_code, got.json()["code"]) == (status, code)
    for told in (got.text, caplog.text):
        assert "canary" not in told
        assert up.host not in got.text


async def test_a_failure_is_bound_where_the_step_says_so(backend: Backend, up: Upstream) -> None:
    up.answers["/bad"] = reply(b'{"why": 1}', 422)
    got = (await ask(backend, "any_bound", f"{up.url}/bad")).json()
    assert (got["status"], got["body"], got["error"]) == (422, {"why": 1}, "http.status")
    got = (await ask(backend, "any_bound", "http://10.0.0.1/")).json()
    assert got == {"status": 0, "headers": {}, "body": None, "error": "http.denied"}


DENIED = [
    "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://2130706433:{port}/", "http://0x7f.1:{port}/",
    "http://0177.0.0.1:{port}/", "http://127.1:{port}/", "http://0.0.0.0:{port}/", "http://127.0.0.1.:{port}/",
    "http://[::1]:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://[::ffff:7f00:1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/", "http://[::7f00:1]/", "http://[2002:7f00:1::]/", "http://[fe80::1]/",
    "http://[fe80::1%25lo]/", "http://[fc00::1]/", "http://10.1.2.3/", "http://172.16.0.1/", "http://192.168.0.1/",
    "http://169.254.169.254/latest/meta-data", "http://100.64.0.1/", "http://100.100.100.200/", "http://168.63.129.16/",
    "http://224.0.0.1/", "http://255.255.255.255/", "http://[ff02::1]/", "http://１２７.0.0.1:{port}/",
    "http://ok@127.0.0.1:{port}/", "http://127.0.0.1:{port}#@ok/", "http://ok\\@127.0.0.1:{port}/", "http:/127.0.0.1/",
    "http://127.0.0.1:{port}/%00", "http://127.0.0.1:{port}/\r\nX: y", "http://127。0。0。1:{port}/", "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/", "unix:/tmp/s", "//127.0.0.1:{port}/", "http://", "http://a:0/", "http://a:99999/", "",
    "http://127.0.0.1:{port} /", "http:///127.0.0.1:{port}/", "http://[::1", "ftp://a/", "http://a:80:80/",
]  # fmt: skip


async def test_nothing_but_the_public_internet_is_reached_and_nobody_learns_what_there_is(
    migrated_url: str, up: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", up.url)
    monkeypatch.setenv("ALL_PROXY", up.url)
    said = document(up)
    said["project"] = {"http_allow": ["127.0.0.1:1", "localhost:2"]}
    async with serving(migrated_url, said) as backend:
        for url in DENIED:
            got = await ask(backend, "any", url.replace("{port}", str(up.port)))
            assert (got.status_code, got.json()["code"]) == (502, "http.denied"), url
            assert got.json()["detail"] == "The service that this needs may not be called."
    assert up.connections == 0


async def test_redirects_are_checked_at_each_hop_and_end(backend: Backend, up: Upstream) -> None:
    up.answers["/once"] = reply(b"", 302, Location="/ok?a=1")
    assert (await ask(backend, "any", f"{up.url}/once")).json()["body"] == {"ok": True}
    for number, place in enumerate(
        ["http://169.254.169.254/", f"http://localhost:{up.port}/", "file:///etc/passwd", "/loop", "gopher://x"]
    ):
        up.answers["/away"] = up.answers["/loop"] = reply(b"", 302, Location=place)
        before = len(up.asked)
        got = await ask(backend, "any", f"{up.url}/away")
        assert (got.status_code, got.json()["code"]) in {(502, "http.redirect"), (502, "http.denied")}, number
        assert len(up.asked) - before <= 4
    for place in ("http://[bad", "//[::1", "http://ex\u2100mple/"):
        up.answers["/unread"] = up.answers["/post"] = reply(b"", 307, Location=place)
        assert (await ask(backend, "any", f"{up.url}/unread")).json()["code"] == "http.redirect", place
        assert (await ask(backend, "post")).json()["status"] == 307, place
    up.answers["/post"] = reply(b"", 307, Location="/ok")
    assert (await ask(backend, "post")).json()["status"] == 307


async def test_a_call_is_repeated_where_it_may_be(backend: Backend, up: Upstream) -> None:
    up.answers["/flaky"] = reply(b"", 503)
    assert (await ask(backend, "again", f"{up.url}/flaky")).status_code == 502
    assert len(up.asked) == 3


async def test_a_host_that_fails_rests(backend: Backend, up: Upstream) -> None:
    up.answers["/bad"] = b""
    codes = [(await ask(backend, "any", f"{up.url}/bad")).json()["code"] for _ in range(6)]
    assert codes == ["http.unreachable"] * 5 + ["http.circuit_open"]
    assert up.connections == 5


async def with_secret(backend: Backend, *hosts: str) -> None:
    said = {"name": "KEY", "value": "canary-key\n", "hosts": list(hosts)}
    made = await backend.client.post("/admin/v1/secrets", json=said, headers=await backend.admin())
    assert made.status_code == 201, made.text


async def test_the_log_names_no_url_that_is_called(
    backend: Backend, up: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    start_log("text")
    logging.getLogger("rowgate.requests").info("Something else.")
    assert (await ask(backend, "any", f"{up.url}/a?key=canary")).status_code == 200
    assert up.asked[-1].path.endswith("key=canary")
    assert "Something else." in written.getvalue()
    assert "canary" not in written.getvalue()


async def test_a_secret_goes_to_its_hosts_only(
    backend: Backend, up: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await ask(backend, "keyed", f"{up.url}/a")).json()["code"] == "secrets.missing"
    await with_secret(backend, up.host)
    assert (await ask(backend, "keyed_post", "a\r\nX-Evil: b")).status_code == 200
    sent = up.asked[-1]
    assert (sent.headers["authorization"], sent.headers["x-line"]) == ("Bearer canary-key", "a X-Evil: b")
    assert sent.body == b'{"k":"canary-key\\n"}'
    before = up.connections
    for url in ("https://example.com/", f"http://localhost:{up.port}/", "http://127.0.0.1:1/"):
        got = await ask(backend, "keyed", url)
        assert (got.status_code, got.json()["code"]) == (502, "http.secret_host")
    up.answers["/away"] = reply(b"", 302, Location="https://example.com/")
    got = await ask(backend, "keyed", f"{up.url}/away")
    assert (got.json()["code"], up.connections) == ("http.redirect", before + 1)
    assert "canary" not in caplog.text


async def test_a_secret_goes_encrypted_unless_the_host_is_named(backend: Backend) -> None:
    await with_secret(backend, "example.com")
    assert (await ask(backend, "keyed", "http://example.com/")).json()["code"] == "http.secret_host"


async def test_a_secret_that_was_tampered_with_sends_nothing(backend: Backend, up: Upstream) -> None:
    await with_secret(backend, up.host)
    await backend.sql("UPDATE rowgate.secrets SET ciphertext = set_bit(ciphertext, 3, 1 - get_bit(ciphertext, 3))")
    got = await ask(backend, "keyed", f"{up.url}/a")
    assert (got.status_code, got.json()["code"], up.connections) == (503, "secrets.unreadable", 0)


async def test_no_connection_is_held_during_a_call(backend: Backend, up: Upstream) -> None:
    """Wherever the call stands, whatever was read, locked or opened before it: two connections serve all the others."""
    came, go, up.answers["/slow"] = gate(8)
    await with_secret(backend, up.host)
    kinds = ["slow", "slow", "slow", "write", "slow_keyed", "slow_looped", "slow_called", "slow_first"]
    waiting = [
        asyncio.create_task(
            backend.client.post(f"/api/{name}", json={}, headers={"Idempotency-Key": str(number)} if number else {})
        )
        for number, name in enumerate(kinds)
    ]
    await soon(came)
    async with asyncio.timeout(10):
        assert [(await ask(backend, "count")).json() for _ in range(3)] == [1, 1, 1]
        at_once = await asyncio.gather(*(ask(backend, "add") for _ in range(4)))
    assert {answer.status_code for answer in at_once} == {204}
    busy = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'rowgate' AND state LIKE 'idle in transaction%'"
    assert await backend.sql(busy) == []
    go.set()
    answers = [await one for one in waiting]
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]


@pytest.mark.parametrize(
    ("meanwhile", "status", "code"),
    [
        ("SELECT 1", 200, None),
        ("UPDATE data.notes SET n = 7", 409, "step.changed"),
        ("DELETE FROM data.notes", 409, "step.changed"),
        ("UPDATE rowgate.live SET revision = revision + 1", 503, "request.changed"),
    ],
)
async def test_what_was_read_before_a_call_still_holds_when_it_is_written(
    backend: Backend, up: Upstream, meanwhile: str, status: int, code: str | None
) -> None:
    came, go, up.answers["/slow"] = gate()
    waiting = asyncio.create_task(ask(backend, "write"))
    await soon(came)
    await backend.sql(meanwhile)
    before = [tuple(row) for row in await backend.sql("SELECT n FROM data.notes")]
    go.set()
    got = await waiting
    assert (got.status_code, got.json()["code"] if code else None) == (status, code)
    after = [tuple(row) for row in await backend.sql("SELECT n FROM data.notes")]
    assert (after, len(up.asked)) == ([(1,)] if code is None else before, 1)


@pytest.mark.parametrize(
    ("meanwhile", "status"),
    [
        ("SELECT 1", 204),
        ("INSERT INTO data.notes (body, n) VALUES ('other', 1)", 204),
        ("INSERT INTO data.notes (body, n) VALUES ('more', 7)", 409),
    ],
)
async def test_rows_that_were_counted_before_a_call_are_counted_again_behind_it(
    backend: Backend, up: Upstream, meanwhile: str, status: int
) -> None:
    came, go, up.answers["/slow"] = gate()
    waiting = asyncio.create_task(ask(backend, "few"))
    await soon(came)
    await backend.sql(meanwhile)
    before = len(await backend.sql("SELECT FROM data.notes"))
    go.set()
    got = await waiting
    assert got.status_code == status
    assert status == 204 or got.json()["code"] == "step.changed"
    assert len(await backend.sql("SELECT FROM data.notes")) == before + (status == 204)


async def test_what_is_written_after_a_call_is_rolled_back_and_the_call_was_made(
    backend: Backend, up: Upstream
) -> None:
    assert (await ask(backend, "fails_after")).status_code == 409
    assert len(up.asked) == 1
    assert len(await backend.sql("SELECT 1 FROM data.notes")) == 1


CALL = {**GET, "url": "https://example.com/"}
QUOTA = {"do": "quota", "max": 5, "from": "notes", "where": "item.n == 1"}
INSERT = {"do": "insert", "table": "notes", "set": {"body": "a"}}


@pytest.mark.parametrize(
    ("steps", "place", "says"),
    [
        ([INSERT, CALL], "steps/1", "after a step that writes"),
        ([{"do": "if", "when": "true", "then": [INSERT]}, CALL], "steps/1", "after a step that writes"),
        ([{"do": "if", "when": "true", "then": [INSERT, CALL]}], "steps/0.then.steps/1", "after a step that writes"),
        ([{"do": "call", "use": "writes"}, CALL], "steps/1", "after a step that writes"),
        ([{**FETCH, "lock": True}, CALL], "steps/1", "after lock: true"),
        ([QUOTA, CALL, INSERT], "steps/1", "after lock: true or a quota"),
        ([{"do": "for_each", "each": "[1]", "as": "i", "steps": [CALL, INSERT]}], "steps/0.steps", "both call out and"),
        ([{**CALL, "method": "POST", "retries": 1}], "steps/0", "isn't safe to repeat"),
        ([{**CALL, "method": "PATCH", "retries": 1}], "steps/0", "isn't safe to repeat"),
        ([{**CALL, "verify": False}], "steps/0", "unknown field 'verify'"),
        ([{**CALL, "tls": {"verify": False}}], "steps/0", "unknown field 'tls'"),
        ([{**CALL, "json": 1}], "steps/0", "GET sends no body"),
        ([{**CALL, "headers": {"Host": "a"}}], "steps/0.headers.Host", "can't be set"),
        ([{**CALL, "headers": {"A B": "a"}}], "steps/0.headers.A B", "can't be set"),
        ([{**CALL, "url": "=1"}], "steps/0.url:1:2", "string is wanted"),
        ([{**CALL, "timeout": 61}], "steps/0.timeout", "less than or equal to 60"),
        ([{**CALL, "method": "TRACE"}], "steps/0.method", "is wanted here"),
        ([{**CALL, "when": 'secrets.A == "a"'}], "steps/0.when:1:9", "secret can't be used"),
    ],
)
def test_a_call_that_cannot_be_is_refused_when_it_is_saved(steps: list[Any], place: str, says: str) -> None:
    found = findings(endpoint("one", *steps))
    assert [(one.place.removeprefix("endpoints/one."), says in one.message) for one in found] == [(place, True)]


def findings(said: dict[str, Any]) -> Any:
    writes = {"name": "writes", "steps": [INSERT]}
    project, found = parse_project({"rowgate": 1, "tables": [NOTES], "middleware": [writes], "endpoints": [said]})
    return found if project is None else check_project(project)


def test_a_write_in_middleware_counts_and_a_serializable_transaction_cannot_call_out() -> None:
    found = findings(endpoint("one", CALL, middleware=["writes"]))
    assert ["after a step that writes" in one.message for one in found] == [True]
    found = findings(endpoint("one", CALL, isolation="serializable"))
    assert [one.place for one in found] == ["endpoints/one.isolation"]


async def test_a_simulated_request_calls_nobody(backend: Backend, up: Upstream) -> None:
    admin = await backend.admin()
    said = {"method": "POST", "path": "/api/any", "body": {"url": f"{up.url}/ok"}}
    told = (await backend.client.post("/admin/v1/simulate", json=said, headers=admin)).json()
    steps = next(stage for stage in told["trace"] if stage["stage"] == "execute")["steps"]
    assert [(step["step"], step["decision"]) for step in steps] == [("http", "stubbed"), ("respond", "answered")]
    assert (told["status"], told["body"], up.asked) == (200, None, [])
