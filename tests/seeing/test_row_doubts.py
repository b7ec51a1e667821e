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
