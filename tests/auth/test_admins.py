"""Admins: the first of them, their sessions, and what each role reaches. Refusals first."""

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr

from app.auth.start import open_auth
from app.database.pool import Pool
from app.settings import SettingsInvalid, load_settings
from tests.auth.conftest import DOCUMENT, admin_sign_in, bearer
from tests.backend import ADMIN_PASSWORD, SECRET_KEY, Backend, serving

ROOT = "root@example.com"


async def setup(backend: Backend, **more: Any) -> Any:
    token = backend.app.server.auth.setup_token
    body = {"token": token, "email": ROOT, "password": ADMIN_PASSWORD, **more}
    return await backend.client.post("/admin/v1/setup", json=body)


async def admin_of(backend: Backend, owner: dict[str, str], role: str) -> dict[str, str]:
    body = {"email": f"{role}@example.com", "password": ADMIN_PASSWORD, "role": role}
    assert (await backend.client.post("/admin/v1/admins", json=body, headers=owner)).status_code == 201
    answer = await admin_sign_in(backend, body["email"], ADMIN_PASSWORD)
    return bearer(answer.json()["access_token"])


async def test_an_empty_server_has_no_default_admin(backend: Backend) -> None:
    for email, password in (("admin", "admin"), ("", ""), ("admin@example.com", "admin"), (ROOT, ADMIN_PASSWORD)):
        assert (await admin_sign_in(backend, email, password)).status_code == 401
    for token in ("", "x", "é", backend.app.server.auth.setup_token[:-1]):
        refused = await setup(backend, token=token)
        assert (refused.status_code, refused.json()["code"]) == (401, "admin.setup_token_invalid")
    assert await backend.sql("SELECT 1 FROM rowgate.admins") == []


async def test_the_first_admin_is_made_once(backend: Backend) -> None:
    assert (await setup(backend, password="too short")).status_code == 422
    assert (await setup(backend, email="no address")).status_code == 422
    answers = await asyncio.gather(*(setup(backend, email=f"root{n}@example.com") for n in range(4)))
    assert sorted(one.status_code for one in answers) == [201, 409, 409, 409]
    again = await setup(backend, token="wrong")
    assert (again.status_code, again.json()["code"]) == (409, "admin.exists")
    rows = await backend.sql("SELECT role FROM rowgate.admins")
    assert [row["role"] for row in rows] == ["owner"]


async def test_an_instance_that_starts_later_still_knows_that_setup_is_over(backend: Backend) -> None:
    async with serving(backend.url, DOCUMENT) as other:
        assert other.app.server.auth.no_admin
        assert other.app.server.auth.setup_token == backend.app.server.auth.setup_token
        assert (await setup(backend)).status_code == 201
        assert (await setup(other)).status_code == 409
    async with serving(backend.url, DOCUMENT) as third:
        assert not third.app.server.auth.no_admin


async def test_the_settings_make_the_first_admin_and_no_other(migrated_url: str) -> None:
    given: dict[str, Any] = {"admin_email": "Chief@example.com", "admin_password": SecretStr(ADMIN_PASSWORD)}
    async with serving(migrated_url, DOCUMENT, **given) as backend:
        assert (await admin_sign_in(backend, "chief@example.com", ADMIN_PASSWORD)).status_code == 200
        assert (await setup(backend)).status_code == 409
    async with serving(
        migrated_url, DOCUMENT, **{**given, "admin_password": SecretStr("quite another one")}
    ) as backend:
        assert (await admin_sign_in(backend, "chief@example.com", ADMIN_PASSWORD)).status_code == 200
        assert (await admin_sign_in(backend, "chief@example.com", "quite another one")).status_code == 401


async def test_a_weak_password_in_the_settings_stops_the_start(migrated_url: str) -> None:
    settings = load_settings(
        database_url=migrated_url, secret_key=SECRET_KEY, admin_email=ROOT, admin_password=SecretStr("admin")
    )
    pool = Pool(migrated_url, 1)
    with pytest.raises(SettingsInvalid, match="ROWGATE_ADMIN_PASSWORD"):
        await open_auth(settings, pool)
    await pool.close()


