"""Who serves a database and how each fares, as the admin API tells it; what waits to be sent, and is tried again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.changes.apply import apply_project
from app.data_plane import instances
from app.data_plane.instances import InstanceState
from app.definitions.project import parse_project
from app.main import create_app
from app.settings import load_settings
from tests.backend import SECRET_KEY, Backend, calling, serving

ANSWER = {"do": "respond", "body": 1}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [{"name": "notes", "columns": [{"name": "text", "type": "text"}]}],
    "views": [{"name": "all_notes", "table": "notes", "access": "public", "allow": ["select"]}],
    "endpoints": [
        {"name": "once", "method": "GET", "path": "/once", "access": "public",
         "steps": [{"do": "rate_limit", "limit": "1/hour", "by": "request.ip"}, ANSWER]},
    ],
}  # fmt: skip
MAIL = """
INSERT INTO rowgate.mail (id, kind, next_at, expires_at, created_at, dead_at, last_error, attempts)
VALUES (gen_random_uuid(), $1, now() + interval '1 day', now(), now() - interval '1 hour', $2::timestamptz, $3, $4)
RETURNING id
"""


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as served:
        yield served


@asynccontextmanager
async def beside(backend: Backend) -> AsyncIterator[Any]:
    """Serve the same database by another process's worth of server."""
    app = create_app(load_settings(database_url=backend.url, secret_key=SECRET_KEY, env="development"), backend.url)
    async with app.fastapi.router.lifespan_context(app.fastapi):
        yield app


async def listed(backend: Backend, root: dict[str, str], client: Any = None) -> list[dict[str, Any]]:
    answer = await (client or backend.client).get("/admin/v1/instances", headers=root)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


async def test_a_process_tells_what_it_is_what_it_serves_and_what_it_counted(backend: Backend) -> None:
    root = await backend.admin()
    statuses = [(await backend.client.get(path)).status_code for path in ("/api/once", "/api/once", "/rest/v1/none")]
    assert statuses == [200, 429, 404]
    await backend.client.post("/auth/v1/token?grant_type=password", json={"email": "a@b.de", "password": "no"})
    (one,) = await listed(backend, root)
    assert (one["here"], one["silent"], one["status"], one["revision"]) == (True, False, "ready", 1)
    assert one["checks"] == {"database": True, "definitions": True}
    assert one["pool"]["size"] == backend.app.settings.pool_size
    assert one["pool"]["peak"] >= one["pool"]["used"] >= 0
    # What admins ask is no request of a frontend.
    assert [sum(minute[kind] for minute in one["minutes"]) for kind in ("answered", "refused", "failed")] == [1, 3, 0]
    assert one["limited"] == [{"what": "endpoints/once", "count": 1}]


async def test_a_limit_of_a_fixed_route_is_told_by_its_route(backend: Backend) -> None:
    root = await backend.admin()
    body = {"email": "a@b.de", "password": "no"}
    for _ in range(40):
        answer = await backend.client.post("/auth/v1/token?grant_type=password", json=body)
        if answer.status_code == 429:
            break
    (one,) = await listed(backend, root)
    assert one["limited"] == [{"what": "POST /auth/v1/token", "count": 1}]


async def test_every_process_is_told_of_until_it_ends(backend: Backend) -> None:
    root = await backend.admin()
    async with beside(backend) as other:
        await other.server.instance.beat()
        first, second = await listed(backend, root)
        assert first["here"]
        assert not second["here"]
        assert second["id"] == other.server.instance.told.id
        assert (second["status"], second["revision"]) == ("ready", 1)
        async with calling(other) as client:
            assert (await listed(backend, root, client))[0]["id"] == second["id"]
    (left,) = await listed(backend, root)
    assert left["id"] == first["id"]


