"""The audit log: one row for each change, sign-in, denial and revocation, in the transaction of what it tells about."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pyotp
import pytest
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

from tests.backend import ADMIN_PASSWORD, PASSWORD, Backend, serving
from tests.contract import out_of_order

ROOT = "admin:root@example.com"
ROLE = {"name": "support"}
ENTER = {"do": "sign_in", "email": "input.email", "password": "input.password"}
TEXT = {"type": "text"}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [ROLE],
    "tables": [{"name": "notes", "columns": [{"name": "text", **TEXT}]}],
    "endpoints": [
        {"name": "enter", "method": "POST", "path": "/enter", "access": "public",
         "input": {"body": {"email": TEXT, "password": TEXT}}, "steps": [ENTER]},
    ],
}  # fmt: skip
OTHER = {**DOCUMENT, "roles": [ROLE, {"name": "extra"}]}
SECRET = {"value": "v", "hosts": ["example.com"]}
NEW_PASSWORD = "another much longer battery"
ADMIN = {"email": "two@example.com", "password": ADMIN_PASSWORD, "role": "viewer"}
ANY = {"If-Match": "*"}
OWN = {"Origin": "http://testserver"}

# Every change that the admin API makes: method, path, body, headers, and the action of its one row.
CHANGES: list[tuple[str, str, Any, dict[str, str], str]] = [
    ("POST", "/users", {"email": "a@example.com"}, {}, "user.create"),
    ("POST", "/users/import", {"email": "i@example.com"}, {"Content-Type": "application/x-ndjson"}, "user.import"),
    ("PATCH", "/users/{user}", {"email": "b@example.com"}, {}, "user.change"),
    ("PUT", "/users/{user}/roles", {"roles": ["support"]}, {}, "user.roles"),
    ("POST", "/users/{user}/disable", None, {}, "user.disable"),
    ("POST", "/users/{user}/enable", None, {}, "user.enable"),
    ("POST", "/users/{user}/confirm", None, {}, "user.confirm"),
    ("POST", "/users/{user}/sign-out", None, {}, "user.sign-out"),
    ("DELETE", "/users/{person}/sessions/{theirs}", None, {}, "user.session_end"),
    ("PUT", "/users/{user}/password", {"password": "another horse battery"}, {}, "user.password"),
    ("DELETE", "/users/{user}", None, {}, "user.delete"),
    ("POST", "/api-keys", {"name": "ci", "roles": ["support"]}, {}, "api_key.create"),
    ("DELETE", "/api-keys/ci", None, {}, "api_key.revoke"),
    ("POST", "/admins", ADMIN, {}, "admin.create"),
    ("PATCH", "/admins/{admin}", {"role": "editor", "disabled": True}, {}, "admin.change"),
    ("PUT", "/admins/{admin}/password", {"password": NEW_PASSWORD}, {}, "admin.password"),
    ("DELETE", "/admins/{admin}/factors", None, {}, "admin.factor_reset"),
    ("DELETE", "/admins/{admin}/sessions", None, {}, "admin.sessions_end"),
    ("DELETE", "/admins/{admin}", None, {}, "admin.delete"),
    ("POST", "/admins/invites", {"email": "i@example.com", "role": "viewer"}, {}, "admin.invite"),
    ("DELETE", "/admins/invites/{invite}", None, {}, "admin.invite_revoke"),
    ("DELETE", "/account/sessions/{session}", None, {}, "admin.session_end"),
    ("POST", "/account/factors", {"current_password": ADMIN_PASSWORD}, {}, "admin.factor_add"),
    ("POST", "/account/factors/{factor}/verify", "code", {}, "admin.factor_verify"),
    ("POST", "/account/recovery-codes", {"current_password": ADMIN_PASSWORD}, {}, "admin.recovery_codes"),
    ("POST", "/account/factors/{factor}/remove", {"current_password": ADMIN_PASSWORD}, {}, "admin.factor_remove"),
    ("POST", "/secrets", {"name": "KEY", **SECRET}, {}, "secret.create"),
    ("PUT", "/secrets/KEY", SECRET, ANY, "secret.change"),
    ("PATCH", "/secrets/KEY", {"value": "w"}, {}, "secret.change"),
    ("DELETE", "/secrets/KEY", None, ANY, "secret.delete"),
    ("POST", "/outbox/{call}/retry", None, {}, "outbox.retry"),
    ("DELETE", "/outbox/{call}", None, {}, "outbox.delete"),
    ("POST", "/mail/{mail}/retry", None, {}, "mail.retry"),
    ("POST", "/tables/notes/rows", {"text": "a"}, {}, "rows.create"),
    ("PATCH", "/tables/notes/rows?text=eq.a", {"text": "b"}, {}, "rows.change"),
    ("DELETE", "/tables/notes/rows?text=eq.b", None, {}, "rows.delete"),
    ("POST", "/roles", {"name": "extra"}, {}, "definitions.change"),
    ("PUT", "/roles/extra", {"description": "One"}, ANY, "definitions.change"),
    ("PATCH", "/roles/extra", {"description": "Two"}, {}, "definitions.change"),
    ("DELETE", "/roles/extra", None, ANY, "definitions.change"),
    ("PUT", "/config", OTHER, {}, "definitions.change"),
    ("POST", "/revisions/1/restore", None, {}, "definitions.change"),
    ("POST", "/shadow", OTHER, {}, "shadow.start"),
    ("DELETE", "/shadow", None, {}, "shadow.end"),
    ("PUT", "/password", {"current_password": ADMIN_PASSWORD, "password": NEW_PASSWORD}, {}, "admin.password"),
    ("POST", "/sign-in", {"email": "root@example.com", "password": NEW_PASSWORD}, {}, "admin.sign_in"),
    ("PUT", "/password", {"current_password": NEW_PASSWORD, "password": ADMIN_PASSWORD}, {}, "admin.password"),
    ("POST", "/sign-out", None, {}, "admin.sign_out"),
    ("POST", "/browser/sign-in", {"email": "root@example.com", "password": ADMIN_PASSWORD}, OWN, "admin.sign_in"),
]
# What changes nothing that lasts, or goes on with a session that there is; setup is tried by itself.
BY_LINK = {"accept_invite", "recover", "redeem"}  # which nobody is signed in for: tried by themselves
OTHERS = {
    "plan_config",
    "check",
    "test",
    "isolation",
    "make_test",
    "simulate",
    "explain",
    "refresh",
    "browser_refresh",
    "setup",
    *BY_LINK,
}
OF_ANY_RANK = {
    "sign_in", "browser_sign_in", "sign_out", "change_password", "add_factor", "verify_factor", "remove_factor",
    "make_recovery_codes", "end_own_session",
}  # fmt: skip
TABLES = (
    *(
        "admins",
        "admin_sessions",
        "admin_factors",
        "admin_recovery_codes",
        "admin_links",
        "api_keys",
        "accounts",
        "sessions",
        "user_roles",
        "secrets",
    ),
    *("definitions", "revisions", "live"),
)
OUTBOX = """
INSERT INTO rowgate.outbox (id, step, method, host, key_id, nonce, ciphertext, dead_at)
VALUES (gen_random_uuid(), 's', 'GET', 'example.com', 'k', ''::bytea, ''::bytea, now()) RETURNING id
"""
MAIL = """
INSERT INTO rowgate.mail (id, kind, next_at, expires_at)
VALUES (gen_random_uuid(), 'invite', now() + interval '1 day', now()) RETURNING id
"""

SESSION = """
INSERT INTO rowgate.admin_sessions (admin_id, expires_at) SELECT id, now() + interval '1 day' FROM rowgate.admins
RETURNING id
"""


async def known_at_first(backend: Backend) -> dict[str, str]:
    """Make what no change makes, and give what paths name of it."""
    person = await backend.sign_up("person")
    theirs = "SELECT id FROM rowgate.sessions"
    asked = {"call": OUTBOX, "mail": MAIL, "session": SESSION, "theirs": theirs}
    return {"person": person.id, **{kind: str((await backend.sql(one))[0]["id"]) for kind, one in asked.items()}}


def said_of(said: Any, known: dict[str, str]) -> Any:
    """Give the body of a change, whose code is that of the factor of before."""
    return {"code": pyotp.TOTP(known["secret"]).now()} if said == "code" else said


def learn(known: dict[str, str], action: str, answer: Any) -> None:
    """Keep what the changes that follow name of an answer."""
    if action in {"user.create", "admin.create"}:
        known[action.split(".", maxsplit=1)[0]] = answer.json()["id"]
    if action == "admin.invite":
        known["invite"] = answer.json()["id"]
    if action == "admin.factor_add":
        known |= {"factor": answer.json()["id"], "secret": answer.json()["totp"]["secret"]}


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as served:
        yield served


async def sql(backend: Backend, statement: str) -> list[Any]:
    """Run a statement on a connection that is open already: there are many here."""
    async with backend.app.server.pool.lease() as connection:
        found: list[Any] = await connection.fetch(statement)
    return found


async def rows(backend: Backend) -> list[tuple[str, str, str | None]]:
    found = await sql(backend, "SELECT actor, action, target FROM rowgate.audit ORDER BY id")
    return [(row["actor"], row["action"], row["target"]) for row in found]


async def state(backend: Backend) -> list[Any]:
    """Give all that a change may change; the log is left out."""
    every = " UNION ALL ".join(f"SELECT '{name}', t::text FROM rowgate.{name} t" for name in TABLES)
    every += " UNION ALL SELECT 'users', t::text FROM data.users t UNION ALL SELECT 'notes', t::text FROM data.notes t"
    # What is tried again is tried meanwhile, too.
    every += " UNION ALL SELECT 'outbox', (id, dead_at)::text FROM rowgate.outbox"
    found = await sql(backend, f"{every} ORDER BY 1, 2")
    return [tuple(row) for row in found] + [backend.app.data_plane and backend.app.data_plane.shadow]


def changing(backend: Backend) -> list[tuple[str, str, str]]:
    """Give the method, the path and the function of each route of the admin API that may change something."""
    found = [
        (method, str(route.path), getattr(route.endpoint, "__name__", ""))
        for route in iter_route_contexts(backend.app.fastapi.routes)
        for method in route.methods or ()
    ]
    return [one for one in found if one[0] != "GET" and one[1].startswith("/admin/v1/")]


async def test_every_change_is_one_row_and_none_is_made_without_its_row(backend: Backend) -> None:
    root = await backend.admin()
    known = await known_at_first(backend)
    done = set()
    for method, path, said, more, action in CHANGES:
        body = said_of(said, known)
        call = backend.client.build_request(
            method, f"/admin/v1{path.format(**known)}", json=body, headers={**root, **more}
        )
        before, seen = await state(backend), await rows(backend)
        await sql(backend, "ALTER TABLE rowgate.audit ADD CONSTRAINT refused CHECK (false) NOT VALID")
        with out_of_order(backend.client):
            refused = await backend.client.send(call)
        assert refused.status_code >= 400, (method, path, refused.text)
        assert (await state(backend), await rows(backend)) == (before, seen), (method, path)
        await sql(backend, "ALTER TABLE rowgate.audit DROP CONSTRAINT refused")
        answer = await backend.client.send(call)
        assert answer.status_code < 300, (method, path, answer.text)
        added = (await rows(backend))[len(seen) :]
        assert [(actor, name) for actor, name, _ in added] == [(ROOT, action)], (method, path)
        learn(known, action, answer)
        same = (one for one in changing(backend) if one[0] == method)
        done.add(next(name for _, template, name in same if compile_path(template)[0].match(call.url.path)))
    assert {one[2] for one in changing(backend)} == done | OTHERS


async def test_what_an_admin_does_by_a_link_is_one_row_and_isnt_done_without_it(backend: Backend) -> None:
    root = await backend.admin()
    invited = {"email": "two@example.com", "role": "viewer"}
    made = (await backend.client.post("/admin/v1/admins/invites", json=invited, headers=root)).json()
    token = made["link"].partition("#")[2]
    taken = {"token": token, "password": ADMIN_PASSWORD}
    known, unknown = {"email": "two@example.com"}, {"email": "none@example.com"}
    for path, said, row in (
        ("admins/invites/accept", taken, ("admin:two@example.com", "admin.create", "two@example.com")),
        ("recover", unknown, ("anonymous", "admin.recovery_mailed", None)),
        ("recover", known, ("anonymous", "admin.recovery_mailed", "two@example.com")),
        ("recover/redeem", "token", ("admin:two@example.com", "admin.recover", "two@example.com")),
    ):
        body: Any = said
        if said == "token":
            mails = (await backend.client.get("/admin/v1/mail", headers=root)).json()
            token = next(one["text"] for one in mails if one["kind"] == "admin_recovery").split("#")[1].split()[0]
            body = {"token": token, "password": NEW_PASSWORD}
        before, seen = await state(backend), await rows(backend)
        await sql(backend, "ALTER TABLE rowgate.audit ADD CONSTRAINT refused CHECK (false) NOT VALID")
        with out_of_order(backend.client):
            assert (await backend.client.post(f"/admin/v1/{path}", json=body)).status_code >= 400
        assert (await state(backend), await rows(backend)) == (before, seen), path
        await sql(backend, "ALTER TABLE rowgate.audit DROP CONSTRAINT refused")
        answer = await backend.client.post(f"/admin/v1/{path}", json=body)
        assert answer.status_code < 300, (path, answer.text)
        assert (await rows(backend))[len(seen) :] == [row], path


async def test_what_is_refused_as_before_it_changed_nothing_leaves_no_row(backend: Backend) -> None:
    root = await backend.admin()
    seen = await rows(backend)
    refused = [("POST", "/users", {"email": "no"}), ("DELETE", "/api-keys/none", None), ("PUT", "/config", DOCUMENT)]
    for method, path, body in refused:
        await backend.client.request(method, f"/admin/v1{path}", json=body, headers=root)
    assert await rows(backend) == seen


async def test_what_an_admins_role_does_not_reach_is_one_row_under_its_name(backend: Backend) -> None:
    root = await backend.admin()
    key = {"name": "looker", "admin_role": "viewer"}
    made = (await backend.client.post("/admin/v1/api-keys", json=key, headers=root)).json()["key"]
    before = await state(backend)
    tried = 0
    for method, template, name in changing(backend):
        if name in (OTHERS - {"simulate", "explain"}) | OF_ANY_RANK:
            continue
        path = template.replace("{number}", "1").replace("{action}", "disable").format_map(_Any())
        seen = await rows(backend)
        answer = await backend.client.request(method, path, headers={"Authorization": f"Bearer {made}"})
        assert (answer.status_code, answer.json()["code"]) == (403, "admin.role_missing"), path
        assert (await rows(backend))[len(seen) :] == [("key:looker", "admin.denied", f"{method} {path}")]
        tried += 1
    assert tried >= len(CHANGES)
    assert await state(backend) == before
    seen = await rows(backend)
    for headers in ({}, {"Authorization": "Bearer rgk_nothing"}):
        assert (await backend.client.post("/admin/v1/users", json={}, headers=headers)).status_code == 401
    assert await rows(backend) == seen  # a stranger's refusals cost no row


class _Any(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "x"


async def test_a_key_above_the_own_role_is_denied_in_the_log_too(backend: Backend) -> None:
    root = await backend.admin()
    editor = {"email": "ed@example.com", "password": ADMIN_PASSWORD}
    await backend.client.post("/admin/v1/admins", json={**editor, "role": "editor"}, headers=root)
    token = (await backend.client.post("/admin/v1/sign-in", json=editor)).json()["access_token"]
    answer = await backend.client.post(
        "/admin/v1/api-keys", json={"name": "up", "admin_role": "owner"}, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 403
    assert (await rows(backend))[-1] == ("admin:ed@example.com", "admin.denied", "POST /admin/v1/api-keys")


async def token(backend: Backend, email: str, password: str) -> httpx.Response:
    return await backend.client.post("/auth/v1/token?grant_type=password", json={"email": email, "password": password})


async def enter(backend: Backend, email: str, password: str) -> httpx.Response:
    return await backend.client.post("/api/enter", json={"email": email, "password": password})


@pytest.mark.parametrize("sign_in", [token, enter])
async def test_each_sign_in_is_one_row_and_so_is_each_that_is_refused(backend: Backend, sign_in: Any) -> None:
    people = {name: (await backend.sign_up(name)).id for name in ("alice", "gone", "new")}
    await backend.sql("UPDATE rowgate.accounts SET disabled_at = now() WHERE user_id = $1", people["gone"])
    await backend.sql("UPDATE rowgate.accounts SET email_confirmed_at = NULL WHERE user_id = $1", people["new"])
    seen = len(await rows(backend))
    tries = [("alice", PASSWORD), ("alice", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD), ("gone", "wrong"),
             ("new", PASSWORD)]  # fmt: skip
    statuses = [(await sign_in(backend, f"{name}@example.com", password)).status_code for name, password in tries]
    assert statuses == [200 if sign_in is token else 204, 401, 401, 403, 401, 403]
    refused = ("anonymous", "sign_in.refused")
    assert (await rows(backend))[seen:] == [
        (f"user:{people['alice']}", "sign_in", None), (*refused, None), (*refused, None), (*refused, people["gone"]),
        (*refused, None), (*refused, people["new"]),
    ]  # fmt: skip


async def test_the_first_admin_and_each_refused_sign_in_of_one_are_one_row(backend: Backend) -> None:
    await backend.admin()
    for email, password in (("root@example.com", "wrong"), ("none@example.com", ADMIN_PASSWORD)):
        answer = await backend.client.post("/admin/v1/sign-in", json={"email": email, "password": password})
        assert answer.status_code == 401
    assert [row[:2] for row in await rows(backend) if row[1] != "definitions.change"] == [
        ("setup", "admin.create"), (ROOT, "admin.sign_in"),
        ("anonymous", "admin.sign_in_refused"), ("anonymous", "admin.sign_in_refused"),
    ]  # fmt: skip


async def test_each_revocation_by_a_person_is_one_row(backend: Backend) -> None:
    for scope in ("local", "others", "global"):
        person = await backend.sign_up(scope)
        seen = len(await rows(backend))
        assert (await person.call("POST", f"/auth/v1/logout?scope={scope}")).status_code == 204
        assert (await rows(backend))[seen:] == [(f"user:{person.id}", "sign_out", None)]
    person = await backend.sign_up("alice")
    again = {"refresh_token": person.session["refresh_token"]}
    for status in (200, 401):
        answer = await backend.client.post("/auth/v1/token?grant_type=refresh_token", json=again)
        assert answer.status_code == status
        await backend.sql("UPDATE rowgate.refresh_tokens SET used_at = used_at - interval '1 minute'")
    person = await backend.sign_up("carol")
    change = {"password": "another horse battery", "current_password": PASSWORD}
    assert (await person.call("PUT", "/auth/v1/user", json=change)).status_code == 200
    assert [row[1] for row in await rows(backend)][-4:] == ["sign_up", "refresh_token.reuse", "sign_up", "user.change"]
