"""`/auth/v1/admin/users`: what is refused first, then what an editor's key makes, reads, changes and deletes."""

import uuid
from typing import Any

import pytest
import pytest_asyncio
from passlib.hash import argon2

from tests.auth.conftest import DOCUMENT, bearer, sign_in
from tests.backend import PASSWORD, Backend
from tests.turns import Turns

__all__ = ["DOCUMENT"]
USERS = "/auth/v1/admin/users"
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "auth.email_invalid"),
    ({"email": "no"}, "auth.email_invalid"),
    ({"email": "taken@example.com"}, "auth.email_taken"),
    ({"email": "a@example.com", "password": "short"}, "auth.password_refused"),
    ({"email": "a@example.com", "password_hash": "plain"}, "input.invalid"),
    ({"email": "a@example.com", "password": PASSWORD, "password_hash": "x"}, "input.invalid"),
    ({"email": "a@example.com", "user_metadata": {"plan": "gold"}}, "input.invalid"),
    ({"email": "a@example.com", "user_metadata": {"roles": ["support"]}}, "input.invalid"),
    ({"email": "a@example.com", "app_metadata": {"roles": ["nothing"]}}, "admin.roles_unknown"),
    ({"email": "a@example.com", "app_metadata": {"roles": "support"}}, "input.invalid"),
    ({"email": "a@example.com", "app_metadata": {"tier": 1}}, "input.invalid"),
    ({"email": "a@example.com", "ban_duration": "24h"}, "input.invalid"),
    ({"email": "a@example.com", "role": "service_role"}, "input.invalid"),
    ({"email": "a@example.com", "phone": "+49"}, "input.invalid"),
    ({"email": "a@example.com", "is_admin": True}, "input.invalid"),
    ({"email": "a@example.com", "id": "7"}, "input.invalid"),
]  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


async def key(backend: Backend, role: str | None) -> dict[str, str]:
    body = {"name": f"k{uuid.uuid4().hex}", **({"admin_role": role} if role else {"roles": ["support"]})}
    answer = await backend.client.post("/admin/v1/api-keys", json=body, headers=await backend.admin())
    return {"apikey": answer.json()["key"], **bearer(answer.json()["key"])}


