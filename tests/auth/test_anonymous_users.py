"""Users without an address: refusals first, then what they reach, become, and when they go."""

import asyncio
import json
from typing import Any

import pytest
import pytest_asyncio

from app.auth import anonymous_users
from app.limits.limit import Limit
from tests.auth.conftest import sign_in
from tests.backend import PASSWORD, Backend, Person, calling
from tests.clients.test_supabase_js import NODE, called, clients, listening
from tests.turns import Turns

__all__ = ["clients"]
OFF: dict[str, Any] = {
    "rowgate": 1,
    "users": {"columns": [{"name": "display_name", "type": "text", "self_editable": True}]},
    "tables": [
        {"name": "notes", "columns": [{"name": "owner", "type": "user", "required": True, "on_delete": "cascade"}]},
        {"name": "kept", "columns": [{"name": "owner", "type": "user", "required": True, "on_delete": "restrict"}]},
    ],
    "views": [
        {"name": "mine", "table": "notes", "filter": "row.owner == auth.user.id", "allow": ["select", "insert"],
         "presets": {"owner": "=auth.user.id"}},
        {"name": "people", "table": "users", "columns": ["id"], "access": {"authenticated": "permanent"}},
    ],
    "endpoints": [
        {"name": "who", "method": "GET", "path": "/who", "access": "public",
         "steps": [{"do": "respond", "body": {"is": "=auth.is_anonymous", "kind": "=auth.kind", "amr": "=auth.amr"}}]},
        {"name": "any", "method": "POST", "path": "/any", "access": "authenticated",
         "steps": [{"do": "respond", "status": 204}]},
        {"name": "real", "method": "POST", "path": "/real", "access": {"authenticated": "permanent"},
         "steps": [{"do": "respond", "status": 204}]},
    ],
}  # fmt: skip
DOCUMENT = {**OFF, "auth": {"anonymous": True}}


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


async def anonymous(backend: Backend, **data: Any) -> Person:
    answer = await backend.client.post("/auth/v1/signup", json={"data": data, "gotrue_meta_security": {}})
    assert answer.status_code == 200, answer.text
    return Person(backend.client, answer.json()["user"]["id"], answer.json())


async def test_a_query_that_another_has_sent_lets_no_anonymous_user_in(backend: Backend) -> None:
    person, real = await anonymous(backend), await backend.sign_up("real")
    for caller, status in ((person, 403), (real, 200), (person, 403), (real, 200)):
        assert (await caller.get("/rest/v1/mine?select=people(id)")).status_code == status


async def test_half_of_what_signs_up_makes_nobody(backend: Backend) -> None:
    for body, field in (({"email": "a@example.com"}, "email"), ({"password": PASSWORD}, "password")):
        answer = await backend.client.post("/auth/v1/signup", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "input.invalid")
        assert answer.json()["errors"][0]["loc"] != ["body", field]
    assert await backend.sql("SELECT 1 FROM data.users") == []


async def test_without_the_word_of_the_document_there_are_none(own_backend: Backend) -> None:
    await own_backend.apply(OFF)
    answer = await own_backend.client.post("/auth/v1/signup", json={"data": {}})
    assert (answer.status_code, answer.json()["error_code"]) == (422, "anonymous_provider_disabled")


async def test_an_anonymous_user_has_rows_and_no_address(backend: Backend) -> None:
    person = await anonymous(backend, display_name="Ann")
    user = person.session["user"]
    assert (user["email"], user["is_anonymous"], user["identities"]) == ("", True, [])
    assert user["user_metadata"] == {"display_name": "Ann"}
    assert (await person.get("/api/who")).json() == {"is": True, "kind": "user", "amr": ["anonymous"]}
    assert (await backend.client.get("/api/who")).json() == {"is": False, "kind": "anonymous", "amr": []}
    assert (await person.call("POST", "/rest/v1/mine", json={})).status_code == 201
    other = await anonymous(backend)
    assert len((await person.get("/rest/v1/mine")).json()) == 1
    assert (await other.get("/rest/v1/mine")).json() == []
    assert (await backend.client.get("/auth/v1/settings")).json()["external"]["anonymous_users"] is True


async def test_what_is_for_accounts_with_an_address_keeps_them_out(backend: Backend) -> None:
    person, alice = await anonymous(backend), await backend.sign_up("alice")
    for method, path, status in (("POST", "/api/real", 204), ("GET", "/rest/v1/people", 200)):
        assert (await backend.client.request(method, path)).status_code == 401
        refused = await person.call(method, path)
        told = refused.json()
        assert (refused.status_code, told.get("rowgate_code", told["code"])) == (403, "access.anonymous_user")
        assert (await alice.call(method, path)).status_code == status
    assert (await person.call("POST", "/api/any")).status_code == 204


