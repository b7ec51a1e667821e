"""The effect of a change of an action's own rule: told of that action, and wider wherever somebody may do more."""

import copy
import random
from itertools import product
from typing import Any

import pytest

from app.compiler.check import check_project
from app.definitions.project import Project, parse_project
from app.review.effects import Effect, effects
from tests.views.test_actions_agree import DOCUMENT as THINGS
from tests.views.test_actions_agree import Model, said_view

OWN = "row.owner == auth.user.id"
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "editor"}],
    "tables": [
        {"name": "notes", "columns": [
            {"name": "owner", "type": "user"}, {"name": "title", "type": "text"}, {"name": "shared", "type": "boolean"},
            {"name": "editor", "type": "user"},
        ]},
    ],
    "views": [{
        "name": "all", "table": "notes", "columns": ["id", "owner", "title", "shared"],
        "filter": f"row.shared || {OWN}", "presets": {"owner": "=auth.user.id"},
        "allow": {
            "select": {"access": "public"},
            "insert": {"check": OWN},
            "update": {"filter": OWN, "writable": ["title"], "presets": {"editor": "=auth.user.id"}},
            "delete": {"filter": OWN, "access": {"roles": ["editor"]}},
        },
    }],
}  # fmt: skip


def project(document: Any) -> Project:
    parsed, findings = parse_project(document)
    assert parsed is not None, findings
    assert check_project(parsed) == []
    return parsed


def found(change: str) -> list[Effect]:
    after = copy.deepcopy(DOCUMENT)
    view = after["views"][0]
    exec(change, {"view": view, "allow": view["allow"], **view["allow"]})
    return list(effects(project(DOCUMENT), project(after)))


@pytest.mark.parametrize(
    ("change", "what", "effect"),
    [
        ("del update['filter']", "rows (update)", "gains"),
        ("update['filter'] += ' && row.title == \"a\"'", "rows (update)", "loses"),
        ("delete['filter'] = 'row.shared'", "rows (delete)", "may_gain"),
        ("insert['check'] += ' || row.shared'", "rows (insert)", "gains"),
        ("update['check'] = 'true'", "rows (update)", "gains"),
        ("update['check'] = 'row.owner == auth.user.id'", "rows (update)", "loses"),
        ("delete['access'] = 'authenticated'", "delete", "gains"),
        ("select['access'] = 'authenticated'", "select", "loses"),
        ("view['access'] = 'public'", "insert, update", "gains"),
        ("update['writable'].append('shared')", "setting shared (update)", "gains"),
        ("insert['writable'] = ['title']", "setting shared (insert)", "loses"),
        ("update['presets'] = {}", "rows without editor (update)", "may_gain"),
        ("update['presets']['editor'] = None", "rows with another editor (update)", "may_gain"),
        ("del allow['delete']", "delete", "loses"),
        ("view['filter'] = 'row.shared'", "rows (select)", "loses"),
    ],
)
def test_an_effect_is_told_of_its_action(change: str, what: str, effect: str) -> None:
    told = found(change)
    assert (what, effect) in {(one.what, one.effect) for one in told}, list(map(str, told))
    assert all(one.wider == (one.effect != "loses") for one in told)


def test_a_filter_that_the_actions_hold_closed_widens_reading_alone() -> None:
    told = {(one.what, one.effect) for one in found("del view['filter']")}
    assert told == {("rows (select)", "gains"), ("rows (update)", "gains")}  # an update's check was the filter


@pytest.mark.parametrize(
    "change",
    [
        "view['allow'] = {**allow, 'select': {'access': 'public', 'filter': view['filter']}}",
        "insert['access'] = 'authenticated'",
        "insert['presets'] = view['presets']",
        "delete['filter'] += ' && (row.shared || row.owner == auth.user.id)'",
    ],
)
def test_what_an_action_says_as_the_view_does_is_silent(change: str) -> None:
    assert [str(one) for one in found(change) if one.wider] == []


CALLERS = ("ann", None)
ROWS = [
    {"owner": owner, "status": status, "n": n}
    for owner, status, n in product(["ann", "ben", None], ["open", "gone", None], [1, 2, 3, 4, None])
]


def test_who_may_do_more_to_some_row_is_told_as_wider() -> None:
    model, widened = Model(), 0
    views = [said_view("v", random.Random(seed)) for seed in range(40)]
    told = [(view, project({**THINGS, "views": [view]}), _done(model, view)) for view in views]
    for (before, old, was), (after, new, done) in product(told, repeat=2):
        if not done <= was:
            assert any(one.wider for one in effects(old, new)), (before, after)
            widened += 1
    assert widened > 100


def _done(model: Model, view: dict[str, Any]) -> set[tuple[str, int, str | None]]:
    """Give what each caller may do to which row."""
    asked = product(view["allow"], enumerate(ROWS), CALLERS)
    return {(action, at, caller) for action, (at, row), caller in asked if _may(model, view, action, row, caller)}


def _may(model: Model, view: dict[str, Any], action: str, row: dict[str, Any], caller: str | None) -> bool:
    if action not in view["allow"] or not model.admitted(view, action, caller):
        return False
    if action == "insert":
        return model.passes(view, action, row, caller)
    return model.is_for(view, action, row, caller)
