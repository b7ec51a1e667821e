import asyncio
import copy
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.changes.apply import Plan, RevisionChanged, apply_project
from app.changes.indexes import IndexNotBuilt
from app.changes.obstacles import DataInTheWay, WouldDestroy
from app.definitions.project import DefinitionInvalid, Project, dump_project, parse_project
from app.definitions.stored import stored_of

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "support"}],
    "users": {"columns": [{"name": "plan", "type": "enum", "values": ["free", "pro"], "default": "free"}]},
    "tables": [
        {
            "name": "tags",
            "id": "bigint",
            "timestamps": False,
            "columns": [{"name": "word", "type": "text", "unique": True}],
        },
        {
            "name": "documents",
            "columns": [
                {"name": "owner_user_id", "type": "user", "on_delete": "cascade"},
                {"name": "title", "type": "text", "required": True, "min_length": 1, "max_length": 20},
                {"name": "amount", "type": "decimal", "precision": 12, "scale": 2, "min": 0},
                {"name": "status", "type": "enum", "values": ["draft", "it's: done"], "default": "draft"},
                {"name": "tag", "type": "reference", "table": "tags", "on_delete": "set_null"},
                {"name": "starts_on", "type": "date"},
                {"name": "ends_on", "type": "date"},
                {"name": "labels", "type": "text", "array": True, "default": ["a", "b"]},
                {"name": "extra", "type": "json", "default": {"a": [1, ":x"]}},
                {"name": "slug", "type": "text", "format": "slug", "pattern": "[a-z-]+"},
                {"name": "seen_at", "type": "timestamp", "default": "2026-01-01T00:00:00Z"},
                {"name": "ratio", "type": "float", "default": 0.5},
                {"name": "n", "type": "integer"},
                {"name": "big", "type": "bigint", "index": True},
                {"name": "ok", "type": "boolean", "default": True},
                {"name": "uid", "type": "uuid"},
            ],
            "unique": [["owner_user_id", "title"]],
            "indexes": [["status", "created_at"]],
            "checks": [{"rule": "row.ends_on == null || row.ends_on >= row.starts_on", "message": "It ends too soon."}],
        },
    ],
}  # fmt: skip


def project(document: dict[str, Any]) -> Project:
    parsed, findings = parse_project(document)
    assert parsed is not None, findings
    return parsed


def changed(path: str, value: Any) -> dict[str, Any]:
    """The document with one thing changed: `documents.title.unique`."""
    document = copy.deepcopy(DOCUMENT)
    table, column, key = path.split(".")
    found = next(one for one in document["tables"] if one["name"] == table)
    next(one for one in found["columns"] if one["name"] == column)[key] = value
    return document


async def put(engine: AsyncEngine, document: dict[str, Any], **more: Any) -> Plan:
    return await apply_project(engine, project(document), author="test", **more)


async def run(engine: AsyncEngine, sql: str) -> Any:
    async with engine.begin() as connection:
        result = await connection.execute(text(sql))
        return result.all() if result.returns_rows else None


async def everything(engine: AsyncEngine) -> Any:
    """All that a change could change: definitions, revision, audit, and the catalogue of the tables."""
    return [
        await run(engine, sql)
        for sql in (
            "SELECT kind, name, body, valid_from, valid_to FROM rowgate.definitions ORDER BY id",
            "SELECT * FROM rowgate.revisions ORDER BY 1",
            "SELECT * FROM rowgate.live",
            "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
            " WHERE table_schema = 'data' ORDER BY 1, 2",
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1, 2",
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'data' ORDER BY 1",
        )
    ]


async def test_a_definition_with_findings_changes_nothing_and_names_each(engine: AsyncEngine) -> None:
    await put(engine, DOCUMENT)
    before = await everything(engine)
    bad = changed("documents.tag.table", "nothing")
    bad["tables"][1]["checks"] = [{"rule": "row.ends_onn > 1"}]
    with pytest.raises(DefinitionInvalid) as raised:
        await put(engine, bad)
    places = [error.loc[0] for error in raised.value.errors]
    assert places == ["tables/documents.columns/tag.table", "tables/documents.checks/0.rule:1:5"]
    assert await everything(engine) == before


async def test_dropping_what_holds_data_needs_to_be_said(engine: AsyncEngine) -> None:
    await put(engine, DOCUMENT)
    await run(engine, "INSERT INTO data.documents (title) VALUES ('a')")
    before = await everything(engine)
    without = {**DOCUMENT, "tables": DOCUMENT["tables"][:1]}
    with pytest.raises(WouldDestroy) as raised:
        await put(engine, without)
    assert "documents" in raised.value.detail
    assert await everything(engine) == before
    assert (await put(engine, without, dry_run=True)).destroys == ("documents",)
    await put(engine, without, destroy={"documents"})
    assert await run(engine, "SELECT to_regclass('data.documents')") == [(None,)]


