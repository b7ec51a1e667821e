"""An answer has at most so many bytes: what would have more is refused while Postgres makes it, and nothing is kept."""

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.compiler.check import check_project
from app.database.session import Session
from app.definitions.project import parse_project
from tests.backend import Backend, serving

MOST = 2_000


def endpoint(name: str, *steps: Any, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "method": "POST", "path": f"/{name}", "access": "public", "max_bytes": MOST,
        "steps": list(steps), **more,
    }  # fmt: skip


ROWS = {"do": "list", "from": "notes", "as": "rows"}
FIRST = {"do": "fetch", "from": "notes", "where": 'item.text.startsWith("long")', "as": "note"}
ADDED = {"do": "insert", "table": "notes", "set": {"text": "=input.text"}, "as": "note"}
TEXT = {"input": {"body": {"text": {"type": "text", "required": True}}}}
EACH = {"do": "update", "table": "notes", "where": "true", "set": {"text": "=item.text + '!'"}, "as": "rows"}
TEXTS = {"type": "text", "array": True, "required": True}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {"name": "hubs", "columns": [{"name": "label", "type": "text", "unique": True}]},
        {"name": "notes", "columns": [
            {"name": "text", "type": "text"}, {"name": "hub", "type": "reference", "table": "hubs"},
        ]},
    ],
    "views": [
        {"name": "hubs_seen", "table": "hubs", "columns": ["id", "label"], "access": "public", "max_bytes": MOST,
         "allow": ["select", "insert", "update", "delete"]},
        {"name": "notes_seen", "table": "notes", "columns": ["id", "text", "hub"], "access": "public",
         "max_bytes": MOST, "allow": ["select", "insert", "update", "delete"]},
        {"name": "notes_large", "table": "notes", "columns": ["id", "text", "hub"], "access": "public",
         "max_bytes": 100 * MOST},
        {"name": "listed", "table": "hubs", "access": "public", "max_bytes": MOST, "columns": [
            "id", {"name": "notes", "list": "notes", "where": "item.hub == row.id"},
        ]},
        {"name": "light", "table": "hubs", "columns": ["label"], "access": "public"},
    ],
    "endpoints": [
        endpoint("list_rows", ROWS, {"do": "respond", "body": "=size(rows)"}),
        endpoint("fetch_row", FIRST, {"do": "respond", "body": "=note.id"}),
        endpoint("twice", {**ROWS, "limit": 5}, {"do": "respond", "body": {"a": "=rows", "b": "=rows", "c": "=rows"}}),
        endpoint("add_and_tell", ADDED, {"do": "respond", "body": "=note"}, **TEXT),
        endpoint("add_and_say", ADDED, {"do": "respond", "body": {"a": "=note.text", "b": "=note.text"}}, **TEXT),
        endpoint("add_many", {
            "do": "insert", "table": "notes", "rows": '=input.texts.map(t, {"text": t})', "as": "rows",
        }, {"do": "respond", "body": "=rows"}, input={"body": {"texts": TEXTS}}),
        endpoint("change_all", EACH),
        endpoint("remove_all", {"do": "delete", "table": "notes", "where": "true", "as": "rows"}),
        endpoint("grouped", {
            "do": "aggregate", "from": "notes", "group_by": ["id"], "values": {"n": {"count": "item.id"}}, "as": "rows",
        }),
        endpoint("ping", {"do": "respond", "body": "pong"}),
    ],
}  # fmt: skip
CALLS: dict[str, Any] = {
    "list_rows": None, "fetch_row": None, "twice": None, "add_and_tell": {"text": "x" * MOST},
    "add_and_say": {"text": "y" * 1_500}, "add_many": {"texts": ["z" * 100] * 30}, "change_all": None,
    "remove_all": None, "grouped": None,
}  # fmt: skip
FILL = """
WITH hub AS (INSERT INTO data.hubs (label) VALUES ('one') RETURNING id)
INSERT INTO data.notes (text, hub) SELECT 'note ' || n || repeat('.', 60), id FROM hub, generate_series(1, 100) n
"""


LONG_NOTES = """
INSERT INTO data.notes (text, hub) SELECT repeat('x', 1000), id FROM data.hubs, generate_series(1, 150)
"""


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT, pool_size=8) as served:
        await served.sql(FILL)
        await served.sql("INSERT INTO data.notes (text) VALUES ('long' || repeat('x', 3000))")
        yield served


async def state(backend: Backend) -> Any:
    return await backend.sql("SELECT id, text FROM data.notes UNION ALL SELECT id, label FROM data.hubs ORDER BY 1")


