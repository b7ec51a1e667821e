"""Columns and labels that are called like a name of the statements that read them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.backend import Backend, serving

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {
            "name": "things",
            "columns": [
                {"name": "t", "type": "text"},
                {"name": "r", "type": "json"},
                {"name": "value", "type": "integer", "unique": True},
            ],
        },
        {
            "name": "parts",
            "columns": [
                {"name": "t", "type": "text"},
                {"name": "thing", "type": "reference", "table": "things", "on_delete": "cascade"},
            ],
        },
    ],
    "views": [
        {"name": "seen", "table": "things", "access": "public", "allow": ["select", "insert"], "filter": "true"},
        {"name": "pieces", "table": "parts", "access": "public", "allow": ["select", "insert"], "filter": "true"},
    ],
    "endpoints": [
        {
            "name": "make", "method": "POST", "path": "/make", "access": "public",
            "input": {"body": {"t": {"type": "text"}, "r": {"type": "json"}, "value": {"type": "integer"}}},
            "steps": [
                {
                    "do": "insert", "table": "things", "on_conflict": {"columns": ["value"], "do": "update"},
                    "set": {"t": "=input.t", "r": "=input.r", "value": "=input.value"}, "as": "made",
                },
                {"do": "respond", "status": 201, "body": "=made"},
            ],
        },
    ],
}  # fmt: skip
LABELS = ["rowgate_row", "rowgate_value", "rowgate_measured", "rowgate_cells", "rowgate_all", "rowgate_written", "t"]


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        yield backend


async def test_a_row_with_a_column_called_like_its_alias_is_written(backend: Backend) -> None:
    for t in ("a", "b"):
        made = await backend.client.post("/api/make", json={"t": t, "r": {"t": 1}, "value": 7})
        assert made.status_code == 201, made.text
        assert (made.json()["t"], made.json()["r"]) == (t, {"t": 1})
    assert [row["t"] for row in await backend.sql("SELECT t FROM data.things")] == ["b"]


@pytest.mark.parametrize("label", LABELS)
async def test_a_label_may_be_any_name(backend: Backend, label: str) -> None:
    made = await backend.client.post(
        f"/rest/v1/seen?select={label}:t", json={"t": "a,b"}, headers={"Prefer": "return=representation"}
    )
    assert made.json() == [{label: "a,b"}], made.text
    id_ = (await backend.client.get("/rest/v1/seen?select=id")).json()[0]["id"]
    assert (await backend.client.post("/rest/v1/pieces", json={"t": "c", "thing": id_})).status_code == 201
    for path, found in {
        f"seen?select={label}:t": [{label: "a,b"}],
        f"seen?select={label}:r": [{label: None}],
        f"seen?select={label}:count()": [{label: 1}],
        f"seen?select=pieces({label}:t)": [{"pieces": [{label: "c"}]}],
        f"seen?select={label}:pieces(t)": [{label: [{"t": "c"}]}],
        f"seen?select=...pieces({label}:t)": [{label: ["c"]}],
        f"pieces?select=seen({label}:t)": [{"seen": {label: "a,b"}}],
        f"pieces?select={label}:seen(t)": [{label: {"t": "a,b"}}],
        f"pieces?select=...seen({label}:t)": [{label: "a,b"}],
    }.items():
        answer = await backend.client.get(f"/rest/v1/{path}")
        assert (answer.status_code, answer.json()) == (200, found), path
    lines = await backend.client.get(f"/rest/v1/seen?select={label}:t,value", headers={"Accept": "text/csv"})
    assert lines.text.splitlines() == [f"{label},value", '"a,b",']
