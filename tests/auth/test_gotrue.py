"""What GoTrue's clients read: the claims of access tokens, the shapes of users, and errors in its words."""

import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest
import pytest_asyncio

from app.auth.passwords import PasswordRefused, check_new_password
from app.auth.routes.gotrue_errors import error_members
from tests.auth.conftest import DOCUMENT as AUTH
from tests.auth.conftest import bearer, refresh, sign_in
from tests.backend import PASSWORD, Backend
from tests.turns import Turns

COLUMNS = [
    *AUTH["users"]["columns"],
    {"name": "bio", "type": "text", "self_editable": True},
    {"name": "credit", "type": "decimal", "self_editable": True},
    {"name": "born", "type": "date", "self_editable": True},
    {"name": "settings", "type": "json", "self_editable": True},
]
ISSUE = {
    "name": "enter", "method": "POST", "path": "/enter", "access": "public",
    "input": {"body": {"email": {"type": "text"}, "password": {"type": "text"}}},
    "steps": [{"do": "sign_in", "email": "=input.email", "password": "=input.password", "as": "entered"},
              {"do": "respond", "body": "=entered.session"}],
}  # fmt: skip
DOCUMENT: dict[str, Any] = {**AUTH, "users": {"columns": COLUMNS}, "endpoints": [*AUTH["endpoints"], ISSUE]}
ALICE = "alice@example.com"


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


async def test_an_access_token_tells_what_auth_js_reads(backend: Backend) -> None:
    own = {"display_name": "Al", "credit": "12.50", "born": "2001-02-03", "settings": {"dark": True}}
    alice = await backend.sign_up("alice", **own)
    await backend.sql("INSERT INTO rowgate.user_roles VALUES ($1, 'support')", alice.id)
    (began,) = await backend.sql(
        "UPDATE rowgate.sessions SET created_at = now() - interval '1 hour', amr = jsonb_set(amr, '{0,timestamp}',"
        " to_jsonb(floor(extract(epoch FROM now() - interval '1 hour'))::bigint)) RETURNING *"
    )
    session = (await refresh(backend, alice.session["refresh_token"])).json()
    told = claims(session["access_token"])
    assert {name: told[name] for name in ("sub", "session_id", "role", "aud")} == {
        "sub": alice.id, "session_id": str(began["id"]), "role": "authenticated", "aud": "authenticated",
    }  # fmt: skip
    assert {name: told[name] for name in ("email", "phone", "is_anonymous", "aal")} == {
        "email": ALICE, "phone": "", "is_anonymous": False, "aal": "aal1",
    }  # fmt: skip
    # The way in is the one of the session, however often it was refreshed.
    assert told["amr"] == [{"method": "password", "timestamp": int(began["created_at"].timestamp())}]
    for name in ("app_metadata", "user_metadata"):
        assert told[name] == session["user"][name]
    assert told["app_metadata"] == {"provider": "email", "providers": ["email"], "roles": ["support"]}
    assert {name: told["user_metadata"][name] for name in own} == {**own, "credit": 12.5}


async def test_a_session_of_a_chain_has_the_same_claims(backend: Backend) -> None:
    alice = await backend.sign_up("alice", display_name="Al")
    entered = await backend.client.post("/api/enter", json={"email": ALICE, "password": PASSWORD})
    assert entered.status_code == 200, entered.text
    mine, theirs = claims(entered.json()["access_token"]), claims(alice.session["access_token"])
    for name in ("email", "app_metadata", "user_metadata", "aal"):
        assert mine[name] == theirs[name]
    assert mine["amr"][0]["method"] == "password"
    assert mine["session_id"] != theirs["session_id"]


async def test_a_token_leaves_out_what_it_has_no_room_for_and_goes_on_working(backend: Backend) -> None:
    alice = await backend.sign_up("alice", bio="x" * 5000)
    told = claims(alice.session["access_token"])
    assert (told["user_metadata"], told["app_metadata"]["roles"]) == ({}, [])
    assert alice.session["user"]["user_metadata"]["bio"] == "x" * 5000
    assert (await alice.get("/api/me")).status_code == 200
    names = [f"role_{n:03}_" + "x" * 50 for n in range(80)]
    await backend.sql("INSERT INTO rowgate.user_roles SELECT $1, unnest($2::text[])", alice.id, names)
    session = (await sign_in(backend, ALICE, PASSWORD)).json()
    assert session["user"]["app_metadata"]["roles"] == names
    assert claims(session["access_token"])["app_metadata"] == {"provider": "email", "providers": ["email"], "roles": []}
    assert (await backend.client.get("/api/me", headers=bearer(session["access_token"]))).status_code == 200


