"""Doubts about rules that read other rows: which look-up has no index, which null leaves a rule without an answer."""

import copy
from typing import Any

import pytest

from app.definitions.project import parse_project
from app.review.doubts import doubts
from tests.views.test_related_rows import TABLES

MINE = "members.exists(m, m.user_id == auth.user.id && m.team_id == row.team_id)"
DONE = "tasks.filter(t, t.project_id == row.id).all(t, t.done)"
NO_INDEX, NULL = "rules.missing_index", "rules.null_undecided"


def found_of(rule: str, **tables: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    changed = [{**table, **tables.get(table["name"], {})} for table in copy.deepcopy(TABLES)]
    view = {"name": "v", "table": "projects", "columns": ["id"], "filter": rule}
    project, found = parse_project({"rowgate": 1, "tables": changed, "views": [view]})
    assert project is not None, found
    return [(one.code, one.place, one.hint) for one in doubts(project) if one.code.startswith("rules.")]


def test_each_look_up_without_an_index_is_named_with_its_cure() -> None:
    at = "views/v.filter:1:"
    named = "tasks.exists(t, t.text == row.title)"
    assert found_of(f"{named} || {named}") == [
        (NO_INDEX, f"{at}7", "add to tasks: indexes: [[text]]"),
        (NO_INDEX, f"{at}{7 + len(named) + 4}", "add to tasks: indexes: [[text]]"),
    ]
    assert found_of(named, tasks={"indexes": [["text"]]}) == []
    assert found_of(MINE, members={"unique": []}) == []  # each column that refers has an index
    by_in = "row.id in tasks.filter(t, t.text == 'x').map(t, t.project_id)"
    assert NO_INDEX in [code for code, _, _ in found_of(by_in)]
    assert found_of("row.team_id.owner_user_id == auth.user.id") == []
    assert found_of("teams.exists(t, t.id == row.team_id && t.name == 'x')") == []


@pytest.mark.parametrize(
    ("rule", "columns"),
    [
        ("!bans.exists(b, b.user_id == auth.user.id)", 1),
        ("bans.exists(b, b.user_id == auth.user.id)", 0),
        ("!bans.exists(b, b.user_id != null && b.user_id == auth.user.id)", 0),
        (f"!{MINE}", 0),
        (DONE, 2),
        ("size(tasks.filter(t, t.project_id == row.id)) < 3", 1),
        ("tasks.exists_one(t, t.text == 'x')", 1),
        ("(tasks.exists(t, t.text == 'x') ? true : false)", 1),
    ],
)
def test_a_column_that_may_be_null_is_a_doubt_where_no_answer_counts(rule: str, columns: int) -> None:
    assert [code for code, _, _ in found_of(rule) if code == NULL] == [NULL] * columns


def of_step(step: dict[str, Any], *more: dict[str, Any], views: Any = (), **said: Any) -> list[tuple[str, str, str]]:
    endpoint = {"name": "e", "method": "GET", "path": "/e", "access": "public", **said}
    endpoint["steps"] = [step, *more, {"do": "respond", "body": "=x"}]
    document = {"rowgate": 1, "tables": TABLES, "views": list(views), "endpoints": [endpoint]}
    project, found = parse_project(document)
    assert project is not None, found
    return [(one.place, one.message, str(one.hint)) for one in doubts(project) if one.code == NULL]


IN = {"access": "authenticated"}
BAN = {"do": "exists", "from": "bans", "where": "item.user_id == auth.user.id", "as": "x"}
MEMBER = {**BAN, "from": "members"}
NONE = {"do": "require", "that": "!x"}
ONE = {"do": "require", "that": "x && true"}
TASKS: dict[str, Any] = {"from": "tasks", "where": "item.done == false", "as": "x"}
QUOTA = {"do": "quota", "max": 3, "from": "tasks", "where": "item.done == false"}
AGGREGATE = {"do": "aggregate", "values": {"n": {"count": "item.id"}}, **TASKS}


@pytest.mark.parametrize("step", [{"do": "count", **TASKS}, AGGREGATE, {"do": "exists", **TASKS}])
def test_a_step_that_leaves_out_what_is_null_is_doubted(step: dict[str, Any]) -> None:
    asks = {
        "do": "require",
        "that": "!(x == 3)" if step["do"] == "count" else "!x" if step["do"] == "exists" else "true",
    }
    ((place, message, hint),) = of_step(step, asks, **IN)
    assert place == "endpoints/e.steps/0.where"
    assert message.startswith("a row whose done is null leaves this without an answer")
    assert "item.done != null && …" in hint
    assert of_step({**step, "where": "item.done != null && item.done == false"}, asks, **IN) == []


def test_a_computed_column_that_is_always_decided_is_no_doubt() -> None:
    sure = {"name": "n", "count": "members", "where": "item.team_id == row.id"}
    open_ = {"name": "n", "count": "projects", "where": "item.title == row.name"}
    for column, found in ((sure, []), (open_, ["endpoints/e.steps/0.where"])):
        view = {"name": "v", "table": "teams", "columns": ["id", column]}
        step = {"do": "count", "from": "v", "where": "item.n > 1", "as": "x"}
        assert [place for place, _, _ in of_step(step, views=[view], **IN)] == found


def test_a_quota_is_doubted_too_and_refuses_who_is_nobody() -> None:
    bound = {"do": "set", "values": {"x": 1}}
    assert [place for place, _, _ in of_step(QUOTA, bound)] == ["endpoints/e.steps/0.where"]
    assert of_step({**QUOTA, "from": "members", "where": "item.user_id == auth.user.id"}, bound) == []


def test_who_is_found_among_rows_is_no_doubt_and_who_is_not_is_where_a_null_decides() -> None:
    assert of_step(BAN, ONE) == of_step(MEMBER, ONE) == of_step(MEMBER) == of_step(MEMBER, NONE) == []
    assert [message.partition(" is ")[0] for _, message, _ in of_step(BAN, NONE)] == ["a row whose user_id"]
