"""What a document says under `auth`: refused, planned, kept, and in force at once on every instance."""

from typing import Any

import pytest
import pytest_asyncio

from app.changes.apply import Wider
from app.definitions.auth import AuthDef
from app.definitions.project import parse_project
from app.review.auth_effects import auth_effects
from app.review.doubts import doubts
from tests.auth.conftest import sign_in
from tests.backend import PASSWORD, Backend
from tests.turns import Turns

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "endpoints": [
        {
            "name": "join", "method": "POST", "path": "/join", "access": "public",
            "input": {"body": {"email": {"type": "text"}, "password": {"type": "text"}}},
            "steps": [{"do": "sign_up", "email": "input.email", "password": "input.password", "as": "made"}],
        }
    ],
}  # fmt: skip
NEW = "another horse battery"


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


def saying(**auth: Any) -> dict[str, Any]:
    return {**DOCUMENT, "auth": auth}


async def signed_up(backend: Backend, name: str, password: str = PASSWORD, path: str = "/auth/v1/signup") -> Any:
    return await backend.client.post(path, json={"email": f"{name}@example.com", "password": password})


@pytest.mark.parametrize(
    ("auth", "place", "told"),
    [
        ({"sign_up": "inviting"}, "auth.sign_up", "did you mean invited?"),
        ({"signup": "open"}, "auth.signup", "did you mean sign_up?"),
        ({"password": {"minlength": 9}}, "auth.password.minlength", "did you mean min_length?"),
        ({"password": {"min_length": 7}}, "auth.password.min_length", "greater than or equal to 8"),
        ({"site_url": "https://app.example.com/?a=b"}, "auth.site_url", "without *, query and fragment"),
        ({"confirm_email": "yes"}, "auth.confirm_email", "true or false"),
        ({"sessions": {"access_minutes": 61}}, "auth.sessions.access_minutes", "less than or equal to 60"),
        ([], "auth", "a mapping is wanted here"),
    ],
)
def test_what_is_written_wrong_is_a_finding_with_its_place(auth: Any, place: str, told: str) -> None:
    project, findings = parse_project({"rowgate": 1, "auth": auth})
    assert project is None
    assert [one.place for one in findings] == [place]
    assert told in str(findings[0])


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"sign_up": "closed"}, {"sign_up": "invited"}, ["sign_up gains True"]),
        ({}, {"sign_up": "invited"}, ["sign_up loses False"]),
        ({"confirm_email": True}, {}, ["confirm_email may_gain True"]),
        ({"confirm_email": False}, {"confirm_email": True}, ["confirm_email loses False"]),
        ({"redirect_urls": ["https://a.example/"]}, {"redirect_urls": ["https://b.example/"]},
         ["redirect_urls gains True", "redirect_urls loses False"]),
        ({"password": {"current": True}}, {}, ["password.current gains True"]),
        ({}, {"password": {"current": True, "min_length": 12}}, ["password.current loses False"]),
        ({}, {"site_url": "https://a.example"}, []),
        ({}, {"sessions": {"access_minutes": 5, "idle_days": 30, "single": True}},
         ["sessions.access_minutes loses False", "sessions.idle_days gains True", "sessions.single loses False"]),
        ({"sessions": {"single": True}}, {"sessions": {"absolute_days": 10}},
         ["sessions.absolute_days loses False", "sessions.single gains True"]),
    ],
)  # fmt: skip
def test_an_effect_says_who_gains_and_who_loses(before: Any, after: Any, told: list[str]) -> None:
    old, new = ({**said, "redirect_urls": tuple(said.get("redirect_urls", ()))} for said in (before, after))
    found = auth_effects(AuthDef.model_validate(old), AuthDef.model_validate(new))
    assert [f"{one.key} {one.effect} {one.wider}" for one in found] == told


JOINING = [{"name": "acme", "issuer": "https://id.example.com", "client_id": "rowgate", "trust_email": True}]


@pytest.mark.parametrize(
    ("auth", "codes"),
    [
        ({"redirect_urls": ["https://*.com/**"]}, ["access.wide_redirect"]),
        ({"redirect_urls": ["http://app.example.com/**"]}, ["access.plain_redirect"]),
        ({"redirect_urls": ["https://*.example.com/**", "http://localhost:5173/**", "app://back"]}, []),
        ({"confirm_email": False}, ["access.unconfirmed_email"]),
        ({"confirm_email": False, "sign_up": "closed"}, ["access.unconfirmed_email"]),
        ({"confirm_email": False, "providers": JOINING}, ["access.unconfirmed_email"] * 2),
        ({"confirm_email": True, "providers": JOINING}, []), ({"providers": JOINING}, []),
    ],
)  # fmt: skip
def test_what_is_seldom_meant_is_a_doubt(auth: Any, codes: list[str]) -> None:
    view = {"name": "people", "table": "users", "columns": ["id"], "filter": "auth.user.email == 'boss@example.com'"}
    project, findings = parse_project({"rowgate": 1, "views": [view], "auth": auth})
    assert project is not None, findings
    assert [one.code for one in doubts(project) if one.place.startswith("auth")] == codes


