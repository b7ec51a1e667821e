"""No total tells of rows that the caller may not see, whatever form of it is asked for and whatever is tested."""

import itertools
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.data_plane.rest.dialect.headers import SINGLE
from app.data_plane.rest.dialect.parse import COUNTS
from app.relations.query_sql import COUNTED
from tests.backend import Backend

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {"name": "papers", "columns": [
            {"name": "title", "type": "text"}, {"name": "status", "type": "text"}, {"name": "extra", "type": "json"},
            {"name": "tags", "type": "text", "array": True},
        ]},
        {"name": "remarks", "columns": [
            {"name": "paper", "type": "reference", "table": "papers"}, {"name": "text", "type": "text"},
            {"name": "open", "type": "boolean"},
        ]},
    ],
    "views": [
        {
            "name": "submitted", "table": "papers", "filter": 'row.status == "submitted"', "access": "public",
            "columns": [
                "id", "title", "extra", "tags", {"name": "loud", "value": "row.title + '!'"},
                {"name": "said", "list": "remarks", "where": "item.paper == row.id && item.open", "value": "item.text"},
            ],
        },
        {"name": "open_remarks", "table": "remarks", "columns": ["id", "paper", "text"], "filter": "row.open",
         "access": "public"},
    ],
}  # fmt: skip
# The planner knows the title of the drafts, and the text of the remarks that are not open, as the most common values.
ROWS = """
INSERT INTO data.papers (title, status, extra, tags)
 SELECT 'PasswordXYZ', 'draft', '{"t": "PasswordXYZ"}'::jsonb, ARRAY['PasswordXYZ'] FROM generate_series(1, 600)
 UNION ALL SELECT 'paper ' || i, 'submitted', '{"t": "paper"}', '{paper}' FROM generate_series(1, 600) i
"""
REMARKS = """
INSERT INTO data.remarks (paper, text, open)
 SELECT id, CASE WHEN n = 1 THEN 'fine' ELSE 'PasswordXYZ' END, n = 1
 FROM data.papers, generate_series(1, 2) n WHERE status = 'submitted'
"""
ASKED = [
    "title=eq.{}",
    "title=like.{}*",
    "title=match.^{}",
    "title=in.({})",
    "title=eq(any).{{{}}}",
    "or=(title.eq.{},title.eq.none)",
    "and=(title.not.neq.{})",
    "not.or=(title.neq.{})",
    "loud=eq.{}!",
    "said=cs.{{{}}}",
    "tags=cs.{{{}}}",
    "extra->>t=eq.{}",
    'extra=cs.{{"t":"{}"}}',
    "title=fts.{}",
    "title=eq.{}&select=title,count()",
    "title=eq.{}&select=*,open_remarks(text)",
    "select=*,open_remarks!inner(text)&open_remarks.text=eq.{}",
    "select=*,open_remarks(text)&open_remarks.text=eq.{}&open_remarks=not.is.null",
    "select=*,open_remarks!inner()&open_remarks.or=(text.eq.{})",
    "select=title,open_remarks(text)&open_remarks.text=eq.{}",
]


@pytest_asyncio.fixture(loop_scope="module")
async def crowded(backend: Backend) -> Backend:
    for statement in (ROWS, REMARKS, "ANALYZE data.papers", "ANALYZE data.remarks"):
        await backend.sql(statement)
    return backend


async def counted(backend: Backend, query: str, count: str, *, method: str = "GET", **headers: str) -> httpx.Response:
    asked = {"Prefer": f"count={count}", **headers}
    answer = await backend.client.request(method, f"/rest/v1/submitted?{query}", headers=asked)
    assert answer.status_code in (200, 206, 406), answer.text
    return answer


async def test_a_hidden_title_can_not_be_read_letter_by_letter_from_a_total(crowded: Backend) -> None:
    for count in COUNTS:
        for end in range(1, len("PasswordXYZ") + 1):
            for pattern in (f"{'PasswordXYZ'[:end]}*", f"*{'PasswordXYZ'[-end:]}"):
                answer = await counted(crowded, f"title=like.{pattern}", count)
                assert answer.headers["content-range"] == "*/0", (count, pattern)


