"""Hooks of sign-up: every way to an address asks, what they refuse and do, and who can't be told from whom."""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from app.cli import import_users as command
from tests.auth.conftest import bearer
from tests.auth.issuers import AUDIENCE, TestIssuer
from tests.auth.test_providers import CLIENT, NONCE, sent
from tests.backend import PASSWORD, SECRET_KEY, Backend, serving

GOOD, BAD = "example.com", "else.example"
OURS = {
    "name": "only_ours",
    "steps": [
        {"do": "require", "that": "input.email != null && input.email.endsWith('@example.com')",
         "message": "Only our people."},
        {"do": "require", "that": "input.data.nick == null || input.data.nick != 'bad'", "message": "No."},
    ],
}  # fmt: skip
PROFILE = {
    "name": "make_profile",
    "steps": [{"do": "insert", "table": "profiles", "set": {"owner": "=user.id", "mail": "=user.email"}}],
}


def step(name: str, **fields: Any) -> dict[str, Any]:
    texts = {"email": {"type": "text", "required": True}, "password": {"type": "text"}}
    return {
        "name": name, "method": "POST", "path": f"/{name}", "access": "public", "input": {"body": texts},
        "steps": [{"do": name, "email": "input.email", **fields}],
    }  # fmt: skip


def document(issuer: TestIssuer, **auth: Any) -> dict[str, Any]:
    return {
        "rowgate": 1,
        "project": {"http_allow": [issuer.server.host]},
        "users": {"columns": [{"name": "nick", "type": "text", "self_editable": True}]},
        "tables": [
            {"name": "profiles", "columns": [
                {"name": "owner", "type": "user", "required": True, "unique": True, "on_delete": "cascade"},
                {"name": "mail", "type": "text"}]},
        ],
        "middleware": [OURS, PROFILE],
        "endpoints": [
            {"name": "me", "method": "GET", "path": "/me", "access": "authenticated", "steps": [{"do": "respond"}]},
            step("sign_up", password="input.password"),
            {**step("update_user", user="auth.user.id"), "access": "authenticated"},
        ],
        "auth": {
            "confirm_email": True, "site_url": "https://app.example.com", "anonymous": True,
            "before_sign_up": "only_ours", "after_sign_up": "make_profile",
            "providers": [{"name": "acme", "issuer": issuer.name, "client_id": CLIENT}],
            "issuers": [{"issuer": issuer.name, "audience": AUDIENCE, "create": True}],
            **auth,
        },
    }  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module")
async def here(migrated_url: str, issuer: TestIssuer) -> AsyncIterator[Backend]:
    async with serving(migrated_url, document(issuer)) as backend:
        yield backend


def post(path: str, **body: Any) -> Callable[..., Awaitable[Any]]:
    async def way(backend: Backend, _issuer: TestIssuer, email: str, admin: dict[str, str]) -> Any:
        headers = admin if "admin" in path or path == "/auth/v1/invite" else {}
        return await backend.client.post(path, json={"email": email, **body}, headers=headers)

    return way


async def anonymous(backend: Backend) -> Any:
    return (await backend.client.post("/auth/v1/signup", json={})).json()


async def made(backend: Backend, admin: dict[str, str], name: str = "ann") -> str:
    """Give somebody who has an address here."""
    await backend.sql("DELETE FROM data.users WHERE email = $1", f"{name}@{GOOD}")
    answer = await backend.client.post("/admin/v1/users", json={"email": f"{name}@{GOOD}"}, headers=admin)
    return str(answer.json()["id"])


async def by_id_token(backend: Backend, issuer: TestIssuer, email: str, _admin: Any) -> Any:
    return await sent(backend, id_token(issuer, email))


def id_token(issuer: TestIssuer, email: str) -> str:
    hashed = hashlib.sha256(NONCE.encode()).hexdigest()
    return issuer.signed("r1", sub=email, aud=CLIENT, nonce=hashed, email=email, email_verified=True)


async def by_link(backend: Backend, issuer: TestIssuer, email: str, _admin: Any) -> Any:
    return await sent(backend, id_token(issuer, email), by=await anonymous(backend), link_identity=True)


async def by_issuer(backend: Backend, issuer: TestIssuer, email: str, _admin: Any) -> Any:
    token = issuer.signed("r1", sub=email, email=email, email_verified=True)
    return await backend.client.get("/api/me", headers=bearer(token))