async def test_dropping_an_empty_table_needs_no_word(engine: AsyncEngine) -> None:
    await put(engine, DOCUMENT)
    await put(engine, {**DOCUMENT, "tables": []})
    assert await run(engine, "SELECT to_regclass('data.documents')") == [(None,)]


@pytest.mark.parametrize(
    ("rows", "path", "value", "says"),
    [
        ("(title) VALUES ('a'), ('a')", "documents.title.unique", True, "stand twice"),
        ("(title) VALUES ('a')", "documents.n.required", True, "1 row would have no value"),
        ("(title) VALUES ('abcdef')", "documents.title.max_length", 3, "would break"),
        ("(title, n) VALUES ('a', 5)", "documents.n.min", 6, "would break"),
        ("(title, big) VALUES ('a', 3000000000)", "documents.big.type", "integer", "out of range"),
        ("(title, amount) VALUES ('a', 1.25)", "documents.amount.scale", 1, "lose part"),
        ("(title) VALUES ('abc')", "documents.title.type", "integer", "don't fit"),
    ],
)
async def test_data_that_does_not_fit_stops_the_change_as_a_whole(
    engine: AsyncEngine, rows: str, path: str, value: Any, says: str
) -> None:
    await put(engine, DOCUMENT)
    await run(engine, f"INSERT INTO data.documents {rows}")
    before = await everything(engine)
    document = changed(path, value)
    if value == "integer" and "title" in path:
        title = document["tables"][1]["columns"][1]
        del title["min_length"], title["max_length"]
    document["tables"].append({"name": "another"})
    with pytest.raises(DataInTheWay) as raised:
        await put(engine, document)
    assert says in raised.value.detail
    assert raised.value.hint
    assert await everything(engine) == before


async def test_a_change_from_another_revision_than_expected_is_refused(engine: AsyncEngine) -> None:
    assert (await put(engine, DOCUMENT)).revision == 1
    with pytest.raises(RevisionChanged):
        await put(engine, {"rowgate": 1}, expected_revision=0)


async def test_two_at_once_become_two_revisions(engine: AsyncEngine) -> None:
    documents = [{"rowgate": 1, "tables": [{"name": f"t{index}"}]} for index in range(4)]
    plans = await asyncio.gather(*(put(engine, document) for document in documents))
    assert sorted(plan.revision or 0 for plan in plans) == [1, 2, 3, 4]
    tables = await run(engine, "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'data'")
    assert tables == [(2,)]


async def test_every_column_type_and_option_is_enforced_by_the_database(engine: AsyncEngine) -> None:
    await put(engine, DOCUMENT)
    await run(engine, "INSERT INTO data.documents (title, status, slug) VALUES ('t', 'it''s: done', 'a-b')")
    row = (await run(engine, "SELECT labels, extra, seen_at::text, ratio, ok FROM data.documents"))[0]
    assert tuple(row) == (["a", "b"], {"a": [1, ":x"]}, "2026-01-01 00:00:00+00", 0.5, True)
    for bad in (
        "(title) VALUES (NULL)",
        "(title) VALUES ('')",
        "(title) VALUES (repeat('x', 21))",
        "(title, amount) VALUES ('x', -1)",
        "(title, amount) VALUES ('x', 'NaN')",
        "(title, status) VALUES ('x', 'other')",
        "(title, labels) VALUES ('x', ARRAY[NULL]::text[])",
        "(title, slug) VALUES ('x', 'A')",
        "(title, slug) VALUES ('x', 'a1')",
        "(title, tag) VALUES ('x', 77)",
        "(title, owner_user_id) VALUES ('x', '018f0000-0000-7000-8000-00000000000a')",
        "(title, starts_on, ends_on) VALUES ('x', '2026-01-02', '2026-01-01')",
        "(title, starts_on, ends_on) VALUES ('x', NULL, '2026-01-01')",
    ):
        with pytest.raises(Exception, match="violates"):
            await run(engine, f"INSERT INTO data.documents {bad}")


