"""The access matrix: who gets in where, and what is doubtful."""

import json
import re
from typing import Any

import pytest
from typer.testing import CliRunner

from app.changes.files import load_file
from app.cli.command import app
from app.definitions.project import parse_project
from app.review.doubts import access_matrix
from tests.backend import EXAMPLES, serving

DOUBTFUL: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "ghost"}, {"name": "staff"}],
    "users": {"columns": [{"name": "level", "type": "integer", "self_editable": True}]},
    "tables": [{"name": "notes", "columns": [{"name": "owner", "type": "user"}, {"name": "n", "type": "integer"}]}],
    "views": [
        {"name": "all_notes", "table": "notes", "columns": "all"},
        {"name": "mine", "table": "notes", "columns": "all", "filter": "row.owner == auth.user.id"},
        {"name": "for_staff", "table": "notes", "columns": "all", "access": {"roles": ["staff"]}},
    ],
    "middleware": [
        {"name": "idle", "steps": [{"do": "require", "that": "true"}]},
        {"name": "leveled", "steps": [{"do": "require", "that": "auth.user.level > 3"}]},
    ],
    "endpoints": [
        {"name": "open", "method": "POST", "path": "/open", "access": "public",
         "steps": [{"do": "insert", "table": "notes", "set": {"n": 1}}]},
        {"name": "held", "method": "POST", "path": "/held", "access": "public", "middleware": ["leveled"],
         "steps": [{"do": "insert", "table": "notes", "set": {"n": 1}}]},
    ],
}  # fmt: skip


def matrix(document: Any) -> dict[str, Any]:
    project, findings = parse_project(document)
    assert project is not None, findings
    return access_matrix(project)


def test_every_doubt_is_found_and_nothing_else() -> None:
    found = {(one["place"], one["code"]) for one in matrix(DOUBTFUL)["findings"]}
    assert found == {
        ("endpoints/open.access", "access.public_write"),
        ("views/all_notes.filter", "access.rows_of_everybody"),
        ("users.columns/level.self_editable", "access.self_editable_trusted"),
        ("roles/ghost", "access.unused_role"),
        ("middleware/idle", "access.unused_middleware"),
        ("middleware/idle.steps/0.that", "access.always_true"),
    }


NOTES = {"name": "notes", "columns": [
    {"name": "owner", "type": "user"}, {"name": "n", "type": "integer"}, {"name": "team", "type": "text"}]}  # fmt: skip
FETCH = {"do": "fetch", "from": "notes", "id": "input.note", "as": "note"}
OWNER = {"do": "require", "that": "note.owner == auth.user.id"}
WRITE = {"do": "update", "table": "notes", "where": "item.owner == auth.user.id", "set": {"n": 1}, "as": "written"}