async def by_put_user(backend: Backend, _issuer: TestIssuer, email: str, _admin: Any) -> Any:
    session = await anonymous(backend)
    return await backend.client.put("/auth/v1/user", json={"email": email}, headers=bearer(session["access_token"]))


async def by_patch(backend: Backend, _issuer: TestIssuer, email: str, admin: Any) -> Any:
    path, headers = f"/admin/v1/users/{await made(backend, admin)}", {**admin, "If-Match": "*"}
    return await backend.client.patch(path, json={"email": email}, headers=headers)


async def by_admin_put(backend: Backend, _issuer: TestIssuer, email: str, admin: Any) -> Any:
    path = f"/auth/v1/admin/users/{await made(backend, admin)}"
    return await backend.client.put(path, json={"email": email}, headers=admin)


async def by_change_link(backend: Backend, _issuer: TestIssuer, email: str, admin: Any) -> Any:
    await made(backend, admin)
    body = {"type": "email_change_new", "email": f"ann@{GOOD}", "new_email": email}
    return await backend.client.post("/auth/v1/admin/generate_link", json=body, headers=admin)


async def by_import(backend: Backend, _issuer: TestIssuer, email: str, admin: Any) -> Any:
    headers = {**admin, "Content-Type": "application/x-ndjson"}
    content = json.dumps({"email": email})
    return await backend.client.post("/admin/v1/users/import", content=content, headers=headers)


# Every way by which an account gets an address, with the status of one that is let in.
WAYS: dict[str, tuple[Callable[..., Awaitable[Any]], int]] = {
    "sign-up": (post("/auth/v1/signup", password=PASSWORD), 200),
    "otp": (post("/auth/v1/otp"), 200),
    "magic link": (post("/auth/v1/magiclink"), 200),
    "a chain": (post("/api/sign_up", password=PASSWORD), 204),
    "invitation": (post("/auth/v1/invite"), 200),
    "link of sign-up": (post("/auth/v1/admin/generate_link", type="signup", password=PASSWORD), 200),
    "link of invitation": (post("/auth/v1/admin/generate_link", type="invite"), 200),
    "an admin": (post("/admin/v1/users"), 201),
    "an admin's client": (post("/auth/v1/admin/users", email_confirm=True), 200),
    "provider": (by_id_token, 200),
    "linked provider": (by_link, 200),
    "issuer": (by_issuer, 200),
    "import": (by_import, 200),
    "another address": (by_put_user, 200),
    "another address by an admin": (by_patch, 200),
    "another address by an admin's client": (by_admin_put, 200),
    "link to another address": (by_change_link, 200),
}
# These tell nobody that they are refused: what comes of it is the same for an address that is known.
SILENT = {"otp", "magic link", "import"}
# These only ask: the address comes once the mail is used.
ONLY_ASK = {"another address", "link to another address"}


async def addresses(backend: Backend) -> set[str]:
    return {row["email"] for row in await backend.sql("SELECT email FROM data.users")}


@pytest.mark.asyncio(loop_scope="module")
async def test_every_way_to_an_address_asks_and_every_new_row_has_what_is_due(
    here: Backend, issuer: TestIssuer
) -> None:
    admin = await here.admin()
    for number, (name, (way, status)) in enumerate(WAYS.items()):
        refused = await way(here, issuer, f"p{number}@{BAD}", admin)
        if name not in SILENT:
            assert (refused.status_code, refused.json()["code"]) == (403, "auth.sign_up_refused"), name
            assert refused.json()["detail"] == "Only our people.", name
        assert not any(one.endswith(BAD) for one in await addresses(here)), name
        let_in = await way(here, issuer, f"p{number}@{GOOD}", admin)
        assert let_in.status_code == status, (name, let_in.text)
        assert (f"p{number}@{GOOD}" in await addresses(here)) == (name not in ONLY_ASK), name
    (counts,) = await here.sql(
        "SELECT count(*), count(p.id) FROM data.users u LEFT JOIN data.profiles p ON p.owner = u.id"
    )
    assert counts[0] == counts[1] > len(WAYS) - len(ONLY_ASK) - 1
    mails = await here.sql("SELECT p.mail = u.email FROM data.users u JOIN data.profiles p ON p.owner = u.id")
    assert sum(not row[0] for row in mails) == 3, "those who were made with another address, or with none"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_change_of_address_asks_again_when_it_is_confirmed(here: Backend, issuer: TestIssuer) -> None:
    session = await anonymous(here)
    headers = bearer(session["access_token"])
    await here.client.put("/auth/v1/user", json={"email": f"ann@{GOOD}"}, headers=headers)
    nobody = {**OURS, "steps": [{"do": "fail", "status": 403, "code": "x.y", "message": "Nobody now."}]}
    await here.apply({**document(issuer), "middleware": [nobody, PROFILE]})
    (mail, *_) = (await here.client.get("/admin/v1/mail", headers=await here.admin())).json()
    code = re.search(r"\b\d{6}\b", mail["text"])
    assert code is not None
    body = {"type": "email_change", "email": f"ann@{GOOD}", "token": code[0]}
    answer = await here.client.post("/auth/v1/verify", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "sign_up_refused")
    assert f"ann@{GOOD}" not in await addresses(here)


