"""Secrets: written, never given back; sealed at rest; a wrong key refuses."""

import base64
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.cli.rotate_secrets import carry_over
from app.compiler.check import check_project
from app.definitions.project import parse_project
from app.secrets.sealed import SecretMissing, SecretsKeyWrong, load_secrets
from app.secrets.sealing import SealingKey, SecretUnreadable
from app.settings import load_settings
from tests.backend import OTHER_SECRET_KEY, SECRET_KEY, Backend, serving

CANARY = "canary-5f1d7a-sk_live"
DOCUMENT: dict[str, Any] = {"rowgate": 1}
SECRET = {"name": "PAY_KEY", "value": CANARY, "hosts": ["Api.Pay.Example", "10.0.0.7:8080"]}
PATH = "/admin/v1/secrets/PAY_KEY"
KEY = SealingKey.of(SECRET_KEY)
ROUTES = [("GET", ""), ("POST", ""), *((method, "/PAY_KEY") for method in ("GET", "PUT", "PATCH", "DELETE"))]


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        yield backend


async def create(backend: Backend, root: dict[str, str], **more: Any) -> httpx.Response:
    return await backend.client.post("/admin/v1/secrets", json={**SECRET, **more}, headers=root)


async def key_of(backend: Backend, root: dict[str, str], role: str) -> dict[str, str]:
    made = await backend.client.post("/admin/v1/api-keys", json={"name": role, "admin_role": role}, headers=root)
    return {"Authorization": f"Bearer {made.json()['key']}"}


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_only_editors_and_owners_come_in(backend: Backend, method: str, path: str) -> None:
    root = await backend.admin()
    await create(backend, root)
    viewer = await key_of(backend, root, "viewer")
    stranger = await backend.client.request(method, f"/admin/v1/secrets{path}", json=SECRET)
    seen = await backend.client.request(method, f"/admin/v1/secrets{path}", json=SECRET, headers=viewer)
    assert (stranger.status_code, seen.status_code) == (401, 403)
    assert [row["version"] for row in await backend.sql("SELECT version FROM rowgate.secrets")] == [1]


async def test_no_route_gives_a_value_back(backend: Backend) -> None:
    root = await backend.admin()
    made = await create(backend, root)
    assert made.status_code == 201
    tag = {**root, "If-Match": made.headers["etag"]}
    answers = [
        made,
        await create(backend, root),
        await create(backend, root, name="bad name"),
        await backend.client.get("/admin/v1/secrets", headers=root),
        await backend.client.get("/admin/v1/secrets/PAY_KEY", headers=root),
        await backend.client.put(
            "/admin/v1/secrets/PAY_KEY", json={"value": CANARY, "hosts": ["a.example"]}, headers=tag
        ),
        await backend.client.patch("/admin/v1/secrets/PAY_KEY", json={"value": CANARY, "hosts": 1}, headers=root),
        await backend.client.get("/admin/v1/config", headers=root),
        await backend.client.get("/admin/v1/audit", headers=root),
    ]
    assert [answer.status_code for answer in answers] == [201, 409, 422, 200, 200, 200, 422, 200, 200]
    assert not [answer.text for answer in answers if CANARY in answer.text]
    listed = answers[3].json()[0]
    assert sorted(listed) == ["created_at", "description", "hosts", "name", "updated_at"]
    assert listed["hosts"] == ["api.pay.example", "10.0.0.7:8080"]


async def test_the_database_holds_no_value_in_any_form(backend: Backend) -> None:
    await create(backend, await backend.admin())
    for table in ("secrets", "audit"):
        dump = str([dict(row) for row in await backend.sql(f"SELECT * FROM rowgate.{table}")])
        for form in (CANARY, CANARY.encode().hex(), base64.b64encode(CANARY.encode()).decode()):
            assert form not in dump
    row = (await backend.sql("SELECT key_id, nonce FROM rowgate.secrets"))[0]
    assert (row["key_id"], len(row["nonce"])) == (KEY.id, 12)


async def test_a_change_needs_the_etag_and_is_audited_once(backend: Backend) -> None:
    root = await backend.admin()
    first = (await create(backend, root)).headers["etag"]
    new = {"value": "new", "hosts": ["b.example"]}
    assert (await backend.client.put(PATH, json=new, headers=root)).status_code == 428
    assert (await backend.client.delete(PATH, headers=root)).status_code == 428
    second = (await backend.client.patch(PATH, json={"hosts": ["c.example"]}, headers=root)).headers["etag"]
    for method in ("PUT", "PATCH", "DELETE"):
        late = await backend.client.request(method, PATH, json=new, headers={**root, "If-Match": first})
        assert (late.status_code, late.json()["code"]) == (412, "secrets.changed")
    assert (await value(backend, "PAY_KEY")).hosts == ("c.example",)
    assert (await value(backend, "PAY_KEY")).value == CANARY
    third = await backend.client.put(PATH, json=new, headers={**root, "If-Match": second})
    assert (await value(backend, "PAY_KEY")).value == "new"
    gone = await backend.client.delete(PATH, headers={**root, "If-Match": third.headers["etag"]})
    assert gone.status_code == 204
    assert (await backend.client.get(PATH, headers=root)).status_code == 404
    audited = await backend.sql("SELECT action, target FROM rowgate.audit WHERE action LIKE 'secret.%' ORDER BY id")
    assert [tuple(row) for row in audited] == [
        (f"secret.{done}", "PAY_KEY") for done in ("create", "change", "change", "delete")
    ]  # fmt: skip


