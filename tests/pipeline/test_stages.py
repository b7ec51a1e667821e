"""The stages are the same in the code, the docs, traces and Server-Timing, and views take the same way as endpoints."""

import ast
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.data_plane import pipeline, stages
from tests.backend import Backend, Person, serving

ROOT = Path(__file__).parents[2]
STAGES = Path(stages.__file__).parent

NOTES = {
    "name": "notes", "columns": [
        {"name": "owner", "type": "user"}, {"name": "slug", "type": "text", "unique": True, "max_length": 5},
        {"name": "n", "type": "integer"},
    ],
}  # fmt: skip
MIDDLEWARE = [
    {"do": "insert", "table": "looks", "set": {"word": "came"}},
    {"do": "rate_limit", "limit": "1/hour"},
]
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "staff"}],
    "tables": [NOTES, {"name": "looks", "id": "bigint", "columns": [{"name": "word", "type": "text"}]}],
    "middleware": [{"name": "counted", "steps": MIDDLEWARE}],
    "views": [
        {
            "name": "mine", "table": "notes", "columns": ["id", "slug", "n"], "filter": "row.owner == auth.user.id",
            "allow": ["select", "insert", "update", "delete"], "presets": {"owner": "=auth.user.id"},
            "middleware": ["counted"], "params": {"least": {"type": "integer"}},
        },
        {"name": "all_notes", "table": "notes", "columns": ["id", "slug"], "access": {"roles": ["staff"]}},
    ],
    "endpoints": [
        {"name": "add", "method": "POST", "path": "/notes", "access": "authenticated",
         "input": {"body": {"n": {"type": "integer"}}}, "middleware": [],
         "steps": [{"do": "insert", "table": "notes", "set": {"owner": "=auth.user.id", "n": "=input.n"}},
                   {"do": "insert", "table": "looks", "set": {"word": "added"}}]},
    ],
}  # fmt: skip
JSON = {"Content-Type": "application/json"}
STRICT = {"Prefer": "handling=strict, nonsense"}


def stages_begun() -> list[tuple[str, list[str]]]:
    """Give each stage that the pipeline begins, with the names of what is called before the next one."""
    tree = ast.parse(Path(pipeline.__file__).read_text())
    (serve,) = [one for one in tree.body if isinstance(one, ast.AsyncFunctionDef)]
    refused = {call for one in ast.walk(serve) if isinstance(one, ast.ExceptHandler) for call in ast.walk(one)}
    calls = [one for one in ast.walk(serve) if isinstance(one, ast.Call) and one not in refused]
    found: list[tuple[str, list[str]]] = []
    for call in sorted(calls, key=lambda one: (one.lineno, one.col_offset)):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "stage":
            (name,) = call.args
            assert isinstance(name, ast.Constant)
            found.append((str(name.value), []))
        elif isinstance(call.func, ast.Name):
            found[-1][1].append(call.func.id)
    return found


NAMES = [name for name, _ in stages_begun()]


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as served:
        yield served


def test_the_pipeline_calls_each_stage_once_where_it_begins_and_nothing_else_before_the_next() -> None:
    assert len(NAMES) == len(set(NAMES)) == 7
    assert [called for _, called in stages_begun()] == [[name] for name in NAMES]


def test_files_and_docs_name_the_stages_in_the_order_of_the_pipeline() -> None:
    assert {one.stem for one in STAGES.glob("*.py")} - {"__init__"} == set(NAMES)
    listed = ", ".join(NAMES)
    assert f": {listed}.\n" in (stages.__doc__ or "")
    docs = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("glossary", "architecture", "seeing-why")}
    assert f"| stage | one of {listed} |" in docs["glossary"]
    walk = docs["architecture"].split("## A walk of one request")[1].split("\n## ")[0]
    assert re.findall(r"\*\*(\w+)\*\*", walk) == NAMES
    assert re.findall(r"(\w+);dur=", docs["seeing-why"]) == NAMES
    flat = " ".join(docs["seeing-why"].split())
    assert f"the stages {', '.join(NAMES[:-1])} and {NAMES[-1]}," in flat


async def timed(
    backend: Backend, person: Person, admin: dict[str, str], method: str, path: str, body: Any
) -> list[str]:
    token = admin["Authorization"].removeprefix("Bearer ")
    answer = await person.call(method, path, json=body, headers={"X-Rowgate-Trace": "1", "apikey": token})
    return re.findall(r"(\w+);dur=", answer.headers["server-timing"])


async def traced(
    backend: Backend, person: Person, admin: dict[str, str], method: str, path: str, body: Any
) -> list[str]:
    path, _, query = path.partition("?")
    said = {"as": person.id, "method": method, "path": path, "query": query, "body": body}
    answer = await backend.client.post("/admin/v1/simulate", json=said, headers=admin)
    return [one["stage"] for one in answer.json()["trace"]]


