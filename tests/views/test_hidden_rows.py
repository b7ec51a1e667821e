"""Rows outside of a filter are held against nothing that a caller asks: no error and no time tells what they hold."""

from typing import Any

import pytest
import pytest_asyncio

from app.relations.asked import OPERATORS, TELLING
from tests.backend import Backend, Person

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {"name": "notes", "columns": [
            {"name": "owner", "type": "user"}, {"name": "level", "type": "integer"}, {"name": "text", "type": "text"},
            {"name": "day", "type": "date"}, {"name": "said", "type": "json"},
        ]},
        {"name": "remarks", "columns": [
            {"name": "note", "type": "reference", "table": "notes", "on_delete": "cascade"},
            {"name": "level", "type": "integer"}, {"name": "text", "type": "text"}, {"name": "day", "type": "date"},
        ]},
    ],
    "views": [
        {
            "name": "our_notes", "table": "notes", "allow": ["select", "update", "delete"],
            "columns": ["id", "text", "day", "said", {"name": "same", "value": "row.text"}],
            "filter": "row.owner == auth.user.id || row.level > 3 || row.level < -3",
        },
        {
            "name": "remarks_shown", "table": "remarks", "columns": ["id", "note", "text", "day"],
            "filter": "row.level > 3 || row.level < -3 || row.level == 0",
        },
    ],
}  # fmt: skip
# To Postgres, a filter of several comparisons costs more than a pattern. One that ends with its escape is refused as
# soon as a text goes on behind all that stands before it.
TESTS = [
    "text=like.{}\\",
    "text=ilike.{}\\",
    "text=not.like.{}\\",
    'text=like(any).{{"{}\\\\"}}',
    "same=like.{}\\",
    "said->>t=like.{}\\",
    "or=(text.like.{}\\,day.is.null)",
    "and=(day.is.null,or(text.like.{}\\,text.is.null))",
    "select=id,remarks_shown(text)&remarks_shown.text=like.{}\\",
    "select=id,remarks_shown!inner(text)&remarks_shown.text=like.{}\\",
    "select=id,remarks_shown()&remarks_shown.text=like.{}\\&remarks_shown=is.null",
]


@pytest_asyncio.fixture(loop_scope="module")
async def alice(backend: Backend) -> Person:
    """Give somebody who has a note, of which one remark is shown and one isn't, beside a note of somebody else's."""
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    texts = "INSERT INTO data.notes (owner, text, said) VALUES ($1, $2, jsonb_build_object('t', $2::text))"
    await backend.sql(texts, alice.id, "mine")
    await backend.sql(texts, bob.id, "hidden")
    remarks = "INSERT INTO data.remarks (note, level, text) SELECT id, $1, $2 FROM data.notes WHERE text = 'mine'"
    await backend.sql(remarks, 4, "told")
    await backend.sql(remarks, 1, "hidden")
    return alice


@pytest.mark.parametrize(
    ("method", "test"),
    [(method, test) for test in TESTS for method in ("GET", "PATCH", "DELETE") if method == "GET" or "sel" not in test],
)
async def test_a_pattern_is_held_against_no_hidden_row(alice: Person, method: str, test: str) -> None:
    body = {"json": {"day": None}} if method == "PATCH" else {}
    found = [
        await alice.call(method, f"/rest/v1/our_notes?{test.format(text)}", headers={"Prefer": "count=exact"}, **body)
        for text in ("hid", "miss")
    ]

    assert [one.status_code for one in found] in ([200, 200], [204, 204])
    assert found[0].content == found[1].content


@pytest.mark.parametrize("path", [
    "our_notes?text=gte.{}&day=eq.{}",
    "our_notes?text=gte.{}&day=in.({})",
    "our_notes?select=id,remarks_shown(id)&remarks_shown.text=gte.{}&remarks_shown.day=eq.{}",
    "our_notes?select=id,remarks_shown!inner(id)&remarks_shown.text=gte.{}&remarks_shown.day=eq.{}",
    "our_notes?or=(text.gte.{},and(text.is.null,day.eq.{}))",
])  # fmt: skip
async def test_a_value_that_is_none_is_refused_whatever_there_is(backend: Backend, alice: Person, path: str) -> None:
    """Once Postgres has made its plan for all values, it reads each where it comes to it."""
    for _ in range(80):  # on whichever connection of the pool
        assert (await alice.get(f"/rest/v1/{path.format('a', '2026-01-01')}")).status_code == 200
    for text in ("a", "zzz"):
        assert (await alice.get(f"/rest/v1/{path.format(text, 'nonsense')}")).status_code == 400, text


def test_what_is_no_comparison_waits_for_the_filter() -> None:
    """An operator is among those that may tell, or compares values in a time and without errors of its own."""
    quiet = {"eq", "neq", "gt", "gte", "lt", "lte", "in", "is", "isdistinct", "cs", "cd", "ov", "sl", "sr", "nxl",
             "nxr", "adj"}  # fmt: skip
    assert quiet == OPERATORS - TELLING
