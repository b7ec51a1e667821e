"""The console in Chromium against a listening server: its own tests in `console/tests`, by playwright-core and axe."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.backend import ADMIN_PASSWORD, PASSWORD, Backend, serving
from tests.clients.chromium import BROWSER
from tests.clients.test_supabase_js import NODE, listening
from tests.npm import installed

SOURCE = Path(__file__).parents[2] / "console"
pytestmark = [
    pytest.mark.skipif(NODE is None, reason="node and npm are not installed"),
    pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed"),
]
LONGEST = 540  # seconds
EMPTY = {"rowgate": 1}
NASTY = "<img src=x onerror=window.pwned=1>{{7*7}}"
ANSWERS = [{"do": "respond", "body": 1}]
MANY: dict[str, Any] = {
    "rowgate": 1,
    "endpoints": [
        {
            "name": f"e{n}",
            "method": "GET",
            "path": f"/e{n}",
            "access": "public",
            "steps": [{"do": "respond", "body": n}],
        }
        for n in range(2000)
    ],
}
ASKS = f"row.text == '{NASTY}'"
STORED_BY_AN_ATTACKER: dict[str, Any] = {
    "rowgate": 1,
    "project": {"name": NASTY},
    "roles": [{"name": "support", "description": NASTY}],
    "tables": [{"name": "notes", "description": NASTY, "columns": [{"name": "text", "type": "text"}]}],
    "views": [
        {"name": "all_notes", "description": NASTY, "table": "notes", "access": "public", "filter": ASKS}
    ],
    "middleware": [
        {"name": "asks", "description": NASTY,
         "steps": [{"do": "require", "that": "auth.signed_in", "name": "asked", "status": 403, "message": NASTY}]}
    ],
    "endpoints": [
        {"name": "hello", "description": NASTY, "method": "GET", "path": "/hello", "access": "public",
         "middleware": ["asks"], "steps": [{"do": "respond", "body": {"said": NASTY}}]}
    ],
}  # fmt: skip

WAITING_CALLS = """
INSERT INTO rowgate.outbox (id, step, method, host, key_id, nonce, ciphertext, attempts, next_at, last_error, dead_at)
VALUES (gen_random_uuid(), 'tell_billing', 'POST', 'billing.example.com', 'k', '', '', 2, now() + interval '1 day',
        'http.answer_refused', NULL),
       (gen_random_uuid(), 'tell_search', 'POST', 'search.example.com', 'k', '', '', 12, now(),
        'http.unreachable', now())
"""
WAITING_MAIL = """
INSERT INTO rowgate.mail (id, kind, created_at, attempts, next_at, expires_at, last_error, dead_at)
VALUES (gen_random_uuid(), 'recovery', now() - interval '5 min', 3, now() + interval '1 hour', now() + interval '1 day',
        '421 try again later', NULL),
       (gen_random_uuid(), 'invite', now() - interval '2 hours', 1, now(), now(), '550 no such mailbox', now())
"""
ANOTHER_PROCESS = """
INSERT INTO rowgate.instances (id, started_at, seen_at, host, process, version, state)
SELECT gen_random_uuid(), now() - interval '3 hours', now() + interval '1 hour', 'api-2', 41, '0.1.0',
 jsonb_build_object('revision', 1, 'status', 'degraded', 'checks', '{"database": true, "limits": false}'::jsonb,
  'broken', '[]'::jsonb, 'pool', '{"size": 10, "used": 3, "peak": 7, "waiting": 0}'::jsonb,
  'limited', '[{"what": "endpoints/enter_contest", "count": 34}, {"what": "POST /auth/v1/token", "count": 12}]'::jsonb,
  'minutes', (SELECT jsonb_agg(jsonb_build_object('at', date_trunc('minute', now()) - n * interval '1 min',
    'answered', 40 + 9 * ((n * 7) % 6), 'refused', (n * 5) % 9, 'failed', (n = 6)::int * 4,
    'pool_peak', 2 + (n * 3) % 6))
   FROM generate_series(0, 14) n))
"""
BIG = 2**53 + 1  # JSON's readers that know doubles alone take it for 2**53
COUNTS: dict[str, Any] = {
    "name": "counts",
    "id": "bigint",
    "columns": [{"name": "many", "type": "bigint"}, {"name": "facts", "type": "json"}],
}
MANY_DOCUMENTS = (
    """INSERT INTO data.documents (owner_user_id, title, amount)
    SELECT owner_user_id, 'Note ' || n, n % 9973 FROM generate_series(1, 20000) n,
     (SELECT owner_user_id FROM data.documents LIMIT 1) alice""",
    "ANALYZE data.documents",
)


@pytest.fixture(scope="session")
def tools() -> Path:
    """The packages of the console's lock file."""
    return installed(SOURCE)


