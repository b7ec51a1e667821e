"""A document is refused with every problem and its place, or says a project that can be said again."""

from copy import deepcopy
from typing import Any

import pytest

from app.definitions.project import dump_project, parse_project

GOOD: dict[str, Any] = {
    "rowgate": 1,
    "project": {"name": "Papers", "middleware": ["at_most"], "auth_schemes": ["Bearer", "Token"]},
    "roles": [{"name": "support"}],
    "users": {"columns": [{"name": "plan", "type": "enum", "values": ["free", "pro"], "default": "free"}]},
    "tables": [
        {
            "name": "documents",
            "columns": [
                {"name": "owner_user_id", "type": "user", "required": True, "on_delete": "cascade"},
                {"name": "amount", "type": "decimal", "precision": 40, "scale": 20, "min": 0.1,
                 "max": "1.00000000000000000001"},
            ],
            "indexes": [["owner_user_id", "created_at"]],
            "checks": [{"rule": "row.amount > 0"}],
        }
    ],
    "views": [
        {
            "name": "my_documents",
            "table": "documents",
            "columns": ["id", {"name": "double", "value": "row.amount * 2"}],
            "filter": "row.owner_user_id == auth.user.id",
            "access": {"roles": ["support"]},
            "presets": {"owner_user_id": "=auth.user.id"},
        }
    ],
    "middleware": [
        {
            "name": "at_most",
            "params": {"limit": {"type": "text", "default": "10/minute"}},
            "steps": [{"do": "rate_limit", "limit": "=params.limit"}],
        }
    ],
    "endpoints": [
        {
            "name": "submit",
            "method": "POST",
            "path": "/documents/{recordId}/submit",
            "access": "authenticated",
            "input": {
                "path": {"recordId": {"type": "uuid"}},
                "body": {"lines": {"type": "list", "of": {"type": "object", "fields": {"note": {"type": "text"}}}}},
            },
            "middleware": [{"use": "at_most", "with": {"limit": "5/minute"}}],
            "steps": [{"do": "respond", "when": "true", "body": {"ok": True}}],
        }
    ],
}  # fmt: skip


def changed(path: str, value: Any) -> dict[str, Any]:
    document: Any = deepcopy(GOOD)
    here = document
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for key in way:
        here = here[key]
    here[last] = value
    return document  # type: ignore[no-any-return]  # the document's own type is lost on the way down


