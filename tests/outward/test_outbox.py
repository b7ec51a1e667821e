"""`after: commit`: no call without a commit, no commit without its call, also after a crash and a failure."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx
import pytest

from app.cli.rotate_secrets import carry_over
from app.compiler.check import check_project
from app.definitions.project import parse_project
from app.outward import delivery, emptying, outbox
from app.outward.failures import TimedOut
from app.settings import load_settings
from app.steps.kinds.http import HttpBody
from tests.backend import OTHER_SECRET_KEY, SECRET_KEY, Backend, serving
from tests.outward.upstream import Asked, Upstream, gate, reply, soon, upstream

NOTES = {"name": "notes", "columns": [{"name": "body", "type": "text"}]}
INSERT = {"do": "insert", "table": "notes", "set": {"body": "=input.body"}, "as": "note"}


def hook(up: Upstream, **more: Any) -> dict[str, Any]:
    said = {"do": "http", "method": "POST", "url": f"{up.url}/hook", "json": {"body": "=note.body"}}
    return {**said, "after": "commit", **more}


def endpoint(name: str, *steps: Any) -> dict[str, Any]:
    body = {"body": {"body": {"type": "text"}}}
    return {"name": name, "method": "POST", "path": f"/{name}", "access": "public", "input": body, "steps": steps}


def document(up: Upstream, **project: Any) -> dict[str, Any]:
    keyed = hook(up, headers={"Authorization": '="Bearer " + secrets.KEY'}, sign="KEY")
    return {
        "rowgate": 1,
        "project": {"http_allow": [up.host], **project},
        "tables": [NOTES],
        "endpoints": [
            endpoint("add", INSERT, hook(up)),
            endpoint("add_keyed", INSERT, keyed),
            endpoint("rolled_back", INSERT, hook(up), {"do": "fail", "status": 409}),
            endpoint("denied", INSERT, hook(up, url="file:///etc/passwd")),
        ],
    }


@pytest.fixture
async def up() -> AsyncIterator[Upstream]:
    async with upstream() as found:
        yield found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emptying, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(emptying, "_FIRST_WAIT", 0.01)


@pytest.fixture
async def backend(migrated_url: str, up: Upstream) -> AsyncIterator[Backend]:
    async with serving(migrated_url, document(up)) as backend:
        yield backend


async def post(backend: Backend, name: str, body: str = "a") -> httpx.Response:
    return await backend.client.post(f"/api/{name}", json={"body": body})


async def until(backend: Backend, condition: str) -> None:
    """Wait for a condition over the outbox."""
    async with asyncio.timeout(10):
        while not (await backend.sql(f"SELECT {condition} AS so FROM rowgate.outbox"))[0]["so"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def with_secret(backend: Backend, up: Upstream) -> dict[str, str]:
    root = await backend.admin()
    said = {"name": "KEY", "value": "canary-key", "hosts": [up.host]}
    assert (await backend.client.post("/admin/v1/secrets", json=said, headers=root)).status_code == 201
    return root


async def test_a_call_is_made_after_the_commit_and_signed(backend: Backend, up: Upstream) -> None:
    await with_secret(backend, up)
    assert (await post(backend, "add_keyed", "ü")).status_code == 204
    await until(backend, "count(*) = 0")
    asked = up.asked[0]
    assert asked.body == '{"body":"ü"}'.encode()
    assert asked.headers["authorization"] == "Bearer canary-key"
    assert asked.headers["idempotency-key"] == asked.headers["webhook-id"]
    signed = f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode() + asked.body
    digest = base64.b64encode(hmac.digest(b"canary-key", signed, hashlib.sha256)).decode()
    assert asked.headers["webhook-signature"] == f"v1,{digest}"


async def test_without_a_commit_no_call_is_made(backend: Backend, up: Upstream) -> None:
    assert (await post(backend, "rolled_back")).status_code == 409
    assert (await post(backend, "denied")).json()["code"] == "http.denied"
    await asyncio.sleep(0.2)
    assert (up.connections, await backend.sql("SELECT 1 FROM data.notes")) == (0, [])


async def test_a_failed_call_is_made_again_with_the_same_key(backend: Backend, up: Upstream) -> None:
    answers = iter([reply(b"", 500), reply(b"", 302, Location="/"), reply(b"{}")])

    async def answer(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(next(answers))

    up.answers["/hook"] = answer
    await post(backend, "add")
    await until(backend, "count(*) = 0")
    assert (len(up.asked), len({asked.headers["idempotency-key"] for asked in up.asked})) == (3, 1)


async def test_a_call_that_keeps_failing_is_dead_until_an_admin_acts(
    backend: Backend, up: Upstream, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox, "MOST_ATTEMPTS", 2)
    root = await with_secret(backend, up)
    up.answers["/hook"] = reply(b"canary-answer", 500, "text/plain")
    await post(backend, "add_keyed")
    await until(backend, "bool_and(dead_at IS NOT NULL)")
    dead = await backend.client.get("/admin/v1/outbox?state=dead", headers=root)
    found = dead.json()[0]
    assert (found["attempts"], found["last_error"], found["host"]) == (2, "http.status", up.host)
    assert "canary" not in dead.text + caplog.text
    assert (await backend.client.get("/admin/v1/outbox", headers=root)).json() == []
    up.answers["/hook"] = reply(b"{}")
    path = f"/admin/v1/outbox/{found['id']}"
    assert (await backend.client.post(f"{path}/retry")).status_code == 401
    assert (await backend.client.post(f"{path}/retry", headers=root)).status_code == 204
    await until(backend, "count(*) = 0")
    assert (await backend.client.delete(path, headers=root)).status_code == 404
    actions = [
        row["action"] for row in await backend.sql("SELECT action FROM rowgate.audit WHERE target = $1", found["id"])
    ]
    assert actions == ["outbox.retry"]


async def test_no_connection_is_held_while_calls_are_delivered(migrated_url: str, up: Upstream) -> None:
    came, go, up.answers["/hook"] = gate()
    async with serving(migrated_url, document(up), pool_size=1) as backend:
        await post(backend, "add")
        await soon(came)
        answers = await asyncio.gather(*(post(backend, "rolled_back") for _ in range(3)))
        assert {answer.status_code for answer in answers} == {409}
        go.set()
        await until(backend, "count(*) = 0")


async def test_each_attempt_waits_twice_as_long_as_the_one_before_up_to_an_hour(
    backend: Backend, up: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MOST_ATTEMPTS", 4)
    monkeypatch.setattr(emptying, "_FIRST_WAIT", 0.05)
    came: list[float] = []

    async def answer(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        came.append(time.monotonic())
        writer.write(reply(b"", 500))

    up.answers["/hook"] = answer
    await post(backend, "add")
    await until(backend, "bool_and(dead_at IS NOT NULL)")
    waits = [later - earlier for earlier, later in pairwise(came)]
    assert len(waits) == 3
    assert all(wait >= 0.75 * 0.05 * 2**attempt for attempt, wait in enumerate(waits, 1))
    assert len({asked.headers["idempotency-key"] for asked in up.asked}) == 1
    for attempt in (1, 5, 12, 100):
        most = min(3600, 0.05 * 2.0**attempt)
        found = {emptying.until_next_try(attempt, delivery.LONGEST_WAIT) for _ in range(20)}
        assert len(found) > 1
        assert all(0.75 * most <= wait <= 1.25 * most for wait in found)


async def test_a_host_that_rests_costs_a_call_none_of_its_attempts(
    backend: Backend, up: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptying, "_FIRST_WAIT", 600)
    up.answers["/hook"] = b""
    for _ in range(5):
        await post(backend, "add")
    await until(backend, "count(last_error) = 5")
    # Only now: more calls that are under way together would fail together.
    await asyncio.gather(*(post(backend, "add") for _ in range(3)))
    # What is claimed is due later too, but has an attempt counted until it is given back.
    await until(backend, "count(*) FILTER (WHERE attempts = 0 AND next_at > now() + interval '5 s') = 3")
    rows = await backend.sql("SELECT attempts, last_error FROM rowgate.outbox ORDER BY attempts")
    assert [tuple(row) for row in rows] == [(0, None)] * 3 + [(1, "http.unreachable")] * 5
    assert up.connections == 5


async def test_what_waits_is_sealed_and_survives_a_crash_and_a_new_key(migrated_url: str, up: Upstream) -> None:
    up.answers["/hook"] = reply(b"", 500)
    async with serving(migrated_url, document(up)) as backend:
        await with_secret(backend, up)
        await backend.sql("ALTER TABLE rowgate.outbox ALTER next_at SET DEFAULT now() + interval '1 day'")
        await post(backend, "add_keyed", "canary-body")
        dump = str([dict(row) for row in await backend.sql("SELECT * FROM rowgate.outbox")])
        assert "canary" not in dump
    settings = load_settings(database_url=migrated_url, secret_key=OTHER_SECRET_KEY)
    assert await carry_over(settings, migrated_url, SECRET_KEY) == 2
    up.answers["/hook"] = reply(b"{}")
    async with serving(migrated_url, document(up), secret_key=OTHER_SECRET_KEY) as backend:
        await backend.sql("UPDATE rowgate.outbox SET next_at = now()")
        await until(backend, "count(*) = 0")
    assert up.asked[-1].body == b'{"body":"canary-body"}'


async def test_two_senders_make_each_call_once(migrated_url: str, up: Upstream) -> None:
    async with serving(migrated_url, document(up)) as one, serving(migrated_url, document(up)):
        await asyncio.gather(*(post(one, "add", str(number)) for number in range(20)))
        await until(one, "count(*) = 0")
    assert sorted(int(asked.body.split(b'"')[3]) for asked in up.asked) == list(range(20))


async def test_what_was_claimed_by_a_dead_sender_is_claimed_again_after_its_lease(
    migrated_url: str, up: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptying, "POLL_SECONDS", 60)
    async with serving(migrated_url, document(up)) as backend:
        await asyncio.sleep(0.1)
        await post(backend, "add")
        async with backend.app.server.pool.lease() as connection:
            first = await outbox.claim(connection, 5, lease=0.2)
            assert await outbox.claim(connection, 5) == []
            await asyncio.sleep(0.3)
            again = await outbox.claim(connection, 5)
    assert [(one.id, one.attempts + 1) for one in first] == [(one.id, one.attempts) for one in again]


async def test_a_host_that_is_no_longer_allowed_is_not_called(migrated_url: str, up: Upstream) -> None:
    async with serving(migrated_url, document(up)) as backend:
        await backend.apply(document(up, http_allow=[]))
        await backend.app.server.live.refresh()
        await post(backend, "add")
        await until(backend, "bool_and(last_error = 'http.denied')")
    assert up.connections == 0


async def test_what_may_be_called_is_asked_when_the_calls_are_taken(
    migrated_url: str, up: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery.Delivery, "start", lambda _self: None)
    async with serving(migrated_url, document(up)) as backend:
        await post(backend, "add")
        server, allowed = backend.app.server, [(up.host,)]
        taken = delivery.Delivery(server.pool, server.plane.services.outward, lambda: allowed.pop() if allowed else ())
        assert await taken.deliver_due() == 1
        await until(backend, "bool_and(last_error = 'http.denied')")
    assert up.connections == 0


@pytest.mark.parametrize("more", [{"as": "got"}, {"on_error": "bind"}, {"method": "PUT", "retries": 1}])
def test_a_call_after_the_commit_has_no_result(more: dict[str, Any]) -> None:
    steps = [INSERT, hook(Upstream(port=1), **more)]
    project, _ = parse_project({"rowgate": 1, "tables": [NOTES], "endpoints": [endpoint("one", *steps)]})
    assert project is not None
    assert [one.message for one in check_project(project)] == [
        "a call after the commit has no result here: leave as, on_error and retries out"
    ]


async def test_a_call_after_the_commit_takes_as_long_as_it_says(
    migrated_url: str, up: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[float] = []

    async def send(_outward: Any, call: Any) -> Any:
        sent.append(call.timeout)
        raise TimedOut

    monkeypatch.setattr("app.outward.client.Outward.send", send)
    said = {**document(up), "endpoints": [endpoint("add", INSERT, hook(up, timeout=47))]}
    async with serving(migrated_url, said) as backend:
        assert (await post(backend, "add")).status_code == 204
        await until(backend, "EXISTS (SELECT FROM rowgate.outbox WHERE last_error IS NOT NULL)")
    assert set(sent) == {47}
    assert HttpBody.model_fields["timeout"].metadata[1].le < outbox.LEASE_SECONDS