def doubted(steps: list[Any], access: Any = "authenticated", **more: Any) -> list[tuple[str, str]]:
    endpoint = {
        "name": "one", "method": "POST", "path": "/one", "access": access, "steps": steps, "middleware": ["first"],
        "input": {"body": {"note": {"type": "uuid"}, "url": {"type": "text"}, "n": {"type": "integer"}}},
    }  # fmt: skip
    document = {
        "rowgate": 1,
        "roles": [{"name": "staff"}],
        "users": {"columns": [{"name": "team", "type": "text"}, {"name": "chief", "type": "boolean"}]},
        "tables": [NOTES],
        "views": [
            {"name": "mine", "table": "notes", "filter": "row.owner == auth.user.id"},
            {"name": "for_staff", "table": "notes", "access": {"roles": ["staff"]}},
        ],
        "middleware": [{"name": "first", "steps": more.get("first", [{"do": "require", "that": "request.ip != ''"}])}],
        "endpoints": [endpoint],
    }
    return [(one["place"], one["code"].removeprefix("access.")) for one in matrix(document)["findings"]]


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ([FETCH], [("endpoints/one.steps/0", "id_without_owner")]),
        ([FETCH, OWNER], []),
        ([{**FETCH, "from": "mine"}], []),
        ([{**FETCH, "where": "item.id == input.note && item.owner == auth.user.id", "id": None}], []),
        ([{"do": "delete", "table": "notes", "id": "input.note"}], [("endpoints/one.steps/0", "id_without_owner")]),
        ([WRITE, {"do": "require", "that": "input.n > 1"}], [("endpoints/one.steps/1", "check_after_write")]),
        ([WRITE, {"do": "rate_limit", "limit": "1/day"}], [("endpoints/one.steps/1", "check_after_write")]),
        ([WRITE, {"do": "require", "that": "size(written) == 1"}], []),
        ([{"do": "require", "that": "input.n > 1"}, WRITE], []),
        ([{"do": "require", "that": "1 + 1 == 2"}], [("endpoints/one.steps/0.that", "always_true")]),
        ([{"do": "require", "that": "input.n == input.n"}], [("endpoints/one.steps/0.that", "always_true")]),
        ([{"do": "require", "that": "input.n == 1 || input.n != 1"}], [("endpoints/one.steps/0.that", "always_true")]),
        ([{"do": "require", "that": "has(input.n) || !has(input.n)"}], [("endpoints/one.steps/0.that", "always_true")]),
        ([{"do": "require", "that": "input.n == 1 || input.n != 2"}], []),
        ([{"do": "http", "method": "GET", "url": "=input.url"}], [("endpoints/one.steps/0.url", "url_from_input")]),
        ([{"do": "http", "method": "GET", "url": "='https://' + input.url"}],
         [("endpoints/one.steps/0.url", "url_from_input")]),
        ([{"do": "http", "method": "GET", "url": "='https://api.example.com/' + input.url"}], []),
        ([{"do": "http", "method": "GET", "url": "https://api.example.com/"}], []),
        ([{"do": "http", "method": "GET", "url": "='https://api.example.com' + input.url"}],
         [("endpoints/one.steps/0.url", "url_from_input")]),
        ([{"do": "set", "values": {"to": "=input.url"}}, {"do": "http", "method": "GET", "url": "=to"}],
         [("endpoints/one.steps/1.url", "url_from_input")]),
        ([{"do": "if", "when": "input.n > 1", "then": [{"do": "http", "method": "GET", "url": "=input.url"}]}],
         [("endpoints/one.steps/0.then.steps/0.url", "url_from_input")]),
        ([{"do": "http", "method": "GET", "url": "=input.n > 1 ? 'https://a.example/' : 'https://b.example/'"}], []),
        ([{"do": "if", "when": "input.n > 1", "then": [FETCH]}],
         [("endpoints/one.steps/0.then.steps/0", "id_without_owner")]),
        ([{"do": "for_each", "each": "[1, 2]", "as": "one", "steps": [FETCH]}],
         [("endpoints/one.steps/0.steps/0", "id_without_owner")]),
        ([{"do": "set", "values": {"which": "=input.note"}}, {**FETCH, "id": "which"}],
         [("endpoints/one.steps/1", "id_without_owner")]),
        ([{"do": "rate_limit", "limit": "1/day", "by": "auth.user.id"}, FETCH],
         [("endpoints/one.steps/1", "id_without_owner")]),
        ([{"do": "require", "that": "auth.user.team == 'a'"}, FETCH], [("endpoints/one.steps/1", "id_without_owner")]),
        ([{"do": "require", "that": "'staff' in auth.user.roles"}, FETCH], []),
        ([{"do": "require", "that": "auth.user.chief"}, FETCH], []),
        ([FETCH, {"do": "require", "that": "note.team == auth.user.team"}], []),
        ([FETCH, {"do": "fail", "status": 403, "when": "note.owner != auth.user.id"}], []),
        ([FETCH, {"do": "if", "when": "note.owner == auth.user.id", "then": [{"do": "respond"}],
                  "else": [{"do": "fail", "status": 403}]}], []),
        ([FETCH, {"do": "exists", "from": "notes", "as": "mine",
                  "where": "item.id == input.note && item.owner == auth.user.id"},
          {"do": "require", "that": "mine"}], []),
        ([{"do": "if", "when": "input.n > 1", "then": [WRITE]}, {"do": "require", "that": "input.n > 1"}],
         [("endpoints/one.steps/1", "check_after_write")]),
        ([{"do": "if", "when": "input.n > 1", "then": [WRITE], "else": [{"do": "require", "that": "input.n > 0"}]}],
         []),
        ([WRITE, {"do": "set", "values": {"many": "=size(written)"}}, {"do": "require", "that": "many == 1"}], []),
        ([{"do": "require", "that": "size([input.n]) >= 0"}], [("endpoints/one.steps/0.that", "always_true")]),
        ([{"do": "require", "that": "input.n == null || input.n != null"}],
         [("endpoints/one.steps/0.that", "always_true")]),
        ([{"do": "require", "that": "input.n < 5 || input.n >= 5"}], [("endpoints/one.steps/0.that", "always_true")]),
        ([{"do": "if", "when": "input.n > 1", "then": [{"do": "require", "that": "true"}]}],
         [("endpoints/one.steps/0.then.steps/0.that", "always_true")]),
        ([{"do": "require", "that": "input.n < 5 || input.n >= 6"}], []),
    ],
)  # fmt: skip
def test_a_doubt_is_found_where_it_is_and_not_beside_it(steps: Any, found: Any) -> None:
    said = [{key: value for key, value in step.items() if value is not None} for step in steps]
    assert doubted(said) == found