async def test_a_user_has_the_identity_by_which_clients_tell_a_new_one(backend: Backend) -> None:
    user = (await backend.sign_up("alice")).session["user"]
    (identity,) = user["identities"]
    assert identity["identity_data"] == {
        "sub": user["id"], "email": ALICE, "email_verified": True, "phone_verified": False,
    }  # fmt: skip
    assert (identity["provider"], identity["user_id"], identity["email"]) == ("email", user["id"], ALICE)
    assert set((await backend.client.get("/auth/v1/health")).json()) == {"version", "name", "description"}


async def told(backend: Backend, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
    headers = {} if token is None else bearer(token)
    answer = await backend.client.request(method, f"/auth/v1{path}", json=body, headers=headers)
    assert answer.status_code >= 400
    problem = answer.json()
    if path.startswith("/token"):
        assert problem["error_description"] == problem["msg"]
    return problem["error_code"], problem["msg"], problem


async def test_refusals_have_gotrues_codes_and_sentences(backend: Backend) -> None:
    alice, token = await backend.sign_up("alice"), "/token?grant_type=password"
    await backend.sign_up("bob")
    mine, used = alice.session["access_token"], alice.session["refresh_token"]
    current = "Current password required when setting new password."
    jwt = "invalid JWT: unable to parse or verify signature"
    for asked, code, text in (
        (("POST", token, {"email": ALICE, "password": "wrong"}), "invalid_credentials", "Invalid login credentials"),
        (("POST", "/token?grant_type=x", {}), "invalid_credentials", "unsupported_grant_type"),
        (("POST", "/token?grant_type=refresh_token", {"refresh_token": "x" * 43}), "refresh_token_not_found",
         "Invalid Refresh Token: Refresh Token Not Found"),
        (("POST", "/signup", {"email": ALICE, "password": PASSWORD}), "user_already_exists", "User already registered"),
        (("POST", "/signup", {"email": "x", "password": PASSWORD}), "validation_failed",
         "Unable to validate email address: invalid format"),
        (("POST", "/signup", {"email": "c@example.com", "password": "short"}), "weak_password",
         "Password should be at least 8 characters."),
        (("POST", "/signup", {"email": "c@example.com", "password": "password123"}), "weak_password",
         "Password is known to be weak and easy to guess, please choose a different one."),
        (("GET", "/user"), "no_authorization", "This endpoint requires a valid Bearer token"),
        (("GET", "/user", None, "x.y.z"), "bad_jwt", jwt),
        (("PUT", "/user", {"email": "bob@example.com"}, mine), "email_exists",
         "A user with this email address has already been registered"),
        (("PUT", "/user", {"password": PASSWORD}, mine), "current_password_required", current),
        (("PUT", "/user", {"password": PASSWORD, "current_password": "wrong"}, mine), "current_password_invalid",
         current),
    ):  # fmt: skip
        found = await told(backend, *asked)
        assert found[:2] == (code, text), asked
        # Whoever reads RFC 9457 finds our own words.
        assert found[2]["detail"] not in {"", text}
        assert found[2]["code"].count(".") == 1
    successor = (await refresh(backend, used)).json()["refresh_token"]
    await refresh(backend, successor)
    again = await told(backend, "POST", "/token?grant_type=refresh_token", {"refresh_token": used})
    assert again[:2] == ("refresh_token_already_used", "Invalid Refresh Token: Already Used")
    # That ended the session, which auth-js forgets at this code.
    ended = await told(backend, "GET", "/user", None, mine)
    assert ended[:2] == ("session_not_found", "Session from session_id claim in JWT does not exist")
    assert ended[2]["code"] == "auth.token_invalid"
    for _ in range(4):
        await sign_in(backend, ALICE, "wrong")
    limited = await told(backend, "POST", token, {"email": ALICE, "password": PASSWORD})
    assert limited[:2] == ("over_request_rate_limit", "Request rate limit reached")
    await backend.sql("UPDATE rowgate.accounts SET disabled_at = now()")
    banned = await told(backend, "POST", token, {"email": "bob@example.com", "password": PASSWORD})
    assert banned[:2] == ("user_banned", "User is banned")


@pytest.mark.parametrize("password", ["short", "x" * 1025, "\ud800 and more", "password123", "carolcarol"])
def test_every_reason_against_a_password_has_gotrues_word(password: str) -> None:
    with pytest.raises(PasswordRefused) as refused:
        check_new_password(password, about=["carolcarol@example.com"])
    members = error_members(refused.value, "/auth/v1/signup", "ours")
    assert members["error_code"] == "weak_password"
    assert set(members["weak_password"]["reasons"]) <= {"length", "characters", "pwned"}
