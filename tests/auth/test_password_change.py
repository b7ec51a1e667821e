"""Another password, for people and for admins: refusals first."""

from typing import Any

import pytest
import pytest_asyncio

from app.cli.reset_password import NobodyThere, reset
from tests.auth.conftest import DOCUMENT, admin_sign_in, bearer, refresh, sign_in
from tests.backend import ADMIN_PASSWORD, PASSWORD, Backend, Person
from tests.turns import Turns

__all__ = ["DOCUMENT"]

NEW = "another horse battery"
NEW_ADMIN = "another much longer battery"
ROOT = "root@example.com"
NOBODY = "018f0000-0000-7000-8000-00000000000a"


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


async def made_admin(backend: Backend, root: dict[str, str], role: str) -> tuple[str, dict[str, str]]:
    """Make an admin; gives the id and the header of a session."""
    body = {"email": f"{role}@example.com", "password": ADMIN_PASSWORD, "role": role}
    made = await backend.client.post("/admin/v1/admins", json=body, headers=root)
    session = (await admin_sign_in(backend, body["email"], ADMIN_PASSWORD)).json()
    return made.json()["id"], bearer(session["access_token"])


async def change(backend: Backend, admin: dict[str, str], **body: Any) -> Any:
    return await backend.client.put("/admin/v1/password", json=body, headers=admin)


async def audited(backend: Backend, action: str) -> list[tuple[str, str]]:
    """Give what was done to admins, and to people of this test: the log keeps what was done to others before."""
    here = "(target LIKE '%@%' OR target IN (SELECT id::text FROM data.users))"
    sql = f"SELECT actor, target FROM rowgate.audit WHERE action = $1 AND {here} ORDER BY id"
    rows = await backend.sql(sql, action)
    return [(row["actor"], row["target"]) for row in rows]


async def changed_by(alice: Person, current: str) -> Any:
    return await alice.call("PUT", "/auth/v1/user", json={"password": NEW, "current_password": current})