def test_what_a_middleware_checks_counts_and_what_it_does_is_doubted_there() -> None:
    assert doubted([{"do": "respond", "body": "=note"}], first=[FETCH, OWNER]) == []
    assert doubted([{"do": "respond", "body": "=note"}], first=[FETCH]) == [
        ("middleware/first.steps/0", "id_without_owner")
    ]
    assert doubted([FETCH], access={"roles": ["staff"]}) == []


def test_each_endpoint_and_view_has_its_row() -> None:
    rows = {one["name"]: one for one in matrix(DOUBTFUL)["surface"]}
    assert set(rows) == {"open", "held", "all_notes", "mine", "for_staff"}
    assert (rows["held"]["access"], rows["held"]["middleware"], rows["held"]["writes"]) == (
        "public",
        ["leveled"],
        ["notes"],
    )
    assert (rows["for_staff"]["access"], rows["for_staff"]["path"]) == (["staff"], "/rest/v1/for_staff")


def found_in(**more: Any) -> list[tuple[str, str]]:
    column = {"name": "level", "type": "integer", "self_editable": True}
    document = {"rowgate": 1, "users": {"columns": [column]}, "tables": [NOTES], **more}
    return [(one["place"], one["code"].removeprefix("access.")) for one in matrix(document)["findings"]]


OWN = {"name": "own", "table": "notes", "filter": "row.owner == auth.user.id", "columns": ["n"]}
LIMITED = {"name": "limited", "steps": [{"do": "rate_limit", "limit": "1/day", "by": "request.ip"}]}


def test_a_view_that_anybody_writes_is_doubted_unless_something_limits_it() -> None:
    view = {**OWN, "access": "public", "allow": ["insert"], "filter": "row.owner != auth.user.id"}
    assert found_in(views=[view]) == [("views/own.access", "public_write")]
    assert found_in(views=[{**view, "middleware": ["limited"]}], middleware=[LIMITED]) == []
    assert found_in(views=[{**view, "access": "authenticated"}]) == []
    assert found_in(views=[{**view, "allow": ["select"]}]) == []
    idle = {"name": "limited", "steps": [{"do": "set", "values": {"x": 1}}]}
    assert found_in(views=[view], middleware=[idle], project={"middleware": ["limited"]}) == [
        ("views/own.access", "public_write")
    ]


def test_a_filter_that_only_writes_the_words_asks_nobody() -> None:
    assert found_in(views=[{**OWN, "filter": "row.team != 'auth.user.id'"}]) == [
        ("views/own.filter", "rows_of_everybody")
    ]


@pytest.mark.parametrize(
    ("steps", "trusted"),
    [
        ([{"do": "require", "that": "auth.user.level > 3"}], True),
        ([{"do": "set", "values": {"l": "=auth.user.level"}}, {"do": "require", "that": "l > 3"}], True),
        ([{"do": "if", "when": "auth.user.level > 3", "then": [{"do": "respond"}]}], True),
        ([{"do": "set", "values": {"x": 1}, "when": "auth.user.level > 3"}], True),
        ([{"do": "list", "from": "notes", "where": "item.n < auth.user.level", "as": "all"}], True),
        ([{"do": "rate_limit", "limit": "1/day", "by": "string(auth.user.level)"}], True),
        ([{"do": "respond", "body": "=auth.user.level"}], False),
        ([{"do": "insert", "table": "notes", "set": {"n": "=auth.user.level"}}], False),
    ],
)
def test_a_column_that_people_set_is_doubted_where_it_decides_and_not_where_it_shows(steps: Any, trusted: bool) -> None:
    endpoint = {"name": "one", "method": "POST", "path": "/one", "access": "authenticated", "steps": steps}
    found = found_in(endpoints=[endpoint])
    assert (("users.columns/level.self_editable", "self_editable_trusted") in found) is trusted


