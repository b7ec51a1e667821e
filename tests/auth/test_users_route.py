"""Users, as admins manage them: refusals first."""

from typing import Any

import pytest

from tests.auth.conftest import sign_in
from tests.backend import PASSWORD, Backend

NOBODY = "018f0000-0000-7000-8000-00000000000a"


async def call(
    backend: Backend, admin: dict[str, str], method: str, path: str, body: Any = None, **headers: str
) -> Any:
    return await backend.client.request(method, f"/admin/v1/users{path}", json=body, headers={**admin, **headers})


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("user", [NOBODY, "x", "1", "018f0000-0000-7000-8000-00000000000a'--"])
async def test_who_isnt_there_is_a_404(refusing: Backend, owner: dict[str, str], user: str) -> None:
    for method, path, body in (
        ("GET", "", None), ("PATCH", "", {}), ("DELETE", "", None), ("PUT", "/roles", {"roles": []}),
        ("POST", "/disable", None), ("POST", "/enable", None), ("POST", "/sign-out", None),
        ("GET", "/sessions", None), ("DELETE", f"/sessions/{NOBODY}", None),
    ):  # fmt: skip
        answer = await call(refusing, owner, method, f"/{user}{path}", body)
        assert (answer.status_code, answer.json()["code"]) == (404, "admin.not_found"), (method, path)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "body",
    [{}, {"email": 1}, {"email": "x"}, {"email": "a@example.com", "roles": ["nothing"]},
     {"email": "a@example.com", "columns": {"nothing": 1}}, {"email": "a@example.com", "columns": {"plan": "gold"}},
     {"email": "a@example.com", "columns": {"id": NOBODY}}, {"email": "a@example.com", "password": "short"}],
    ids=str,
)  # fmt: skip
async def test_a_person_that_makes_no_sense_is_not_made(refusing: Backend, owner: dict[str, str], body: Any) -> None:
    answer = await call(refusing, owner, "POST", "", body)
    assert answer.status_code == 422
    assert len(await refusing.sql("SELECT 1 FROM data.users")) == 2


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("body", "status"),
    [([], 422), ({"id": NOBODY}, 422), ({"created_at": None}, 422), ({"roles": ["support"]}, 422),
     ({"plan": "gold"}, 422), ({"email": "Bob@example.com"}, 422), ({"email": {}}, 422), ({"password": "x"}, 422)],
)  # fmt: skip
async def test_a_change_that_makes_no_sense_changes_nothing(
    refusing: Backend, owner: dict[str, str], body: Any, status: int
) -> None:
    alice = refusing.people["alice"]
    before = await refusing.sql("SELECT * FROM data.users")
    assert (await call(refusing, owner, "PATCH", f"/{alice.id}", body)).status_code == status
    assert await refusing.sql("SELECT * FROM data.users") == before


