"""Definitions that this version can't read or compile are closed alone, and the admin API repairs them."""

import json
import operator
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from app.changes.files import dump_yaml
from app.compiler.runtime import DefinitionsBroken
from app.compiler.stored import compile_stored
from app.definitions.project import KINDS
from app.definitions.stored import SECTIONS, stored_of
from app.main import create_app
from app.outward.client import Outward
from app.outward.delivery import Delivery
from app.settings import load_settings
from app.steps import registry
from tests.backend import ADMIN_PASSWORD, SECRET_KEY, Backend, serving

HELLO = {"name": "hello", "method": "GET", "path": "/hello", "access": "public"}
SAY = [{"do": "respond", "body": 1}]
BEHIND = {**HELLO, "name": "behind", "path": "/behind", "middleware": ["checked"], "steps": SAY}
READS = {
    **HELLO, "name": "reads", "path": "/reads",
    "steps": [{"do": "list", "from": "all_notes", "as": "found"}, {"do": "respond", "body": 1}],
}  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "project": {"name": "Notes"},
    "roles": [{"name": "support"}],
    "users": {"columns": [{"name": "plan", "type": "text"}]},
    "tables": [{"name": "notes", "columns": [{"name": "body", "type": "text", "required": True}]}],
    "views": [
        {"name": "all_notes", "table": "notes", "columns": ["id", "body"], "access": "public"},
        {"name": "others", "table": "notes", "columns": ["id"], "access": "public", "filter": "written(row.body)"},
    ],
    "rules": [{"name": "written", "params": {"text": {"type": "text"}}, "that": "params.text != ''"}],
    "middleware": [{"name": "checked", "steps": [{"do": "require", "that": "true"}]}],
    "endpoints": [{**HELLO, "steps": SAY}, BEHIND, READS],
    "tests": [{"name": "says_one", "request": {"path": "/api/hello"}, "expect": {"status": 200}}],
}
SERVED = {"/api/hello", "/api/behind", "/api/reads", "/rest/v1/all_notes", "/rest/v1/others", "/openapi.json"}
CLOSES = {
    ("endpoint", "hello"): {"/api/hello"},
    ("endpoint", "behind"): {"/api/behind"},
    ("middleware", "checked"): {"/api/behind"},
    ("view", "all_notes"): {"/rest/v1/all_notes", "/api/reads"},
    ("view", "others"): {"/rest/v1/others"},
    ("rule", "written"): {"/rest/v1/others"},
    ("test", "says_one"): set[str](),
    ("role", "support"): SERVED,
    ("table", "notes"): SERVED,
    ("users", "users"): SERVED,
    ("project", "project"): SERVED,
    ("teleporter", "one"): SERVED,
}
DAMAGES = [
    "[]", "7", '"text"', "null", "{}", '{"name": "another"}', '{"name": [], "path": 1}', '{"name": {"name": 1}}',
    '{"name": "NAME", "secret_key": 1}', '{"name": "NAME", "path": "/NAME", "method": [], "steps": {"do": 1}}',
    '{"name": "NAME", "table": "notes", "steps": [[]], "columns": [[[]]]}',
    '{"name": "NAME", "steps": [{"do": "fly"}]}',
    '{"name": "NAME", "timeout": 1e999}', '{"name": "NAME", "description": "\\ud800"}', f'{{"name": {"9" * 5000}}}',
    "[" * 3000 + "]" * 3000,
]  # fmt: skip
VALID = {"{}", '{"name": "another"}'}  # of `project` and `users`


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        yield backend


async def damage(backend: Backend, kind: str, name: str, body: str) -> None:
    """Write a row by hand and publish it, as another instance would."""
    changed = await backend.sql(
        "UPDATE rowgate.definitions SET body = $3::text::json WHERE kind = $1 AND name = $2 AND valid_to IS NULL"
        " RETURNING 1", kind, name, body,
    )  # fmt: skip
    if not changed:
        await backend.sql(
            "INSERT INTO rowgate.definitions (kind, name, position, body, valid_from)"
            " VALUES ($1, $2, 0, $3::text::json, 1)",
            kind, name, body,
        )  # fmt: skip
    await publish(backend)