def test_what_only_the_unused_use_is_unused_and_a_word_is_no_role() -> None:
    calls = {"name": "outer", "steps": [{"do": "call", "use": "limited"}]}
    assert found_in(middleware=[calls, LIMITED]) == [
        ("middleware/outer", "unused_middleware"), ("middleware/limited", "unused_middleware"),
    ]  # fmt: skip
    assert found_in(middleware=[calls, LIMITED], views=[{**OWN, "middleware": ["outer"]}]) == []
    described = {**OWN, "description": "For staff: 'staff'", "columns": ["n", {"name": "staff", "value": "row.n"}]}
    assert found_in(roles=[{"name": "staff"}], views=[described]) == [("roles/staff", "unused_role")]
    used = {**OWN, "filter": "row.owner == auth.user.id || 'staff' in auth.user.roles"}
    assert found_in(roles=[{"name": "staff"}], views=[used]) == []


async def test_an_admin_reads_it_and_nobody_else(migrated_url: str) -> None:
    async with serving(migrated_url, "documents.yaml") as backend:
        assert (await backend.client.get("/admin/v1/access")).status_code == 401
        answer = await backend.client.get("/admin/v1/access", headers=await backend.admin())
        assert answer.json()["surface"] == matrix(load_file(EXAMPLES / "documents.yaml"))["surface"]


def test_what_is_doubted_of_the_examples_is_meant() -> None:
    """Everybody reads a blog; and a person's own columns are read only to be shown, or to send goods to."""
    meant = {"access.rows_of_everybody", "access.self_editable_trusted"}
    for path in EXAMPLES.glob("*.yaml"):
        assert {one["code"] for one in matrix(load_file(path))["findings"]} <= meant


def test_the_command_prints_who_gets_in_and_what_is_doubted() -> None:
    said = CliRunner().invoke(app, ["check", str(EXAMPLES / "shop.yaml")])
    assert said.exit_code == 0
    assert re.search(r"POST +/api/orders +signed in +writes orders, products$", said.stdout, re.MULTILINE)
    assert re.search(r"view +/rest/v1/catalogue +everybody", said.stdout)
    assert "access.self_editable_trusted" in said.stdout
    shown = json.loads(CliRunner().invoke(app, ["check", str(EXAMPLES / "shop.yaml"), "--json"]).stdout)
    assert shown["valid"] is True
    assert {one["name"] for one in shown["surface"]} >= {"place_order", "catalogue"}
    assert shown["doubts"][0]["code"] == "access.self_editable_trusted"


def test_a_call_that_may_take_longer_than_the_request_that_waits_for_it_is_doubted() -> None:
    call = {"do": "http", "method": "GET", "url": "https://example.com/a", "timeout": 30}
    later = {**call, "method": "POST", "after": "commit"}
    sign_in = {"access": "authenticated", "method": "GET"}

    def made(name: str, *steps: Any, **more: Any) -> dict[str, Any]:
        return {**sign_in, "name": name, "path": f"/{name}", "steps": [*steps, {"do": "respond", "body": 1}], **more}

    document = {
        "rowgate": 1,
        "tables": [{"name": "t", "columns": [{"name": "n", "type": "integer"}]}],
        "views": [{"name": "v", "table": "t", "columns": "all", "middleware": ["calls"]}],
        "middleware": [{"name": "calls", "steps": [{"do": "if", "when": "true", "then": [call]}]}],
        "endpoints": [
            made("own", call),
            made("shared", middleware=["calls"], timeout=29.5),
            made("long", call, middleware=["calls"], timeout=30),
            made("quick", {**call, "timeout": 10}),
            made("unsaid", {**call, "timeout": 5}, timeout=5),
            made("later", later, method="POST"),
        ],
    }
    found = [one for one in matrix(document)["findings"] if one["code"] == "access.call_cut_short"]
    assert [one["place"] for one in found] == ["endpoints/own", "endpoints/shared", "views/v"]
    assert found[0]["message"] == "a call out may take 30 seconds, and the request ends after 10"
