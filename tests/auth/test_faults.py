"""What the database refuses, or its absence, is told as such on the fixed routes, and never as a fault of ours."""

import asyncio
from typing import Any

import pytest

from app.auth.accounts import create_user, new_credentials
from app.auth.password_sign_in import begin, stored_account, verify
from app.auth.passwords import Passwords
from app.auth.sessions import OpenedSession
from app.auth.sign_up_hooks import NoHooks, let_in
from app.database.pool import connect
from app.definitions.auth import SessionsDef
from tests.auth.conftest import DOCUMENT, bearer, refresh, sign_in
from tests.backend import PASSWORD, Backend, serving

UNIQUE = {
    **DOCUMENT,
    "users": {
        "columns": [
            *DOCUMENT["users"]["columns"],
            {"name": "handle", "type": "text", "unique": True, "required": True, "self_editable": True},
        ]
    },
}


async def test_a_column_of_ones_own_that_is_taken_or_missing_refuses_the_sign_up(migrated_url: str) -> None:
    async with serving(migrated_url, UNIQUE) as backend:
        path, body = "/auth/v1/signup", {"email": "b@example.com", "password": PASSWORD}
        missing = await backend.client.post(path, json=body)
        assert missing.json()["errors"][0]["loc"] == ["body", "data", "handle"]
        alice = await backend.sign_up("alice", handle="al")
        taken = await backend.client.post(path, json={**body, "data": {"handle": "al"}})
        assert (taken.status_code, taken.json()["code"]) == (409, "db.unique")
        assert "al" not in taken.json()["detail"].split()
        await backend.sign_up("bob", handle="bo")
        change = {"handle": "bo"}
        own = await alice.call("PUT", "/auth/v1/user", json={"data": change})
        admins = await backend.client.patch(f"/admin/v1/users/{alice.id}", json=change, headers=await backend.admin())
        assert (own.status_code, admins.status_code) == (409, 409)
        made = {"email": "c@example.com", "columns": {}}
        unmade = await backend.client.post("/admin/v1/users", json=made, headers=await backend.admin())
        assert unmade.json()["errors"][0]["loc"] == ["body", "columns", "handle"]
        wrong = await backend.client.patch(
            f"/admin/v1/users/{alice.id}", json={"handle": 7}, headers=await backend.admin()
        )
        assert wrong.json()["errors"][0]["loc"] == ["body", "handle"]
        null = await alice.call("PUT", "/auth/v1/user", json={"data": {"handle": None}})
        assert null.status_code == 422
        assert [row["handle"] for row in await backend.sql("SELECT handle FROM data.users ORDER BY id")] == ["al", "bo"]


async def test_a_connection_that_was_lost_is_a_503_and_the_next_try_succeeds(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    admin = await backend.admin()
    calls: list[Any] = [
        lambda: sign_in(backend, "alice@example.com", PASSWORD),
        lambda: alice.get("/auth/v1/user"),
        lambda: backend.client.get("/admin/v1/users", headers=admin),
    ]
    for call in calls:
        assert (await call()).status_code == 200
        await backend.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        answer = await call()
        assert answer.status_code in {200, 503}
        assert (await call()).status_code == 200


async def test_a_connection_lost_while_a_caller_is_looked_up_is_a_503(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    seen = set()
    for _ in range(12):
        assert (await alice.get("/api/me")).status_code in {200, 503}
        backend.app.server.auth.users.forget(alice.id)
        await backend.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        seen.add((await alice.get("/api/me")).status_code)
    assert seen <= {200, 503}


@pytest.mark.parametrize("path", ["/auth/v1/signup", "/auth/v1/token?grant_type=password", "/admin/v1/sign-in"])
async def test_a_full_queue_of_hashes_is_a_503_that_says_when_to_come_back(
    backend: Backend, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def acquire(self, *, blocking: bool) -> bool:
            return blocking

    monkeypatch.setattr(backend.app.server.auth.passwords, "_free", Full())
    answer = await backend.client.post(path, json={"email": "alice@example.com", "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "auth.busy", "1")


async def test_no_connection_is_held_while_a_password_is_hashed(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backend.sign_up("alice")
    state = backend.app.server
    held: list[int] = []
    for name in ("hash", "verify"):
        work = getattr(state.auth.passwords, name)

        async def watched(*parts: Any, work: Any = work) -> Any:
            before = set(state.pool._leased)
            await asyncio.sleep(0.05)  # what looks after the server takes one for a moment, and gives it back
            held.append(len(before & state.pool._leased.keys()))
            return await work(*parts)

        monkeypatch.setattr(state.auth.passwords, name, watched)
    bob = await backend.sign_up("bob")
    await sign_in(backend, "alice@example.com", PASSWORD)
    await sign_in(backend, "alice@example.com", "wrong")
    change = {"password": "another horse battery", "current_password": PASSWORD}
    assert (await bob.call("PUT", "/auth/v1/user", json=change)).status_code == 200
    body = {"email": "root@example.com", "password": "wrong"}
    assert (await backend.client.post("/admin/v1/sign-in", json=body)).status_code == 401
    assert held == [0] * 6


async def make_account(connection: Any, passwords: Passwords, email: str) -> None:
    address, digest = await new_credentials(passwords, email, PASSWORD)
    who = await let_in(NoHooks(), connection, address, {})
    await create_user(connection, who, digest, {"plan": "pro"}, confirmed=True)


async def open_by_password(connection: Any, passwords: Passwords, email: str) -> OpenedSession:
    verified = await verify(passwords, await stored_account(connection, email), PASSWORD)
    return await begin(connection, verified, None, "127.0.0.1", SessionsDef())


async def test_a_chain_signs_up_and_in_inside_its_own_transaction(backend: Backend) -> None:
    """The functions work on the connection that they are given, and leave nothing when it rolls back."""
    passwords = backend.app.server.auth.passwords
    connection: Any = await connect(backend.url)
    transaction = connection.transaction()
    await transaction.start()
    await make_account(connection, passwords, "Carol@example.com")
    opened = await open_by_password(connection, passwords, "carol@example.com")
    assert (await refresh(backend, opened.refresh_token)).status_code == 401  # nobody else sees it yet
    await transaction.rollback()
    assert await backend.sql("SELECT 1 FROM data.users") == []
    async with connection.transaction():
        await make_account(connection, passwords, "carol@example.com")
        opened = await open_by_password(connection, passwords, "carol@example.com")
    session = (await refresh(backend, opened.refresh_token)).json()
    me = await backend.client.get("/api/me", headers=bearer(session["access_token"]))
    assert (me.status_code, me.json()["plan"]) == (200, "pro")
    await connection.close()
