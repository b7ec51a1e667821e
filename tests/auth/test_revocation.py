"""What ends a session or takes a right away holds at the very next request, on every instance."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.auth.conftest import DOCUMENT, bearer, refresh, sign_in
from tests.backend import PASSWORD, Backend, Person, serving

ALICE = "alice@example.com"
NEW_PASSWORD = "another horse battery"


@pytest.fixture
async def elsewhere(backend: Backend) -> AsyncIterator[Backend]:
    """A second instance on the same database."""
    async with serving(backend.url, DOCUMENT) as other:
        yield other


async def at(instance: Backend, person: Person, path: str = "/api/me") -> int:
    answer = await instance.client.get(path, headers=bearer(person.session["access_token"]))
    return answer.status_code


@pytest.mark.parametrize("scope", ["", "?scope=global", "?scope=local"])
async def test_signing_out_holds_at_once_everywhere(backend: Backend, elsewhere: Backend, scope: str) -> None:
    alice = await backend.sign_up("alice")
    assert (await at(backend, alice), await at(elsewhere, alice)) == (200, 200)
    assert (await alice.post(f"/auth/v1/logout{scope}")).status_code == 204
    assert (await at(elsewhere, alice), await at(backend, alice)) == (401, 401)
    assert (await alice.get("/auth/v1/user")).status_code == 401
    for instance in (backend, elsewhere):
        assert (await refresh(instance, alice.session["refresh_token"])).status_code == 401


async def test_signing_out_elsewhere_keeps_this_session_and_local_keeps_the_others(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    phone = Person(backend.client, alice.id, (await sign_in(backend, ALICE, PASSWORD)).json())
    assert (await phone.post("/auth/v1/logout?scope=others")).status_code == 204
    assert (await at(backend, alice), await at(backend, phone)) == (401, 200)
    third = Person(backend.client, alice.id, (await sign_in(backend, ALICE, PASSWORD)).json())
    assert (await phone.post("/auth/v1/logout?scope=local")).status_code == 204
    assert (await at(backend, phone), await at(backend, third)) == (401, 200)
    assert (await third.post("/auth/v1/logout?scope=all")).status_code == 422
    assert await at(backend, third) == 200


async def test_a_role_given_or_taken_holds_at_once_everywhere(backend: Backend, elsewhere: Backend) -> None:
    alice, admin = await backend.sign_up("alice"), await backend.admin()
    assert (await at(backend, alice, "/api/desk"), await at(elsewhere, alice, "/api/desk")) == (403, 403)
    path = f"/admin/v1/users/{alice.id}/roles"
    given = await backend.client.put(path, json={"roles": ["support", "billing"]}, headers=admin)
    assert given.json() == {"roles": ["billing", "support"]}
    assert (await at(elsewhere, alice, "/api/desk"), await at(backend, alice, "/api/desk")) == (200, 200)
    await backend.client.put(path, json={"roles": ["billing"]}, headers=admin)
    assert (await at(elsewhere, alice, "/api/desk"), await at(backend, alice, "/api/desk")) == (403, 403)


@pytest.mark.parametrize("table", ["rowgate.user_roles", "rowgate.sessions CASCADE", "data.users CASCADE"])
async def test_truncating_by_hand_counts_too(backend: Backend, table: str) -> None:
    alice = await backend.sign_up("alice")
    await backend.sql("INSERT INTO rowgate.user_roles VALUES ($1, 'support')", alice.id)
    assert await at(backend, alice, "/api/desk") == 200
    await backend.sql(f"TRUNCATE {table}")
    assert await at(backend, alice, "/api/desk") in {401, 403}


async def test_who_is_disabled_can_do_nothing_until_enabled(backend: Backend, elsewhere: Backend) -> None:
    alice, admin = await backend.sign_up("alice"), await backend.admin()
    assert await at(elsewhere, alice) == 200
    path = f"/admin/v1/users/{alice.id}"
    assert (await backend.client.post(f"{path}/disable", headers=admin)).status_code == 204
    assert (await at(elsewhere, alice), await at(backend, alice)) == (401, 401)
    assert (await refresh(elsewhere, alice.session["refresh_token"])).status_code == 401
    assert (await alice.get("/auth/v1/user")).status_code == 401
    refused = await sign_in(backend, ALICE, PASSWORD)
    assert (refused.status_code, refused.json()["error_code"]) == (403, "user_banned")
    assert (await sign_in(backend, ALICE, "wrong")).status_code == 401
    assert (await backend.client.post(f"{path}/enable", headers=admin)).status_code == 204
    assert await at(backend, alice) == 401
    assert (await sign_in(elsewhere, ALICE, PASSWORD)).status_code == 200


async def test_the_token_of_a_deleted_person_never_acts_as_another(backend: Backend, elsewhere: Backend) -> None:
    alice, admin = await backend.sign_up("alice"), await backend.admin()
    assert await at(elsewhere, alice) == 200
    assert (await backend.client.delete(f"/admin/v1/users/{alice.id}", headers=admin)).status_code == 204
    await backend.sql("INSERT INTO data.users (id, email) VALUES ($1, 'eve@example.com')", alice.id)
    assert (await at(elsewhere, alice), await at(backend, alice)) == (401, 401)


async def test_a_change_of_the_password_needs_the_current_one(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    before = await backend.sql("SELECT password_hash FROM rowgate.accounts")
    for more in ({}, {"current_password": "wrong"}, {"current_password": ""}, {"current_password": NEW_PASSWORD}):
        answer = await alice.call("PUT", "/auth/v1/user", json={"password": NEW_PASSWORD, **more})
        assert (answer.status_code, answer.json()["code"]) == (403, "auth.password_wrong")
    weak = {"password": "password123", "current_password": PASSWORD}
    assert (await alice.call("PUT", "/auth/v1/user", json=weak)).status_code == 422
    assert await backend.sql("SELECT password_hash FROM rowgate.accounts") == before


async def test_a_changed_password_ends_every_other_session(backend: Backend, elsewhere: Backend) -> None:
    alice = await backend.sign_up("alice")
    phone = Person(backend.client, alice.id, (await sign_in(backend, ALICE, PASSWORD)).json())
    assert (await at(elsewhere, alice), await at(elsewhere, phone)) == (200, 200)
    body = {"password": NEW_PASSWORD, "current_password": PASSWORD}
    assert (await phone.call("PUT", "/auth/v1/user", json=body)).status_code == 200
    assert (await at(elsewhere, alice), await at(elsewhere, phone)) == (401, 200)
    assert (await refresh(backend, alice.session["refresh_token"])).status_code == 401
    assert (await sign_in(backend, ALICE, PASSWORD)).status_code == 401
    assert (await sign_in(backend, ALICE, NEW_PASSWORD)).status_code == 200


async def test_of_two_changes_of_the_password_at_once_one_counts(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    bodies = [{"password": f"{NEW_PASSWORD} {n}", "current_password": PASSWORD} for n in range(3)]
    answers = await asyncio.gather(*(alice.call("PUT", "/auth/v1/user", json=body) for body in bodies))
    assert sorted(one.status_code for one in answers) == [200, 403, 403]


async def test_a_person_changes_only_what_is_the_persons_own(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    await backend.sign_up("bob")
    refused: list[dict[str, Any]] = [
        {"data": {"plan": "pro"}},
        {"data": {"id": alice.id}},
        {"plan": "pro"},
        {"data": {"display_name": 1}},
    ]
    for body in refused:
        assert (await alice.call("PUT", "/auth/v1/user", json=body)).status_code == 422
    taken = await alice.call("PUT", "/auth/v1/user", json={"email": "Bob@example.com"})
    assert taken.json()["error_code"] == "email_exists"
    assert (await backend.client.put("/auth/v1/user", json={"data": {}})).status_code == 401
    allowed = {"data": {"display_name": "Al"}, "email": "Al@example.com"}
    answer = await alice.call("PUT", "/auth/v1/user", json=allowed)
    assert (answer.json()["email"], answer.json()["user_metadata"]["display_name"]) == ("al@example.com", "Al")
    assert (await sign_in(backend, "al@example.com", PASSWORD)).status_code == 200


async def test_where_addresses_are_confirmed_nobody_takes_another_by_oneself(migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT) as backend:
        alice = await backend.sign_up("alice")
    async with serving(migrated_url, DOCUMENT, confirm_email=True) as backend:
        path, headers = "/auth/v1/user", bearer(alice.session["access_token"])
        answer = await backend.client.put(path, json={"email": "eve@example.com"}, headers=headers)
        assert (answer.json()["email"], answer.json()["new_email"]) == ("alice@example.com", "eve@example.com")
        assert (await sign_in(backend, "eve@example.com", PASSWORD)).status_code == 401


async def test_what_is_left_of_ended_sessions_goes_at_the_next_sign_in(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    await alice.post("/auth/v1/logout")
    await backend.sql(
        "INSERT INTO rowgate.sessions (user_id, expires_at) VALUES ($1, now() - interval '91 days')", alice.id
    )
    assert (await sign_in(backend, ALICE, PASSWORD)).status_code == 200
    kept = await backend.sql("SELECT revoked_at IS NULL AS lives FROM rowgate.sessions ORDER BY created_at")
    assert [row["lives"] for row in kept] == [False, True]
    assert (await backend.sql("SELECT count(*) FROM rowgate.refresh_tokens"))[0][0] == 1


@pytest.mark.parametrize(
    "sql",
    ["UPDATE rowgate.sessions SET refreshed_at = now() - interval '8 days'",
     "UPDATE rowgate.sessions SET expires_at = now()"],
)  # fmt: skip
async def test_a_session_ends_when_idle_for_long_and_at_its_last_day(backend: Backend, sql: str) -> None:
    alice = await backend.sign_up("alice")
    await backend.sql(sql)
    assert (await refresh(backend, alice.session["refresh_token"])).status_code == 401


async def test_sessions_and_tokens_end_by_the_databases_clock(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(migrated_url, DOCUMENT) as backend:
        alice, real = await backend.sign_up("alice"), time.time
        for wrong in (-31 * 86_400, 31 * 86_400):
            monkeypatch.setattr(time, "time", lambda wrong=wrong: real() + wrong)
            async with serving(migrated_url, DOCUMENT) as other:
                assert await at(other, alice) == 200
                told = (await refresh(other, (await sign_in(other, ALICE, PASSWORD)).json()["refresh_token"])).json()
                assert abs(told["expires_at"] - real() - 900) < 300
                assert (told["expires_in"], await at(backend, Person(backend.client, alice.id, told))) == (900, 200)
                await other.sql("UPDATE rowgate.sessions SET expires_at = now() WHERE id <> $1", session_of(alice))
                assert await at(other, Person(other.client, alice.id, told)) == 401


def session_of(person: Person) -> str:
    payload = person.session["access_token"].split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["session_id"])


async def test_a_refreshed_session_has_the_same_person_and_works(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    answer = await refresh(backend, alice.session["refresh_token"])
    assert answer.json()["user"]["id"] == alice.id
    assert await at(backend, Person(backend.client, alice.id, answer.json())) == 200


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("token", ["", "x", "x" * 43, "x" * 5000, "é" * 43])
async def test_what_is_no_refresh_token_is_refused(refusing: Backend, token: str) -> None:
    assert (await refresh(refusing, token)).status_code == 401


async def test_tokens_of_one_kind_are_not_taken_for_another(backend: Backend) -> None:
    alice, admin = await backend.sign_up("alice"), await backend.admin()
    kinds = {
        "refresh": bearer(alice.session["refresh_token"]),
        "admin": admin,
        "setup": bearer(backend.app.server.auth.setup_token),
    }
    for headers in kinds.values():
        assert (await backend.client.get("/api/me", headers=headers)).status_code == 401
        assert (await backend.client.get("/auth/v1/user", headers=headers)).status_code == 401
    user = bearer(alice.session["access_token"])
    assert (await backend.client.get("/admin/v1/users", headers=user)).status_code == 401
    assert (await refresh(backend, alice.session["access_token"])).status_code == 401


async def test_a_column_added_to_users_is_there_for_who_was_known_before(backend: Backend) -> None:
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    assert (await at(backend, alice), await at(backend, bob)) == (200, 200)
    columns = [*DOCUMENT["users"]["columns"], {"name": "city", "type": "text", "default": "Bern"}]
    body = {"city": "=auth.user.city"}
    endpoint = {"name": "city", "method": "GET", "path": "/city", "access": "authenticated"}
    endpoints = [*DOCUMENT["endpoints"], {**endpoint, "steps": [{"do": "respond", "body": body}]}]
    await backend.apply({**DOCUMENT, "users": {"columns": columns}, "endpoints": endpoints})
    await backend.app.server.live.refresh()
    for person in (alice, bob):
        answer: Any = await person.get("/api/city")
        assert (answer.status_code, answer.json()) == (200, {"city": "Bern"})
        account = await person.get("/auth/v1/user")
        assert account.json()["user_metadata"]["city"] == "Bern"
    changed = await alice.call("PUT", "/auth/v1/user", json={"data": {"display_name": "Al"}})
    assert changed.json()["user_metadata"] == {"city": "Bern", "display_name": "Al", "plan": "free"}


async def test_a_sign_in_right_after_the_columns_of_users_changed_doesnt_fail(backend: Backend) -> None:
    await backend.sign_up("alice")
    columns = [*DOCUMENT["users"]["columns"], {"name": "city", "type": "text", "default": "Bern"}]
    await backend.apply({**DOCUMENT, "users": {"columns": columns}})
    answer = await sign_in(backend, ALICE, PASSWORD)
    assert answer.status_code == 200, answer.text
    assert answer.json()["user"]["user_metadata"] == {"city": "Bern", "display_name": None, "plan": "free"}
