"""Requests that run on definitions of before: what those say of a table may not be there any more, and none fails."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.backend import Backend, serving

PUBLIC = {"access": "public"}


def document(column: str, **more: str) -> dict[str, Any]:
    """A backend whose table `notes` has a column of this name."""
    insert = {"do": "insert", "table": "notes", "set": {column: "x"}}
    steps: dict[str, list[dict[str, Any]]] = {
        "read": [{"do": "list", "from": "notes", "as": "all"}, {"do": "respond", "body": "=size(all)"}],
        "write": [
            insert,
            {"do": "count", "from": "notes", "where": "true", "as": "all"},
            {"do": "respond", "body": "=all"},
        ],
        "behind": [
            {"do": "fetch", "from": "locks", "where": "true", "lock": True, "as": "held"},
            # Not in one statement with what is before it.
            {"do": "for_each", "each": "[held.word]", "as": "word", "steps": [insert]},
            {"do": "respond", "body": "=held.word"},
        ],
    }
    endpoints = [
        {"name": name, "method": "POST", "path": f"/{name}", **PUBLIC, "steps": said} for name, said in steps.items()
    ]
    return {
        "rowgate": 1,
        "tables": [
            {"name": "locks", "columns": [{"name": "word", "type": "text"}]},
            {"name": "notes", "columns": [{"name": column, "type": "text", **more}, {"name": "words", "type": "text"}]},
        ],
        "views": [{"name": "all_notes", "table": "notes", "columns": "all", **PUBLIC, "allow": ["select", "insert"]}],
        "endpoints": endpoints,
    }


DOCUMENT = document("title")
RENAMED = document("heading", was="title")


@pytest.fixture
async def backend(migrated_url: str, patient: None) -> AsyncIterator[Backend]:
    """A server that looks for other definitions only when a request finds that there are."""
    async with serving(migrated_url, DOCUMENT) as served:
        await served.app.server.live.stop()
        yield served


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/rest/v1/all_notes", None),
        ("GET", "/rest/v1/all_notes?words=fts.x", None),
        ("POST", "/rest/v1/all_notes", {}),
        ("POST", "/api/read", None),
        ("POST", "/api/write", None),
    ],
)
async def test_what_was_renamed_elsewhere_is_found_under_its_new_name(
    backend: Backend, method: str, path: str, body: Any
) -> None:
    await backend.apply(RENAMED)
    answer = await backend.client.request(method, path, json=body)
    assert answer.status_code in (200, 201), answer.text


async def test_a_request_that_had_begun_on_the_definitions_of_before_is_run_again(
    backend: Backend, migrated_url: str
) -> None:
    await backend.sql("INSERT INTO data.locks (word) VALUES ('mine')")
    other = await asyncpg.connect(migrated_url)
    async with other.transaction():
        await other.execute("SELECT FROM data.locks FOR UPDATE")
        request = asyncio.create_task(backend.client.post("/api/behind"))
        waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while not await backend.sql(waiting):  # noqa: ASYNC110 - it waits in Postgres
            await asyncio.sleep(0.01)
        await backend.apply(RENAMED)
    answer = await request
    assert (answer.status_code, answer.json()) == (200, "mine"), answer.text
    assert [row["heading"] for row in await backend.sql("SELECT heading FROM data.notes")] == ["x"]
    await other.close()


async def test_what_fails_on_the_definitions_as_they_are_is_a_fault_still(backend: Backend) -> None:
    await backend.sql("ALTER TABLE data.notes RENAME COLUMN title TO behind_our_back")
    answer = await backend.client.post("/api/write")
    assert (answer.status_code, answer.json()["code"]) == (500, "db.failed")