async def test_a_change_is_planned_kept_and_exported_and_holds_at_once_where_nobody_was_told(backend: Backend) -> None:
    admin = await backend.admin()
    plan = await backend.client.post("/admin/v1/config/plan", json=saying(sign_up="closed"), headers=admin)
    assert plan.json()["changes"] == ["change the auth"]
    assert [one["where"] for one in plan.json()["effects"]] == ["auth.sign_up"]
    # As another instance would, while nothing that this one hears of has arrived yet.
    await backend.apply(saying(sign_up="closed"))
    for path in ("/auth/v1/signup", "/api/join"):
        refused = await signed_up(backend, "alice", path=path)
        assert (refused.status_code, refused.json()["code"]) == (422, "auth.sign_up_closed")
    offered = (await backend.client.get("/auth/v1/settings")).json()
    assert offered["disable_signup"] is True
    exported = await backend.client.get("/admin/v1/config", headers=admin)
    assert exported.json()["auth"] == {"sign_up": "closed"}
    with pytest.raises(Wider):
        await backend.apply(saying(), allow_wider=False)
    assert (await backend.sql("SELECT count(*) FROM data.users"))[0][0] == 0


async def test_where_one_is_invited_a_chain_still_signs_up_and_nobody_else(backend: Backend) -> None:
    await backend.apply(saying(sign_up="invited"))
    refused = await signed_up(backend, "alice")
    assert (refused.json()["error_code"], refused.json()["msg"]) == (
        "signup_disabled", "Signups not allowed for this instance",
    )  # fmt: skip
    assert (await signed_up(backend, "alice", path="/api/join")).status_code == 204


async def test_a_document_goes_before_the_setting_that_addresses_are_confirmed(backend: Backend) -> None:
    await backend.apply(saying(confirm_email=True))
    made = (await signed_up(backend, "alice")).json()
    assert "access_token" not in made
    assert (await sign_in(backend, "alice@example.com", PASSWORD)).json()["error_code"] == "email_not_confirmed"
    assert (await backend.client.get("/auth/v1/settings")).json()["mailer_autoconfirm"] is False
    assert (await backend.client.get("/admin/v1/settings", headers=await backend.admin())).json()["confirm_email"]


async def test_a_longer_password_is_asked_for_by_whoever_sets_one(backend: Backend) -> None:
    alice, admin = await backend.sign_up("alice"), await backend.admin()
    await backend.apply(saying(password={"min_length": 12}))
    short = "kite in air"  # 11 characters
    refused = await signed_up(backend, "bob", short)
    assert (refused.json()["error_code"], refused.json()["msg"]) == (
        "weak_password", "Password should be at least 12 characters.",
    )  # fmt: skip
    made = {"email": "bob@example.com", "password": short}
    for answer in (
        await signed_up(backend, "bob", short, "/api/join"),
        await alice.call("PUT", "/auth/v1/user", json={"password": short}),
        await backend.client.post("/admin/v1/users", json=made, headers=admin),
        await backend.client.put(f"/admin/v1/users/{alice.id}/password", json={"password": short}, headers=admin),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "auth.password_refused")
    assert (await alice.call("PUT", "/auth/v1/user", json={"password": f"{short}!"})).status_code == 200


async def test_the_present_password_is_asked_for_where_the_document_says_so(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    wrong = await alice.call("PUT", "/auth/v1/user", json={"password": NEW, "current_password": "wrong"})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "auth.password_wrong")
    assert (await alice.call("PUT", "/auth/v1/user", json={"password": NEW})).status_code == 200
    await backend.apply(saying(password={"current": True}))
    refused = await alice.call("PUT", "/auth/v1/user", json={"password": PASSWORD})
    assert (refused.status_code, refused.json()["error_code"]) == (403, "current_password_required")
    body = {"password": PASSWORD, "current_password": NEW}
    assert (await alice.call("PUT", "/auth/v1/user", json=body)).status_code == 200