async def test_unknown_roles_are_refused_and_named(backend: Backend) -> None:
    admin, alice = await backend.admin(), await backend.sign_up("alice")
    answer = await call(backend, admin, "PUT", f"/{alice.id}/roles", {"roles": ["support", "suport"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "admin.roles_unknown")
    assert answer.json()["hint"] == "There are billing, support."
    assert await backend.sql("SELECT 1 FROM rowgate.user_roles") == []


async def test_a_change_for_an_older_version_is_refused(backend: Backend) -> None:
    admin, alice = await backend.admin(), await backend.sign_up("alice")
    seen = (await call(backend, admin, "GET", f"/{alice.id}")).headers["etag"]
    first = await call(backend, admin, "PATCH", f"/{alice.id}", {"plan": "pro"}, **{"If-Match": seen})
    assert (first.status_code, first.json()["plan"]) == (200, "pro")
    for method, path, body in (("PATCH", "", {"plan": "free"}), ("DELETE", "", None), ("PUT", "/roles", {"roles": []})):
        answer = await call(backend, admin, method, f"/{alice.id}{path}", body, **{"If-Match": seen})
        assert (answer.status_code, answer.json()["code"]) == (412, "admin.user_changed")
    now = first.headers["etag"]
    assert (await call(backend, admin, "DELETE", f"/{alice.id}", **{"If-Match": now})).status_code == 204


async def test_a_person_made_by_an_admin_signs_in(backend: Backend) -> None:
    admin = await backend.admin()
    body = {"email": "Carol@example.com", "password": PASSWORD, "roles": ["support"], "columns": {"plan": "pro"}}
    made = await call(backend, admin, "POST", "", body)
    assert made.status_code == 201
    person = made.json()
    assert (person["email"], person["plan"], person["roles"], person["disabled"]) == (
        "carol@example.com", "pro", ["support"], False,
    )  # fmt: skip
    assert (await call(backend, admin, "POST", "", body)).json()["code"] == "auth.email_taken"
    session = (await sign_in(backend, "carol@example.com", PASSWORD)).json()
    assert session["user"]["app_metadata"]["roles"] == ["support"]
    found = (await call(backend, admin, "GET", "?email=CAROL@example.com")).json()
    assert [one["id"] for one in found] == [person["id"]]
    assert (await call(backend, admin, "GET", "?email=nobody@example.com")).json() == []


async def test_a_person_without_a_password_cant_sign_in(backend: Backend) -> None:
    assert (await call(backend, await backend.admin(), "POST", "", {"email": "carol@example.com"})).status_code == 201
    for password in ("", "None", PASSWORD):
        assert (await sign_in(backend, "carol@example.com", password)).status_code == 401


async def test_signing_somebody_out_ends_every_session(backend: Backend) -> None:
    admin, alice = await backend.admin(), await backend.sign_up("alice")
    assert (await alice.get("/api/me")).status_code == 200
    assert (await call(backend, admin, "POST", f"/{alice.id}/sign-out")).status_code == 204
    assert (await alice.get("/api/me")).status_code == 401
    assert (await sign_in(backend, "alice@example.com", PASSWORD)).status_code == 200


async def test_one_session_of_somebody_is_found_and_ended_and_the_others_go_on(backend: Backend) -> None:
    admin, alice, bob = await backend.admin(), await backend.sign_up("alice"), await backend.sign_up("bob")
    headers = {"User-Agent": "a lost phone"}
    body = {"email": "alice@example.com", "password": PASSWORD}
    phone = (await backend.client.post("/auth/v1/token?grant_type=password", json=body, headers=headers)).json()
    listed = (await call(backend, admin, "GET", f"/{alice.id}/sessions")).json()
    assert len(listed) == 2
    lost = listed[0]
    assert (lost["user_agent"], set(lost)) == (
        "a lost phone", {"id", "created_at", "refreshed_at", "expires_at", "ip", "user_agent"},
    )  # fmt: skip
    for user, session in ((bob.id, lost["id"]), (alice.id, "x"), (alice.id, NOBODY)):
        refused = await call(backend, admin, "DELETE", f"/{user}/sessions/{session}")
        assert (refused.status_code, refused.json()["code"]) == (404, "admin.not_found")
    assert (await call(backend, admin, "DELETE", f"/{alice.id}/sessions/{lost['id']}")).status_code == 204
    assert (await call(backend, admin, "DELETE", f"/{alice.id}/sessions/{lost['id']}")).status_code == 404
    assert [one["id"] for one in (await call(backend, admin, "GET", f"/{alice.id}/sessions")).json()] == [
        listed[1]["id"]
    ]
    gone = await backend.client.get("/api/me", headers={"Authorization": f"Bearer {phone['access_token']}"})
    assert gone.status_code == 401
    assert (await alice.get("/api/me")).status_code == 200
    (row,) = await backend.sql("SELECT actor, target, detail FROM rowgate.audit WHERE action = 'user.session_end'")
    assert (row["target"], row["detail"]) == (alice.id, {"session": lost["id"]})


async def test_users_are_listed_the_newest_first_in_pages(backend: Backend) -> None:
    admin = await backend.admin()
    for name in ("a", "b", "c"):
        await call(backend, admin, "POST", "", {"email": f"{name}@example.com"})
    pages = [(await call(backend, admin, "GET", f"?limit=2&offset={at}")).json() for at in (0, 2)]
    assert [[one["email"][0] for one in page] for page in pages] == [["c", "b"], ["a"]]
    for query in ("limit=0", "limit=1001", "offset=-1", "limit=x"):
        assert (await call(backend, admin, "GET", f"?{query}")).status_code == 422