async def test_guesses_at_the_present_password_are_counted_as_in_a_sign_in(backend: Backend) -> None:
    alice, admin = await backend.sign_up("alice"), await backend.admin()
    for _ in range(5):
        assert (await changed_by(alice, "wrong")).json()["code"] == "auth.password_wrong"
        refused = await change(backend, admin, current_password="wrong", password=NEW_ADMIN)
        assert (refused.status_code, refused.json()["code"]) == (403, "auth.password_wrong")
    # From here on the right one is refused, too, and so is signing in from here.
    for answer in (
        await changed_by(alice, PASSWORD), await sign_in(backend, "alice@example.com", PASSWORD),
        await change(backend, admin, current_password=ADMIN_PASSWORD, password=NEW_ADMIN),
        await admin_sign_in(backend, ROOT, ADMIN_PASSWORD),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (429, "auth.too_many_failures")


async def test_an_admin_changes_the_own_password_with_the_present_one_and_the_other_sessions_end(
    backend: Backend,
) -> None:
    here = await backend.admin()
    there = (await admin_sign_in(backend, ROOT, ADMIN_PASSWORD)).json()
    for body in ({}, {"password": NEW_ADMIN}, {"current_password": ADMIN_PASSWORD, "password": "too short"}):
        assert (await change(backend, here, **body)).status_code == 422
    assert (await change(backend, here, current_password=ADMIN_PASSWORD, password=NEW_ADMIN)).status_code == 204
    assert (await backend.client.get("/admin/v1/users", headers=here)).status_code == 200
    assert (await backend.client.get("/admin/v1/users", headers=bearer(there["access_token"]))).status_code == 401
    again = await backend.client.post("/admin/v1/refresh", json={"refresh_token": there["refresh_token"]})
    assert again.status_code == 401
    assert (await admin_sign_in(backend, ROOT, ADMIN_PASSWORD)).status_code == 401
    assert (await admin_sign_in(backend, ROOT, NEW_ADMIN)).status_code == 200
    assert await audited(backend, "admin.password") == [(f"admin:{ROOT}", ROOT)]


async def test_a_key_has_no_password(backend: Backend) -> None:
    root = await backend.admin()
    made = await backend.client.post("/admin/v1/api-keys", json={"name": "up", "admin_role": "owner"}, headers=root)
    refused = await change(backend, bearer(made.json()["key"]), current_password=ADMIN_PASSWORD, password=NEW_ADMIN)
    assert (refused.status_code, refused.json()["code"]) == (403, "admin.no_password")


async def test_an_owner_sets_another_admins_password_and_not_the_own(backend: Backend) -> None:
    root = await backend.admin()
    own = (await backend.client.get("/admin/v1/admins", headers=root)).json()[0]["id"]
    viewer, session = await made_admin(backend, root, "viewer")
    path = "/admin/v1/admins/{}/password"
    for who, body, status, code in (
        (own, {"password": NEW_ADMIN}, 409, "admin.own_password"), (NOBODY, {"password": NEW_ADMIN}, 404, None),
        (viewer, {"password": "too short"}, 422, "auth.password_refused"),
    ):  # fmt: skip
        refused = await backend.client.put(path.format(who), json=body, headers=root)
        assert (refused.status_code, refused.json()["code"]) == (status, code or "admin.not_found")
    assert (await backend.client.get("/admin/v1/users", headers=session)).status_code == 200
    done = await backend.client.put(path.format(viewer), json={"password": NEW_ADMIN}, headers=root)
    assert done.status_code == 204
    assert (await backend.client.get("/admin/v1/users", headers=session)).status_code == 401
    assert (await admin_sign_in(backend, "viewer@example.com", NEW_ADMIN)).status_code == 200
    assert await audited(backend, "admin.password") == [(f"admin:{ROOT}", "viewer@example.com")]


async def test_an_editor_sets_a_users_password_and_every_session_ends(backend: Backend) -> None:
    root, alice = await backend.admin(), await backend.sign_up("alice")
    _, editor = await made_admin(backend, root, "editor")
    path = f"/admin/v1/users/{alice.id}/password"
    for _ in range(5):
        await sign_in(backend, "alice@example.com", "forgotten")
    stale = await backend.client.put(path, json={"password": NEW}, headers={**editor, "If-Match": '"0"'})
    weak = await backend.client.put(path, json={"password": "password"}, headers=editor)
    assert [stale.status_code, weak.status_code] == [412, 422]
    assert (await alice.get("/api/me")).status_code == 200
    assert (await backend.client.put(path, json={"password": NEW}, headers=editor)).status_code == 204
    assert (await alice.get("/api/me")).status_code == 401
    assert (await refresh(backend, alice.session["refresh_token"])).status_code == 401
    # Who had forgotten it doesn't wait for the wrong ones.
    assert (await sign_in(backend, "alice@example.com", NEW)).status_code == 200
    assert (await sign_in(backend, "alice@example.com", PASSWORD)).status_code == 401
    assert await audited(backend, "user.password") == [("admin:editor@example.com", alice.id)]


async def test_who_has_no_password_yet_can_be_given_one(backend: Backend) -> None:
    root = await backend.admin()
    (row,) = await backend.sql("INSERT INTO data.users (email) VALUES ('bare@example.com') RETURNING id::text")
    path = f"/admin/v1/users/{row['id']}"
    assert (await backend.client.put(f"{path}/password", json={"password": NEW}, headers=root)).status_code == 204
    assert (await backend.client.post(f"{path}/confirm", headers=root)).status_code == 204
    assert (await sign_in(backend, "bare@example.com", NEW)).status_code == 200


async def test_the_command_line_gives_another_password_to_whom_it_is_told(backend: Backend) -> None:
    root, alice = await backend.admin(), await backend.sign_up("alice")
    with pytest.raises(NobodyThere, match="no admin with the address"):
        await reset(backend.url, "admin", "alice@example.com", NEW_ADMIN)
    with pytest.raises(NobodyThere, match="no user with the address"):
        await reset(backend.url, "user", ROOT, NEW)
    await reset(backend.url, "user", "Alice@Example.com", NEW)
    await reset(backend.url, "admin", ROOT, NEW_ADMIN)
    assert (await alice.get("/api/me")).status_code == 401
    assert (await backend.client.get("/admin/v1/users", headers=root)).status_code == 401
    assert (await sign_in(backend, "alice@example.com", NEW)).status_code == 200
    assert (await admin_sign_in(backend, ROOT, NEW_ADMIN)).status_code == 200
    assert await audited(backend, "user.password") == [("command", alice.id)]
    assert await audited(backend, "admin.password") == [("command", ROOT)]
