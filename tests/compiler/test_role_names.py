"""Roles that rules ask for and that there are none of, and values that were meant as expressions, are found."""

import json
from typing import Any

import pytest

from app.compiler.check import check_project
from app.compiler.stored import compile_stored
from app.definitions.project import parse_project
from app.definitions.stored import stored_of
from app.errors import Finding

ROLES = [{"name": "coach"}, {"name": "support"}]


def found(step: dict[str, Any], *more: dict[str, Any], roles: Any = ROLES, **parts: Any) -> list[Finding]:
    steps = [step, *more, {"do": "respond"}]
    field = {"title": {"type": "text", "required": True}}
    one = {"name": "e", "method": "POST", "path": "/e", "access": "authenticated", "input": {"body": field}}
    project, findings = parse_project({"rowgate": 1, "roles": roles, "endpoints": [{**one, "steps": steps}], **parts})
    assert project is not None, findings
    return check_project(project)


@pytest.mark.parametrize(
    ("rule", "unknown"),
    [
        ('"coch" in auth.user.roles', ["coch"]),
        ('!("coch" in auth.user.roles) || "coach" in auth.user.roles', ["coch"]),
        ('auth.user.roles.exists(r, r == "coch" || r in ["support", "suport"])', ["coch", "suport"]),
        ('["coach", "coch"].exists(r, r in auth.user.roles)', ["coch"]),
        ('auth.user.roles[0] != "coch"', ["coch"]),
        ('"coach" in auth.user.roles && "coch" == auth.user.email', []),
        ('auth.user.roles.exists(r, ["coch"].exists(r, r == "x"))', []),
        ("size(auth.user.roles) > 1", []),
    ],
)
def test_a_role_that_there_is_none_of_is_found_where_a_rule_asks_for_it(rule: str, unknown: list[str]) -> None:
    findings = found({"do": "require", "that": rule})
    assert [one.message for one in findings] == [f"unknown role {name!r}" for name in unknown]
    assert {one.place for one in findings} <= {"endpoints/e.steps/0.that"}
    for one in findings:
        line, caret = str(one.excerpt).split("\n")
        assert line[len(caret) - 1 :].startswith(one.message.removeprefix("unknown role ").replace("'", '"'))
        assert str(one.hint).startswith("did you mean")


def test_a_role_in_a_filter_a_value_and_a_middleware_is_found_once_each() -> None:
    rule = '"coch" in auth.user.roles'
    views = [{"name": "v", "table": "t", "filter": rule, "columns": [{"name": "mine", "value": rule}]}]
    middleware = [{"name": "m", "steps": [{"do": "require", "that": rule}]}]
    call = {"do": "call", "use": "m"}
    findings = found(call, call, tables=[{"name": "t"}], views=views, middleware=middleware, roles=[])
    assert sorted(one.place for one in findings) == [
        "middleware/m.steps/0.that", "views/v.columns/mine.value", "views/v.filter",
    ]  # fmt: skip
    assert {one.hint for one in findings} == {"add it to roles"}


def test_a_role_that_went_is_found_though_nothing_else_changed() -> None:
    step = {"do": "require", "that": '"support" in auth.user.roles'}
    assert found(step) == []
    (finding,) = found(step, roles=ROLES[:1])
    assert finding.message == "unknown role 'support'"


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ("all", "write =all for its value, or ='all' if the text is meant"),
        ("input.title", "write =input.title for its value, or ='input.title' if the text is meant"),
        (
            {"deep": ["auth.user.email"]},
            "write =auth.user.email for its value, or ='auth.user.email' if the text is meant",
        ),
        ("=all", None),
        ("='all'", None),
        ({"all": "all"}, None),
        ("input.nothing", None),
        ("example.com", None),
    ],
)
def test_a_text_that_is_spelled_like_what_is_bound_is_a_finding_with_its_cure(body: Any, hint: str | None) -> None:
    bound = {"do": "set", "values": {"all": [1]}}
    findings = found(bound, {"do": "respond", "body": body, "when": "true"})
    assert [one.hint for one in findings] == ([] if hint is None else [hint])
    assert all(one.stricter for one in findings)


def test_what_is_stored_so_goes_on_and_is_a_doubt() -> None:
    rule = {"do": "require", "that": '"coch" in auth.user.roles', "status": 404}
    answer = {"do": "respond", "body": "auth.user.email"}
    said = {"name": "e", "method": "GET", "path": "/e", "access": "public", "steps": [rule, answer]}
    runtime = compile_stored(stored_of([("endpoint", "e", json.dumps(said))]))
    assert set(runtime.endpoints) == {"e"}
    assert [one.place for one in runtime.doubts] == ["endpoints/e.steps/1.body", "endpoints/e.steps/0.that"]