async def publish(backend: Backend) -> None:
    await backend.sql("UPDATE rowgate.live SET revision = revision + 1")
    await backend.app.server.live.refresh()


async def closed(backend: Backend) -> set[str]:
    """Give the paths that answer 503 `definitions.broken`; all others have to answer 200."""
    found = set()
    for path in SERVED:
        answer = await backend.client.get(path)
        if answer.status_code != 200:
            said = answer.json()
            assert (answer.status_code, said.get("rowgate_code", said["code"])) == (503, "definitions.broken"), path
            assert not any(word in answer.text for word in ("hello", "checked", "notes", "support", "plan", "unknown"))
            found.add(path)
    return found


def rows(**instead: str) -> Iterator[tuple[str, str, str]]:
    """Give the document as its rows; `instead` is the text of some, by kind and name."""
    for section, kind in KINDS.items():
        for one in DOCUMENT[section]:
            yield kind, one["name"], instead.pop(f"{kind}_{one['name']}", json.dumps(one))
    for kind in ("project", "users"):
        yield kind, kind, instead.pop(f"{kind}_{kind}", json.dumps(DOCUMENT[kind]))
    for key, text in instead.items():
        kind, _, name = key.partition("_")
        yield kind, name, text


def place_of(kind: str, name: str) -> str:
    return f"{SECTIONS[kind]}/{name}" if kind in SECTIONS else kind


@pytest.mark.parametrize("body", DAMAGES, ids=range(len(DAMAGES)))
def test_whatever_a_row_holds_it_is_told_apart_and_nothing_is_raised(body: str) -> None:
    for (kind, name), closes in CLOSES.items():
        if kind in {"users", "project"} and body in VALID:
            continue
        stored = stored_of(rows(**{f"{kind}_{name}": body.replace("NAME", name)}))
        runtime = compile_stored(stored, 7)
        assert place_of(kind, name) in runtime.broken.parts
        assert runtime.broken.everything == (closes == SERVED)
        if not runtime.broken.everything:
            served = {f"/api/{one}" for one in runtime.endpoints} | {f"/rest/v1/{one}" for one in runtime.views}
            assert served == SERVED - closes - {"/openapi.json"}
        json.dumps(stored.document)
        assert dump_yaml(stored)


FLY = [{"do": "fly"}]
WRONG: dict[tuple[str, str], Any] = {
    ("endpoint", "hello"): {**HELLO, "steps": FLY},
    ("endpoint", "behind"): {**BEHIND, "access": {"roles": ["nobody"]}},
    ("middleware", "checked"): {"name": "checked", "steps": FLY},
    ("view", "all_notes"): {**DOCUMENT["views"][0], "filter": "row.nothing == 1"},
    ("view", "others"): {**DOCUMENT["views"][1], "columns": ["nothing"]},
    ("rule", "written"): {**DOCUMENT["rules"][0], "that": "params.nothing == 1"},
    ("test", "says_one"): {"name": "says_one", "request": {"path": "/api/nothing"}, "expect": {"status": 200}},
    ("table", "notes"): {**DOCUMENT["tables"][0], "checks": [{"rule": "row.nothing == 1"}]},
    ("users", "users"): {"columns": [{"name": "plan", "type": "text", "pattern": "("}]},
    ("project", "project"): {"middleware": ["nothing"]},
}