async def run(name: str, tools: Path, url: str, **known: Any) -> None:
    """Run a file of the console's tests."""
    said = {"url": url, "browser": BROWSER, "password": ADMIN_PASSWORD, **known}
    node = await asyncio.create_subprocess_exec(
        str(NODE), "--test-reporter=spec", f"tests/{name}.test.mjs", cwd=tools,
        env={**os.environ, "ROWGATE_CONSOLE": json.dumps(said)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told, _ = await asyncio.wait_for(node.communicate(), LONGEST)
    assert node.returncode == 0, told.decode()


async def inhabited(backend: Backend) -> dict[str, Any]:
    """Make an admin of each rank, two people, and requests that were refused and not."""
    root = await backend.admin()
    for name, rank in (("viewer", "viewer"), ("editor", "editor"), ("other", "viewer")):
        body = {"email": f"{name}@example.com", "password": ADMIN_PASSWORD, "role": rank}
        assert (await backend.client.post("/admin/v1/admins", json=body, headers=root)).status_code == 201
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    made = (await alice.post("/api/documents", {"title": "Plan", "amount": 12.5})).json()
    await alice.post("/api/documents", {"title": "Budget", "amount": 900})
    assert (await bob.get(f"/api/documents/{made['id']}")).status_code == 403
    assert (await alice.get("/api/export")).status_code == 403
    assert (await backend.client.get("/rest/v1/my_documents")).status_code == 401
    assert (await alice.post("/api/documents", {"title": ""})).status_code == 422
    return {"document": made["id"], "user_password": PASSWORD, "token": alice.session["access_token"]}


async def test_why_with_every_request_kept_as_a_slow_one(migrated_url: str, tools: Path) -> None:
    async with serving(migrated_url, "documents.yaml") as backend, listening(backend) as url:
        backend.app.server.recent.slow_after = 0.0
        known = await inhabited(backend)
        await run("why", tools, url, **known)


@pytest.mark.parametrize("name", ["session", "pages", "changes", "people", "account"])
async def test_the_console_with_a_backend_that_is_in_use(name: str, migrated_url: str, tools: Path) -> None:
    async with serving(migrated_url, "documents.yaml") as backend, listening(backend) as url:
        await run(name, tools, url, **await inhabited(backend))


async def test_rows_with_an_id_that_no_double_holds(migrated_url: str, tools: Path) -> None:
    async with serving(migrated_url, "documents.yaml") as backend, listening(backend) as url:
        known = await inhabited(backend)
        root = await backend.admin()
        assert (await backend.client.post("/admin/v1/tables", json=COUNTS, headers=root)).status_code == 201
        said = f"{BIG}, {BIG}, '{json.dumps({'seen': BIG})}'"
        await backend.sql(f"INSERT INTO data.counts (id, many, facts) OVERRIDING SYSTEM VALUE VALUES ({said})")
        await run("rows", tools, url, **known, big=str(BIG))
        kept = await backend.sql("SELECT id, many, facts #>> '{seen}' AS seen FROM data.counts ORDER BY id DESC")
        assert [tuple(row) for row in kept] == [(BIG, BIG + 2, str(BIG + 4))]


async def test_the_operations_of_a_backend_that_is_in_use(migrated_url: str, tools: Path) -> None:
    async with serving(migrated_url, "documents.yaml") as backend, listening(backend) as url:
        known = await inhabited(backend)
        for statement in (WAITING_CALLS, WAITING_MAIL, ANOTHER_PROCESS):
            await backend.sql(statement)
        await run("operations", tools, url, **known)
        for statement in MANY_DOCUMENTS:
            await backend.sql(statement)
        await run("plans", tools, url, **known)


async def test_the_first_minute(migrated_url: str, tools: Path) -> None:
    async with serving(migrated_url, EMPTY) as backend, listening(backend) as url:
        await run("first", tools, url, token=backend.app.server.auth.setup_token)


async def test_where_admins_need_a_second_factor(migrated_url: str, tools: Path) -> None:
    async with serving(migrated_url, EMPTY, admin_second_factor="required") as backend, listening(backend) as url:
        await backend.admin()
        await run("required", tools, url)


async def test_no_text_that_somebody_stores_becomes_a_script(migrated_url: str, tools: Path) -> None:
    async with serving(migrated_url, STORED_BY_AN_ATTACKER) as backend, listening(backend) as url:
        root = await backend.admin()
        kept = await backend.client.post("/admin/v1/tables/notes/rows", json={"text": NASTY}, headers=root)
        assert kept.status_code == 201
        await backend.client.get("/api/hello", params={"x": NASTY})
        await run("texts", tools, url)


async def test_the_diagram_of_tables(migrated_url: str, tools: Path) -> None:
    async with serving(migrated_url, "blog.yaml") as backend, listening(backend) as url:
        await backend.admin()
        await run("diagram", tools, url)


async def test_two_thousand_endpoints(migrated_url: str, tools: Path) -> None:
    async with serving(migrated_url, MANY) as backend, listening(backend) as url:
        await backend.admin()
        await run("many", tools, url)
