"""Who is signed out, or may no longer do it, while the body comes does nothing by it, however early it began."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from app.auth.routes.signed_in import hold_session
from tests.auth.admins import some_admin
from tests.auth.conftest import admin_sign_in, bearer, sign_in
from tests.auth.test_factors import stepped_up
from tests.backend import ADMIN_PASSWORD, PASSWORD, Backend
from tests.listening import listening_port

ALICE, OTHER = "alice@example.com", "eve@example.com"
Meanwhile = Callable[[], Awaitable[Any]]


async def sent_late(
    backend: Backend, method: str, path: str, body: Any, headers: dict[str, str], meanwhile: Meanwhile
) -> httpx.Response:
    """Send a request whose body ends once something else has been done, behind the check of who calls."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def pieces() -> AsyncIterator[bytes]:
        yield text[:-1]
        await meanwhile()
        yield text[-1:]

    headers = {"Content-Type": "application/json", **headers}
    return await backend.client.request(method, path, content=pieces(), headers=headers)


async def nothing() -> None:
    pass


async def test_a_session_that_ends_meanwhile_changes_nothing(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    own = bearer(alice.session["access_token"])
    away = lambda: alice.post("/auth/v1/logout")  # noqa: E731
    refused = await sent_late(backend, "PUT", "/auth/v1/user", {"email": OTHER}, own, away)
    assert (refused.status_code, refused.json()["error_code"]) == (401, "session_not_found")
    assert (await sign_in(backend, ALICE, PASSWORD)).status_code == 200


async def test_a_session_that_ends_meanwhile_gets_no_factor(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    own, body = bearer(alice.session["access_token"]), {"factor_type": "totp"}
    refused = await sent_late(backend, "POST", "/auth/v1/factors", body, own, lambda: alice.post("/auth/v1/logout"))
    assert refused.status_code == 401
    assert await backend.sql("SELECT FROM rowgate.factors") == []


async def owners(backend: Backend) -> tuple[dict[str, str], dict[str, str], str]:
    """Give the headers of the first owner, and those of another one with the path of that one."""
    root = await backend.admin()
    body = {"email": OTHER, "password": ADMIN_PASSWORD, "role": "owner"}
    made = (await backend.client.post("/admin/v1/admins", json=body, headers=root)).json()
    other = (await admin_sign_in(backend, OTHER, ADMIN_PASSWORD)).json()
    return root, bearer(other["access_token"]), f"/admin/v1/admins/{made['id']}"


LATE = [
    ("POST", "/admin/v1/admins", {"email": "more@example.com", "password": ADMIN_PASSWORD, "role": "owner"}),
    ("POST", "/admin/v1/api-keys", {"name": "more", "admin_role": "owner"}),
    ("PUT", "/admin/v1/config", {"rowgate": 1, "project": {"name": "Eve's"}}),
]


@pytest.mark.parametrize(("method", "path", "body"), LATE)
async def test_an_admin_who_is_deleted_meanwhile_changes_nothing(
    backend: Backend, method: str, path: str, body: dict[str, Any]
) -> None:
    root, eve, place = await owners(backend)
    kept = "SELECT (SELECT count(*) FROM rowgate.admins), (SELECT count(*) FROM rowgate.api_keys), revision"
    before = await backend.sql(f"{kept} FROM rowgate.live")
    gone = lambda: backend.client.delete(place, headers=root)  # noqa: E731
    refused = await sent_late(backend, method, path, body, eve, gone)
    assert (refused.status_code, refused.json()["code"]) == (401, "admin.sign_in_required")
    after = await backend.sql(f"{kept} FROM rowgate.live")
    assert tuple(after[0]) == (before[0][0] - 1, *before[0][1:])


@pytest.mark.parametrize(("method", "path", "body"), LATE)
async def test_an_admin_of_another_role_meanwhile_is_asked_to_begin_again(
    backend: Backend, method: str, path: str, body: dict[str, Any]
) -> None:
    root, eve, place = await owners(backend)
    demoted = lambda: backend.client.patch(place, json={"role": "viewer"}, headers=root)  # noqa: E731
    refused = await sent_late(backend, method, path, body, eve, demoted)
    assert (refused.status_code, refused.json()["code"]) == (503, "request.changed")
    again = await sent_late(backend, method, path, body, eve, nothing)
    assert (again.status_code, again.json()["code"]) == (403, "admin.role_missing")


NEW = {"email": "more@example.com", "password": ADMIN_PASSWORD}
HASHING = [
    ("POST", "/admin/v1/admins", {**NEW, "role": "owner"}),
    ("PUT", "/admin/v1/admins/{root}/password", {"password": ADMIN_PASSWORD}),
    ("POST", "/admin/v1/users", {**NEW, "roles": ["support"]}),
    ("PUT", "/admin/v1/users/{alice}/password", {"password": ADMIN_PASSWORD}),
    ("POST", "/auth/v1/admin/users", NEW),
    ("PUT", "/auth/v1/admin/users/{alice}", {"password": ADMIN_PASSWORD}),
    ("POST", "/auth/v1/admin/generate_link", {**NEW, "type": "signup"}),
]


@pytest.mark.parametrize(("method", "path", "body"), HASHING)
async def test_an_admin_who_is_deleted_while_a_password_is_hashed_changes_nothing(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: dict[str, Any]
) -> None:
    alice = await backend.sign_up("alice")
    root, eve, place = await owners(backend)
    (first,) = await backend.sql("SELECT id FROM rowgate.admins WHERE email <> $1", OTHER)
    kept = (
        "SELECT password_hash FROM rowgate.admins WHERE email <> $1"
        " UNION ALL SELECT password_hash FROM rowgate.accounts ORDER BY 1"
    )
    before, hashed = await backend.sql(kept, OTHER), backend.app.server.auth.passwords.hash

    async def slow(*parts: Any) -> str:
        assert (await backend.client.delete(place, headers=root)).status_code == 204
        return await hashed(*parts)

    monkeypatch.setattr(backend.app.server.auth.passwords, "hash", slow)
    there = path.format(root=first["id"], alice=alice.id)
    refused = await backend.client.request(method, there, json=body, headers=eve)
    assert (refused.status_code, refused.json()["code"]) == (401, "admin.sign_in_required"), refused.text
    assert await backend.sql(kept, OTHER) == before


@pytest.mark.parametrize(("change", "status"), [("DELETE", 401), ("PATCH", 503)])
async def test_an_import_ends_with_its_editor(backend: Backend, change: str, status: int) -> None:
    root, eve, place = await owners(backend)
    sent = {**eve, "Content-Type": "application/x-ndjson"}
    people = b'{"email": "one@example.com", "roles": ["support"]}\n{"email": "two@example.com"}'

    async def changed() -> None:
        said = {"role": "viewer"} if change == "PATCH" else None
        assert (await backend.client.request(change, place, headers=root, json=said)).is_success

    refused = await sent_late(backend, "POST", "/admin/v1/users/import", people, sent, changed)
    assert refused.status_code == status, refused.text
    assert await backend.sql("SELECT FROM data.users") == []


async def test_a_body_that_comes_late_is_taken_of_who_is_still_the_same(backend: Backend) -> None:
    _, eve, _ = await owners(backend)
    assert (await sent_late(backend, *LATE[0], eve, nothing)).status_code == 201


async def test_what_else_the_person_does_meanwhile_is_in_nobodys_way(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    own, other = bearer(alice.session["access_token"]), (await sign_in(backend, ALICE, PASSWORD)).json()

    async def elsewhere() -> None:
        away = await backend.client.post("/auth/v1/logout?scope=local", headers=bearer(other["access_token"]))
        assert away.status_code == 204
        named = await alice.client.put("/auth/v1/user", json={"data": {"display_name": "Al"}}, headers=own)
        assert named.status_code == 200, named.text

    made = await sent_late(backend, "POST", "/auth/v1/factors", {"factor_type": "totp"}, own, elsewhere)
    assert made.status_code == 200, made.text


async def test_a_session_that_ends_while_a_password_is_hashed_changes_none(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await backend.sign_up("alice")
    hashed = backend.app.server.auth.passwords.hash

    async def slow(*parts: Any) -> str:
        await alice.post("/auth/v1/logout")
        return await hashed(*parts)

    monkeypatch.setattr(backend.app.server.auth.passwords, "hash", slow)
    own = bearer(alice.session["access_token"])
    changed = {"password": "eves own battery", "current_password": PASSWORD}
    refused = await backend.client.put("/auth/v1/user", json=changed, headers=own)
    assert (refused.status_code, refused.json()["error_code"]) == (401, "session_not_found")
    assert (await sign_in(backend, ALICE, PASSWORD)).status_code == 200


async def test_a_session_by_two_that_ends_meanwhile_leaves_factor_and_recovery_codes_alone(backend: Backend) -> None:
    alice, app = await stepped_up(backend)
    assert (await alice.post("/auth/v1/factors/recovery-codes", {})).status_code == 200
    own, kept = bearer(alice.session["access_token"]), await backend.sql("SELECT digest FROM rowgate.recovery_codes")

    async def late(*parts: Any) -> None:
        await backend.sql("UPDATE rowgate.sessions SET revoked_at = now()")
        await hold_session(*parts)

    one = f"/auth/v1/factors/{app.factor['id']}"
    for method, path in (("POST", "/auth/v1/factors/recovery-codes"), ("DELETE", one)):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("app.auth.routes.factors.hold_session", late)
            refused = await backend.client.request(method, path, headers=own)
        assert (refused.status_code, refused.json()["error_code"]) == (401, "session_not_found"), path
        await backend.sql("UPDATE rowgate.sessions SET revoked_at = NULL WHERE aal = 'aal2'")
    assert await backend.sql("SELECT digest FROM rowgate.recovery_codes") == kept
    assert len(await backend.sql("SELECT FROM rowgate.factors")) == 1


async def test_an_admins_session_that_ends_while_the_password_is_checked_changes_nothing(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await (await some_admin(backend, await backend.admin(), "ada")).with_factor()
    passwords, present = backend.app.server.auth.passwords, {"current_password": ADMIN_PASSWORD}
    verify, tables = passwords.verify, ("admins", "admin_factors", "admin_recovery_codes")

    async def state() -> list[Any]:
        await backend.sql("UPDATE rowgate.admin_factors SET last_step = NULL, updated_at = created_at")
        return [await backend.sql(f"SELECT t::text FROM rowgate.{table} t ORDER BY 1") for table in tables]

    before = await state()

    async def slow(*parts: Any) -> Any:
        verified = await verify(*parts)
        assert (await ada.call("POST", "/sign-out")).status_code == 204
        return verified

    factor = f"/account/factors/{ada.factor['id']}"
    for method, path, body in (
        ("POST", "/account/factors", {"name": "eve's"}), ("POST", f"{factor}/remove", {}),
        ("POST", "/account/recovery-codes", {}), ("PUT", "/password", {"password": "eves own long battery"}),
    ):  # fmt: skip
        assert (await ada.sign_in(await ada.code(0))).status_code == 200
        with monkeypatch.context() as patched:
            patched.setattr(passwords, "verify", slow)
            refused = await ada.call(method, path, {**present, **body})
        assert (refused.status_code, refused.json()["code"]) == (401, "admin.sign_in_required"), path
        assert await state() == before, path


async def test_a_person_who_is_deleted_meanwhile_gets_no_factor(backend: Backend) -> None:
    alice, root = await backend.sign_up("alice"), await backend.admin()
    own, place = bearer(alice.session["access_token"]), f"/admin/v1/users/{alice.id}"

    async def late(*parts: Any) -> None:
        assert (await backend.client.delete(place, headers=root)).status_code == 204
        await hold_session(*parts)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("app.auth.routes.factors.hold_session", late)
        refused = await backend.client.post("/auth/v1/factors", json={"factor_type": "totp"}, headers=own)
    assert (refused.status_code, refused.json()["error_code"]) == (401, "session_not_found")


@pytest.mark.parametrize("is_out", [True, False])
async def test_so_it_is_on_a_socket(backend: Backend, is_out: bool) -> None:
    alice = await backend.sign_up("alice")
    body = json.dumps({"email": OTHER}).encode()
    head = (
        "PUT /auth/v1/user HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
        f"Authorization: Bearer {alice.session['access_token']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with listening_port(backend.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"  # who calls is known
        if is_out:
            await alice.post("/auth/v1/logout")
        writer.write(body)
        assert (await reader.readline()).split()[1] == (b"401" if is_out else b"200")
        writer.close()