async def test_an_address_makes_an_account_of_the_same_user(backend: Backend) -> None:
    person = await anonymous(backend)
    no_address = await person.call("PUT", "/auth/v1/user", json={"password": PASSWORD})
    assert (no_address.status_code, no_address.json()["code"]) == (422, "input.invalid")
    await backend.sign_up("taken")
    body = {"email": "taken@example.com", "password": PASSWORD}
    assert (await person.call("PUT", "/auth/v1/user", json=body)).json()["code"] == "auth.email_taken"
    changed = await person.call("PUT", "/auth/v1/user", json={"email": "ann@example.com", "password": PASSWORD})
    assert (changed.status_code, changed.json()["is_anonymous"]) == (200, False)
    assert (await person.call("POST", "/api/real")).status_code == 204
    session = await sign_in(backend, "ann@example.com", PASSWORD)
    assert session.json()["user"]["id"] == person.id


async def test_nobody_signs_in_or_up_as_one(backend: Backend) -> None:
    await anonymous(backend)
    (row,) = await backend.sql("SELECT email FROM data.users")
    assert row["email"].startswith("anonymous:")
    assert (await sign_in(backend, row["email"], PASSWORD)).status_code == 401
    answer = await backend.client.post("/auth/v1/signup", json={"email": row["email"], "password": PASSWORD})
    assert answer.json()["code"] == "auth.email_invalid"


async def test_one_caller_makes_so_many_in_an_hour_however_they_are_asked_for(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Limit(30, 3600) == anonymous_users.FROM_ADDRESS
    monkeypatch.setattr(anonymous_users, "FROM_ADDRESS", Limit(3, 3600))
    asked = [backend.client.post("/auth/v1/signup", json={"data": {}}) for _ in range(5)]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 429, 429]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 429} == {"auth.too_many_anonymous"}
    async with calling(backend.app, "127.9.9.9") as another:
        assert (await another.post("/auth/v1/signup", json={"data": {}})).status_code == 200
    await backend.sql("UPDATE rowgate.anonymous_users SET at = at - interval '61 minutes'")
    await anonymous(backend)


async def test_who_was_not_there_for_long_goes_and_nobody_else(backend: Backend) -> None:
    gone, used, named, held = [await anonymous(backend) for _ in range(4)]
    await named.call("PUT", "/auth/v1/user", json={"email": "ann@example.com"})
    alice = await backend.sign_up("alice")
    await backend.sql("INSERT INTO data.kept (owner) VALUES ($1)", held.id)
    await backend.sql("INSERT INTO data.notes (owner) VALUES ($1)", gone.id)
    await backend.sql("UPDATE rowgate.anonymous_users SET at = now() - interval '31 days'")
    await backend.sql(
        "UPDATE rowgate.sessions SET refreshed_at = now() - interval '31 days' WHERE user_id <> $1", used.id
    )
    new = await anonymous(backend)
    left = {str(row["id"]) for row in await backend.sql("SELECT id FROM data.users")}
    assert left == {used.id, named.id, held.id, alice.id, new.id}
    assert await backend.sql("SELECT 1 FROM data.notes") == []


async def test_turning_them_on_is_wider_for_all_that_is_authenticated(own_backend: Backend) -> None:
    root = {**await own_backend.admin(), "Content-Type": "application/json"}

    async def wider(document: Any) -> list[tuple[str, str]]:
        plan = await own_backend.client.post("/admin/v1/config/plan", content=json.dumps(document), headers=root)
        return [(one["where"], one["who"]) for one in plan.json()["effects"] if one["wider"]]

    await own_backend.apply(OFF)
    assert sorted(await wider(DOCUMENT)) == [
        ("auth.anonymous", "everybody"), ("endpoints/any", "anonymous users"), ("views/mine", "anonymous users"),
    ]  # fmt: skip
    opened = {**OFF, "endpoints": [{**one, "access": "authenticated"} for one in OFF["endpoints"][1:]]}
    assert ("endpoints/real", "anonymous users") in await wider(opened)
    matrix = (await own_backend.client.get("/admin/v1/access", headers=root)).json()
    assert "authenticated: permanent" in {row["access"] for row in matrix["surface"] if isinstance(row["access"], str)}


@pytest.mark.skipif(NODE is None, reason="node and npm are not installed")
async def test_auth_js_signs_in_anonymously_and_gives_itself_an_address(own_backend: Backend, clients: Any) -> None:
    await own_backend.sign_up("alice")
    calls = [
        "auth.signInAnonymously({options: {data: {display_name: 'A'}}})"
        ".then(r => ({data: [r.error, r.data.user.is_anonymous, r.data.user.user_metadata.display_name]}))",
        "auth.getClaims().then(r => ({data: [r.data.claims.is_anonymous, r.data.claims.amr[0].method]}))",
        f"auth.updateUser({{email: 'ann@example.com', password: '{PASSWORD}'}})"
        ".then(r => ({data: [r.error, r.data.user.is_anonymous]}))",
    ]
    async with listening(own_backend) as url:
        key = own_backend.app.server.auth.publishable_key
        results = await called(url, key, calls, clients)
    assert [one.get("data") for one in results] == [[None, True, "A"], [True, "anonymous"], [None, False]]
