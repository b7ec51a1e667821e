"""What a change locks: everything at one gate, in short slices, so that readers go on and the change waits."""

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.changes import ddl, table_locks
from app.changes.apply import apply_project
from app.changes.change import Change, HoldRows, HoldRowsNoLonger
from app.changes.diff import diff
from app.changes.obstacles import WouldDestroy
from app.changes.table_locks import TablesBusy, hold_tables
from app.store import lock_tries
from app.store.engine import make_engine
from tests.backend import Backend, serving
from tests.changes.test_apply import everything, project

NOTES: dict[str, Any] = {
    "name": "notes",
    "columns": [
        {"name": "owner_user_id", "type": "user", "on_delete": "cascade"},
        {"name": "folder", "type": "reference", "table": "folders"},
        {"name": "title", "type": "text"},
        {"name": "n", "type": "integer", "index": True},
    ],
}
FOLDERS = {"name": "folders", "columns": [{"name": "title", "type": "text"}]}
PLAIN = {"name": "plain", "timestamps": False, "columns": [{"name": "n", "type": "integer"}]}
STEPS = {
    "save": [{"do": "update", "table": "notes", "id": "input.id", "set": {"n": 2}}],
    "read": [
        {"do": "fetch", "from": "notes", "id": "input.id", "as": "note"},
        {"do": "count", "from": "notes", "as": "all"},
        {"do": "respond", "body": "=note"},
    ],
}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "support"}],
    "tables": [FOLDERS, NOTES, PLAIN],
    "views": [{"name": "all_notes", "table": "notes", "columns": ["id", "title"], "access": "public"}],
    "endpoints": [
        {"name": name, "method": "POST", "path": f"/{name}", "access": "public",
         "input": {"body": {"id": {"type": "uuid", "required": True}}}, "steps": steps}
        for name, steps in STEPS.items()
    ],
}  # fmt: skip
# The strongest last, as Postgres' table of conflicts has them.
MODES = ("AccessShare", "RowShare", "RowExclusive", "ShareUpdateExclusive", "Share", "ShareRowExclusive", "Exclusive",
         "AccessExclusive")  # fmt: skip