async def test_who_says_nothing_for_long_is_silent_and_forgotten_in_a_day(backend: Backend) -> None:
    root = await backend.admin()
    add = """INSERT INTO rowgate.instances (id, seen_at, host, process, version, state)
    VALUES (gen_random_uuid(), now() - $1::interval, 'gone', 1, '0.0', $2)"""
    for age in ("1 hour", "25 hours"):
        await backend.sql(add.replace("$1", f"'{age}'").replace("$2", "'{}'"))
    found = {one["version"]: one for one in (await listed(backend, root))[1:]}
    assert found["0.0"]["silent"]
    async with beside(backend) as other:
        await other.server.instance.beat()
        hosts = [row["host"] for row in await backend.sql("SELECT host FROM rowgate.instances")]
    assert hosts.count("gone") == 1


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ([], InstanceState()),
        ({"pool": {"size": "many"}}, InstanceState()),
        ({"revision": 7, "of_tomorrow": 1}, InstanceState(revision=7)),
    ],
)
async def test_what_another_version_tells_is_read_as_far_as_it_can_be(told: Any, known: InstanceState) -> None:
    assert InstanceState.of(told) == known


async def test_a_change_is_told_at_once_and_a_table_that_is_away_ends_nothing(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instances, "BEAT_SECONDS", 0.02)
    await backend.sql("ALTER TABLE rowgate.instances RENAME TO elsewhere")
    backend.app.server.instance.wake()
    await asyncio.sleep(0.1)
    await backend.sql("ALTER TABLE rowgate.elsewhere RENAME TO instances")
    monkeypatch.setattr(instances, "BEAT_SECONDS", 600.0)
    project, _ = parse_project({**DOCUMENT, "roles": [{"name": "extra"}]})
    assert project is not None
    await apply_project(backend.app.server.engine, project, author="test")
    told = "SELECT FROM rowgate.instances WHERE state->>'revision' = '2'"
    async with asyncio.timeout(10):
        while not await backend.sql(told):  # noqa: ASYNC110 - another connection's rows
            await asyncio.sleep(0.02)


async def test_what_waits_and_what_was_given_up_is_counted_and_mail_to_nobody_is_neither(backend: Backend) -> None:
    root = await backend.admin()
    assert (await backend.client.get("/admin/v1/queues", headers=root)).json()["mail"]["waiting"] == 0
    await backend.sql(MAIL, "recovery", None, "421 later", 3)
    await backend.sql("""INSERT INTO rowgate.mail (id, kind, expires_at, dead_at, last_error, created_at)
     VALUES (gen_random_uuid(), 'invite', now(), now(), '550 no', now() - interval '1 hour'),
            (gen_random_uuid(), 'magiclink', now(), now(), NULL, now())""")
    found = (await backend.client.get("/admin/v1/queues", headers=root)).json()
    assert {name: (one["waiting"], one["dead"]) for name, one in found.items()} == {"outbox": (0, 0), "mail": (1, 1)}
    assert found["mail"]["oldest"] is not None
    assert found["outbox"]["oldest"] is None
    for state, kind, error in (("waiting", "recovery", "421 later"), ("dead", "invite", "550 no")):
        (one,) = (await backend.client.get(f"/admin/v1/mail/queue?state={state}", headers=root)).json()
        assert (one["kind"], one["last_error"]) == (kind, error)
        assert "recipient" not in one


async def test_mail_that_waits_is_tried_again_and_what_was_given_up_is_not(backend: Backend) -> None:
    root = await backend.admin()
    (waiting,) = await backend.sql(MAIL, "recovery", None, "421 later", 3)
    path = f"/admin/v1/mail/{waiting['id']}/retry"
    assert (await backend.client.post(path, headers=root)).status_code == 204
    # It was due at once, and its time was over.
    async with asyncio.timeout(10):
        while not await backend.sql("SELECT FROM rowgate.mail WHERE dead_at IS NOT NULL"):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    again = await backend.client.post(path, headers=root)
    assert (again.status_code, again.json()["code"]) == (404, "admin.not_found")
    assert (await backend.client.post("/admin/v1/mail/none/retry", headers=root)).status_code == 404


@pytest.mark.parametrize("path", [
    "/users?email=%00", "/revisions?before=99999999999999999999",
    "/account/sign-ins?before=99999999999999999999", "/users?offset=99999999999999999999",
    "/secrets/%00", "/api-keys/a%00",
])  # fmt: skip
async def test_what_the_database_could_not_take_is_refused_as_input(backend: Backend, path: str) -> None:
    answer = await backend.client.get(f"/admin/v1{path}", headers=await backend.admin())

    assert (answer.status_code, answer.json()["code"]) == (422, "input.invalid")
