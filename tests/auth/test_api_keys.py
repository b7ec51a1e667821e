"""API keys and the publishable key: refusals first."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.auth.conftest import DOCUMENT, bearer
from tests.backend import Backend, serving


async def made(backend: Backend, admin: dict[str, str], **body: Any) -> str:
    answer = await backend.client.post("/admin/v1/api-keys", json={"name": "worker", **body}, headers=admin)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 422), ({"name": ""}, 422), ({"name": "x" * 101}, 422), ({"name": "a", "roles": ["nothing"]}, 422),
     ({"name": "a", "admin_role": "god"}, 422), ({"name": "a", "expires_at": "soon"}, 422),
     ({"name": "a", "digest": "x"}, 422)],
)  # fmt: skip
async def test_a_key_that_makes_no_sense_is_not_made(
    refusing: Backend, owner: dict[str, str], body: dict[str, Any], status: int
) -> None:
    assert (await refusing.client.post("/admin/v1/api-keys", json=body, headers=owner)).status_code == status
    assert await refusing.sql("SELECT 1 FROM rowgate.api_keys") == []


async def test_a_key_has_its_roles_and_is_no_person(backend: Backend) -> None:
    key = await made(backend, await backend.admin(), roles=["support"])
    for headers in (bearer(key), {"apikey": key}, {"apikey": key, **bearer(key)}):
        desk = await backend.client.get("/api/desk", headers=headers)
        assert (desk.status_code, desk.json()) == (200, {"kind": "key"})
        assert (await backend.client.get("/auth/v1/user", headers=headers)).status_code == 401
        assert (await backend.client.get("/admin/v1/users", headers=headers)).status_code == 401
    assert (await backend.client.get("/api/open", headers={"apikey": key})).json() == {
        "signed_in": False,
        "kind": "key",
    }


async def test_a_key_without_roles_reaches_no_endpoint_of_a_role(backend: Backend) -> None:
    key = await made(backend, await backend.admin())
    assert (await backend.client.get("/api/desk", headers=bearer(key))).status_code == 403


@pytest.mark.parametrize(
    "sql",
    ["UPDATE rowgate.api_keys SET revoked_at = now()", "DELETE FROM rowgate.api_keys", "TRUNCATE rowgate.api_keys",
     "UPDATE rowgate.api_keys SET expires_at = now()"],
)  # fmt: skip
async def test_a_key_that_ends_ends_at_once_everywhere(backend: Backend, sql: str) -> None:
    key = await made(backend, await backend.admin(), roles=["support"], admin_role="viewer")
    async with serving(backend.url, DOCUMENT) as other:
        for instance in (backend, other):
            assert (await instance.client.get("/api/desk", headers=bearer(key))).status_code == 200
            assert (await instance.client.get("/admin/v1/users", headers=bearer(key))).status_code == 200
        await backend.sql(sql)
        for instance in (backend, other):
            answer = await instance.client.get("/api/desk", headers=bearer(key))
            assert (answer.status_code, answer.json()["code"]) == (401, "auth.api_key_invalid")
            assert (await instance.client.get("/admin/v1/users", headers=bearer(key))).status_code == 401


async def test_what_a_key_may_do_changes_at_once(backend: Backend) -> None:
    key = await made(backend, await backend.admin(), roles=["support"])
    assert (await backend.client.get("/api/desk", headers=bearer(key))).status_code == 200
    await backend.sql("UPDATE rowgate.api_keys SET roles = '{billing}'")
    assert (await backend.client.get("/api/desk", headers=bearer(key))).status_code == 403


async def test_a_keys_time_ends_it_though_nothing_was_changed(backend: Backend) -> None:
    admin = await backend.admin()
    soon = datetime.now(UTC) + timedelta(seconds=3)
    key = await made(backend, admin, roles=["support"], expires_at=soon.isoformat())
    assert (await backend.client.get("/api/desk", headers=bearer(key))).status_code == 200
    await asyncio.sleep((soon - datetime.now(UTC)).total_seconds() + 0.01)
    assert (await backend.client.get("/api/desk", headers=bearer(key))).status_code == 401


async def test_a_key_ends_by_the_databases_clock_also_where_it_is_remembered(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    key = await made(backend, await backend.admin(), roles=["support"], expires_at=ends.isoformat())
    assert (await backend.client.get("/api/desk", headers=bearer(key))).status_code == 200
    auth = backend.app.server.auth
    assert auth.keys.known(auth.keys.digest_of(key)) is not None
    # What the database would have shown, had its clock been two hours ahead of this machine's.
    monkeypatch.setattr(auth.clock, "_ahead", auth.clock._ahead + 2 * 60 * 60)
    assert auth.keys.known(auth.keys.digest_of(key)) is None


async def test_a_key_is_shown_once_and_kept_as_a_digest(backend: Backend) -> None:
    admin = await backend.admin()
    key = await made(backend, admin, roles=["support"])
    listed = await backend.client.get("/admin/v1/api-keys", headers=admin)
    one = await backend.client.get("/admin/v1/api-keys/worker", headers=admin)
    assert [row["name"] for row in listed.json()] == ["worker"]
    assert one.json()["roles"] == ["support"]
    stored = [
        await backend.sql(f"SELECT to_jsonb(t)::text FROM rowgate.{table} t") for table in ("api_keys", "audit", "kept")
    ]
    for text in (listed.text, one.text, str(stored)):
        assert key not in text
        assert key[4:20] not in text


async def test_a_revoked_key_frees_its_name(backend: Backend) -> None:
    admin = await backend.admin()
    key = await made(backend, admin, roles=["support"])
    again = await backend.client.post("/admin/v1/api-keys", json={"name": "worker"}, headers=admin)
    assert (again.status_code, again.json()["code"]) == (409, "admin.key_exists")
    assert (await backend.client.delete("/admin/v1/api-keys/worker", headers=admin)).status_code == 204
    assert (await backend.client.delete("/admin/v1/api-keys/worker", headers=admin)).status_code == 404
    assert (await backend.client.get("/api/desk", headers=bearer(key))).status_code == 401
    assert await made(backend, admin) != key


async def test_a_key_with_an_admin_role_reaches_as_far_as_that_role(backend: Backend) -> None:
    key = await made(backend, await backend.admin(), admin_role="editor")
    for headers in (bearer(key), {"apikey": key}):
        assert (await backend.client.get("/admin/v1/users", headers=headers)).status_code == 200
        assert (await backend.client.post("/admin/v1/admins", json={}, headers=headers)).status_code == 403
    answer = await backend.client.post("/admin/v1/users", json={"email": "a@example.com"}, headers=bearer(key))
    assert answer.status_code == 201
    rows = await backend.sql("SELECT actor FROM rowgate.audit WHERE action = 'user.create'")
    assert [row["actor"] for row in rows] == ["key:worker"]
    assert (await backend.client.post("/admin/v1/sign-out", headers=bearer(key))).status_code == 204
    assert (await backend.client.get("/admin/v1/users", headers=bearer(key))).status_code == 200


BAD = ["", "x", "rgk_", "rgk_" + "a" * 54, "rgp_" + "a" * 32, "é"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("key", BAD)
async def test_a_bad_key_is_refused_on_every_route_and_asks_the_database_nothing(refusing: Backend, key: str) -> None:
    raw = key.encode("latin-1")
    pool: Any = refusing.app.server.pool
    before = pool.acquire

    async def counted() -> Any:
        raise AssertionError("a bad key took a connection")

    pool.acquire = counted
    try:
        for path in ("/api/open", "/auth/v1/settings"):
            answer = await refusing.client.get(path, headers=[(b"apikey", raw)])
            assert (answer.status_code, answer.json()["code"]) == (401, "auth.api_key_invalid")
        answer = await refusing.client.get("/api/open", headers=[(b"authorization", b"Bearer " + raw)])
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="rowgate", error="invalid_token"'
    finally:
        pool.acquire = before


async def test_the_publishable_key_is_nobody(backend: Backend) -> None:
    key = backend.app.server.auth.publishable_key
    alice = await backend.sign_up("alice")
    for headers in ({"apikey": key}, bearer(key), {"apikey": key, **bearer(key)}):
        assert (await backend.client.get("/api/open", headers=headers)).json() == {
            "signed_in": False,
            "kind": "anonymous",
        }
        assert (await backend.client.get("/api/me", headers=headers)).status_code == 401
        assert (await backend.client.get("/admin/v1/users", headers=headers)).status_code == 401
        assert (await backend.client.get("/auth/v1/user", headers=headers)).status_code == 401
    assert (await alice.get("/api/me", headers={"apikey": key})).status_code == 200


async def test_every_instance_has_the_same_publishable_key_and_a_set_one_counts(backend: Backend) -> None:
    key = backend.app.server.auth.publishable_key
    async with serving(backend.url, DOCUMENT) as other:
        assert other.app.server.auth.publishable_key == key
    async with serving(backend.url, DOCUMENT, publishable_key="rgp_" + "set" * 8) as third:
        assert (await third.client.get("/api/open", headers={"apikey": "rgp_" + "set" * 8})).status_code == 200
        assert (await third.client.get("/api/open", headers={"apikey": key})).status_code == 401


async def test_two_credentials_of_one_kind_are_refused(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    token = f"Bearer {alice.session['access_token']}"
    key = backend.app.server.auth.publishable_key
    for name, value in (("Authorization", token), ("apikey", key)):
        for path in ("/api/open", "/auth/v1/user"):
            answer = await backend.client.get(path, headers=[(name, value), (name, value)])
            assert answer.status_code == 401


async def test_a_token_counts_only_in_its_header(backend: Backend) -> None:
    token = (await backend.sign_up("alice")).session["access_token"]
    assert (await backend.client.get(f"/api/me?access_token={token}&apikey={token}")).status_code == 401
    assert (await backend.client.get("/api/me", headers={"Cookie": f"access_token={token}"})).status_code == 401
    assert (await backend.client.get("/api/me", headers={"apikey": token})).status_code == 401
    for scheme in ("Token", "Basic", "bearertoken", ""):
        headers = {"Authorization": f"{scheme} {token}"}
        assert (await backend.client.get("/api/open", headers=headers)).status_code == 401
    assert (await backend.client.get("/api/me", headers={"Authorization": f"bearer {token}"})).status_code == 200


async def test_a_backend_may_name_its_own_schemes(migrated_url: str) -> None:
    async with serving(migrated_url, {**DOCUMENT, "project": {"auth_schemes": ["Bearer", "Token"]}}) as backend:
        token = (await backend.sign_up("alice")).session["access_token"]
        for path in ("/api/me", "/auth/v1/user"):
            assert (await backend.client.get(path, headers={"Authorization": f"Token {token}"})).status_code == 200