async def test_only_an_editor_gets_in(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    publishable = backend.app.server.auth.publishable_key
    paths = (("GET", USERS), ("POST", USERS), *((one, f"{USERS}/{alice.id}") for one in ("GET", "PUT", "DELETE")),
             ("GET", f"{USERS}/{alice.id}/factors"), ("DELETE", f"{USERS}/{alice.id}/factors/{alice.id}"))  # fmt: skip
    for headers, status in (
        ({}, 401), (bearer(alice.session["access_token"]), 401), (bearer(publishable), 401),
        (await key(backend, None), 401), (await key(backend, "viewer"), 403),
    ):  # fmt: skip
        for method, path in paths:
            answer = await backend.client.request(method, path, headers=headers)
            assert answer.status_code == status, (method, path, answer.text)
    assert (await backend.client.get(USERS, headers=await key(backend, "editor"))).status_code == 200


async def test_what_makes_no_sense_makes_nobody(backend: Backend) -> None:
    await backend.sign_up("taken")
    editor = await key(backend, "editor")
    for body, code in REFUSED:
        answer = await backend.client.post(USERS, json=body, headers=editor)
        assert (answer.status_code, answer.json()["code"]) == (422, code), (body, answer.text)
    assert [row[0] for row in await backend.sql("SELECT email FROM data.users")] == ["taken@example.com"]
    for path in (f"{USERS}/{uuid.uuid4()}", f"{USERS}/x"):
        for method in ("GET", "PUT", "DELETE"):
            answer = await backend.client.request(method, path, headers=editor)
            assert (answer.status_code, answer.json()["error_code"]) == (404, "user_not_found")


async def test_a_person_is_made_changed_banned_and_deleted(backend: Backend) -> None:
    editor, person = await key(backend, "editor"), str(uuid.uuid4())
    body = {
        "id": person, "email": "Ann@example.com", "password": PASSWORD, "email_confirm": True,
        "user_metadata": {"display_name": "Ann", "plan": "pro"}, "app_metadata": {"roles": ["support"]},
    }  # fmt: skip
    made = (await backend.client.post(USERS, json=body, headers=editor)).json()
    assert (made["id"], made["email"], made["user_metadata"]) == (
        person, "ann@example.com", {"display_name": "Ann", "plan": "pro"},
    )  # fmt: skip
    assert made["app_metadata"]["roles"] == ["support"]
    session = (await sign_in(backend, "ann@example.com", PASSWORD)).json()
    path, own = f"{USERS}/{person}", bearer(session["access_token"])
    assert (await backend.client.get("/api/desk", headers=own)).status_code == 200

    change = {"email": "anna@example.com", "app_metadata": {"roles": []}, "user_metadata": {"plan": "free"}}
    changed = (await backend.client.put(path, json=change, headers=editor)).json()
    assert (changed["email"], changed["user_metadata"]) == ("anna@example.com", {"display_name": "Ann", "plan": "free"})
    assert (await backend.client.get("/api/desk", headers=own)).status_code == 403
    assert (await backend.client.put(path, json={"ban_duration": "876000h"}, headers=editor)).status_code == 200
    assert (await backend.client.get("/api/me", headers=own)).status_code == 401
    assert (await sign_in(backend, "anna@example.com", PASSWORD)).json()["error_code"] == "user_banned"
    await backend.client.put(path, json={"ban_duration": "none"}, headers=editor)
    hashed = str(argon2.using(memory_cost=64, rounds=1).hash("another horse battery"))  # type: ignore[no-untyped-call]
    await backend.client.put(path, json={"password_hash": hashed}, headers=editor)
    assert (await sign_in(backend, "anna@example.com", PASSWORD)).status_code == 401
    assert (await sign_in(backend, "anna@example.com", "another horse battery")).status_code == 200
    soft = await backend.client.request("DELETE", path, json={"should_soft_delete": True}, headers=editor)
    assert soft.status_code == 422
    assert (await backend.client.delete(path, headers=editor)).json() == {}
    assert (await backend.client.get(path, headers=editor)).status_code == 404
    sql = "SELECT action FROM rowgate.audit WHERE target = $1 AND actor LIKE 'key:%' ORDER BY id"
    assert [row[0] for row in await backend.sql(sql, person)] == [
        "user.create", *["user.change"] * 4, "user.delete",
    ]  # fmt: skip


@pytest.mark.parametrize(("page", "size", "emails", "link"), [
    ("", "", ["c", "b", "a"], '</auth/v1/admin/users?page=1&per_page=50>; rel="last"'),
    ("1", "2", ["c", "b"], '</auth/v1/admin/users?page=2&per_page=2>; rel="next", '
                           '</auth/v1/admin/users?page=2&per_page=2>; rel="last"'),
    ("2", "2", ["a"], '</auth/v1/admin/users?page=2&per_page=2>; rel="last"'),
])  # fmt: skip
async def test_people_come_by_the_page(backend: Backend, page: str, size: str, emails: list[str], link: str) -> None:
    for name in "abc":
        await backend.sign_up(name)
    editor = await key(backend, "editor")
    answer = await backend.client.get(f"{USERS}?page={page}&per_page={size}", headers=editor)
    assert [one["email"] for one in answer.json()["users"]] == [f"{name}@example.com" for name in emails]
    assert (answer.headers["x-total-count"], answer.headers["link"]) == ("3", link)


async def test_what_can_be_no_id_is_of_no_factor(backend: Backend) -> None:
    person, editor = (await backend.sign_up("anna")).id, await key(backend, "editor")
    for path in (f"{USERS}/{person}/factors/x", f"{USERS}/{person}/factors/%00", f"{USERS}/x/factors/{uuid.uuid4()}"):
        answer = await backend.client.delete(path, headers=editor)
        assert (answer.status_code, answer.json()["error_code"]) == (404, "mfa_factor_not_found"), path
