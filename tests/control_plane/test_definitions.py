"""The admin API over a running server: refusals first, and changes that are served at once."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from app.changes.files import dump_json, dump_yaml
from app.cli.live import stored_in
from app.database.pool import SESSION_SETTINGS
from tests.backend import Backend, serving
from tests.turns import Turns

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "support"}],
    "tables": [{"name": "notes", "columns": [{"name": "body", "type": "text", "required": True}]}],
    "views": [{"name": "all_notes", "table": "notes", "columns": ["id", "body"], "access": "public"}],
    "endpoints": [
        {
            "name": "hello",
            "method": "GET",
            "path": "/hello",
            "access": "public",
            "steps": [{"do": "respond", "body": 1}],
        }
    ],
}
HELLO = {"name": "hello", "method": "GET", "path": "/hello", "access": "public"}


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


ROUTES = [
    ("GET", "/config"), ("PUT", "/config"), ("POST", "/config/plan"), ("POST", "/check"), ("GET", "/revisions"),
    ("GET", "/revisions/1"), ("POST", "/revisions/1/restore"), ("GET", "/audit"), ("GET", "/roles"),
    ("POST", "/tables"), ("GET", "/views/all_notes"), ("PUT", "/endpoints/hello"), ("PATCH", "/endpoints/hello"),
    ("DELETE", "/tables/notes"), ("GET", "/users"), ("POST", "/users"),
    ("GET", "/api-keys"), ("POST", "/api-keys"), ("GET", "/admins"),
    ("POST", "/admins"), ("POST", "/sign-out"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_nobody_but_an_admin_comes_in(backend: Backend, method: str, path: str) -> None:
    alice = await backend.sign_up("alice")
    stranger = await backend.client.request(method, f"/admin/v1{path}", json={})
    person = await alice.call(method, f"/admin/v1{path}", json={})
    assert (stranger.status_code, person.status_code) == (401, 401)


async def test_an_admin_is_nobody_to_the_backend(backend: Backend) -> None:
    root = await backend.admin()
    assert (await backend.client.get("/auth/v1/user", headers=root)).status_code == 401


async def test_a_document_with_problems_changes_nothing_and_names_each_place(backend: Backend) -> None:
    root = await backend.admin()
    bad = {
        **DOCUMENT,
        "views": [{"name": "all_notes", "table": "notes", "filter": "row.bdy == 1", "access": {"roles": ["suport"]}}],
    }
    for method, path in (("PUT", "/config"), ("POST", "/config/plan")):
        refused = await backend.client.request(method, f"/admin/v1{path}", json=bad, headers=root)
        assert (refused.status_code, refused.json()["code"]) == (422, "definition.invalid")
        assert [error["loc"][0] for error in refused.json()["errors"]] == [
            "views/all_notes.filter:1:5",
            "views/all_notes.access.roles",
        ]
        assert "did you mean" in refused.text
    checked = await backend.client.post("/admin/v1/check", json=bad, headers=root)
    assert (checked.json()["valid"], len(checked.json()["findings"])) == (False, 2)
    assert (await backend.client.get("/admin/v1/config", headers=root)).headers["etag"] == '"1"'


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"a": 1, "a": 2}', "application/json", 400),
        (b"a: [1", "application/yaml", 422),
        (b"x", "text/plain", 415),
        (b"[]", "application/json", 422),
        (b'{"rowgate": 1, "tabels": []}', "application/json", 422),
    ],
)
async def test_a_body_that_is_no_document_is_refused(backend: Backend, body: bytes, kind: str, status: int) -> None:
    root = await backend.admin()
    answer = await backend.client.put("/admin/v1/config", content=body, headers={**root, "Content-Type": kind})
    assert answer.status_code == status


async def test_a_change_is_served_at_once_and_can_be_undone(backend: Backend) -> None:
    root = await backend.admin()
    assert (await backend.client.get("/api/hello")).json() == 1
    body = {**HELLO, "steps": [{"do": "respond", "body": 2}]}
    assert (await backend.client.put("/admin/v1/endpoints/hello", json=body, headers=root)).status_code == 428
    answer = await backend.client.put("/admin/v1/endpoints/hello", json=body, headers={**root, "If-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert (await backend.client.get("/api/hello")).json() == 2
    stale = await backend.client.put("/admin/v1/endpoints/hello", json=body, headers={**root, "If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "change.revision")
    assert (await backend.client.post("/admin/v1/revisions/1/restore", headers=root)).json()["revision"] == 3
    assert (await backend.client.get("/api/hello")).json() == 1
    assert [one["number"] for one in (await backend.client.get("/admin/v1/revisions", headers=root)).json()] == [
        3,
        2,
        1,
    ]


async def test_definitions_are_made_changed_renamed_and_removed_one_by_one(backend: Backend) -> None:
    root = await backend.admin()
    client = backend.client
    column = {"name": "name", "type": "text"}
    made = await client.post("/admin/v1/tables", json={"name": "tags", "columns": [column]}, headers=root)
    assert (made.status_code, made.json()["columns"]) == (201, [column])
    again = await client.post("/admin/v1/tables", json={"name": "tags"}, headers=root)
    assert (again.status_code, again.json()["code"]) == (409, "definition.name_taken")
    await backend.sql("INSERT INTO data.tags (name) VALUES ('kept')")
    renamed = await client.patch("/admin/v1/tables/tags", json={"name": "labels"}, headers=root)
    assert renamed.json()["name"] == "labels"
    assert await backend.sql("SELECT name FROM data.labels") == [("kept",)]
    refused = await client.delete("/admin/v1/tables/labels", headers={**root, "If-Match": "*"})
    assert (refused.status_code, refused.json()["code"]) == (409, "change.would_destroy")
    planned = await client.delete("/admin/v1/tables/labels?dry_run=true", headers={**root, "If-Match": "*"})
    assert planned.json()["destroys"] == ["labels"]
    gone = await client.delete("/admin/v1/tables/labels?destroy=labels", headers={**root, "If-Match": "*"})
    assert gone.status_code == 204
    assert (await client.get("/admin/v1/tables/labels", headers=root)).status_code == 404


async def test_a_table_that_is_used_elsewhere_is_not_dropped(backend: Backend) -> None:
    root = await backend.admin()
    refused = await backend.client.delete("/admin/v1/tables/notes", headers={**root, "If-Match": "*"})
    assert refused.status_code == 422
    assert [error["loc"][0] for error in refused.json()["errors"]] == ["views/all_notes.table"]
    assert await backend.sql("SELECT FROM data.notes") == []


async def test_the_document_comes_back_as_it_was_put_also_as_yaml(backend: Backend) -> None:
    root = await backend.admin()
    assert (await backend.client.get("/admin/v1/config", headers=root)).json() == DOCUMENT
    yaml = await backend.client.get("/admin/v1/config", headers={**root, "Accept": "application/yaml"})
    assert yaml.text.startswith("rowgate: 1\nroles:\n- name: support\n")
    headers = {**root, "Content-Type": "application/yaml"}
    same = await backend.client.put("/admin/v1/config", content=yaml.content, headers=headers)
    assert (same.status_code, same.json()["changes"]) == (200, [])


async def test_every_change_is_in_the_audit_log_under_its_admin(backend: Backend) -> None:
    root = await backend.admin()
    await backend.client.post("/admin/v1/roles", json={"name": "editor"}, headers=root)
    entries = (await backend.client.get("/admin/v1/audit", headers=root)).json()
    assert entries[0]["action"] == "definitions.change"
    assert entries[0]["actor"] == "admin:root@example.com"
    assert entries[0]["detail"]["changes"] == ["add the role editor"]


async def test_what_another_instance_changes_holds_at_the_very_next_request(backend: Backend) -> None:
    """The guard finds it, whatever NOTIFY does: the answer is never from before the commit."""
    assert (await backend.client.get("/api/hello")).status_code == 200
    for access, status in (("authenticated", 401), ("public", 200), ("authenticated", 401)):
        endpoint = {**DOCUMENT["endpoints"][0], "access": access}
        await backend.apply({**DOCUMENT, "endpoints": [endpoint]})
        if status == 200:
            await asyncio.sleep(1.3)  # a stranger's 401 costs no query, so it may lag by the second of the poll
        assert (await backend.client.get("/api/hello")).status_code == status


async def test_no_request_fails_while_definitions_change(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is asked here isn't how soon a busy machine commits: a reader's patience has tests of its own.
    monkeypatch.setitem(SESSION_SETTINGS, "lock_timeout", "60s")
    async with serving(migrated_url, DOCUMENT) as backend:
        await _change_under_load(backend)


async def _change_under_load(backend: Backend) -> None:
    answers: list[int] = []
    stop = asyncio.Event()

    async def call() -> None:
        while not stop.is_set():
            answers.append((await backend.client.get("/rest/v1/all_notes")).status_code)
            answers.append((await backend.client.get("/api/hello")).status_code)

    callers = [asyncio.create_task(call()) for _ in range(4)]
    for index in range(12):
        columns = [*DOCUMENT["tables"][0]["columns"], *[{"name": f"c{n}", "type": "integer"} for n in range(index + 1)]]
        await backend.apply({**DOCUMENT, "tables": [{"name": "notes", "columns": columns}]})
    stop.set()
    await asyncio.gather(*callers)
    assert len(answers) > 50
    assert set(answers) == {200}


async def test_a_rule_said_in_short_is_kept_in_full_and_the_answer_says_so(backend: Backend) -> None:
    root = await backend.admin()
    view = {"name": "mine", "table": "notes", "columns": ["id"], "filter": "body = auth.user.email"}
    full = "row.body == auth.user.email"
    told = [{"place": "views/mine.filter", "said": view["filter"], "full": full}]
    document = {**DOCUMENT, "views": [*DOCUMENT["views"], view]}
    checked = await backend.client.post("/admin/v1/check", json=document, headers=root)
    planned = await backend.client.post("/admin/v1/config/plan", json=document, headers=root)
    assert [one.json()["written_out"] for one in (checked, planned)] == [told, told]
    made = await backend.client.post("/admin/v1/views", json=view, headers=root)
    assert (made.status_code, made.json()["filter"]) == (201, full)
    changed = await backend.client.put("/admin/v1/config", json=document, headers=root)
    assert (changed.json()["changes"], changed.json()["written_out"]) == ([], told)
    shown = await backend.client.get("/admin/v1/config", headers=root)
    assert [one.get("filter") for one in shown.json()["views"]] == [None, full]


async def test_a_finding_over_http_has_its_hint_and_its_line(backend: Backend) -> None:
    root = await backend.admin()
    rule = 'row.bdy == "x"'
    view = {"name": "mine", "table": "notes", "columns": ["id"], "filter": rule}
    finding = {
        "code": "expression.unknown_name",
        "message": "notes has no field 'bdy'",
        "hint": "did you mean body?",
        "excerpt": f"{rule}\n    ^",
    }
    refused = await backend.client.post("/admin/v1/views", json=view, headers=root)
    assert refused.json()["errors"] == [{"loc": ["views/mine.filter:1:5"], **finding}]
    document = {**DOCUMENT, "views": [view]}
    checked = await backend.client.post("/admin/v1/check", json=document, headers=root)
    assert checked.json()["findings"] == [{"place": "views/mine.filter:1:5", **finding}]


async def test_the_command_and_http_export_the_same_bytes(backend: Backend) -> None:
    root = await backend.admin()
    stored = await stored_in(backend.url)
    for accept, text in (("application/json", dump_json(stored)), ("application/yaml", dump_yaml(stored))):
        shown = await backend.client.get("/admin/v1/config", headers={**root, "Accept": accept})
        assert shown.content == text.encode()
        assert shown.headers["content-type"].startswith(accept)
