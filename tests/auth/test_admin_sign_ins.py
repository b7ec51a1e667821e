"""How admins signed in, and from where: each sees the own sign-ins and sessions, and owners see everybody's."""

from tests.auth.admins import SomeAdmin, some_admin
from tests.auth.conftest import told
from tests.backend import ADMIN_PASSWORD, Backend

NOBODY = "018f0000-0000-7000-8000-00000000000a"


async def test_an_admin_sees_the_own_sign_ins_with_the_refused_ones_and_nobody_elses(backend: Backend) -> None:
    owner = await backend.admin()
    ada, bea = await some_admin(backend, owner, "ada"), await some_admin(backend, owner, "bea")
    ada.password = "quite another password"
    assert (await ada.sign_in(**{"User-Agent": "guesser"})).status_code == 401
    ada.password = ADMIN_PASSWORD
    await (await ada.with_factor()).sign_in("000000")
    assert (await ada.sign_in(await ada.code(), **{"User-Agent": "n" * 500})).status_code == 200
    seen = (await ada.call("GET", "/account/sign-ins")).json()
    assert [(one["refused"], one["user_agent"][:7]) for one in seen] == [
        (None, "nnnnnnn"), ("code", "python-"), ("password", "guesser"), (None, "python-"),
    ]  # fmt: skip
    assert (len(seen[0]["user_agent"]), {one["ip"] for one in seen}) == (400, {"127.0.0.1"})
    sessions = (await ada.call("GET", "/account/sessions")).json()
    assert seen[0]["session_id"] in {one["id"] for one in sessions}
    assert [one["session_id"] for one in seen][1:3] == [None, None]
    page = (await ada.call("GET", f"/account/sign-ins?limit=1&before={seen[0]['id']}")).json()
    assert page == [seen[1]]
    assert len((await bea.call("GET", "/account/sign-ins")).json()) == 1


async def test_an_admin_lists_and_ends_the_own_sessions_and_no_others(backend: Backend) -> None:
    owner = await backend.admin()
    ada, bea = await some_admin(backend, owner, "ada"), await some_admin(backend, owner, "bea")
    first = SomeAdmin(backend, ada.id, ada.email, headers=dict(ada.headers))
    await ada.sign_in()
    listed = (await ada.call("GET", "/account/sessions")).json()
    assert [one["current"] for one in listed] == [True, False]
    (bea_s,) = (await bea.call("GET", "/account/sessions")).json()
    for other in (bea_s["id"], NOBODY, "x"):
        assert told(await ada.call("DELETE", f"/account/sessions/{other}")) == (404, "admin.not_found")
    assert (await ada.call("DELETE", f"/account/sessions/{listed[1]['id']}")).status_code == 204
    assert (await first.call("GET", "/account")).status_code == 401
    assert (await bea.call("GET", "/account")).status_code == 200
    assert (await ada.call("DELETE", f"/account/sessions/{listed[1]['id']}")).status_code == 404
    await backend.sql("UPDATE rowgate.admin_sessions SET refreshed_at = now() - interval '8 days' WHERE id <> $1",
                      listed[0]["id"])  # fmt: skip
    assert [one["id"] for one in (await ada.call("GET", "/account/sessions")).json()] == [listed[0]["id"]]


async def test_an_owner_sees_and_ends_everybodys(backend: Backend) -> None:
    owner = await backend.admin()
    ada = await some_admin(backend, owner, "ada")
    for path in ("sessions", "sign-ins"):
        found = await backend.client.get(f"/admin/v1/admins/{ada.id}/{path}", headers=owner)
        assert (found.status_code, len(found.json())) == (200, 1)
        missing = await backend.client.get(f"/admin/v1/admins/{NOBODY}/{path}", headers=owner)
        assert told(missing) == (404, "admin.not_found")
        assert told(await ada.call("GET", f"/admins/{ada.id}/{path}")) == (403, "admin.role_missing")
    ended = await backend.client.delete(f"/admin/v1/admins/{ada.id}/sessions", headers=owner)
    assert ended.status_code == 204
    assert (await ada.call("GET", "/account")).status_code == 401
    assert (await backend.client.get("/admin/v1/account", headers=owner)).status_code == 200
