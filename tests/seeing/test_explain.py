"""Explain: the plan of a view's read as anyone, which runs nothing, and the index that it lacks."""

from collections.abc import AsyncIterator
from copy import deepcopy
from typing import Any

import pytest
import pytest_asyncio

from app.database.session import Session
from app.database.statement import Statement
from app.definitions.project import parse_project
from app.review import missing_index
from app.review.missing_index import slow_reads, tables_of
from tests.backend import Backend, Person, serving

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "support"}],
    "tables": [
        {
            "name": "notes",
            "columns": [
                {"name": "owner", "type": "user", "on_delete": "cascade"},
                {"name": "topic", "type": "text"},
                {"name": "size", "type": "integer"},
                {"name": "at", "type": "timestamp"},
            ],
        }
    ],
    "middleware": [
        {"name": "slowly", "steps": [{"do": "count", "from": "notes", "where": "item.size == 1", "as": "some"}]}
    ],
    "views": [
        {"name": "mine", "table": "notes", "filter": "row.owner == auth.user.id", "access": "authenticated"},
        {"name": "by_topic", "table": "notes", "filter": "row.topic == auth.user.email", "access": "authenticated"},
        {"name": "newest", "table": "notes", "access": "public", "order": ["at"], "max_rows": 10},
        {"name": "everything", "table": "notes", "access": "public", "middleware": ["slowly"]},
        {"name": "of_support", "table": "notes", "access": {"roles": ["support"]}},
    ],
}  # fmt: skip
ROWS = """
INSERT INTO data.notes (topic, size, at)
SELECT 'topic ' || n, n, now() - n * interval '1 s' FROM generate_series(1, 20000) n
"""
LACKS = "rules.missing_index"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asked(shared_url: str) -> AsyncIterator[tuple[Backend, dict[str, str], Person]]:
    async with serving(shared_url, DOCUMENT) as backend:
        root, alice = await backend.admin(), await backend.sign_up("alice")
        await backend.sql(ROWS)
        await backend.sql("ANALYZE data.notes")
        yield backend, root, alice


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def explained(asked: Any, **said: Any) -> dict[str, Any]:
    backend, root, _ = asked
    answer = await backend.client.post("/admin/v1/explain", json=said, headers=root)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def lacking(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["code"], one["place"], one["hint"]) for one in found["findings"]]


async def test_who_is_refused_gets_no_plan_and_is_told_why(asked: Any) -> None:
    for who, view, code in (("anonymous", "mine", 401), ({"roles": []}, "of_support", 403), ("anonymous", "none", 404)):
        found = await explained(asked, view=view, **{"as": who})
        assert (found["refusal"]["status"], found["plan"], found["sql"]) == (code, [], None), view


@pytest.mark.parametrize("view", ["rpc/x", "a?b", "", "A", "../x"])
async def test_only_a_view_is_explained(asked: Any, view: str) -> None:
    backend, root, _ = asked
    answer = await backend.client.post("/admin/v1/explain", json={"view": view}, headers=root)
    assert answer.status_code == 422


async def test_the_plan_is_that_of_the_persons_own_statement(asked: Any) -> None:
    alice = asked[2]
    found = await explained(asked, view="mine", **{"as": {"email": "alice@example.com"}})
    assert found["refusal"] is None
    assert "data.notes" in found["sql"] or '"data"."notes"' in found["sql"]
    assert alice.id in found["parameters"]
    assert "rowgate.live" not in str(found["plan"])
    assert found["findings"] == []  # a column that refers has an index
    assert "Index" in str(found["plan"])


async def test_a_filter_of_few_rows_without_an_index_is_named_with_its_cure(asked: Any) -> None:
    found = await explained(asked, view="by_topic", **{"as": {"email": "alice@example.com"}})
    assert lacking(found) == [(LACKS, "views/by_topic", "add to notes: indexes: [[topic]]")]


async def test_an_order_and_a_test_of_the_query_are_looked_at_too(asked: Any) -> None:
    assert lacking(await explained(asked, view="newest")) == [(LACKS, "views/newest", "add to notes: indexes: [[at]]")]
    asked_by = await explained(asked, view="everything", query="size=eq.7")
    assert lacking(asked_by) == [(LACKS, "views/everything", "add to notes: indexes: [[size]]")]
    assert lacking(await explained(asked, view="everything", query="size=gt.0")) == []  # of all rows, reads all
    assert lacking(await explained(asked, view="everything", query="topic=neq.x")) == []


async def test_a_draft_with_the_index_lacks_nothing_and_leaves_no_index(asked: Any) -> None:
    backend = asked[0]
    draft = deepcopy(DOCUMENT)
    draft["tables"][0]["indexes"] = [["topic"]]
    found = await explained(asked, view="by_topic", draft=draft, **{"as": {"email": "alice@example.com"}})
    assert (found["findings"], found["refusal"]) == ([], None)
    assert await backend.sql("SELECT FROM pg_indexes WHERE tablename = 'notes' AND indexdef LIKE '%(topic)%'") == []


async def test_the_read_is_planned_and_not_run_and_its_chain_is(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = list[str]()
    fetch = Session._fetch

    async def noting(self: Session, statement: Statement, parameters: Any) -> list[Any]:
        sent.append(statement.sql)
        return await fetch(self, statement, parameters)

    monkeypatch.setattr(Session, "_fetch", noting)
    found = await explained(asked, view="everything", query="size=eq.7")
    chain, read = sent
    assert "count(*)" in chain
    assert read == f"EXPLAIN (FORMAT JSON) {found['sql']}"
    assert "Actual" not in str(found["plan"])


async def test_of_a_small_table_nothing_is_said(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing_index, "LARGE", 1_000_000)
    assert lacking(await explained(asked, view="newest")) == []


def scan(condition: str, rows: int = 1, **more: Any) -> list[dict[str, Any]]:
    return [
        {"Plan": {"Node Type": "Seq Scan", "Relation Name": "notes", "Plan Rows": rows, "Filter": condition, **more}}
    ]


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ("((topic)::text = 'x'::text)", ["topic"]),
        ("(t.size = ANY ('{1,2}'::integer[]))", ["size"]),
        ("((size >= 3) AND (topic IS NOT NULL))", ["size"]),
        ("(size <> 3)", []),
        ("(topic_of = 'x'::text)", []),
        ("(topic ~~ '%x%'::text)", []),
        ("", []),
    ],
)
async def test_columns_are_read_from_a_condition_as_postgres_writes_it(condition: str, columns: list[str]) -> None:
    project, _ = parse_project(DOCUMENT)
    assert project is not None
    plan = scan(condition)
    assert tables_of(plan) == {"notes"}
    found = [one.hint for one in slow_reads("views/v", project, plan, {"notes": 50_000})]
    assert found == [f"add to notes: indexes: [[{', '.join(columns)}]]"] * bool(columns)
