"""A view's `allow`: a list or a map, written as a person would, with every mistake at its place."""

from typing import Any

import pytest

from app.compiler.check import check_project, compile_checked
from app.compiler.compile import compile_project
from app.data_plane.described.openapi import openapi_document
from app.data_plane.described.typescript import typescript
from app.definitions.project import dump_project, parse_project

COLUMNS = [{"name": "owner", "type": "user"}, {"name": "title", "type": "text", "required": True}]
OWN = "row.owner == auth.user.id"


def document(allow: Any, **view: Any) -> dict[str, Any]:
    said = {"name": "v", "table": "t", "columns": ["id", "owner", "title"], "allow": allow, **view}
    return {"rowgate": 1, "tables": [{"name": "t", "columns": COLUMNS}], "views": [said]}


def findings(allow: Any, **view: Any) -> list[tuple[str, str]]:
    parsed, found = parse_project(document(allow, **view))
    if parsed is None:
        return [(one.place, one.message) for one in found]
    return [(one.place, one.message) for one in check_project(parsed)]


@pytest.mark.parametrize(
    ("allow", "written"),
    [
        (["select", "insert"], ["select", "insert"]),
        ({"select": True, "insert": {}}, ["select", "insert"]),
        ({"select": {}, "update": {"filter": OWN}}, {"select": True, "update": {"filter": OWN}}),
        ({"delete": {"access": {"roles": ["a"]}}}, {"delete": {"access": {"roles": ["a"]}}}),
        ({"insert": {"writable": [], "presets": {}}}, {"insert": {"writable": [], "presets": {}}}),
    ],
)
def test_it_is_written_out_as_a_person_would(allow: Any, written: Any) -> None:
    project, found = parse_project(document(allow))
    assert project is not None, found
    assert dump_project(project)["views"][0]["allow"] == written
    again, _ = parse_project(dump_project(project))
    assert again == project


@pytest.mark.parametrize(
    ("allow", "place", "message"),
    [
        (["slect"], "views/v.allow", "is wanted here"),
        ([1], "views/v.allow", "is wanted here"),
        ({"select": False}, "views/v.allow.select", "an action that isn't named isn't allowed"),
        ({"select": {"check": "true"}}, "views/v.allow", "select takes filter, access, not check"),
        ({"insert": {"filter": "true"}}, "views/v.allow", "insert takes check, access, writable, presets, not filter"),
        ({"delete": {"writable": ["title"]}}, "views/v.allow", "delete takes filter, access, not writable"),
        ({"update": {"writable": ["title"], "presets": {"title": "a"}}}, "views/v.allow.update", "can't be writable"),
        ({"update": {"filter": "row.ttle == 'a'"}}, "views/v.allow.update.filter:1:5", "ttle"),
        ({"update": {"check": "1"}}, "views/v.allow.update.check:1:1", "bool is wanted"),
        ({"update": {"writable": ["nope"]}}, "views/v.allow.update.writable", "unknown column"),
        ({"update": {"presets": {"nope": 1}}}, "views/v.allow.update.presets.nope", "unknown column"),
        ({"insert": {"writable": ["owner"]}}, "views/v.allow", "a new row of t needs title"),
        ({"delete": {"access": {"roles": ["boss"]}}}, "views/v.allow.delete.access.roles", "unknown role"),
    ],
)
def test_a_mistake_is_told_at_its_place(allow: Any, place: str, message: str) -> None:
    found = findings(allow)
    assert any(where == place and message in told for where, told in found), found


def test_a_view_that_another_reads_has_to_let_in_who_comes_by_any_action() -> None:
    inner = {"name": "inner", "table": "t", "allow": {"select": {"access": "authenticated"}}, "access": "public"}
    said = document({"select": {"filter": "inner.exists(i, i.id == row.id)", "access": "public"}})
    project, _ = parse_project({**said, "views": [*said["views"], inner]})
    assert project is not None
    assert [one.place.partition(":")[0] for one in check_project(project)] == ["views/v.allow.select.filter"]
    said["views"][0]["allow"]["select"]["access"] = "authenticated"
    project, _ = parse_project({**said, "views": [*said["views"], inner]})
    assert project is not None
    assert check_project(project) == []


def test_what_is_said_in_short_is_kept_in_full() -> None:
    project, _ = parse_project(document({"update": {"filter": "owner = auth.user.id"}}))
    assert project is not None
    written = dump_project(compile_checked(project).project)
    assert written["views"][0]["allow"] == {"update": {"filter": "row.owner == auth.user.id"}}


def test_each_action_is_described_with_its_own_callers_and_columns() -> None:
    allow = {"select": {"access": "public"}, "insert": {"presets": {"owner": "=auth.user.id"}},
             "update": {"writable": ["owner"], "filter": OWN}, "delete": {"access": {"roles": ["boss"]}}}  # fmt: skip
    project, _ = parse_project({**document(allow), "roles": [{"name": "boss"}]})
    assert project is not None
    runtime, found = compile_project(project)
    assert runtime is not None, found
    path = openapi_document(runtime)["paths"]["/rest/v1/v"]
    assert {method: one["security"] == [] for method, one in path.items()} == {
        "get": True, "post": False, "patch": False, "delete": False,
    }  # fmt: skip
    assert "Needs one of the roles boss." in path["delete"]["description"]
    sent = {
        method: path[method]["requestBody"]["content"]["application/json"]["schema"] for method in ("post", "patch")
    }
    assert list(sent["post"]["oneOf"][0]["properties"]) == ["title"]
    assert list(sent["patch"]["properties"]) == ["owner"]
    text = " ".join(typescript(runtime).split())
    assert "Insert: { title: string }" in text
    assert "Update: { owner?: string | null }" in text