async def test_traces_and_server_timing_have_the_stages_in_the_order_of_the_pipeline(backend: Backend) -> None:
    admin, alice = await backend.admin(), await backend.sign_up("alice")
    for told in (traced, timed):
        assert await told(backend, alice, admin, "POST", "/api/notes", {"n": 1}) == NAMES
        assert await told(backend, alice, admin, "GET", "/rest/v1/mine?order=n", None) == NAMES
        assert await told(backend, alice, admin, "GET", "/rest/v1/mine?nothing=eq.1", None) == NAMES[:4]
        assert await told(backend, alice, admin, "POST", "/rest/v1/mine", {"n": "many"}) == NAMES[:4]
        assert await told(backend, alice, admin, "GET", "/api/nowhere", None) == NAMES[:1]


@pytest.mark.parametrize(
    ("method", "query", "headers", "content", "status", "code"),
    [
        ("GET", "nothing=eq.1", {}, b"", 400, "query.unknown_column"),
        ("GET", "n=about.1", {}, b"", 400, "query.unsupported"),
        ("GET", "order=n&order=n", {}, b"", 400, "query.invalid"),
        ("GET", "select=a%FF", {}, b"", 400, "input.bad_text"),
        ("GET", "least=few", {}, b"", 422, "input.invalid"),
        ("GET", "", STRICT, b"", 400, "query.unknown_preference"),
        ("GET", "", {"Range": "9-1"}, b"", 416, "query.range"),
        ("POST", "", {}, b"{", 400, "input.bad_json"),
        ("POST", "", {}, b"3", 400, "query.keys_differ"),
        ("POST", "", {}, b'{"slug": "much too long"}', 422, "input.invalid"),
        ("POST", "", {}, b'[{"n": 1}, {"slug": "a"}]', 400, "query.keys_differ"),
        ("POST", "columns=nothing", {}, b"{}", 400, "query.unknown_field"),
        ("POST", "", {"Content-Type": "text/plain"}, b"{}", 415, "input.media_type"),
        ("POST", "", {"Prefer": "resolution=merge-duplicates"}, b"{}", 400, "query.unsupported"),
        ("POST", "", STRICT, b"{}", 400, "query.unknown_preference"),
        ("PATCH", "", {}, b"[{}, {}]", 400, "query.keys_differ"),
        ("PATCH", "", {}, b'{"n": "many"}', 422, "input.invalid"),
        ("PATCH", "limit=1", {}, b"{}", 400, "query.unsupported"),
        ("PATCH", "nothing=eq.1", {}, b"{}", 400, "query.unknown_column"),
        ("PUT", "slug=gt.a", {}, b'{"slug": "a"}', 405, "query.put_filters"),
        ("PUT", "slug=eq.a", {}, b'{"slug": "b"}', 400, "query.put_unclear"),
        ("PUT", "slug=eq.a", {}, b'{"slug": "a", "n": []}', 422, "input.invalid"),
        ("DELETE", "nothing=eq.1", {}, b"", 400, "query.unknown_column"),
        ("DELETE", "", STRICT, b"", 400, "query.unknown_preference"),
    ],
)
async def test_what_a_view_can_not_read_is_refused_before_a_step_of_its_middleware_runs(
    backend: Backend, method: str, query: str, headers: dict[str, str], content: bytes, status: int, code: str
) -> None:
    alice = await backend.sign_up("alice")
    for _ in range(2):
        sent = {**(JSON if content else {}), **headers}
        answer = await alice.call(method, f"/rest/v1/mine?{query}", content=content, headers=sent)
        assert (answer.status_code, answer.json()["rowgate_code"]) == (status, code), answer.text
        assert "ratelimit" not in answer.headers
    # The number that an insert took is not given back, whatever is rolled back; and the limit has counted nothing.
    assert (await backend.sql("SELECT is_called FROM data.looks_id_seq"))[0][0] is False
    statuses = [(await alice.get("/rest/v1/mine")).status_code for _ in range(2)]
    assert statuses == [200, 429]


async def test_a_view_that_the_caller_may_not_read_is_not_embedded_and_no_middleware_runs(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    answer = await alice.get("/rest/v1/mine?select=id,all_notes(id)")
    assert (answer.status_code, answer.json()["rowgate_code"]) == (403, "access.role_missing")
    assert "ratelimit" not in answer.headers


async def test_what_the_commit_refuses_is_refused_at_the_last_stage_and_leaves_nothing(backend: Backend) -> None:
    admin, alice = await backend.admin(), await backend.sign_up("alice")
    await backend.sql("ALTER TABLE data.notes ADD CONSTRAINT late UNIQUE (n) DEFERRABLE INITIALLY DEFERRED")
    assert (await alice.post("/api/notes", {"n": 1})).status_code == 204
    body = {"as": alice.id, "method": "POST", "path": "/api/notes", "body": {"n": 1}}
    told = (await backend.client.post("/admin/v1/simulate", json=body, headers=admin)).json()
    assert (told["status"], told["trace"][-1]["decision"]) == (409, "refused")
    answer = await alice.call("POST", "/api/notes", json={"n": 1}, headers={"X-Request-Id": "late"})
    assert (answer.status_code, answer.json()["code"]) == (409, "db.unique")
    found = (await backend.client.get("/admin/v1/requests/late", headers=admin)).json()
    assert found["stage"] == told["trace"][-1]["stage"] == NAMES[-1]
    assert len(await backend.sql("SELECT 1 FROM data.notes")) == 1
