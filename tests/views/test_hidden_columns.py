"""A column that a view doesn't show can be named in no clause of a query: refused, never dropped and never answered."""

from typing import Any

import pytest_asyncio

from tests.backend import Backend, Person

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {"name": "notes", "columns": [
            {"name": "owner", "type": "user"}, {"name": "title", "type": "text"}, {"name": "salary", "type": "json"},
            {"name": "code", "type": "text", "unique": True},
        ]},
        {"name": "remarks", "columns": [
            {"name": "note", "type": "reference", "table": "notes"}, {"name": "text", "type": "text"},
            {"name": "salary", "type": "integer"},
        ]},
    ],
    "views": [
        {
            "name": "my_notes", "table": "notes", "columns": ["id", "title"], "filter": "row.owner == auth.user.id",
            "allow": ["select", "insert", "update", "delete"], "presets": {"owner": "=auth.user.id"},
        },
        {"name": "my_remarks", "table": "remarks", "columns": ["id", "note", "text"]},
    ],
}  # fmt: skip
HIDDEN = ["salary", "owner", "code", "created_at", "ctid", "xmax", "tableoid"]
# Every place of a query in which a column stands.
CLAUSES = [
    "select={}",
    "select=title,x:{}",
    "select={}::text",
    "select={}->a",
    "select={}->>a",
    "select={}.max()",
    "select={}.count()",
    "select=title,{}.sum()",
    'select="{}"',
    "select=*,{}",
    "{}=eq.1",
    "{}=is.null",
    "{}=not.is.null",
    "{}=in.(1)",
    "{}=fts.a",
    "{}=cs.{{1}}",
    "{}=like(any).{{1}}",
    "{}->a=eq.1",
    "{}->>a=eq.1",
    "or=({}.is.null,title.eq.a)",
    "and=({}.is.null)",
    "not.or=({}.is.null)",
    "or=(and({}.is.null,title.eq.a),title.eq.b)",
    "or=({}->>a.eq.1)",
    "order={}",
    "order={}.desc.nullslast",
    "order=title,{}",
    "order={}->a",
]
INSIDE = [
    "select=title,my_remarks({})",
    "select=title,my_remarks(x:{}::text)",
    "select=title,my_remarks({}.sum())",
    "select=title,...my_remarks({})",
    "select=title,my_remarks!inner(text)&my_remarks.{}=is.null",
    "select=title,my_remarks(text)&my_remarks.or=({}.is.null,text.eq.a)",
    "select=title,my_remarks(text)&my_remarks.not.and=({}.is.null)",
    "select=title,my_remarks(text)&my_remarks.order={}",
    "select=title,my_remarks(text)&my_remarks.{}->a=eq.1",
]


@pytest_asyncio.fixture(loop_scope="module")
async def alice(backend: Backend) -> Person:
    person = await backend.sign_up("alice")
    await backend.sql("INSERT INTO data.notes (owner, title, code) VALUES ($1, 'apple', 'unseen')", person.id)
    await backend.sql("INSERT INTO data.remarks (note, text, salary) SELECT id, 'a', 4711 FROM data.notes")
    return person


def refused(answer: Any, column: str, said: str) -> None:
    assert answer.status_code in (400, 422), (said, answer.status_code, answer.text)
    assert answer.json()["code"] in {"42703", "PGRST100", "PGRST204"}, (said, answer.text)
    # The request's own random id may hold any digits.
    assert "4711" not in answer.text.replace(answer.json()["request_id"], "")
    assert "apple" not in answer.text
    if answer.json()["code"] == "42703":
        assert answer.json()["hint"] in (None, "did you mean id?", "did you mean note?"), said


async def test_no_clause_of_a_read_names_it(alice: Person) -> None:
    for clause in CLAUSES:
        # Nobody learns from a refusal whether there is such a column: one that is nowhere is answered alike.
        texts = set()
        for column in [*HIDDEN, "nowhere"]:
            for headers in ({}, {"Prefer": "count=exact"}, {"Accept": "text/csv"}):
                answer = await alice.get(f"/rest/v1/my_notes?{clause.format(column)}", headers=headers)
                refused(answer, column, clause.format(column))
                texts.add((answer.status_code, answer.json()["message"]))
        assert len(texts) == 1, (clause, texts)


async def test_no_clause_of_an_embedded_view_names_it(alice: Person) -> None:
    for clause in INSIDE:
        for column in ("salary", "created_at", "ctid"):
            answer = await alice.get(f"/rest/v1/my_notes?{clause.format(column)}")
            refused(answer, column, clause.format(column))


async def test_no_clause_of_a_write_names_it(backend: Backend, alice: Person) -> None:
    for column in HIDDEN:
        await writes_name_it(alice, column)
    assert [tuple(row) for row in await backend.sql("SELECT title, code FROM data.notes")] == [("apple", "unseen")]


async def writes_name_it(alice: Person, column: str) -> None:
    row = {"title": "changed"}
    writes = [
        ("POST", f"columns=title,{column}", row),
        ("POST", f"select={column}", row),
        ("POST", f"on_conflict={column}", row),
        ("POST", "", {**row, column: None}),
        ("POST", f"columns=title,{column}", {**row, column: None}),
        ("PUT", f"{column}=eq.1", {**row, column: "1"}),
        ("PATCH", f"{column}=is.null", row),
        ("PATCH", f"or=({column}.is.null,title.eq.apple)", row),
        ("PATCH", "title=eq.apple", {**row, column: None}),
        ("PATCH", f"title=eq.apple&select={column}", row),
        ("DELETE", f"{column}=is.null", None),
        ("DELETE", f"title=eq.apple&select={column}", None),
    ]
    prefer = {"Prefer": "return=representation,resolution=merge-duplicates"}
    for method, query, body in writes:
        answer = await alice.call(method, f"/rest/v1/my_notes?{query}", json=body, headers=prefer)
        refused(answer, column, f"{method} {query} {body}")
