"""Values that stay: columns that are set once, and members that a client sends back as they are."""

from typing import Any

import pytest

from app.definitions.project import parse_project
from tests.backend import Backend

VIEW = {"table": "note_rows", "access": "public", "allow": ["select", "insert", "update"]}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {
            "name": "note_rows",
            "id": "bigint",
            "columns": [
                {"name": "slug", "type": "text", "immutable": True},
                {"name": "author", "type": "text"},
                {"name": "data", "type": "json"},
                {"name": "title", "type": "text"},
                {"name": "hidden", "type": "text", "default": "h"},
            ],
        }
    ],
    "views": [
        {"name": "notes", **VIEW, "columns": ["id", "slug", "title", "created_at", "updated_at"]},
        {
            "name": "titles", **VIEW, "columns": ["id", "slug", "author", "data", "title", "updated_at"],
            "filter": 'row.author != "nobody"', "writable": ["title"], "unchanged": "ignore",
        },
        {"name": "strict", **VIEW, "columns": ["id", "slug", "title"], "writable": ["title"]},
        {"name": "all", **VIEW},
        {
            "name": "keyed", **VIEW, "columns": ["id", "title", "created_at", "updated_at"],
            "writable": ["id", "title"],
        },
    ],
    "endpoints": [
        {
            "name": "rename", "method": "POST", "path": "/rename", "access": "public",
            "input": {"body": {"slug": {"type": "text"}}},
            "steps": [{"do": "update", "table": "note_rows", "where": "true", "set": {"slug": "=input.slug"}}],
        }
    ],
}  # fmt: skip
BACK = {"Prefer": "return=representation"}


async def made(backend: Backend, **row: Any) -> Any:
    answer = await backend.client.post("/rest/v1/all", json=row, headers=BACK)
    assert answer.status_code == 201, answer.text
    return answer.json()[0]


async def patch(backend: Backend, path: str, body: Any) -> tuple[int, Any]:
    answer = await backend.client.patch(f"/rest/v1/{path}", json=body, headers=BACK)
    return answer.status_code, answer.json()


async def test_an_immutable_value_is_set_once_by_whatever_way(backend: Backend) -> None:
    row = await made(backend, title="T")
    status, rows = await patch(backend, f"notes?id=eq.{row['id']}", {"slug": "one"})
    assert (status, rows[0]["slug"]) == (200, "one")
    assert (await patch(backend, f"notes?id=eq.{row['id']}", {"slug": "one", "title": "U"}))[0] == 200
    for again in ("two", None):
        status, problem = await patch(backend, f"notes?id=eq.{row['id']}", {"slug": again})
        assert (status, problem["rowgate_code"]) == (422, "db.immutable")
        assert [error["loc"] for error in problem["errors"]] == [["slug"]]
    by_step = await backend.client.post("/api/rename", json={"slug": "two"})
    assert (by_step.status_code, by_step.json()["code"]) == (422, "db.immutable")
    with pytest.raises(Exception, match="set once"):
        await backend.sql("UPDATE data.note_rows SET slug = 'two'")


async def test_members_that_are_sent_back_as_they_are_count_as_not_sent(backend: Backend) -> None:
    row = await made(backend, slug="s", title="T")
    (shown,) = (await backend.client.get("/rest/v1/notes")).json()
    status, rows = await patch(backend, f"notes?id=eq.{row['id']}", {**shown, "title": "U"})
    assert (status, rows[0]["title"], rows[0]["created_at"]) == (200, "U", shown["created_at"])
    assert (await patch(backend, f"notes?id=eq.{row['id']}", {"id": row["id"]}))[0] == 200
    changes = {"id": row["id"] + 1, "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z"}
    for name, value in changes.items():
        status, problem = await patch(backend, f"notes?id=eq.{row['id']}", {"title": "V", name: value})
        assert (status, [error["loc"] for error in problem["errors"]]) == (422, [[name]])
    assert (await backend.client.get("/rest/v1/notes")).json()[0]["title"] == "U"
    assert (await backend.client.post("/rest/v1/notes", json={"created_at": row["created_at"]})).status_code == 422


async def test_what_a_view_ignores_unchanged_is_compared_by_value_and_in_every_row(backend: Backend) -> None:
    for author in ("a", "b", "nobody"):
        await made(backend, author=author, data={"x": [1, 2.0], "y": 1}, title=author)
    one = {"author": "a", "data": {"y": 1, "x": [1.0, 2]}, "title": "A"}
    assert (await patch(backend, "titles?author=eq.a", one))[0] == 200
    status, problem = await patch(backend, "titles?author=in.(a,b)", one)
    assert (status, [error["loc"] for error in problem["errors"]]) == (422, [["author"]])
    assert (await patch(backend, "titles?title=in.(A,b)", {"data": one["data"], "title": "B"}))[0] == 200
    # Of a row outside the filter nothing is told, nor of a column that isn't shown.
    assert await patch(backend, "titles?title=eq.nobody", {"author": "x"}) == (200, [])
    assert (await patch(backend, "titles?author=eq.a", {"hidden": "h"}))[1]["errors"][0][
        "code"
    ] == "input.unknown_field"
    assert (await patch(backend, "strict?slug=is.null", {"slug": None}))[1]["errors"][0][
        "code"
    ] == "input.unknown_field"


async def test_an_upsert_may_send_times_back_but_makes_no_row_with_them(backend: Backend) -> None:
    rows = [await made(backend, title=title) for title in ("a", "b")]
    times = {name: rows[0][name] for name in ("created_at", "updated_at")}
    merge = {"Prefer": "resolution=merge-duplicates,return=representation"}
    sent = [{"id": row["id"], "title": row["title"] * 2, "created_at": row["created_at"],
             "updated_at": row["updated_at"]} for row in rows]  # fmt: skip
    answer = await backend.client.post("/rest/v1/keyed", json=sent, headers=merge)
    assert answer.status_code == 200, answer.text
    assert [row["title"] for row in answer.json()] == ["aa", "bb"]
    now = {name: answer.json()[0][name] for name in times}
    put = {"id": rows[0]["id"], "title": "p", **now}
    answer = await backend.client.put(f"/rest/v1/keyed?id=eq.{rows[0]['id']}", json=put, headers=BACK)
    assert (answer.status_code, answer.json()[0]["title"]) == (200, "p")
    other, new = {**put, "created_at": "2020-01-01T00:00:00Z"}, {**put, "id": 999, **now}
    for refused in (other, new):
        answer = await backend.client.post("/rest/v1/keyed", json=refused, headers=merge)
        assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["created_at"])
    assert (await backend.client.get("/rest/v1/keyed?id=eq.999")).json() == []
    plain = await backend.client.post("/rest/v1/keyed", json={"title": "x", "created_at": times["created_at"]})
    assert plain.status_code == 422


def test_an_immutable_column_can_not_be_emptied_by_what_it_refers_to() -> None:
    column = {"name": "who", "type": "user", "on_delete": "set_null", "immutable": True}
    _, findings = parse_project({"rowgate": 1, "tables": [{"name": "t", "columns": [column]}]})
    assert [finding.place for finding in findings] == ["tables/t.columns/who"]