@pytest.mark.parametrize("key", WRONG, ids=lambda key: key[0] + "-" + key[1])
def test_what_reads_well_and_does_not_compile_closes_the_same(key: tuple[str, str]) -> None:
    kind, name = key
    runtime = compile_stored(stored_of(rows(**{f"{kind}_{name}": json.dumps(WRONG[key])})))
    served = {f"/api/{one}" for one in runtime.endpoints} | {f"/rest/v1/{one}" for one in runtime.views}
    assert served == SERVED - CLOSES[key] - {"/openapi.json"}
    assert runtime.broken.everything == (CLOSES[key] == SERVED and kind != "project")
    assert [finding.message for part in runtime.broken.parts.values() for finding in part]


@pytest.mark.parametrize("body", ["[]", json.dumps({"name": "checked", "steps": FLY})])
def test_a_broken_chain_that_runs_everywhere_closes_everything(body: str) -> None:
    everywhere = json.dumps({"middleware": ["checked"]})
    skips = json.dumps({**HELLO, "steps": SAY, "skip": ["checked"]})
    said = {"project_project": everywhere, "endpoint_hello": skips}
    assert "hello" in compile_stored(stored_of(rows(**said))).endpoints
    assert compile_stored(stored_of(rows(**said, middleware_checked=body))).broken.everything


@pytest.mark.parametrize("key", CLOSES, ids=lambda key: key[0] + "-" + key[1])
async def test_a_damaged_row_closes_itself_and_what_rests_on_it_alone(backend: Backend, key: tuple[str, str]) -> None:
    kind, name = key
    await damage(backend, kind, name, "[]")
    assert await closed(backend) == CLOSES[key]
    ready = await backend.client.get("/readyz")
    assert ready.status_code == (503 if CLOSES[key] == SERVED else 200)
    assert place_of(kind, name) in ready.json()["broken"]
    assert (await backend.client.get("/healthz")).status_code == 200
    root = await backend.admin()
    for path in ("config", SECTIONS.get(kind, "endpoints"), "revisions/1"):
        answer = await backend.client.get(f"/admin/v1/{path}", headers=root)
        assert answer.status_code == 200, (path, answer.text)
    told = (await backend.client.get("/admin/v1/access", headers=root)).json()["findings"]
    assert place_of(kind, name) in {one["place"] for one in told if one["code"] == "definitions.broken"}
    planned = await backend.client.post("/admin/v1/config/plan", json=DOCUMENT, headers=root)
    assert (planned.status_code, planned.json()["sql"]) == (200, []), planned.text
    repaired = await backend.client.put("/admin/v1/config?allow_wider=true", json=DOCUMENT, headers=root)
    assert repaired.status_code == 200, repaired.text
    assert await closed(backend) == set()
    assert (await backend.client.get("/readyz")).json()["broken"] == []
    assert (await backend.client.get("/admin/v1/config", headers=root)).json() == DOCUMENT


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_broken_definitions_are_repaired_one_by_one(backend: Backend, method: str) -> None:
    root = {**await backend.admin(), "If-Match": "*"}
    named = [(kind, name) for kind, name in CLOSES if kind in SECTIONS and (kind, name) != ("endpoint", "behind")]
    for kind, name in named:
        await damage(backend, kind, name, "[]")
    assert await closed(backend) == SERVED
    if method != "DELETE":  # what is saved has to be sound, and so comes behind what it rests on
        named.sort(key=lambda key: ["role", "table", "rule", "view", "middleware", "endpoint", "test"].index(key[0]))
    for kind, name in named:
        path = f"/admin/v1/{SECTIONS[kind]}/{name}"
        body = next(one for one in DOCUMENT[SECTIONS[kind]] if one["name"] == name)
        assert (await backend.client.get(path, headers=root)).json() == {"name": name, "body": []}
        sent = {**body, **({"body": None} if method == "PATCH" else {})}
        answer = await backend.client.request(
            method, f"{path}?allow_wider=true", json=None if method == "DELETE" else sent, headers=root
        )
        assert answer.status_code == (204 if method == "DELETE" else 200), (path, answer.text)
    if method == "DELETE":
        # What rested on them is broken as it was, and can be deleted too.
        for name in ("behind", "reads"):
            answer = await backend.client.delete(f"/admin/v1/endpoints/{name}", headers=root)
            assert answer.status_code == 204, answer.text
        assert await backend.sql("SELECT FROM pg_tables WHERE schemaname = 'data' AND tablename = 'notes'") == []
    else:
        assert await closed(backend) == set()
    assert (await backend.client.get("/readyz")).json()["broken"] == []