@pytest.fixture
async def engine(migrated_url: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(migrated_url)
    await apply_project(engine, project(DOCUMENT), author="test")
    yield engine
    await engine.dispose()


def column(name: str, /, **more: Any) -> dict[str, Any]:
    """The document with a column of `notes` changed, or added."""
    document = copy.deepcopy(DOCUMENT)
    columns = document["tables"][1]["columns"]
    found = next((one for one in columns if one["name"] == name), None)
    if found is None:
        columns.append(found := {"name": name, "type": "text"})
    found.update(more)
    return document


def tables(*said: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**DOCUMENT, "views": [], "endpoints": [], "tables": list(said), **more}


def without(name: str) -> dict[str, Any]:
    return {**NOTES, "columns": [one for one in NOTES["columns"] if one["name"] != name]}


CHANGED = [
    column("extra"),
    column("n", type="bigint"),
    column("n", required=True),
    column("n", min=0, unique=True),
    column("n", index=False),
    column("title", name="heading", was="title"),
    column("n", name="count", was="n"),
    tables(FOLDERS, without("folder"), PLAIN),
    tables(FOLDERS, without("owner_user_id"), PLAIN),
    tables(PLAIN),
    tables(FOLDERS, {**NOTES, "name": "papers", "was": "notes"}, PLAIN),
    tables(FOLDERS, NOTES, {**PLAIN, "timestamps": True}),
    tables(FOLDERS, NOTES, PLAIN, {**NOTES, "name": "more"}),
    tables(FOLDERS, NOTES, {**PLAIN, "columns": [{"name": "of", "type": "reference", "table": "notes"}]}),
    tables(FOLDERS, NOTES, PLAIN, roles=[], users={"columns": [{"name": "plan", "type": "text"}]}),
]  # fmt: skip


async def held(connection: AsyncConnection) -> dict[str, int]:
    """The strongest lock of this transaction on each of the admins' tables."""
    found = await connection.execute(
        text(
            "SELECT l.relation::oid::text, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
            " WHERE l.pid = pg_backend_pid() AND c.relkind = 'r' AND c.relnamespace = 'data'::regnamespace"
        )
    )
    strongest: dict[str, int] = {}
    for oid, mode in found:
        strongest[oid] = max(strongest.get(oid, 0), MODES.index(mode.removesuffix("Lock")))
    return strongest


async def test_no_kind_of_change_takes_a_lock_that_the_gate_has_not_taken(engine: AsyncEngine) -> None:
    seen: set[type] = set()
    there = "SELECT oid::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'data'::regnamespace"
    holds: list[Change] = [HoldRows("notes", ()), HoldRows("notes", ("title",))]
    ended: list[Change] = [HoldRowsNoLonger("notes", whole=whole) for whole in (True, False)]
    for changes in (*(diff(project(DOCUMENT), project(document)) for document in CHANGED), holds, ended):
        seen |= {type(change) for change in changes}
        async with engine.connect() as connection:
            before = set((await connection.execute(text(there))).scalars())
            await hold_tables(connection, changes)
            at_the_gate = await held(connection)
            for change in changes:
                await connection.run_sync(ddl.run, change)
            after = await held(connection)
            late = {oid for oid in before if after.get(oid, 0) > at_the_gate.get(oid, 0)}
            names = [f"SELECT relname FROM pg_class WHERE oid = {oid}" for oid in late]
            assert [(await connection.execute(text(name))).scalar() for name in names] == [], list(map(str, changes))
            await connection.rollback()
    assert seen == set(Change.__args__)


class Tried:
    """Tells of each try for the locks, and what the transaction said then about how long it waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failed = asyncio.Event()
        self.times: list[str] = []
        real = table_locks._try

        async def watched(connection: AsyncConnection, locks: Any) -> bool:
            self.times.append(str((await connection.execute(text("SHOW lock_timeout"))).scalar()))
            had = await real(connection, locks)
            if not had:
                self.failed.set()
            return had

        monkeypatch.setattr(table_locks, "_try", watched)


async def test_readers_go_on_while_a_change_waits_for_a_long_reader_and_it_is_made_when_that_ends(
    engine: AsyncEngine, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_tries, "BOUND", 600.0)
    tried = Tried(monkeypatch)
    long_reader, reader = await asyncpg.connect(migrated_url), await asyncpg.connect(migrated_url)
    async with long_reader.transaction():
        await long_reader.fetch("SELECT FROM data.notes")
        change = asyncio.create_task(apply_project(engine, project(column("extra")), author="test"))
        await tried.failed.wait()
        for _ in range(20):
            await reader.fetch("SELECT FROM data.notes")
            await reader.fetch("SELECT FROM data.users")
        assert not change.done()
    assert (await change).revision == 2
    assert set(tried.times) == {"50ms"}
    await long_reader.close()
    await reader.close()


async def test_a_change_that_gets_no_lock_says_who_holds_the_table_and_changes_nothing(
    engine: AsyncEngine, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await everything(engine)
    monkeypatch.setattr(lock_tries, "BOUND", 0.0)
    settings = {"application_name": "nightly report"}
    long_reader = await asyncpg.connect(migrated_url, server_settings=settings)
    async with long_reader.transaction():
        await long_reader.fetch("SELECT 'what it asks' FROM data.folders")
        with pytest.raises(TablesBusy) as raised:
            await apply_project(engine, project(tables(PLAIN)), author="test")
        assert await everything(engine) == before
    said = raised.value.detail
    assert said.startswith(f"folders is in use by 'nightly report' (process {long_reader.get_server_pid()}, open for ")
    assert "what it asks" not in said
    assert (raised.value.status, raised.value.code) == (409, "change.locked")
    await long_reader.close()


@pytest.mark.parametrize(
    ("left", "loses"),
    [((FOLDERS, NOTES), "plain"), ((FOLDERS, NOTES, {**PLAIN, "columns": []}), "plain.n")],
)
async def test_a_row_that_comes_while_a_change_waits_for_the_table_is_not_destroyed_unsaid(
    engine: AsyncEngine, migrated_url: str, monkeypatch: pytest.MonkeyPatch, left: tuple[Any, ...], loses: str
) -> None:
    monkeypatch.setattr(lock_tries, "BOUND", 600.0)
    tried, writer = Tried(monkeypatch), await asyncpg.connect(migrated_url)
    async with writer.transaction():
        await writer.execute("INSERT INTO data.plain (n) VALUES (1)")
        change = asyncio.create_task(apply_project(engine, project(tables(*left)), author="test"))
        await tried.failed.wait()
    with pytest.raises(WouldDestroy, match=loses):
        await change
    assert await writer.fetchval("SELECT n FROM data.plain") == 1
    await apply_project(engine, project(tables(*left)), author="test", destroy=[loses])
    await writer.close()


async def test_what_locks_readers_out_of_nothing_is_made_beside_a_long_reader(
    engine: AsyncEngine, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_tries, "BOUND", 0.0)
    reader = await asyncpg.connect(migrated_url)
    async with reader.transaction():
        await reader.fetch("SELECT FROM data.notes, data.users")
        indexed = column("title", index=True)
        indexed["tables"].append({**FOLDERS, "name": "of_people", "columns": [{"name": "who", "type": "user"}]})
        await apply_project(engine, project(indexed), author="test")
    await reader.close()


async def test_a_plan_names_what_looks_at_every_row(engine: AsyncEngine) -> None:
    async def holds(document: dict[str, Any]) -> tuple[str, ...]:
        return (await apply_project(engine, project(document), author="test", dry_run=True)).holds

    assert await holds(column("n", type="bigint")) == ("change the column notes.n",)
    assert await holds(column("n", required=True)) == ("change the column notes.n",)
    assert await holds(column("n", unique=True, index=False)) == ("add the unique notes.n.key to notes",)
    assert await holds(tables(FOLDERS, NOTES, PLAIN, {**NOTES, "name": "more"})) == ()
    assert await holds(column("extra", index=True)) == ()
    without = {**NOTES, "columns": NOTES["columns"][:-1]}
    assert await holds(tables(FOLDERS, without, PLAIN)) == ("drop the column notes.n",)
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO data.notes (n) VALUES (1)"))
    assert await holds(tables(FOLDERS, without, PLAIN)) == (), "there is data in it: that has to be said"


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as served:
        yield served


async def test_readers_of_a_table_that_is_being_changed_get_a_refusal_of_their_own(backend: Backend) -> None:
    (note,) = await backend.sql("INSERT INTO data.notes (title) VALUES ('a') RETURNING id")
    person = await backend.sign_up("alice")
    backend.app.server.auth.users._states.clear()
    changing = await asyncpg.connect(backend.url)
    async with changing.transaction():
        await changing.execute("LOCK TABLE data.notes, data.users IN ACCESS EXCLUSIVE MODE")
        answers = [
            await backend.client.get("/rest/v1/all_notes"),
            await backend.client.post("/api/read", json={"id": note["id"]}),
            await person.get("/rest/v1/all_notes"),
            await person.get("/auth/v1/user"),
        ]
    for answer in answers:
        found = answer.json()
        assert (answer.status_code, found.get("rowgate_code", found["code"])) == (503, "db.changing"), answer.text
        assert answer.headers["Retry-After"] == "1"
    assert (await backend.client.get("/rest/v1/all_notes")).json() == [{"id": note["id"], "title": "a"}]
    await changing.close()


WAITS_INSIDE = """
SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'rowgate'
 AND wait_event_type = 'Lock' AND query_start > xact_start
"""


async def test_a_write_by_itself_waits_for_a_row_as_long_as_one_in_a_transaction(backend: Backend) -> None:
    (note,) = await backend.sql("INSERT INTO data.notes (n) VALUES (1) RETURNING id")
    other, watcher = await asyncpg.connect(backend.url), await asyncpg.connect(backend.url)
    async with other.transaction():
        await other.execute("UPDATE data.notes SET n = 5 WHERE id = $1", note["id"])
        request = asyncio.create_task(backend.client.post("/api/save", json={"id": note["id"]}))
        while not await watcher.fetch(WAITS_INSIDE):
            assert not request.done(), request.result().text
            await asyncio.sleep(0.01)
    assert (await request).status_code == 204
    assert await other.fetchval("SELECT n FROM data.notes") == 2
    await other.close()
    await watcher.close()


async def test_a_simulated_change_of_tables_waits_no_longer_than_a_change_does(backend: Backend) -> None:
    admin, draft = await backend.admin(), column("extra")
    reader = await asyncpg.connect(backend.url)
    async with reader.transaction():
        await reader.fetch("SELECT FROM data.notes")
        said = {"path": "/rest/v1/all_notes", "draft": draft}
        refused = (await backend.client.post("/admin/v1/simulate", json=said, headers=admin)).json()
    assert (refused["status"], refused["body"]["rowgate_code"]) == (503, "db.changing"), refused
    assert (await backend.client.post("/admin/v1/simulate", json=said, headers=admin)).json()["status"] == 200
    await reader.close()


async def test_what_a_fixed_route_does_in_a_transaction_waits_for_a_row(backend: Backend) -> None:
    person = await backend.sign_up("alice")
    other, watcher = await asyncpg.connect(backend.url), await asyncpg.connect(backend.url)
    async with other.transaction():
        await other.execute("UPDATE rowgate.sessions SET user_agent = 'x'")
        request = asyncio.create_task(person.call("POST", "/auth/v1/logout"))
        while not await watcher.fetch(WAITS_INSIDE):  # noqa: ASYNC110 - Postgres tells nobody
            await asyncio.sleep(0.01)
    assert (await request).status_code == 204
    await other.close()
    await watcher.close()