async def test_a_total_is_the_same_for_what_is_hidden_and_what_is_nowhere(crowded: Backend) -> None:
    forms = [("GET", {}), ("HEAD", {}), ("GET", {"Accept": "text/csv"}), ("GET", {"Accept": SINGLE})]
    for query, count, (method, headers) in itertools.product(ASKED, COUNTS, forms):
        told = []
        for value in ("PasswordXYZ", "PasswordXYA"):
            one = await counted(crowded, query.format(value), count, method=method, **headers)
            told.append((one.status_code, one.headers.get("content-range"), one.headers.get("content-length")))
        # The length of a problem document is that of its request's id too.
        compared = 2 if told[0][0] == 406 else 3
        assert told[0][:compared] == told[1][:compared], (query, count, headers)


async def test_a_total_is_that_of_the_rows_that_are_seen(crowded: Backend) -> None:
    for count in COUNTS:
        answer = await counted(crowded, "limit=2", count)
        assert (answer.status_code, answer.headers["content-range"]) == (206, "0-1/600")
        assert (await counted(crowded, "title=eq.paper 7", count)).headers["content-range"] == "0-0/1"
        groups = await counted(crowded, "select=extra->>t,count()", count)
        assert (groups.json(), groups.headers["content-range"]) == ([{"t": "paper", "count": 600}], "0-0/1")


async def test_planned_and_estimated_count_no_further_than_they_say(
    own_backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"{COUNTED:,}" in (Path(__file__).parents[2] / "docs" / "views.md").read_text()
    for module in ("app.relations.query_sql", "app.data_plane.rest.read"):
        monkeypatch.setattr(f"{module}.COUNTED", 100)
    await own_backend.sql(ROWS)
    for count in ("planned", "estimated"):
        assert (await counted(own_backend, "limit=2", count)).headers["content-range"] == "0-1/101"
        far = await counted(own_backend, "limit=2&offset=300", count)
        assert (far.status_code, far.headers["content-range"]) == (206, "300-301/302")
        last = await counted(own_backend, "limit=10&offset=595", count)
        assert last.headers["content-range"] == "595-599/600"
        behind = await counted(own_backend, "limit=10&offset=700", count)
        assert (behind.json(), behind.headers["content-range"]) == ([], "*/700")
    assert (await counted(own_backend, "limit=2", "exact")).headers["content-range"] == "0-1/600"


async def test_no_form_of_answer_shows_a_plan(crowded: Backend) -> None:
    for accept in ("application/vnd.pgrst.plan", "application/vnd.pgrst.plan+json; options=analyze|verbose"):
        answer = await crowded.client.get("/rest/v1/submitted?limit=1", headers={"Accept": accept})
        assert (answer.status_code, answer.json()["code"]) == (406, "PGRST107")
        liked = await crowded.client.get("/rest/v1/submitted?limit=1", headers={"Accept": f"{accept}, */*;q=0.1"})
        assert [*liked.json()[0]] == ["id", "title", "extra", "tags", "loud", "said"]


def test_no_statement_asks_what_the_planner_guesses_but_that_of_the_editor_who_asks_for_a_plan() -> None:
    guesses = re.compile(r"\bEXPLAIN\b|\breltuples\b|\bpg_stats?\b|\bpg_statistic|Plan Rows")
    app = Path(__file__).parents[2] / "app"
    texts = {str(path.relative_to(app)): path.read_text() for path in app.rglob("*.py")}
    asking = {name for name, text in texts.items() if guesses.search(text)}
    assert asking == {"data_plane/seeing/planned.py", "review/missing_index.py", "control_plane/explain.py"}
    assert {name for name, text in texts.items() if "seeing.planned import" in text} == {"control_plane/explain.py"}