async def test_a_view_refuses_what_is_too_large_in_every_form(backend: Backend) -> None:
    for query in ("notes_seen", "hubs_seen?select=*,notes_seen(*)", "hubs_seen?select=...notes_seen(text)", "listed"):
        for accept in ("*/*", "text/csv", "application/vnd.pgrst.object+json", "application/json;nulls=stripped"):
            for method in ("GET", "HEAD"):
                answer = await backend.client.request(method, f"/rest/v1/{query}", headers={"Accept": accept})
                if query == "notes_seen" and "object" in accept:
                    continue  # of two short rows, which are not one
                assert answer.status_code == 413, (query, accept)
    told = (await backend.client.get("/rest/v1/notes_seen")).json()
    assert (told["code"], told["rowgate_code"]) == ("respond.too_large", "respond.too_large")
    assert all(word in told["hint"] for word in ("select=", "limit=", "Range", "page"))
    page = await backend.client.get("/rest/v1/notes_seen?select=text&limit=5")
    assert (page.status_code, len(page.json())) == (200, 5)


async def test_every_byte_counts(backend: Backend) -> None:
    for query in (
        "notes_seen?select=id,text&limit=9&order=id",
        "hubs_seen?select=label,notes_seen(id)&notes_seen.limit=20",
    ):
        whole = await backend.client.get(f"/rest/v1/{query}")
        assert whole.status_code == 200
        for most, status in ((len(whole.content), 200), (len(whole.content) - 1, 413)):
            document = copy.deepcopy(DOCUMENT)
            for view in document["views"][:2]:
                view["max_bytes"] = most
            await backend.apply(document)
            await backend.app.server.live.refresh()
            assert (await backend.client.get(f"/rest/v1/{query}")).status_code == status, (query, most)


async def test_what_lies_behind_the_limit_is_never_made(backend: Backend) -> None:
    # 100 notes of the hub of each of 100 notes, three times over, would take Postgres minutes.
    deep = "id,notes_seen(id,hubs_seen(id,notes_seen(id,hubs_seen(id,notes_seen(text)))))"
    answer = await backend.client.get(f"/rest/v1/hubs_seen?select={deep}")
    assert (answer.status_code, answer.json()["code"]) == (413, "respond.too_large")


async def test_a_write_whose_rows_would_be_too_large_is_undone(backend: Backend) -> None:
    before = await state(backend)
    rows = [{"text": "x" * 100} for _ in range(40)]
    hubs = [{"label": f"{n}{'x' * 100}"} for n in range(40)]
    upsert = {"Prefer": "return=representation,resolution=merge-duplicates"}
    for method, path, body, headers in (
        ("POST", "notes_seen", rows, {}),
        ("POST", "hubs_seen?on_conflict=label", hubs, upsert),
        ("PATCH", "notes_seen?text=like.note*", {"text": "x" * 100}, {}),
        ("PUT", f"hubs_seen?label=eq.{'x' * MOST}", {"label": "x" * MOST}, {}),
        ("PATCH", "hubs_seen?select=*,notes_seen(text)", {"label": "two"}, {}),
        ("DELETE", "notes_seen?text=like.note*", None, {}),
    ):
        asked = {"Prefer": "return=representation", **headers}
        answer = await backend.client.request(method, f"/rest/v1/{path}", json=body, headers=asked)
        assert (answer.status_code, answer.json()["code"]) == (413, "respond.too_large"), (method, path, answer.text)
        assert "nothing was changed" in answer.json()["message"]
        assert "return=minimal" in answer.json()["hint"]
        assert await state(backend) == before


async def test_a_write_whose_rows_are_not_wanted_may_be_as_large_as_it_is(backend: Backend) -> None:
    rows = [{"text": "x" * 100} for _ in range(40)]
    assert (await backend.client.post("/rest/v1/notes_seen", json=rows)).status_code == 201
    tested = "hubs_seen?select=*,notes_seen(*)&notes_seen=not.is.null&notes_seen.text=like.note*"
    assert (await backend.client.patch(f"/rest/v1/{tested}", json={"label": "two"})).status_code == 204
    answer = await backend.client.post("/rest/v1/notes_seen", json={"text": "x" * MOST}, headers=HEADERS_ONLY)
    (row,) = await backend.sql("SELECT id FROM data.notes WHERE text = $1", "x" * MOST)
    assert (answer.status_code, answer.headers["location"]) == (201, f"/rest/v1/notes_seen?id=eq.{row['id']}")
    assert (await backend.client.delete("/rest/v1/notes_seen?text=like.*")).status_code == 204
    assert [row["label"] for row in await backend.sql("SELECT label FROM data.hubs")] == ["two"]


