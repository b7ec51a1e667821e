"""A document with mistakes: one finding a mistake, in words that an admin knows, and all of them at one look."""

import re
from typing import Any

import pytest

from app.compiler.check import check_document
from app.definitions.project import dump_project, parse_project

TABLE = {"name": "t", "columns": [{"name": "owner_user_id", "type": "user"}, {"name": "title", "type": "text"}]}
OF_PYDANTIC = re.compile(r"tuple|dictionary|instance|literal|function-|Input should|valid |Def\b|Decimal")


def column(**said: Any) -> dict[str, Any]:
    return {"rowgate": 1, "tables": [{"name": "t", "columns": [{"name": "a", "type": "text", **said}]}]}


def view(**said: Any) -> dict[str, Any]:
    return {"rowgate": 1, "tables": [TABLE], "views": [{"name": "v", "table": "t", **said}]}


def endpoint(**said: Any) -> dict[str, Any]:
    steps = [{"do": "respond"}]
    whole = {"name": "e", "method": "GET", "path": "/e", "access": "public", "steps": steps, **said}
    return {"rowgate": 1, "endpoints": [whole]}


@pytest.mark.parametrize(
    ("document", "place", "message", "hint"),
    [
        (column(type="string"), "tables/t.columns/a.type", "is wanted here", "did you mean text?"),
        (column(type="timestamptz"), "tables/t.columns/a.type", "is wanted here", "did you mean timestamp?"),
        (column(type="intger"), "tables/t.columns/a.type", "is wanted here", "did you mean integer?"),
        (column(nullable=False), "tables/t.columns/a.nullable", "unknown key", "what doesn't say required: true"),
        (column(maxLength=3), "tables/t.columns/a.maxLength", "unknown key", "write max_length"),
        (column(max_lenght=3), "tables/t.columns/a.max_lenght", "unknown key", "did you mean max_length?"),
        (column(max_length="3"), "tables/t.columns/a.max_length", "a whole number is wanted here", None),
        (view(filters="true"), "views/v.filters", "unknown key 'filters'", "did you mean filter?"),
        (view(columns=3), "views/v.columns", "'all' or a list is wanted here", "write [3]"),
        (view(allow="select"), "views/v.allow", "a list is wanted here", "write [select]"),
        (view(access="everyone"), "views/v.access", "'public' or 'authenticated' or a mapping is wanted here", None),
        (view(access={"role": ["x"]}), "views/v.access.role", "unknown key 'role'", "did you mean roles?"),
        (view(columns=[{"name": "x", "count": 3}]), "views/v.columns/x.count", "a text is wanted here", 'write "3" in'),
        (view(params={"q": "text"}), "views/v.params.q", "a mapping is wanted here", "write {type: text}"),
        (endpoint(method="get"), "endpoints/e.method", "is wanted here", "did you mean GET?"),
        (endpoint(middleware="m"), "endpoints/e.middleware", "a list is wanted here", "write [m]"),
        (endpoint(input={"body": {"y": "text"}}), "endpoints/e.input.body.y", "a mapping is wanted", "{type: text}"),
        ({"rowgate": 1, "roles": ["admin"]}, "roles/0", "a mapping is wanted here", "write {name: admin}"),
        ({"rowgate": 1, "project": {"http_allow": ["x"]}}, "project.http_allow/0", "a host and its port", None),
        (endpoint(steps=[{"do": "fail", "status": "400"}]), "endpoints/e.steps/0.status", "a whole number is", None),
    ],
)
def test_one_mistake_is_one_finding_that_says_what_to_write(
    document: dict[str, Any], place: str, message: str, hint: str | None
) -> None:
    (found,) = check_document(document)[1]
    assert found.place == place
    assert message in found.message
    assert hint is None or hint in str(found.hint)
    assert not OF_PYDANTIC.search(str(found))


def test_mistakes_of_structure_and_of_rules_are_found_together() -> None:
    columns = [*TABLE["columns"], {"name": "made", "type": "datetme"}]
    document = {
        "rowgate": 1,
        "tables": [{"name": "t", "columns": columns}],
        "views": [{"name": "v", "table": "t", "filters": "true", "filter": "ownr = auth.user.id && row.made == 1"}],
        "tests": [{"name": "x"}],
    }
    places = [one.place for one in check_document(document)[1]]
    assert places == [
        "tables/t.columns/made.type", "views/v.filters", "tests/x.request", "tests/x.expect", "views/v.filter:1:1",
    ]  # fmt: skip


def test_of_what_cant_be_read_nothing_is_said_by_those_who_name_it() -> None:
    gone = {"rowgate": 1, "tables": [{**TABLE, "id": 3, "name": 7}], "views": [{"name": "v", "table": "t"}]}
    assert {one.place for one in check_document(gone)[1]} == {"tables/0.id", "tables/0.name", "views/v.table"}
    lost = {**view(filter="row.a == 1"), "tables": [{"name": "t", "columns": [{"name": "a", "type": "what"}]}]}
    assert [one.place for one in check_document(lost)[1]] == ["tables/t.columns/a.type"]


SHORT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [{**TABLE, "checks": [{"rule": "title != 'x = y'"}]}],
    "views": [
        {
            "name": "v",
            "table": "t",
            "columns": ["id", {"name": "n", "count": "t", "where": "item.title = row.title"}],
            "filter": "=owner_user_id = auth.user.id",
        }
    ],
    "middleware": [{"name": "m", "steps": [{"do": "fetch", "from": "t", "where": "title = input.title", "as": "x"}]}],
    "endpoints": [
        {
            "name": "e",
            "method": "POST",
            "path": "/e",
            "access": "authenticated",
            "input": {"body": {"title": {"type": "text", "required": True}}},
            "rules": [{"rule": "input.title != 'q'"}],
            "middleware": ["m"],
            "steps": [
                {
                    "do": "if",
                    "when": "input.title = 'a'",
                    "then": [{"do": "call", "use": "m"}, {"name": "steps", "do": "require", "that": "x.title = 'b'"}],
                    "else": [{"do": "validate", "rules": [{"rule": "x.title = 'c'", "field": "title"}]}],
                },
                {"do": "respond", "body": "=x.title"},
            ],
        }
    ],
}
FULL = {
    "tables/t.checks/0.rule": "row.title != 'x = y'",
    "views/v.columns/n.where": "item.title == row.title",
    "views/v.filter": "row.owner_user_id == auth.user.id",
    "middleware/m.steps/0.where": "item.title == input.title",
    "endpoints/e.steps/0.when": "input.title == 'a'",
    "endpoints/e.steps/0.then.steps/steps.that": "x.title == 'b'",
    "endpoints/e.steps/0.else.steps/0.rules/0.rule": "x.title == 'c'",
}


def test_every_condition_said_in_short_is_written_out_in_its_place() -> None:
    checked, findings = check_document(SHORT)
    assert findings == []
    assert checked is not None
    assert {one.place: one.full for one in checked.written_out} == FULL
    written = str(dump_project(checked.project))
    assert all(full in written for full in FULL.values())
    assert not any(one.said in written.replace(one.full, "") for one in checked.written_out)
    # What is written out says the same, and nothing of it is short any more.
    again, findings = check_document(dump_project(checked.project))
    assert (findings, again and again.written_out, again and again.project) == ([], (), checked.project)


def test_a_document_that_says_nothing_in_short_is_kept_as_it_is() -> None:
    document = view(filter="row.owner_user_id == auth.user.id")
    project, _ = parse_project(document)
    checked, _ = check_document(document)
    assert checked is not None
    assert checked.project == project
