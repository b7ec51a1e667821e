"""Tests see no live row, hold no live table up, and leave nothing, whatever ends them."""

import asyncio
import os
import signal
import sys
from typing import Any

import pytest

from app.changes.files import load_file
from app.database.opening import DatabaseUnavailable
from app.database.pool import connect
from app.policy_tests import run
from app.policy_tests.run import run_tests
from app.policy_tests.scratch import TablesNotMade
from tests.backend import EXAMPLES, apply
from tests.policy.backend import backend, one, outcome, project_of, ran, told

ROWS = "SELECT id::text, email FROM data.users ORDER BY id"
LOOK = "as: {}\nrequest: {path: /rest/v1/folder_list}\nexpect: {status: 200, rows: 0}"
WRITE = """
as: me
given: {users: [{id: me, email: live@example.com}], folders: [{id: box, title: Live}]}
request: {path: /rest/v1/my_documents, method: POST, body: {title: New, folder: "{box}"}}
expect: {status: 201, changed: {documents: {inserted: 1}}}
"""
LOCKS = """
SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relnamespace = 'data'::regnamespace
"""
TRACES = """
SELECT relname FROM pg_class WHERE relpersistence = 't'
UNION ALL SELECT nspname FROM pg_namespace WHERE nspname NOT IN ('data', 'rowgate', 'pg_catalog', 'pg_toast',
    'information_schema', 'public')
"""


async def live(url: str) -> Any:
    """Make the backend live, with a person and a folder whose names the tests use too."""
    await apply(url, backend())
    connection = await connect(url)
    await connection.execute("INSERT INTO data.users (email) VALUES ('live@example.com')")
    await connection.execute("INSERT INTO data.folders (title) VALUES ('Live')")
    return connection


async def test_live_rows_are_not_seen_and_stay_as_they_are(migrated_url: str) -> None:
    connection = await live(migrated_url)
    before = await connection.fetch(ROWS)
    report = await ran(migrated_url, backend("\n".join([one(LOOK, "look"), one(WRITE, "write")])))
    assert [told(result) for result in report.results] == [{}, {}]
    assert await connection.fetch(ROWS) == before
    assert await connection.fetchval("SELECT count(*) FROM data.documents") == 0
    assert await connection.fetchval("SELECT title FROM data.folders") == "Live"
    assert await connection.fetch(TRACES) == []
    await connection.close()


@pytest.mark.parametrize("example", ["documents.yaml", "shop.yaml"])
async def test_live_tables_are_neither_waited_for_nor_held_up(migrated_url: str, example: str) -> None:
    document = load_file(EXAMPLES / example)
    await apply(migrated_url, document)
    connection = await connect(migrated_url)
    # Nobody may even look at a live table while this transaction is open, and a live revision that waits isn't asked.
    names = [row["relname"] for row in await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'data'::regnamespace AND relkind = 'r'"
    )]  # fmt: skip
    assert {"users", *(table["name"] for table in document["tables"])} == set(names)
    async with connection.transaction():
        for name in names:
            await connection.execute(f'LOCK TABLE data."{name}" IN ACCESS EXCLUSIVE MODE')
        await connection.execute("LOCK TABLE rowgate.live, rowgate.authority IN ACCESS EXCLUSIVE MODE")
        report = await run_tests(migrated_url, project_of(document))
    await connection.close()
    assert len(report.results) > 0
    assert [told(result) for result in report.failed] == []


