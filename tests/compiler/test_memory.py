"""What one compilation takes over from another, and what it doesn't."""

from typing import Any

from app.compiler.compile import compile_project
from app.compiler.runtime import Runtime
from app.definitions.project import parse_project
from app.expressions.to_sql import Parameters
from app.relations.memory import Memory
from app.relations.source import conditions_sql

NOTES = {"name": "notes", "columns": [{"name": "n", "type": "integer"}]}


def document(**more: Any) -> dict[str, Any]:
    kept = {"name": "kept", "table": "notes", "filter": "row.n > 1", "access": "public"}
    inside = {"name": "inside", "table": "notes", "access": "public", "columns": [{"name": "all", "list": "kept"}]}
    reads = {"name": "reads", "method": "GET", "path": "/reads", "access": "public",
             "steps": [{"do": "list", "from": "kept", "as": "x"}]}  # fmt: skip
    other = {**reads, "name": "other", "path": "/other", "steps": [{"do": "list", "from": "notes", "as": "x"}]}
    return {"rowgate": 1, "tables": [NOTES], "views": [inside, kept], "endpoints": [reads, other], **more}


def compiled(said: dict[str, Any], memory: Memory) -> Runtime:
    project, findings = parse_project(said)
    assert project is not None, findings
    runtime, findings = compile_project(project, memory=memory)
    assert runtime is not None, findings
    return runtime


def test_what_nothing_has_touched_is_the_same_object() -> None:
    memory = Memory()
    before, after = compiled(document(), memory), compiled(document(roles=[{"name": "more"}]), memory)
    assert [after.views[name] is one for name, one in before.views.items()] == [True, True]
    assert [after.endpoints[name] is one for name, one in before.endpoints.items()] == [True, True]
    assert after.schema.tables["notes"] is before.schema.tables["notes"]


def test_another_filter_reaches_all_that_reads_through_it_and_nothing_else() -> None:
    memory = Memory()
    said = document()
    before = compiled(said, memory)
    said["views"][1]["filter"] = "row.n > 2"
    after = compiled(said, memory)
    assert after.endpoints["other"] is before.endpoints["other"]
    assert after.endpoints["reads"] is not before.endpoints["reads"]
    inside = after.views["inside"].source.computed["all"]
    assert inside != before.views["inside"].source.computed["all"]
    assert conditions_sql(after.views["kept"].source, None, Parameters())


def test_statements_in_which_other_filters_may_stand_are_forgotten_with_any_view() -> None:
    memory = Memory()
    said = document(views=[{"name": name, "table": "notes", "access": "public"} for name in ("one", "two")])
    said["endpoints"] = []
    before = compiled(said, memory)
    said["views"][1]["filter"] = "row.n > 2"
    after = compiled(said, memory)
    assert after.views["one"].source is before.views["one"].source
    assert after.views["one"].shapes is not before.views["one"].shapes
    assert after.views["one"].related is not before.views["one"].related


def test_a_number_is_not_taken_for_the_truth_that_is_equal_to_it() -> None:
    memory = Memory()
    bodies = []
    for body in (1, True, 1.0):
        steps = [{"do": "respond", "body": body}]
        said = document()
        said["endpoints"] = [{**said["endpoints"][0], "steps": steps}]
        bodies.append(compiled(said, memory).endpoints["reads"].definition.steps[0].fields["body"])
    assert list(map(repr, bodies)) == ["1", "True", "1.0"]


def test_what_is_read_is_nobodys_to_change() -> None:
    said = document(
        tests=[{"name": "t", "request": {"path": "/api/reads", "body": {"a": [1]}}, "expect": {"status": 204}}]
    )
    project, _ = parse_project(said)
    assert project is not None
    said["tests"][0]["request"]["body"]["a"].append(2)
    again, _ = parse_project(said)
    assert again is not None
    assert [one.tests[0].request.body for one in (project, again)] == [{"a": [1]}, {"a": [1, 2]}]


def test_findings_are_found_each_time() -> None:
    memory = Memory()
    project, _ = parse_project(document(endpoints=[{**document()["endpoints"][0], "steps": [{"do": "nothing"}]}]))
    assert project is not None
    found = [compile_project(project, memory=memory)[1] for _ in range(2)]
    assert found[0] == found[1] != []