REFUSED = [
    ("rowgate", 2, "rowgate", ""),
    ("colour", "blue", "colour", "unknown key 'colour'"),
    ("tables/0/colour", "blue", "tables/documents.colour", "unknown key 'colour'"),
    ("tables/0/name", "Documents", "tables/Documents.name", "a name has"),
    ("tables/0/name", "pg_class", "tables/pg_class.name", "reserved"),
    ("tables/0/name", "row", "tables/row.name", "reserved"),
    ("tables/0/name", "a" * 64, "", "1 to 63"),
    ("tables/0/name", "users", "tables/users", "there by itself"),
    ("tables/0/columns/0/type", "varchar", "tables/documents.columns/owner_user_id.type", ""),
    ("tables/0/columns/0/max_length", 5, "tables/documents.columns/owner_user_id", "not an option of the type user"),
    ("tables/0/columns/0/on_delete", "set_null", "tables/documents.columns/owner_user_id", "set_null"),
    ("tables/0/columns/0/required", "yes", "tables/documents.columns/owner_user_id.required", "true or false"),
    ("tables/0/columns/1/name", "created_at", "tables/documents", "there by itself"),
    ("tables/0/columns/1/name", "owner_user_id", "tables/documents", "twice"),
    ("tables/0/columns/1/min", "NaN", "tables/documents.columns/amount.min", "finite"),
    ("tables/0/columns/1/min", 7, "tables/documents.columns/amount", "min is greater than max"),
    ("tables/0/columns/1/scale", 41, "tables/documents.columns/amount", "precision"),
    ("tables/0/indexes", [["nope"]], "tables/documents", "nope"),
    ("tables/0/indexes", [[]], "tables/documents", "at least one"),
    ("users/columns/0/name", "roles", "users", "there by itself"),
    ("users/columns/0/values", ["a", "a"], "users.columns/plan", "differ"),
    ("views/0/name", "documents", "views/documents", "share their names"),
    ("views/0/access", "everybody", "views/my_documents.access", ""),
    ("views/0/access", {"roles": []}, "views/my_documents.access", ""),
    ("views/0/writable", ["owner_user_id"], "views/my_documents", "preset"),
    ("views/0/columns", [], "views/my_documents", "at least one column"),
    ("views/0/columns/1", {"name": "x", "count": "documents", "exists": "documents"}, "views/my_documents", "exactly"),
    ("views/0/columns/1", {"name": "x", "sum": "documents"}, "views/my_documents", "needs `of`"),
    ("middleware/0/params", {"for": {"type": "text"}}, "middleware/at_most.params.for", "reserved"),
    ("middleware/0/steps", [], "middleware/at_most.steps", "at least 1"),
    ("endpoints/0/path", "documents", "endpoints/submit", "a path looks like"),
    ("endpoints/0/path", "/a/../b", "endpoints/submit", "a path looks like"),
    ("endpoints/0/path", "/documents/{id}", "endpoints/submit", "must agree"),
    ("endpoints/0/method", "TRACE", "endpoints/submit.method", ""),
    ("endpoints/0/method", "GET", "endpoints/submit", "takes no body"),
    ("endpoints/0/input/query", {"recordId": {"type": "text"}}, "endpoints/submit.input", "two places"),
    ("endpoints/0/input/body/lines/of/fields/note/type", "txt", "endpoints/submit.input.body.lines", ""),
    ("endpoints/0/timeout", -1, "endpoints/submit.timeout", "greater than 0"),
    ("views/0/filter", True, "views/my_documents.filter", 'write "true" in quotes, or leave it out'),
    ("views/0/columns/1/value", True, "views/my_documents.columns/double.value", 'write "true" in quotes'),
    ("views/0/columns/1", {"name": "x", "count": "documents", "where": True}, "views/my_documents.columns/x.where",
     'write "true" in quotes, or leave it out'),
    ("views/0/columns/1", {"name": "x", "sum": "documents", "of": 1}, "views/my_documents.columns/x.of",
     'write "1" in quotes'),
    ("tables/0/checks/0/rule", True, "tables/documents.checks/0.rule", 'write "true" in quotes'),
    ("endpoints/0/rules", [{"rule": True}], "endpoints/submit.rules/0.rule", 'write "true" in quotes'),
    ("endpoints/0/steps/0/do", 7, "endpoints/submit.steps/0.do", "a text"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "place", "message"), REFUSED)
def test_a_bad_document_is_refused_with_its_place(path: str, value: Any, place: str, message: str) -> None:
    project, findings = parse_project(changed(path, value))
    assert project is None
    assert any(
        finding.place.startswith(place) and message in finding.message + (finding.hint or "") for finding in findings
    ), findings


@pytest.mark.parametrize("document", [None, [], "rowgate: 1", 1])
def test_what_is_no_mapping_is_refused_with_a_hint(document: object) -> None:
    project, findings = parse_project(document)
    assert project is None
    assert "rowgate: 1" in (findings[0].hint or "")


def test_all_problems_come_at_once() -> None:
    document = changed("tables/0/colour", "blue")
    document["views"][0]["taste"] = "sweet"
    document["endpoints"][0]["timeout"] = -1
    assert len(parse_project(document)[1]) == 3


@pytest.mark.parametrize("kind", ["roles", "tables", "views", "middleware", "endpoints"])
def test_a_name_that_stands_twice_is_refused(kind: str) -> None:
    document = deepcopy(GOOD)
    document[kind].append(document[kind][0])
    assert any("stands twice" in finding.message for finding in parse_project(document)[1])


def test_what_was_said_can_be_said_again_to_the_letter() -> None:
    project, findings = parse_project(GOOD)
    assert findings == []
    assert project is not None
    said = dump_project(project)
    assert said == GOOD
    assert parse_project(said)[0] == project


def test_a_bound_of_many_digits_stays_exact() -> None:
    project, _ = parse_project(GOOD)
    assert project is not None
    assert str(project.tables[0].columns[1].max) == "1.00000000000000000001"