async def test_while_tests_run_live_tables_are_changed_by_others(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await live(migrated_url)
    real, seen = run.run_test, []

    async def in_between(held: Any, runtime: Any, test: Any) -> Any:
        result = await real(held, runtime, test)
        await connection.execute("ALTER TABLE data.documents ADD COLUMN IF NOT EXISTS other text")
        await connection.execute("UPDATE data.users SET team = 'a'")
        seen.append(await connection.fetchval(LOCKS))
        return result

    monkeypatch.setattr(run, "run_test", in_between)
    report = await ran(migrated_url, backend(one(WRITE)))
    assert ([told(result) for result in report.results], seen) == ([{}], [0])
    await connection.close()


async def test_several_connections_work_at_once(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real, at_once, most = run.run_test, 0, 0
    together = asyncio.Event()

    async def counted(held: Any, runtime: Any, test: Any) -> Any:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if at_once == run.MOST_WORKERS:
            together.set()
        async with asyncio.timeout(30):
            await together.wait()
        result = await real(held, runtime, test)
        at_once -= 1
        return result

    monkeypatch.setattr(run, "run_test", counted)
    report = await ran(migrated_url, backend("\n".join(one(WRITE, f"t{index}") for index in range(45))))
    assert ([result.name for result in report.failed], most) == ([], run.MOST_WORKERS)


async def test_a_test_that_loses_its_connection_fails_alone(migrated_url: str) -> None:
    slow = "request: {path: /api/slow}\nexpect: {status: 504, code: request.timeout, changed: {}}"
    tests = [one(slow if index % 2 else WRITE, f"t{index}") for index in range(8)]
    report = await ran(migrated_url, backend("\n".join(tests)))
    assert [told(result) for result in report.results] == [{}] * 8


async def test_a_database_that_ends_the_connection_is_said_to_be_gone(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = await connect(migrated_url)
    real = run.run_test

    async def killed(held: Any, runtime: Any, test: Any) -> Any:
        await killer.execute("SELECT pg_terminate_backend($1)", held.connection.get_server_pid())
        return await real(held, runtime, test)

    monkeypatch.setattr(run, "run_test", killed)
    with pytest.raises(DatabaseUnavailable):
        await ran(migrated_url, backend(one(LOOK)))
    await killer.close()


async def test_without_the_right_to_temporary_tables_it_says_which_right(migrated_url: str) -> None:
    connection = await connect(migrated_url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'REVOKE TEMPORARY ON DATABASE "{name}" FROM PUBLIC, CURRENT_USER')
    await connection.close()
    with pytest.raises(TablesNotMade) as refused:
        await outcome(migrated_url, LOOK)
    assert refused.value.hint == "Grant the server's role TEMPORARY on its database."


async def test_a_run_that_is_killed_leaves_nothing(migrated_url: str) -> None:
    connection = await live(migrated_url)
    program = (
        "import asyncio, sys\n"
        "from tests.policy.backend import backend, one, ran\n"
        "from tests.policy.test_hermetic import WRITE\n"
        "tests = '\\n'.join(one(WRITE, f't{index}') for index in range(500))\n"
        "asyncio.run(ran(sys.argv[1], backend(tests)))\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, migrated_url, cwd=EXAMPLES.parent)
    async with asyncio.timeout(60):
        working = "SELECT count(*) FROM pg_class WHERE relpersistence = 't'"
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        while not await connection.fetchval(f"{others} AND state LIKE 'idle in transaction%'"):
            assert process.returncode is None
            await asyncio.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        while await connection.fetchval(others):  # noqa: ASYNC110 - it is another process that is waited for
            await asyncio.sleep(0.05)
    assert await connection.fetchval(working) == 0
    assert await connection.fetch(TRACES) == []
    assert await connection.fetchval("SELECT count(*) FROM data.documents") == 0
    await connection.close()


async def test_a_hundred_tables_are_made_in_less_than_a_few_seconds(migrated_url: str) -> None:
    document = backend(one(WRITE))
    document["tables"] += [
        {
            "name": f"t{index}",
            "columns": [
                {"name": "owner", "type": "user"},
                {"name": "n", "type": "integer", "unique": True, "min": 0},
                {"name": "label", "type": "text", "max_length": 9},
            ],
            "indexes": [{"columns": ["label", "n"], "concurrently": True}],
        }
        for index in range(100)
    ]
    report = await ran(migrated_url, document)
    assert [told(result) for result in report.results] == [{}]
    assert report.milliseconds < 8000
