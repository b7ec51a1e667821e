"""Sign-up and sign-in in shapes of their own: the same accounts, limits and tokens as /auth/v1."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from app.compiler.check import check_project
from app.definitions.project import parse_project
from tests.backend import PASSWORD, Backend, serving
from tests.turns import Turns

CREDENTIALS = {"email": "=input.email", "password": "=input.password"}
FIELDS: dict[str, Any] = {"email": {"type": "text", "required": True}, "password": {"type": "text", "required": True}}
SHAPE = {"user": {"email": "=in.user.email", "bio": "=in.user.bio", "token": "=in.session.access_token"}}


def shape(name: str) -> dict[str, Any]:
    return {"user": {key: text.replace("in.", f"{name}.") for key, text in SHAPE["user"].items()}}


def endpoint(name: str, steps: list[Any], access: str = "public", **body: Any) -> dict[str, Any]:
    return {
        "name": name, "method": "POST", "path": f"/{name}", "access": access, "input": {"body": body}, "steps": steps,
    }  # fmt: skip


DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "project": {"auth_schemes": ["Bearer", "Token"]},
    "users": {
        "columns": [
            {"name": "bio", "type": "text", "max_length": 20, "default": "new here"},
            {"name": "handle", "type": "text", "unique": True},
        ]
    },
    "tables": [{"name": "codes", "columns": [{"name": "code", "type": "text"}, {"name": "owner", "type": "user"}]}],
    "endpoints": [
        endpoint(
            "join",
            [
                {"do": "sign_up", **CREDENTIALS, "set": {"bio": "=input.bio", "handle": "=input.handle"}, "as": "made"},
                {"do": "insert", "table": "codes", "set": {"owner": "=made.user.id", "code": "welcome"}},
                {"do": "require", "that": '!has(input.bio) || input.bio != "refused"'},
                {"do": "respond", "status": 201, "body": shape("made")},
            ],
            **FIELDS, bio={"type": "text"}, handle={"type": "text"},
        ),
        endpoint(
            "enter",
            [{"do": "sign_in", **CREDENTIALS, "as": "entered"}, {"do": "respond", "body": shape("entered")}],
            **FIELDS,
        ),
        endpoint(
            "by_code",
            [
                {"do": "fetch", "from": "codes", "where": "item.code == input.code", "as": "found"},
                {"do": "issue_session", "user": "found.owner", "as": "session"},
                {"do": "respond", "body": "=session"},
            ],
            code={"type": "text", "required": True},
        ),
        endpoint(
            "change",
            [
                {
                    "do": "update_user", "user": "auth.user.id", "email": "=input.email", "password": "=input.password",
                    "set": {"bio": "=input.bio"}, "as": "changed",
                },
                {"do": "respond", "body": {"email": "=changed.email", "bio": "=changed.bio"}},
            ],
            access="authenticated", email={"type": "text"}, password={"type": "text"}, bio={"type": "text"},
        ),
        {
            "name": "me", "method": "GET", "path": "/me", "access": "authenticated",
            "steps": [{"do": "respond", "body": {"email": "=auth.user.email"}}],
        },
    ],
}  # fmt: skip
ANN = {"email": "Ann@Example.com", "password": PASSWORD}


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


async def call(backend: Backend, name: str, body: Any, token: str | None = None) -> Any:
    headers = {"Authorization": f"Token {token}"} if token else {}
    return await backend.client.post(f"/api/{name}", json=body, headers=headers)


async def test_who_signs_up_is_signed_in_and_may_go_on(backend: Backend) -> None:
    answer = await call(backend, "join", {**ANN, "bio": "hello"})
    assert answer.status_code == 201, answer.text
    user = answer.json()["user"]
    assert (user["email"], user["bio"]) == ("ann@example.com", "hello")
    me = await backend.client.get("/api/me", headers={"Authorization": f"Token {user['token']}"})
    assert me.json() == {"email": "ann@example.com"}
    assert [row["code"] for row in await backend.sql("SELECT code FROM data.codes")] == ["welcome"]
    own = "(SELECT 'user:' || id FROM data.users WHERE email = 'ann@example.com')"
    audited = await backend.sql(f"SELECT action FROM rowgate.audit WHERE actor = {own} ORDER BY id")
    assert [row["action"] for row in audited] == ["sign_up"]


async def test_a_column_that_was_not_sent_has_its_default(backend: Backend) -> None:
    assert (await call(backend, "join", ANN)).json()["user"]["bio"] == "new here"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({**ANN, "password": "short"}, 422, "auth.password_refused"),
        ({**ANN, "password": "password1"}, 422, "auth.password_refused"),
        ({**ANN, "email": "nobody"}, 422, "auth.email_invalid"),
        ({**ANN, "bio": "x" * 21}, 422, "db.check"),
        ({**ANN, "bio": "refused"}, 403, "step.refused"),
    ],
)
async def test_a_sign_up_that_is_refused_leaves_nothing(backend: Backend, body: Any, status: int, code: str) -> None:
    answer = await call(backend, "join", body)
    assert (answer.status_code, answer.json()["code"].rpartition(".")[2]) == (status, code.rpartition(".")[2])
    for table in ("data.users", "rowgate.accounts", "rowgate.sessions", "data.codes"):
        assert await backend.sql(f"SELECT 1 FROM {table}") == []


async def test_an_address_and_a_handle_are_taken_once(backend: Backend) -> None:
    assert (await call(backend, "join", {**ANN, "handle": "ann"})).status_code == 201
    again = await call(backend, "join", {"email": "ANN@example.com", "password": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (422, "auth.email_taken")
    other = await call(backend, "join", {"email": "b@example.com", "password": PASSWORD, "handle": "ann"})
    assert (other.status_code, other.json()["code"]) == (409, "db.unique")
    assert len(await backend.sql("SELECT 1 FROM data.users")) == 1


async def test_signing_in_takes_the_same_accounts_as_the_auth_routes(backend: Backend) -> None:
    bob = await backend.sign_up("bob")
    answer = await call(backend, "enter", {"email": "BOB@example.com", "password": PASSWORD})
    assert answer.json()["user"]["email"] == "bob@example.com"
    token = answer.json()["user"]["token"]
    assert (await backend.client.get("/auth/v1/user", headers={"Authorization": f"Bearer {token}"})).json()[
        "id"
    ] == bob.id


async def test_a_wrong_password_and_an_unknown_address_look_alike_and_are_counted(backend: Backend) -> None:
    await backend.sign_up("bob")
    refusals = "SELECT 1 FROM rowgate.audit WHERE action = 'sign_in.refused'"
    before = len(await backend.sql(refusals))  # of the tests before
    wrong = await call(backend, "enter", {"email": "bob@example.com", "password": "wrong password"})
    unknown = await call(backend, "enter", {"email": "nobody@example.com", "password": "wrong password"})
    keep = ("status", "code", "detail", "title")
    assert [wrong.json()[key] for key in keep] == [unknown.json()[key] for key in keep]
    assert wrong.status_code == 401
    assert len(await backend.sql(refusals)) == before + 2
    for _ in range(5):
        last = await call(backend, "enter", {"email": "bob@example.com", "password": "wrong password"})
    assert (last.status_code, last.json()["code"]) == (429, "auth.too_many_failures")
    # The same count as that of /auth/v1: also the right password waits there.
    body = {"email": "bob@example.com", "password": PASSWORD}
    assert (await backend.client.post("/auth/v1/token?grant_type=password", json=body)).status_code == 429


async def test_a_disabled_account_gets_no_session(backend: Backend) -> None:
    ann = await call(backend, "join", ANN)
    assert ann.status_code == 201
    session = (await call(backend, "by_code", {"code": "welcome"})).json()
    assert set(session) == {"access_token", "refresh_token", "expires_at"}
    refreshed = await backend.client.post(
        "/auth/v1/token?grant_type=refresh_token", json={"refresh_token": session["refresh_token"]}
    )
    assert refreshed.status_code == 200
    await backend.sql("UPDATE rowgate.accounts SET disabled_at = now()")
    for name, body in (("by_code", {"code": "welcome"}), ("enter", ANN)):
        answer = await call(backend, name, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "auth.account_disabled")


async def test_a_session_for_nobody_is_a_404(backend: Backend) -> None:
    await backend.sql("INSERT INTO data.codes (code) VALUES ('open')")
    assert (await call(backend, "by_code", {"code": "open"})).status_code == 404


async def test_an_account_is_changed_and_its_other_sessions_end_with_the_password(backend: Backend) -> None:
    token = (await call(backend, "join", ANN)).json()["user"]["token"]
    other = (await call(backend, "enter", ANN)).json()["user"]["token"]
    changed = await call(backend, "change", {"bio": "two"}, token)
    assert changed.json() == {"email": "ann@example.com", "bio": "two"}
    new = {"email": "eve@example.com", "password": "another horse battery"}
    assert (await call(backend, "change", new, token)).json() == {"email": "eve@example.com", "bio": "two"}
    assert (await call(backend, "change", {}, token)).status_code == 200
    assert (await call(backend, "change", {}, other)).status_code == 401
    assert (await call(backend, "enter", new)).status_code == 200
    weak = await call(backend, "change", {"password": "short", "bio": "never"}, token)
    assert (weak.status_code, weak.json()["code"]) == (422, "auth.password_refused")
    assert (await backend.sql("SELECT bio FROM data.users"))[0]["bio"] == "two"


async def test_no_connection_is_held_while_a_password_is_hashed(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = backend.app.server
    held: list[int] = []
    for name in ("hash", "verify"):
        work = getattr(state.auth.passwords, name)

        async def watched(*given: Any, work: Any = work) -> Any:
            before = set(state.pool._leased)
            await asyncio.sleep(0.05)  # what looks after the server takes one for a moment, and gives it back
            held.append(len(before & state.pool._leased.keys()))
            return await work(*given)

        monkeypatch.setattr(state.auth.passwords, name, watched)
    token = (await call(backend, "join", ANN)).json()["user"]["token"]
    await call(backend, "enter", ANN)
    await call(backend, "enter", {**ANN, "password": "wrong"})
    assert (await call(backend, "change", {"password": "another horse battery"}, token)).status_code == 200
    assert held == [0] * 4


async def test_where_addresses_are_confirmed_nobody_is_signed_in_by_signing_up(migrated_url: str) -> None:
    document = {**DOCUMENT, "endpoints": [
        endpoint("join", [
            {"do": "sign_up", **CREDENTIALS, "as": "made"},
            {"do": "respond", "body": {"session": "=made.session", "email": "=made.user.email"}},
        ], **FIELDS),
        *DOCUMENT["endpoints"][1:],
    ]}  # fmt: skip
    async with serving(migrated_url, document, confirm_email=True) as backend:
        assert (await call(backend, "join", ANN)).json() == {"session": None, "email": "ann@example.com"}
        answer = await call(backend, "enter", ANN)
        assert (answer.status_code, answer.json()["code"]) == (403, "auth.email_not_confirmed")
        await backend.sql("UPDATE rowgate.accounts SET email_confirmed_at = now()")
        token = (await call(backend, "enter", ANN)).json()["user"]["token"]
        moved = await call(backend, "change", {"email": "eve@example.com"}, token)
        assert (moved.status_code, moved.json()["code"]) == (422, "auth.email_change_refused")


async def test_a_rehearsal_makes_nobody(backend: Backend) -> None:
    body = {"as": "anonymous", "method": "POST", "path": "/api/enter", "body": ANN}
    answer = await backend.client.post("/admin/v1/simulate", json=body, headers=await backend.admin())
    execute, _ = answer.json()["trace"][-2:]
    assert execute["steps"][0]["decision"] == "stubbed"
    assert PASSWORD not in answer.text
    assert await backend.sql("SELECT 1 FROM rowgate.sessions") == []


@pytest.mark.parametrize(
    ("step", "place"),
    [
        ({"do": "sign_up", **CREDENTIALS, "set": {"email": "x"}}, "set.email"),
        ({"do": "sign_up", **CREDENTIALS, "set": {"nothing": 1}}, "set.nothing"),
        ({"do": "sign_up", "email": "=input.email"}, "password"),
        ({"do": "sign_in", "email": "=input.email", "password": "=1"}, "password"),
        ({"do": "update_user", "user": "auth.user.id"}, "set"),
        ({"do": "issue_session", "user": "input.email"}, "user"),
    ],
)
def test_what_is_wrong_is_found_when_it_is_saved(step: Any, place: str) -> None:
    document = {**DOCUMENT, "endpoints": [endpoint("one", [step], **FIELDS)]}
    project, findings = parse_project(document)
    assert project is not None, findings
    found = check_project(project)
    assert found
    assert f"endpoints/one.steps/0.{place}" in found[0].place


@pytest.mark.parametrize("kind", ["sign_up", "sign_in", "update_user"])
def test_no_row_is_locked_while_a_password_is_hashed(kind: str) -> None:
    write = {"do": "insert", "table": "codes", "set": {"code": "x"}}
    user = {"user": "auth.user.id"} if kind == "update_user" else {}
    document = {**DOCUMENT, "endpoints": [endpoint("one", [write, {"do": kind, **CREDENTIALS, **user}], **FIELDS)]}
    project, findings = parse_project(document)
    assert project is not None, findings
    assert [one.place for one in check_project(project)] == ["endpoints/one.steps/1"]