async def test_a_wrong_password_and_an_unknown_admin_look_the_same(backend: Backend) -> None:
    await backend.admin()
    wrong = await admin_sign_in(backend, ROOT, "not the password")
    unknown = await admin_sign_in(backend, "nobody@example.com", "not the password")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "auth.credentials_invalid")
    assert {**wrong.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}


async def test_after_five_wrong_passwords_an_admin_waits(backend: Backend) -> None:
    await backend.admin()
    for _ in range(5):
        await admin_sign_in(backend, ROOT, "wrong")
    assert (await admin_sign_in(backend, " Root@Example.com", ADMIN_PASSWORD)).status_code == 429


async def test_an_admin_disabled_while_signing_in_is_not_let_in(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backend.admin()
    passwords = backend.app.server.auth.passwords
    verify = passwords.verify

    async def slow(*parts: Any) -> Any:
        checked = await verify(*parts)
        await backend.sql("UPDATE rowgate.admins SET disabled_at = now()")
        return checked

    monkeypatch.setattr(passwords, "verify", slow)
    assert (await admin_sign_in(backend, ROOT, ADMIN_PASSWORD)).status_code == 401


async def test_an_admin_or_a_key_that_isnt_there_is_a_404(backend: Backend) -> None:
    owner = await backend.admin()
    nobody = "/admin/v1/admins/018f0000-0000-7000-8000-00000000000a"
    for method, path, body in (
        ("PATCH", nobody, {"role": "viewer"}), ("DELETE", nobody, None), ("DELETE", "/admin/v1/admins/x", None),
        ("GET", "/admin/v1/api-keys/x", None), ("DELETE", "/admin/v1/api-keys/x", None),
    ):  # fmt: skip
        answer = await backend.client.request(method, path, json=body, headers=owner)
        assert (answer.status_code, answer.json()["code"]) == (404, "admin.not_found"), (method, path)


async def test_an_admin_is_nobody_in_the_backend(backend: Backend) -> None:
    admin = await backend.admin()
    assert (await backend.client.get("/api/me", headers=admin)).status_code == 401
    assert (await backend.client.get("/api/open", headers=admin)).status_code == 401


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer é"])
async def test_what_is_no_admins_credential_is_refused(refusing: Backend, header: str) -> None:
    answer = await refusing.client.get("/admin/v1/users", headers=[(b"authorization", header.encode("latin-1"))])
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer realm=")


async def test_two_credentials_of_an_admin_are_refused(backend: Backend) -> None:
    admin = (await backend.admin())["Authorization"]
    answer = await backend.client.get("/admin/v1/users", headers=[("Authorization", admin), ("Authorization", admin)])
    assert answer.status_code == 401


async def test_a_viewer_reads_and_changes_nothing(backend: Backend) -> None:
    owner, alice = await backend.admin(), await backend.sign_up("alice")
    viewer = await admin_of(backend, owner, "viewer")
    for path in ("users", f"users/{alice.id}", "api-keys", "admins", "config", "audit"):
        assert (await backend.client.get(f"/admin/v1/{path}", headers=viewer)).status_code == 200, path
    for method, path in (
        ("POST", "users"), ("PATCH", f"users/{alice.id}"), ("DELETE", f"users/{alice.id}"),
        ("PUT", f"users/{alice.id}/roles"), ("POST", f"users/{alice.id}/disable"), ("POST", "api-keys"),
        ("DELETE", "api-keys/x"), ("POST", "admins"), ("PUT", "config"),
    ):  # fmt: skip
        answer = await backend.client.request(method, f"/admin/v1/{path}", json={}, headers=viewer)
        assert (answer.status_code, answer.json()["code"]) == (403, "admin.role_missing"), (method, path)


async def test_an_editor_makes_no_admins_and_no_key_above_the_own_role(backend: Backend) -> None:
    owner = await backend.admin()
    editor = await admin_of(backend, owner, "editor")
    body = {"email": "eve@example.com", "password": ADMIN_PASSWORD, "role": "owner"}
    assert (await backend.client.post("/admin/v1/admins", json=body, headers=editor)).status_code == 403
    me = [
        one for one in (await backend.client.get("/admin/v1/admins", headers=editor)).json() if one["role"] == "editor"
    ]
    path = f"/admin/v1/admins/{me[0]['id']}"
    assert (await backend.client.patch(path, json={"role": "owner"}, headers=editor)).status_code == 403
    key = {"name": "up", "admin_role": "owner"}
    assert (await backend.client.post("/admin/v1/api-keys", json=key, headers=editor)).status_code == 403
    assert await backend.sql("SELECT 1 FROM rowgate.api_keys") == []


async def test_the_last_owner_stays(backend: Backend) -> None:
    owner = await backend.admin()
    own = (await backend.client.get("/admin/v1/admins", headers=owner)).json()[0]["id"]
    for method, body in (("PATCH", {"role": "viewer"}), ("PATCH", {"disabled": True}), ("DELETE", None)):
        answer = await backend.client.request(method, f"/admin/v1/admins/{own}", json=body, headers=owner)
        assert (answer.status_code, answer.json()["code"]) == (409, "admin.last_owner")
    assert (await backend.client.get("/admin/v1/admins", headers=owner)).status_code == 200


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": "viewer"}, None], ids=str)
async def test_what_is_taken_from_an_admin_holds_at_once(backend: Backend, change: Any) -> None:
    owner = await backend.admin()
    other = await admin_of(backend, owner, "editor")
    found = (await backend.client.get("/admin/v1/admins", headers=owner)).json()
    path = f"/admin/v1/admins/{next(one['id'] for one in found if one['role'] == 'editor')}"
    method = "DELETE" if change is None else "PATCH"
    assert (await backend.client.request(method, path, json=change, headers=owner)).status_code in {200, 204}
    answer = await backend.client.post("/admin/v1/users", json={"email": "a@example.com"}, headers=other)
    assert answer.status_code == (403 if change == {"role": "viewer"} else 401)


async def test_a_signed_out_admin_is_out_at_once(backend: Backend) -> None:
    await setup(backend)
    session = (await admin_sign_in(backend, ROOT, ADMIN_PASSWORD)).json()
    other = (await admin_sign_in(backend, ROOT, ADMIN_PASSWORD)).json()
    assert set(session) == {"access_token", "token_type", "expires_in", "expires_at", "refresh_token"}
    headers = bearer(session["access_token"])
    assert (await backend.client.post("/admin/v1/sign-out", headers=headers)).status_code == 204
    assert (await backend.client.get("/admin/v1/users", headers=headers)).status_code == 401
    body = {"refresh_token": session["refresh_token"]}
    assert (await backend.client.post("/admin/v1/refresh", json=body)).status_code == 401
    assert (await backend.client.get("/admin/v1/users", headers=bearer(other["access_token"]))).status_code == 200


async def test_what_admins_do_is_in_the_audit_log(backend: Backend) -> None:
    owner = await backend.admin()
    await admin_sign_in(backend, ROOT, "wrong")
    await backend.client.post("/admin/v1/users", json={"email": "a@example.com"}, headers=owner)
    rows = await backend.sql("SELECT actor, action FROM rowgate.audit WHERE action <> 'definitions.change' ORDER BY id")
    assert [(row["actor"], row["action"]) for row in rows] == [
        ("setup", "admin.create"),
        (f"admin:{ROOT}", "admin.sign_in"),
        ("anonymous", "admin.sign_in_refused"),
        (f"admin:{ROOT}", "user.create"),
    ]


async def test_a_change_that_cant_be_written_down_is_not_made(backend: Backend) -> None:
    owner, alice = await backend.admin(), await backend.sign_up("alice")
    await backend.sql("ALTER TABLE rowgate.audit ADD CONSTRAINT refused CHECK (false) NOT VALID")
    path = f"/admin/v1/users/{alice.id}"
    answer = await backend.client.put(f"{path}/roles", json={"roles": ["support"]}, headers=owner)
    assert answer.status_code >= 400
    assert (await backend.client.delete(path, headers=owner)).status_code >= 400
    assert await backend.sql("SELECT 1 FROM rowgate.user_roles") == []
    assert len(await backend.sql("SELECT 1 FROM data.users")) == 1