HEADERS_ONLY = {"Prefer": "return=headers-only"}


async def test_an_endpoint_refuses_what_is_too_large_and_keeps_nothing(backend: Backend) -> None:
    before = await state(backend)
    for name, body in CALLS.items():
        for path in (f"/api/{name}", f"/rest/v1/rpc/{name}"):
            answer = await backend.client.post(path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (413, "respond.too_large"), (name, answer.text)
            assert answer.json()["hint"]
            assert await state(backend) == before, name


async def test_an_endpoint_answers_up_to_its_bound(backend: Backend) -> None:
    answer = await backend.client.post("/api/add_and_tell", json={"text": "x" * 1_500})
    assert (answer.status_code, answer.json()["text"]) == (200, "x" * 1_500)
    document = copy.deepcopy(DOCUMENT)
    for one in document["endpoints"]:
        one["max_bytes"] = 1_000_000
    await backend.apply(document)
    for name, body in CALLS.items():
        assert (await backend.client.post(f"/api/{name}", json=body)).status_code in (200, 204, 404), name


async def test_large_requests_leave_the_light_ones_their_connections_and_bring_no_bytes(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought: list[int] = []
    run = Session._run

    async def counted(self: Session, *more: Any) -> list[Any]:
        found = await run(self, *more)
        brought.append(sum(len(str(value)) for row in found for value in row))
        return found

    monkeypatch.setattr(Session, "_run", counted)
    await backend.sql(LONG_NOTES)
    deep = "/rest/v1/notes_large?select=*,hubs_seen(*,notes_large(*,hubs_seen(*,notes_large(*))))"
    heavy = [asyncio.create_task(backend.client.get(deep)) for _ in range(16)]
    light = [backend.client.post("/api/ping"), *(backend.client.get("/rest/v1/light") for _ in range(10))]
    assert [answer.status_code for answer in await asyncio.gather(*light)] == [200] * len(light)
    refused = [(answer.status_code, answer.json()["code"]) for answer in await asyncio.gather(*heavy)]
    assert {*refused} <= {(413, "respond.too_large"), (503, "db.overloaded")}
    assert (413, "respond.too_large") in refused
    assert sum(brought) < 10_000


async def test_a_rehearsal_and_a_policy_test_see_the_refusal(backend: Backend) -> None:
    root = await backend.admin()
    for path in ("/rest/v1/notes_seen", "/api/list_rows"):
        method = "GET" if path.startswith("/rest") else "POST"
        wanted = {"method": method, "path": path}
        answer = await backend.client.post("/admin/v1/simulate", json=wanted, headers=root)
        told = answer.json()
        assert (told["status"], told["body"]["code"]) == (413, "respond.too_large"), answer.text
        assert told["trace"][-1]["decision"] == "refused"
    document = {**DOCUMENT, "tests": [{
        "name": "too_much", "as": "anonymous", "given": {"notes": [{"text": "x" * MOST}, {"text": "y"}]},
        "request": {"method": "GET", "path": "/rest/v1/notes_seen"},
        "expect": {"status": 413, "code": "respond.too_large"},
    }]}  # fmt: skip
    told = (await backend.client.post("/admin/v1/test", json=document, headers=root)).json()
    assert (told["passed"], told["failed"]) == (1, 0), told


async def test_the_openapi_document_says_so(backend: Backend) -> None:
    paths = (await backend.client.get("/openapi.json")).json()["paths"]
    served = [one for path, one in paths.items() if path.startswith(("/api/", "/rest/v1/"))]
    assert served
    assert all("413" in operation["responses"] for one in served for operation in one.values())


def test_a_bound_is_a_number_of_bytes_and_holds_for_what_the_definition_says_itself() -> None:
    for most in (0, -1, "10MB", 100_000_001):
        _, findings = parse_project({**DOCUMENT, "views": [{**DOCUMENT["views"][0], "max_bytes": most}]})
        assert [finding.place for finding in findings] == ["views/hubs_seen.max_bytes"]
    said = endpoint("said", {"do": "respond", "body": "x" * MOST})
    project, _ = parse_project({"rowgate": 1, "endpoints": [said]})
    assert project is not None
    assert [finding.place for finding in check_project(project)] == ["endpoints/said.steps/0.body"]
