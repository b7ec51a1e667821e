"""Hooks of sign-up as a document says them: what is refused with its place, and what a change of one does to access."""

from typing import Any

import pytest

from app.compiler.check import check_document
from app.definitions.project import parse_project
from app.review.doubts import access_matrix
from app.review.effects import effects

USERS = {"columns": [{"name": "nick", "type": "text", "self_editable": True}, {"name": "age", "type": "integer"}]}
NOTES = {"name": "notes", "columns": [{"name": "owner", "type": "user"}, {"name": "text", "type": "text"}]}
OURS = {"do": "require", "that": "input.email != null && input.email.endsWith('@a.example')"}
INSERT = {"do": "insert", "table": "notes", "set": {"owner": "=user.id"}}
CALL = {"do": "http", "method": "POST", "url": "https://b.example/x"}


def said(auth: Any, **steps: Any) -> dict[str, Any]:
    middleware = [{"name": name, "steps": one} for name, one in steps.items()]
    return {"rowgate": 1, "users": USERS, "tables": [NOTES], "middleware": middleware, "auth": auth}


@pytest.mark.parametrize(
    ("auth", "steps", "place", "told"),
    [
        ({"before_sign_up": "gone"}, {}, "auth.before_sign_up", "unknown middleware 'gone'"),
        ({"after_sign_up": "gone"}, {}, "auth.after_sign_up", "unknown middleware 'gone'"),
        ({"before_sign_up": "hook"}, {"hook": [{"do": "insert", "table": "notes", "set": {"text": "a"}}]},
         "auth.before_sign_up", "it inserts, and this only looks"),
        ({"before_sign_up": "hook"}, {"hook": [CALL]}, "auth.before_sign_up", "this only looks"),
        ({"before_sign_up": "hook"}, {"hook": [{"do": "respond", "status": 204}]}, "auth.before_sign_up",
         "there is no request that it could answer"),
        ({"before_sign_up": "hook"}, {"hook": [{"do": "rate_limit", "limit": "1/minute"}]}, "auth.before_sign_up",
         "it goes by a request"),
        ({"before_sign_up": "hook"}, {"hook": [{"do": "call", "use": "more"}], "more": [CALL]}, "auth.before_sign_up",
         "this only looks"),
        ({"before_sign_up": "hook"}, {"hook": [
            {"do": "fetch", "from": "notes", "where": "item.text == 'a'", "as": "one", "lock": True}]},
         "auth.before_sign_up", "let go before the account is made"),
        ({"after_sign_up": "hook"}, {"hook": [CALL]}, "auth.after_sign_up", "say after: commit"),
        ({"after_sign_up": "hook"}, {"hook": [{"do": "if", "when": "true", "then": [CALL]}]}, "auth.after_sign_up",
         "say after: commit"),
        ({"after_sign_up": "hook"}, {"hook": [{"do": "issue_session", "user": "user.id"}]}, "auth.after_sign_up",
         "an account is just being made"),
        ({"after_sign_up": "hook"}, {"hook": [
            {"do": "update_user", "user": "user.id", "email": "'a@b.example'"}]},
         "auth.after_sign_up", "an account is just being made"),
        ({"before_sign_up": "hook"}, {"hook": [{"do": "require", "that": "input.data.nik == 'a'"}]},
         "auth.before_sign_up(hook).steps/0.that", "no field"),
        ({"before_sign_up": "hook"}, {"hook": [{"do": "require", "that": "input.data.age == 'a'"}]},
         "auth.before_sign_up(hook).steps/0.that", "can't be int"),
        ({"before_sign_up": "hook"}, {"hook": [{"do": "require", "that": "auth.signed_in"}]},
         "auth.before_sign_up(hook).steps/0.that", "auth"),
        ({"after_sign_up": "hook"}, {"hook": [{"do": "require", "that": "user.nik == 'a'"}]},
         "middleware/hook.steps/0.that", "nik"),
    ],
)  # fmt: skip
def test_a_hook_that_has_no_place_is_a_finding(auth: Any, steps: Any, place: str, told: str) -> None:
    findings = check_document(said(auth, **steps))[1]
    assert findings, "it is sound"
    assert any(one.place.startswith(place) and told in str(one) for one in findings), [str(one) for one in findings]


def test_a_hook_that_needs_an_argument_is_a_finding() -> None:
    document = said({"before_sign_up": "hook"}, hook=[OURS])
    document["middleware"][0]["params"] = {"domain": {"type": "text", "required": True}}
    (finding,) = check_document(document)[1]
    assert finding.place.startswith("auth.before_sign_up")
    assert "domain" in str(finding)


def test_hooks_stand_in_the_access_matrix_and_count_as_used() -> None:
    document = said(
        {"before_sign_up": "asks", "after_sign_up": "does"}, asks=[OURS], does=[INSERT, {**CALL, "after": "commit"}]
    )
    assert check_document(document)[1] == []
    project, _ = parse_project(document)
    assert project is not None
    matrix = access_matrix(project)
    assert matrix["hooks"] == [
        {"name": "before_sign_up", "middleware": "asks", "writes": []},
        {"name": "after_sign_up", "middleware": "does", "writes": ["notes"]},
    ]
    assert "access.unused_middleware" not in {one["code"] for one in matrix["findings"]}


OTHER = {"do": "require", "that": "input.email != null && input.email.endsWith('@b.example')"}
BOTH = [OURS, {"do": "require", "that": "input.provider == 'email'"}]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([OURS], None, {("auth.before_sign_up", "gains", True)}),
        (None, [OURS], {("auth.before_sign_up", "loses", False)}),
        ([OURS], [OTHER], {("auth.before_sign_up", "may_gain", True)}),
        (BOTH, [OURS], {("auth.before_sign_up", "gains", True)}),
        ([OURS], BOTH, {("auth.before_sign_up", "loses", False)}),
        ([OURS], [OURS], set()),
    ],
)
def test_taking_a_question_away_lets_more_in(before: Any, after: Any, told: set[Any]) -> None:
    projects = []
    for steps in (before, after):
        document = said({"before_sign_up": "hook"} if steps else {}, **({"hook": steps} if steps else {}))
        projects.append(parse_project(document)[0])
    old, new = projects
    assert old is not None
    assert new is not None
    assert {(one.where, one.effect, one.wider) for one in effects(old, new)} == told


def test_a_hook_that_writes_more_may_let_somebody_in() -> None:
    old, new = (parse_project(said({"after_sign_up": "hook"}, hook=steps))[0] for steps in (
        [{"do": "set", "values": {"a": "=user.id"}}], [INSERT],
    ))  # fmt: skip
    assert old is not None
    assert new is not None
    assert ("auth.after_sign_up", True) in {(one.where, one.wider) for one in effects(old, new)}