async def value(backend: Backend, name: str) -> Any:
    async with backend.app.server.pool.lease() as connection:
        return (await load_secrets(connection, KEY, [name]))[name]


@pytest.mark.parametrize(
    "body",
    [{"hosts": []}, {"hosts": ["https://a.example"]}, {"hosts": ["a.example:0"]}, {"hosts": ["a/b"]}, {"hosts": "a"},
     {"value": ""}, {"value": "x" * 32_769}, {"value": 5}, {"name": "9"}, {"name": "a-b"}, {"else": 1}],
)  # fmt: skip
async def test_what_is_no_secret_is_refused(backend: Backend, body: dict[str, Any]) -> None:
    refused = await create(backend, await backend.admin(), **body)
    assert (refused.status_code, await backend.sql("SELECT 1 FROM rowgate.secrets")) == (422, [])


@pytest.mark.parametrize(
    "tampering",
    [
        "DELETE FROM rowgate.secrets WHERE name = 'OTHER'; UPDATE rowgate.secrets SET name = 'OTHER'",
        "UPDATE rowgate.secrets SET ciphertext = set_bit(ciphertext, 3, 1 - get_bit(ciphertext, 3))",
        "UPDATE rowgate.secrets SET nonce = set_bit(nonce, 3, 1 - get_bit(nonce, 3))",
        "UPDATE rowgate.secrets SET hosts = '{evil.example}'",
        "UPDATE rowgate.secrets SET key_id = 'another'",
    ],
)
async def test_what_was_changed_in_the_database_is_not_opened(backend: Backend, tampering: str) -> None:
    root = await backend.admin()
    await create(backend, root)
    await create(backend, root, name="OTHER", value="another")
    for statement in tampering.split(";"):
        await backend.sql(statement)
    with pytest.raises(SecretUnreadable):
        await value(backend, "OTHER")


async def test_a_secret_that_is_not_there_is_refused(backend: Backend) -> None:
    with pytest.raises(SecretMissing):
        await value(backend, "NONE")


async def test_another_key_stops_the_start_and_the_right_one_still_opens(migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT) as backend:
        await create(backend, await backend.admin())
        before = [dict(row) for row in await backend.sql("SELECT * FROM rowgate.secrets")]
    with pytest.raises(SecretsKeyWrong):
        async with serving(migrated_url, DOCUMENT, secret_key=OTHER_SECRET_KEY):
            pass
    async with serving(migrated_url, DOCUMENT) as backend:
        assert [dict(row) for row in await backend.sql("SELECT * FROM rowgate.secrets")] == before
        assert (await value(backend, "PAY_KEY")).value == CANARY


async def test_rotation_carries_every_secret_to_the_key_that_is_set(migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT) as backend:
        root = await backend.admin()
        await create(backend, root)
        await create(backend, root, name="OTHER", value="another")
    new = load_settings(database_url=migrated_url, secret_key=OTHER_SECRET_KEY)
    with pytest.raises(SecretUnreadable):
        await carry_over(new, migrated_url, "u" * 40)
    assert await carry_over(new, migrated_url, SECRET_KEY) == 2
    assert await carry_over(new, migrated_url, SECRET_KEY) == 0
    async with serving(migrated_url, DOCUMENT, secret_key=OTHER_SECRET_KEY) as backend:
        async with backend.app.server.pool.lease() as connection:
            opened = await load_secrets(connection, SealingKey.of(OTHER_SECRET_KEY), ["PAY_KEY", "OTHER"])
        assert {name: secret.value for name, secret in opened.items()} == {"PAY_KEY": CANARY, "OTHER": "another"}


def test_the_same_text_is_sealed_differently_each_time_and_no_repr_shows_it() -> None:
    first, second = KEY.seal(b"text", "a"), KEY.seal(b"text", "a")
    assert first.nonce != second.nonce
    assert first.ciphertext != second.ciphertext
    assert KEY.open(first, "a") == b"text"
    with pytest.raises(SecretUnreadable):
        KEY.open(dataclasses.replace(first, nonce=second.nonce), "a")
    assert "_key" not in repr(KEY)


@pytest.mark.parametrize(
    "said",
    [
        {"steps": [{"do": "respond", "body": "=secrets.KEY"}]},
        {"steps": [{"do": "respond", "body": {"a": ["=secrets.KEY + \"x\""]}}]},
        {"steps": [{"do": "respond", "headers": {"X-Key": "=secrets.KEY"}}]},
        {"steps": [{"do": "respond", "body": "=secrets"}]},
        {"steps": [{"do": "fail", "status": 400, "message": "=secrets.KEY"}]},
        {"steps": [{"do": "set", "values": {"a": "=secrets.KEY"}}, {"do": "respond", "body": "=a"}]},
        {"steps": [{"do": "require", "that": 'secrets.KEY.startsWith("a")'}]},
        {"steps": [{"do": "require", "that": "has(secrets.KEY)"}]},
        {"steps": [{"do": "list", "from": "users", "where": "item.email == secrets.KEY", "as": "a"}]},
        {"steps": [{"do": "rate_limit", "limit": "1/minute", "by": "secrets.KEY"}]},
        {"steps": [{"do": "respond"}], "rules": [{"rule": 'secrets.KEY == "a"', "message": "no"}]},
    ],
)  # fmt: skip
def test_a_secret_is_read_by_calls_only(said: dict[str, Any]) -> None:
    endpoint = {"name": "one", "method": "POST", "path": "/one", "access": "public", **said}
    project, findings = parse_project({"rowgate": 1, "endpoints": [endpoint]})
    assert project is not None, findings
    assert {finding.code for finding in check_project(project)} == {"expression.secret"}