async def test_a_table_that_cant_be_read_loses_no_data_and_is_repaired_only_by_what_it_is(backend: Backend) -> None:
    root = {**await backend.admin(), "If-Match": "*"}
    await backend.sql("INSERT INTO data.notes (body) VALUES ('kept')")
    for body in ("[]", json.dumps({**DOCUMENT["tables"][0], "checks": [{"rule": "row.nothing > 1"}]})):
        await damage(backend, "table", "notes", body)
        refused = await backend.client.put(
            "/admin/v1/tables/notes", json={"columns": [{"name": "body", "type": "json"}]}, headers=root
        )
        assert (refused.status_code, refused.json()["code"]) == (409, "change.table_differs")
        assert "body" in refused.json()["detail"]
        bare = {"rowgate": 1, "users": DOCUMENT["users"]}
        refused = await backend.client.put("/admin/v1/config", json=bare, headers=root)
        assert (refused.status_code, refused.json()["code"]) == (409, "change.would_destroy")
        answer = await backend.client.put("/admin/v1/config?allow_wider=true", json=DOCUMENT, headers=root)
        assert answer.status_code == 200, answer.text
        assert (await backend.client.get("/rest/v1/all_notes?select=body")).json() == [{"body": "kept"}]
        # While it is broken, others are edited beside it.
        await damage(backend, "table", "notes", body)
        answer = await backend.client.patch("/admin/v1/roles/support", json={"description": body[:9]}, headers=root)
        assert answer.status_code == 200, answer.text
        answer = await backend.client.put("/admin/v1/config?allow_wider=true", json=DOCUMENT, headers=root)
        assert answer.status_code == 200, answer.text


async def test_an_edit_breaks_nothing_more_than_what_was_broken(backend: Backend) -> None:
    root = {**await backend.admin(), "If-Match": "*"}
    await damage(backend, "middleware", "checked", "[]")
    for method, path, body in (
        ("DELETE", "/views/all_notes", None),  # `reads` would be broken by it
        ("PATCH", "/endpoints/behind", {"description": "still broken"}),  # what is touched has to be sound
        ("POST", "/endpoints", {**BEHIND, "name": "more", "path": "/more"}),
    ):
        refused = await backend.client.request(method, f"/admin/v1{path}", json=body, headers=root)
        assert (refused.status_code, refused.json()["code"]) == (422, "definition.invalid"), path
    await damage(backend, "test", "says_one", "[]")
    steps = [{"do": "require", "that": "nobody.knows == 1"}]
    await damage(backend, "endpoint", "reads", json.dumps({**READS, "steps": steps}))
    for name in ("checked", ["checked"], None, 7):
        refused = await backend.client.post("/admin/v1/middleware", json={"name": name, "steps": []}, headers=root)
        assert refused.status_code in {409, 422}, refused.text
    renamed = {"name": "one", "request": {"path": "/api/hello"}, "expect": {"status": 200}}
    assert (await backend.client.post("/admin/v1/tests", json=renamed, headers=root)).status_code == 201
    refused = await backend.client.patch("/admin/v1/tests/one", json={"name": "says_one"}, headers=root)
    assert (refused.status_code, refused.json()["code"]) == (409, "definition.name_taken")
    answer = await backend.client.patch("/admin/v1/views/others", json={"description": "fine"}, headers=root)
    assert answer.status_code == 200, answer.text
    assert await closed(backend) == {"/api/behind", "/api/reads"}
    assert (await backend.client.get("/admin/v1/tests", headers=root)).json()[0] == {"name": "says_one", "body": []}
    refused = await backend.client.post("/admin/v1/revisions/1/restore", headers=root)
    assert (refused.status_code, refused.json()["code"]) == (422, "definition.invalid")