@pytest.mark.asyncio(loop_scope="module")
async def test_where_nothing_is_confirmed_each_way_asks_too(migrated_url: str, issuer: TestIssuer) -> None:
    async with serving(migrated_url, document(issuer, confirm_email=False)) as backend:
        refused = await backend.client.post("/auth/v1/signup", json={"email": f"a@{BAD}", "password": PASSWORD})
        assert (refused.status_code, refused.json()["error_code"]) == (403, "sign_up_refused")
        ann = await backend.sign_up("ann")
        bad_data = {"email": f"b@{GOOD}", "password": PASSWORD, "data": {"nick": "bad"}}
        assert (await backend.client.post("/auth/v1/signup", json=bad_data)).status_code == 403
        for method, path in (("PUT", "/auth/v1/user"), ("POST", "/api/update_user")):
            answer = await ann.call(method, path, json={"email": f"a@{BAD}"})
            assert (answer.status_code, answer.json()["code"]) == (403, "auth.sign_up_refused")
            assert (await ann.call(method, path, json={"email": f"c@{GOOD}"})).status_code in {200, 204}
        assert await addresses(backend) == {f"c@{GOOD}"}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_known_address_is_answered_as_an_unknown_one_whatever_the_hooks_say(
    migrated_url: str, issuer: TestIssuer
) -> None:
    full = {"name": "make_profile", "steps": [
        {"do": "count", "from": "profiles", "as": "there"},
        {"do": "require", "that": "there < 1 && user.email.endsWith('@example.com')", "message": "We are full."},
        *PROFILE["steps"],
    ]}  # fmt: skip
    async with serving(migrated_url, {**document(issuer), "middleware": [OURS, full]}) as backend:
        await made(backend, await backend.admin())
        told: dict[tuple[str, str], list[Any]] = {}
        for email in (f"ann@{GOOD}", f"new@{GOOD}", f"ann@{BAD}"):
            for path in ("signup", "otp", "magiclink"):
                body = {"email": email, **({"password": PASSWORD} if path == "signup" else {})}
                answer = await backend.client.post(f"/auth/v1/{path}", json=body)
                left_out = {name: one for name, one in answer.json().items() if name != "request_id"}
                told.setdefault((path, email.partition("@")[2]), []).append((answer.status_code, left_out))
        assert all(one == several[0] for several in told.values() for one in several)
        assert told["signup", GOOD][0][1]["detail"] == "We are full."
        assert await addresses(backend) == {f"ann@{GOOD}"}
        sent_to = [
            row["recipient"]
            for row in await backend.sql("SELECT recipient FROM rowgate.mail WHERE recipient IS NOT NULL")
        ]
        assert set(sent_to) == {f"ann@{GOOD}"}, "who has an account still signs in by mail"


