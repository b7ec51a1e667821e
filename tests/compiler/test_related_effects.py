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
    assert "views/leads" in found["views/shown"].because


def ruled(that: str, *rules: dict[str, Any], filter_: str = "sees(row.team_id)", **more: Any) -> Project:
    sees = {"name": "sees", "params": {"team": {"type": "uuid"}}, "that": that}
    view = {"name": "shown", "table": "projects", "columns": ["title"], "filter": filter_}
    document = {"rowgate": 1, "tables": copy.deepcopy(TABLES), "rules": [sees, *rules], "views": [view], **more}
    made, found = parse_project(document)
    assert made is not None, found
    assert check_project(made) == []
    return made


MEMBER = "members.exists(m, m.team_id == params.team && m.user_id == auth.user.id)"
OWNER = "teams.exists(t, t.id == params.team && t.owner_user_id == auth.user.id)"


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        (MEMBER, "true", "gains"),
        (MEMBER, OWNER, "may_gain"),
        (f"{MEMBER} && {OWNER}", MEMBER, "gains"),
        (MEMBER, f"{MEMBER} && {OWNER}", "loses"),
    ],
)
def test_a_rule_with_a_name_changes_what_those_may_who_are_held_to_it(before: str, after: str, effect: str) -> None:
    (found,) = effects(ruled(before), ruled(after))
    assert (found.where, found.effect, found.wider) == ("views/shown", effect, effect != "loses")


def test_a_call_that_gives_way_is_wider() -> None:
    (found,) = effects(ruled(MEMBER), ruled(MEMBER, filter_="true"))
    assert (found.where, found.effect, found.wider) == ("views/shown", "gains", True)


@pytest.mark.parametrize("filter_", ["!sees(row.team_id)", "outer(row.team_id)", "sees(row.team_id) ? false : true"])
def test_a_narrower_rule_may_let_in_more_where_it_is_not_asked_as_it_is(filter_: str) -> None:
    outer = {"name": "outer", "params": {"team": {"type": "uuid"}}, "that": "!sees(params.team)"}
    before, after = (ruled(that, outer, filter_=filter_) for that in (MEMBER, f"{MEMBER} && {OWNER}"))
    (found,) = effects(before, after)
    assert (found.where, found.effect, found.wider) == ("views/shown", "may_gain", True)


def test_a_rule_that_narrows_and_rests_on_one_that_changed_may_let_in_more() -> None:
    inner = {"name": "inner", "that": "auth.user.id != null"}
    before = ruled(f"inner() || {MEMBER}", {**inner, "that": "auth.user.email == 'x'"})
    (found,) = effects(before, ruled("inner()", inner))
    assert (found.effect, found.wider) == ("may_gain", True)


def test_the_condition_of_a_step_is_not_taken_for_one_that_lets_in() -> None:
    steps = [{"do": "fail", "status": 403, "when": "sees(input.id)"}, {"do": "respond", "body": "x"}]
    endpoint = {
        "name": "e",
        "method": "GET",
        "path": "/e",
        "access": "public",
        "input": {"query": {"id": {"type": "uuid"}}},
        "steps": steps,
    }
    before, after = (ruled(that, filter_="false", endpoints=[endpoint]) for that in (MEMBER, f"{MEMBER} && {OWNER}"))
    (found,) = effects(before, after)
    assert (found.where, found.effect) == ("endpoints/e", "may_gain")


def read_by(step: dict[str, Any], name: str = "e") -> dict[str, Any]:
    steps = [step, {"do": "respond", "body": "=x"}]
    return {"name": name, "method": "GET", "path": f"/{name}", "access": "public", "steps": steps}


@pytest.mark.parametrize("do", ["list", "count", "exists", "quota"])
def test_what_a_step_reads_through_a_view_rests_on_the_rule_that_the_view_asks(do: str) -> None:
    step: dict[str, Any] = {"do": do, "from": "shown", "as": "x"}
    if do == "quota":
        step = {"do": "quota", "from": "shown", "where": "true", "max": 3, "when": "true"}
    again = {"name": "again", "table": "teams", "columns": ["id", {"name": "n", "count": "shown", "where": "true"}]}
    views: list[dict[str, Any]] = [
        {"name": "shown", "table": "projects", "columns": ["title"], "filter": "sees(row.team_id)", "access": "public"},
        again,
    ]
    endpoints = [read_by(step), read_by({"do": "call", "use": "through"}, "inside")]
    endpoints[0]["steps"][1] = endpoints[1]["steps"][1] = {"do": "respond", "body": 1}
    chains = [{"name": "through", "steps": [step]}]
    before, after = (
        ruled(that, endpoints=endpoints, middleware=chains, views=views) for that in (f"{MEMBER} && {OWNER}", MEMBER)
    )
    found = {one.where: (one.effect, one.wider) for one in effects(before, after)}
    assert found.pop("views/shown") == ("gains", True)
    assert found == dict.fromkeys(("endpoints/e", "endpoints/inside", "views/again"), ("may_gain", True))


def test_a_view_that_is_narrower_itself_makes_nothing_wider_of_who_lists_it() -> None:
    views = [{"name": "v", "table": "projects", "columns": ["title"], "access": "public", "filter": "true"}]
    narrow = [{**views[0], "filter": "row.title == 'x'"}]
    endpoints = [read_by({"do": "list", "from": "v", "as": "x"})]
    before, after = (ruled("true", endpoints=endpoints, views=one) for one in (views, narrow))
    assert not any(one.wider for one in effects(before, after))