async def test_what_takes_the_place_of_a_broken_definition_counts_as_wider(backend: Backend) -> None:
    root = {**await backend.admin(), "If-Match": "*"}
    await damage(backend, "endpoint", "hello", "[]")
    body = {**HELLO, "steps": SAY}
    refused = await backend.client.put("/admin/v1/endpoints/hello", json=body, headers=root)
    assert (refused.status_code, refused.json()["code"]) == (409, "change.wider")


async def test_an_endpoint_made_private_beside_a_broken_part_is_public_no_more(backend: Backend) -> None:
    """A newer instance publishes a kind of step that this one doesn't know, and closes an endpoint with it."""
    private = json.dumps({**HELLO, "access": "authenticated", "steps": SAY})
    newer = json.dumps({**READS, "steps": [{"do": "teleport", "to": "mars"}]})
    for name, body in (("hello", private), ("reads", newer)):
        await backend.sql(
            "UPDATE rowgate.definitions SET body = $2::text::json WHERE name = $1 AND valid_to IS NULL", name, body
        )
    await backend.sql("UPDATE rowgate.live SET revision = revision + 1")
    # Not told, and not looked yet: the first statement of a request finds out.
    assert (await backend.client.get("/rest/v1/others")).status_code == 200
    assert (await backend.client.get("/api/hello")).status_code == 401
    answer = await backend.client.get("/api/reads")
    assert (answer.status_code, answer.json()["code"]) == (503, "definitions.broken")
    assert "teleport" not in answer.text
    assert (await backend.client.get("/api/behind")).status_code == 200