@pytest.mark.asyncio(loop_scope="module")
async def test_what_fails_behind_the_row_leaves_no_row_and_a_call_out_goes_with_the_commit(
    migrated_url: str, issuer: TestIssuer
) -> None:
    tells = {"do": "http", "method": "POST", "url": f"{issuer.name}/new", "json": {"id": "=user.id"}, "after": "commit"}
    twice = {"name": "make_profile", "steps": [
        tells, *PROFILE["steps"], {"do": "if", "when": "user.nick == 'twice'", "then": PROFILE["steps"]},
    ]}  # fmt: skip
    said = {**document(issuer, confirm_email=False), "middleware": [OURS, twice]}
    async with serving(migrated_url, said) as backend:
        body = {"email": f"ann@{GOOD}", "password": PASSWORD, "data": {"nick": "twice"}}
        answer = await backend.client.post("/auth/v1/signup", json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "auth.sign_up_refused")
        count = "SELECT (SELECT count(*) FROM data.users), (SELECT count(*) FROM rowgate.outbox)"
        assert tuple((await backend.sql(count))[0]) == (0, 0)
        await backend.sign_up("ann")
        (now,) = await backend.sql(count)
        gone = [one.path for one in issuer.server.asked].count("/new")
        assert (now[0], now[1] + gone > 0) == (1, True)


@pytest.mark.asyncio(loop_scope="module")
async def test_an_import_leaves_out_whom_a_hook_refuses_also_by_the_command(here: Backend, tmp_path: Path) -> None:
    file = tmp_path / "people.jsonl"
    rows = [{"email": f"a@{GOOD}"}, {"email": f"b@{BAD}"}, {"email": f"c@{GOOD}"}]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    done = command._Done(file, None)
    await command.into(here.url, SECRET_KEY, done)
    assert (done.made, done.refused, done.first[0]["code"]) == (2, 1, "auth.sign_up_refused")
    assert (await here.sql("SELECT count(*) FROM data.profiles"))[0][0] == 2


@pytest.mark.asyncio(loop_scope="module")
async def test_a_quota_behind_the_row_holds_however_many_come_at_once(migrated_url: str, issuer: TestIssuer) -> None:
    two = {"name": "make_profile", "steps": [
        {"do": "quota", "from": "profiles", "where": "true", "max": 2, "message": "We are full."}, *PROFILE["steps"],
    ]}  # fmt: skip
    said = {**document(issuer, confirm_email=False), "middleware": [OURS, two]}
    async with serving(migrated_url, said) as backend:
        sign_up = [{"email": f"p{number}@{GOOD}", "password": PASSWORD} for number in range(6)]
        answers = await asyncio.gather(*(backend.client.post("/auth/v1/signup", json=body) for body in sign_up))
        assert sorted(one.status_code for one in answers) == [200, 200, 403, 403, 403, 403]
        assert len(await addresses(backend)) == 2
        anna = {"nick": "x", "email": sorted(await addresses(backend))[0]}
        people = (await backend.client.get("/admin/v1/users", headers=await backend.admin())).json()
        (user_id,) = [one["id"] for one in people if one["email"] == anna["email"]]
        nobody = {**OURS, "steps": [{"do": "fail", "status": 403, "code": "x.y", "message": "Nobody now."}]}
        await backend.apply({**said, "middleware": [nobody, two]})
        headers = {**await backend.admin(), "If-Match": "*"}
        same = await backend.client.patch(f"/admin/v1/users/{user_id}", json=anna, headers=headers)
        assert same.status_code == 200, "an address that is there already is no other one"


async def test_the_page_has_an_example_that_works(migrated_url: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "auth.md").read_text()
    example = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[-1])
    async with serving(migrated_url, example) as backend:
        await backend.sign_up("ann", nick="Ann")
        refused = await backend.client.post("/auth/v1/signup", json={"email": f"b@{BAD}", "password": PASSWORD})
        assert (refused.status_code, refused.json()["msg"]) == (403, "Only people of ours.")
        assert [row["shown_as"] for row in await backend.sql("SELECT shown_as FROM data.profiles")] == ["Ann"]


def test_no_other_place_makes_a_row_of_users_or_gives_one_an_address() -> None:
    app = Path(command.__file__).parents[1]
    writes = re.compile(r"INSERT INTO data\.users|UPDATE data\.users SET (\"?email|\{)", re.IGNORECASE)
    found = {
        str(path.relative_to(app)): len(writes.findall(path.read_text()))
        for path in app.rglob("*.py")
        if writes.search(path.read_text())
    }
    # Beside those of columns that are no address: what a person may set, and its defaults.
    assert found == {"auth/accounts.py": 3, "auth/imported_users.py": 1, "auth/confirming.py": 1}