async def test_a_rename_keeps_the_data_and_a_second_time_does_nothing(engine: AsyncEngine) -> None:
    await put(engine, DOCUMENT)
    await run(engine, "INSERT INTO data.documents (title) VALUES ('kept')")
    renamed = changed("documents.title.name", "heading")
    table = renamed["tables"][1]
    table["name"], table["was"], table["columns"][1]["was"] = "papers", "documents", "title"
    table["unique"] = [["owner_user_id", "heading"]]
    plan = await put(engine, renamed)
    assert plan.destroys == ()
    assert {"rename the table documents to papers", "rename the column papers.title to heading"} <= set(
        map(str, plan.changes)
    )
    assert await run(engine, "SELECT heading FROM data.papers") == [("kept",)]
    again = await put(engine, renamed)
    assert (again.changes, again.revision) == ((), plan.revision)


async def test_a_type_that_widens_keeps_the_data(engine: AsyncEngine) -> None:
    await put(engine, DOCUMENT)
    await run(engine, "INSERT INTO data.documents (title, n) VALUES ('a', 7)")
    await put(engine, changed("documents.n.type", "decimal"))
    assert await run(engine, "SELECT n::text, pg_typeof(n)::text FROM data.documents") == [("7", "numeric")]


async def test_a_role_that_is_gone_is_taken_from_those_who_held_it(engine: AsyncEngine) -> None:
    await put(engine, DOCUMENT)
    await run(engine, "INSERT INTO data.users (email) VALUES ('a@example.com')")
    await run(engine, "INSERT INTO rowgate.user_roles SELECT id, 'support' FROM data.users")
    await put(engine, {**DOCUMENT, "roles": []})
    assert await run(engine, "SELECT count(*) FROM rowgate.user_roles") == [(0,)]


async def test_the_plan_shows_changes_and_their_sql_and_makes_none(engine: AsyncEngine) -> None:
    before = await everything(engine)
    plan = await put(engine, DOCUMENT, dry_run=True)
    assert "create the table documents" in map(str, plan.changes)
    assert any(sql.startswith("CREATE TABLE data.documents") for sql in plan.sql)
    assert await everything(engine) == before


async def test_the_stored_project_is_the_one_that_was_put(engine: AsyncEngine) -> None:
    await put(engine, DOCUMENT)
    rows = await run(
        engine, "SELECT kind, name, body::text FROM rowgate.definitions WHERE valid_to IS NULL ORDER BY kind, position"
    )
    stored = stored_of((row.kind, row.name, row.body) for row in rows).project
    assert dump_project(stored) == dump_project(project(DOCUMENT))


def indexed(*, concurrently: bool = True) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    document["tables"][1]["indexes"].append({"columns": ["n", "big"], "concurrently": concurrently})
    return document


async def valid(engine: AsyncEngine) -> Any:
    sql = 'SELECT indisvalid FROM pg_index WHERE indexrelid::regclass::text = $$data."documents.n.big.idx"$$'
    return [row[0] for row in await run(engine, sql)]


async def test_an_index_on_a_large_table_is_built_while_the_table_is_written(engine: AsyncEngine) -> None:
    await put(engine, DOCUMENT)
    plan = await put(engine, indexed(), dry_run=True)
    assert [sql for sql in plan.sql if "CONCURRENTLY" in sql] == [
        'CREATE INDEX CONCURRENTLY "documents.n.big.idx" ON "data"."documents" ("n", "big")'
    ]
    async with engine.connect() as writer:
        writing = await writer.begin()
        await writer.execute(text("INSERT INTO data.documents (title) VALUES ('a')"))
        build = asyncio.create_task(put(engine, indexed()))
        for _ in range(500):
            if build.done() or await valid(engine) == [False]:
                break
            await asyncio.sleep(0.02)
        # It waits for the writer, and is in nobody's way meanwhile.
        await run(engine, "INSERT INTO data.documents (title) VALUES ('b')")
        await writing.commit()
    await build
    assert await valid(engine) == [True]
    exported = dump_project(project(indexed()))
    assert exported["tables"][1]["indexes"] == [
        ["status", "created_at"],
        {"columns": ["n", "big"], "concurrently": True},
    ]


async def test_what_a_build_left_undone_is_done_by_the_next_change(engine: AsyncEngine) -> None:
    await put(engine, indexed())
    assert await valid(engine) == [True]
    await run(engine, 'DROP INDEX data."documents.n.big.idx"')
    await put(engine, indexed())
    assert await valid(engine) == [True]


async def test_an_index_that_cannot_be_built_is_said_and_the_change_stands(engine: AsyncEngine) -> None:
    await put(engine, DOCUMENT)
    await run(engine, 'CREATE TABLE data."documents.n.big.idx" ()')
    with pytest.raises(IndexNotBuilt, match=r"documents\.n\.big\.idx"):
        await put(engine, indexed())
    await run(engine, 'DROP TABLE data."documents.n.big.idx"')
    await put(engine, indexed())
    assert await valid(engine) == [True]