async def test_an_old_instance_beside_a_newer_one_closes_only_what_it_does_not_know(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one is this one without a kind of step, which a second server has and publishes."""
    known = dict(registry.KINDS)
    async with serving(migrated_url, DOCUMENT) as old, serving(migrated_url, DOCUMENT) as new:
        await old.app.server.live.stop()  # it looks when the test says so
        root = await new.admin()
        counting = {**READS, "steps": [{"do": "count", "from": "notes", "as": "n"}, {"do": "respond", "body": "=n"}]}
        hidden = {**HELLO, "access": "authenticated", "steps": SAY}
        document = {**DOCUMENT, "tests": [], "endpoints": [hidden, BEHIND, counting]}
        answer = await new.client.put("/admin/v1/config?allow_wider=true", json=document, headers=root)
        assert answer.status_code == 200, answer.text
        assert (await new.client.get("/api/reads")).json() == 0
        monkeypatch.delitem(registry.KINDS, "count")
        await old.app.server.live.refresh()
        statuses = {path: (await old.client.get(path)).status_code for path in sorted(SERVED)}
        assert statuses == {**dict.fromkeys(sorted(SERVED), 200), "/api/hello": 401, "/api/reads": 503}
        assert (await old.client.get("/readyz")).json()["broken"] == ["endpoints/reads"]
        assert set(known) - set(registry.KINDS) == {"count"}


async def test_the_path_of_a_broken_endpoint_is_answered_by_no_other(backend: Backend) -> None:
    root = {**await backend.admin(), "If-Match": "*"}
    say = [{"do": "respond", "body": "=input.any"}]
    wild = {**HELLO, "name": "wild", "path": "/{any}", "input": {"path": {"any": {"type": "text"}}}, "steps": say}
    assert (await backend.client.post("/admin/v1/endpoints", json=wild, headers=root)).status_code == 201
    await damage(backend, "endpoint", "hello", json.dumps({**HELLO, "steps": 7}))
    assert (await backend.client.get("/api/other")).json() == "other"
    assert (await backend.client.get("/api/hello")).status_code == 503
    assert (await backend.client.post("/functions/v1/hello")).status_code == 503
    # One that says the path of another makes both unclear.
    await damage(backend, "endpoint", "hello", json.dumps({**HELLO, "path": "/behind", "steps": 7}))
    assert (await backend.client.get("/api/behind")).status_code == 503
    # Whose path nothing tells may be any that nobody has.
    await damage(backend, "endpoint", "hello", "[]")
    assert (await backend.client.get("/api/deep/nothing")).status_code == 503
    assert (await backend.client.get("/rest/v1/nothing")).status_code == 404
    await damage(backend, "view", "all_notes", "[]")
    embedded = await backend.client.get("/rest/v1/others?select=id,all_notes(body)")
    assert (embedded.status_code, embedded.json()["rowgate_code"]) == (503, "definitions.broken")


async def test_a_server_starts_on_a_broken_revision_and_signs_nobody_in_but_admins(migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT) as backend:
        await backend.admin()
        await damage(backend, "role", "support", "7")
    settings = load_settings(database_url=migrated_url, secret_key=SECRET_KEY, confirm_email=False)
    app = create_app(settings, migrated_url)
    async with app.fastapi.router.lifespan_context(app.fastapi):
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            body = {"email": "root@example.com", "password": ADMIN_PASSWORD}
            assert (await client.post("/admin/v1/sign-in", json=body)).status_code == 200
            refused = await client.post("/auth/v1/signup", json=body)
            assert (refused.status_code, refused.json()["code"]) == (503, "definitions.broken")


async def test_a_compilation_that_fails_serves_nothing_older(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise LookupError

    monkeypatch.setattr("app.data_plane.reload.compile_stored", fails)
    await publish(backend)
    assert await closed(backend) == SERVED


async def test_no_call_of_the_outbox_is_tried_while_nothing_says_what_may_be_called(backend: Backend) -> None:
    await damage(backend, "project", "project", "[]")
    await backend.sql(
        "INSERT INTO rowgate.outbox (id, step, method, host, key_id, nonce, ciphertext)"
        " VALUES (gen_random_uuid(), 's', 'GET', 'h', 'k', '', '')"
    )
    state = backend.app.server
    allow = operator.attrgetter("runtime.project.project.http_allow")
    delivery = Delivery(state.pool, Outward(state.sealing_key), lambda: allow(state.live))
    with pytest.raises(DefinitionsBroken):
        await delivery.deliver_due()
    assert await backend.sql("SELECT FROM rowgate.outbox WHERE attempts > 0 OR dead_at IS NOT NULL") == []


async def test_writers_wait_for_what_another_instance_may_still_count(backend: Backend) -> None:
    """A definition that can't be read here keeps the triggers that it rests on, until it is deleted."""
    root = {**await backend.admin(), "If-Match": "*"}
    steps = [
        {"do": "count", "from": "notes", "as": "n"}, {"do": "require", "that": "n < 5"},
        {"do": "insert", "table": "notes", "set": {"body": "x"}},
    ]  # fmt: skip
    counts = {**HELLO, "name": "counts", "path": "/counts", "method": "POST", "steps": steps}
    assert (await backend.client.post("/admin/v1/endpoints", json=counts, headers=root)).status_code == 201
    triggers = "SELECT FROM pg_trigger WHERE tgrelid = 'data.notes'::regclass AND tgname LIKE 'rowgate_hold%'"
    assert len(await backend.sql(triggers)) == 1
    await damage(backend, "endpoint", "counts", "[]")
    answer = await backend.client.patch("/admin/v1/views/others", json={"description": "edited"}, headers=root)
    assert answer.status_code == 200, answer.text
    assert len(await backend.sql(triggers)) == 1
    assert (await backend.client.delete("/admin/v1/endpoints/counts", headers=root)).status_code == 204
    assert await backend.sql(triggers) == []
