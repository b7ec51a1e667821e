"""The effect of a change of rules that reach other rows: what can't be known counts as wider."""

import copy
from typing import Any

import pytest

from app.compiler.check import check_project
from app.definitions.project import Project, parse_project
from app.review.effects import effects
from tests.views.test_related_rows import IS_MEMBER, TABLES

IS_LEAD = "members.exists(m, m.team_id == row.team_id && m.user_id == auth.user.id && m.role == 'lead')"
OWNS = "row.team_id.owner_user_id == auth.user.id"


def project(filter_: str, leads: str = "row.role == 'lead'") -> Project:
    views: list[dict[str, Any]] = [
        {"name": "leads", "table": "members", "columns": ["id", "team_id", "user_id"], "filter": leads},
        {"name": "shown", "table": "projects", "columns": ["title"], "filter": filter_},
    ]
    made, found = parse_project({"rowgate": 1, "tables": copy.deepcopy(TABLES), "views": views})
    assert made is not None, found
    assert check_project(made) == []
    return made


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        (IS_MEMBER, "true", "gains"),
        (IS_MEMBER, f"{IS_MEMBER} || {OWNS}", "gains"),
        (IS_MEMBER, IS_LEAD, "may_gain"),
        (IS_LEAD, IS_MEMBER, "may_gain"),
        (OWNS, "row.team_id.name == 'red'", "may_gain"),
        (f"!{IS_MEMBER}", IS_MEMBER, "may_gain"),
        (f"{IS_MEMBER} && {OWNS}", IS_MEMBER, "gains"),
        (IS_MEMBER, f"{IS_MEMBER} && {OWNS}", "loses"),
        (OWNS, "false", "loses"),
    ],
)
def test_a_changed_rule_is_narrower_only_where_its_form_shows_it(before: str, after: str, effect: str) -> None:
    (found,) = effects(project(before), project(after))
    assert (found.where, found.effect, found.wider) == ("views/shown", effect, effect != "loses")


def test_a_rule_that_stays_lets_in_the_same() -> None:
    assert effects(project(IS_MEMBER), project(f"  {IS_MEMBER}")) == ()


def test_a_rule_over_the_rows_of_a_view_that_changed_may_let_in_more() -> None:
    reads = "leads.exists(l, l.team_id == row.team_id && l.user_id == auth.user.id)"
    found = {one.where: one for one in effects(project(reads), project(reads, "row.role != 'lead'"))}
    assert found["views/shown"].effect == "may_gain"
    assert found["views/shown"].wider
    assert "rows of leads" in found["views/shown"].because
