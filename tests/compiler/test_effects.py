"""The effect of a change on access: what widens is found, what narrows is told, what changes nothing is silent."""

import copy
from typing import Any

import pytest

from app.changes.files import load_file
from app.compiler.check import check_project
from app.definitions.project import Project, parse_project
from app.review.effects import Effect, effects
from tests.backend import EXAMPLES

FETCH = {"do": "fetch", "from": "notes", "id": "input.note", "as": "note"}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "staff"}, {"name": "boss"}],
    "users": {"columns": [{"name": "plan", "type": "text"}, {"name": "nick", "type": "text", "self_editable": True}]},
    "tables": [
        {
            "name": "notes",
            "columns": [
                {"name": "owner", "type": "user"}, {"name": "title", "type": "text"}, {"name": "n", "type": "integer"},
            ],
        },
        {"name": "logs", "columns": [{"name": "word", "type": "text"}]},
    ],
    "views": [
        {
            "name": "mine", "table": "notes", "columns": ["id", "title", "n"], "filter": "row.owner == auth.user.id",
            "allow": ["select", "update"], "writable": ["title"], "presets": {}, "middleware": ["limited"],
        },
        {"name": "every", "table": "notes", "access": {"roles": ["staff"]}},
    ],
    "middleware": [
        {"name": "owned", "steps": [FETCH, {"do": "require", "that": "note.owner == auth.user.id"}]},
        {"name": "limited", "params": {"limit": {"type": "text", "default": "10/minute"}},
         "steps": [{"do": "rate_limit", "limit": "=params.limit"}]},
    ],
    "endpoints": [
        {
            "name": "change", "method": "POST", "path": "/notes/{note}", "access": "authenticated",
            "input": {"path": {"note": {"type": "uuid"}}, "body": {
                "n": {"type": "integer"}, "on": {"type": "boolean"},
                "k": {"type": "text", "required": True, "max_length": 5, "pattern": "[a-z]+"},
                "o": {"type": "object", "fields": {"i": {"type": "integer", "max": 5}}},
                "l": {"type": "list", "of": {"type": "enum", "values": ["x", "y"]}},
            }},
            "rules": [{"rule": "input.n > 0"}],
            "middleware": [{"use": "limited", "with": {"limit": "5/minute"}}, "owned"],
            "steps": [
                {"do": "require", "that": "auth.user.plan == 'pro' && note.n < 5"},
                {"do": "quota", "max": 5, "from": "notes", "where": "item.owner == auth.user.id"},
                {"do": "update", "table": "notes", "id": "note.id", "set": {"n": "=input.n"}},
                {"do": "list", "from": "notes", "where": "item.owner == auth.user.id", "as": "all"},
                {"do": "respond", "body": {"title": "=note.title", "all": "=all"}},
            ],
        },
        {
            "name": "look", "method": "GET", "path": "/look", "access": {"roles": ["staff"]},
            "steps": [{"do": "count", "from": "mine", "as": "many"}, {"do": "respond", "body": "=many"}],
        },
    ],
}  # fmt: skip


def project(document: Any) -> Project:
    parsed, findings = parse_project(document)
    assert parsed is not None, findings
    assert check_project(parsed) == []
    return parsed


def found(change: str, document: Any = DOCUMENT) -> list[Effect]:
    """Give the effects of statements that change the document `d`; its parts have names of their own."""
    after = copy.deepcopy(document)
    change_, look = after["endpoints"]
    names = {
        "d": after, "change": change_, "look": look, "steps": change_["steps"], "notes": after["tables"][0],
        "mine": after["views"][0], "every": after["views"][1], "owned": after["middleware"][0],
        "limited": after["middleware"][1],
    }  # fmt: skip
    exec(change, names)
    return list(effects(project(document), project(after)))


def verdicts(change: str) -> set[tuple[str, str, bool]]:
    return {(one.where.rpartition("/")[2], one.effect, one.wider) for one in found(change)}


WIDENS = [
    ("change['access'] = 'public'", "change", "gains"),
    ("look['access'] = 'authenticated'", "look", "gains"),
    ("look['access'] = {'roles': ['staff', 'boss']}", "look", "gains"),
    ("look['access'] = {'roles': ['boss']}", "look", "gains"),
    ("mine['access'] = 'public'", "mine", "gains"),
    ("mine['allow'].append('delete')", "mine", "gains"),
    ("del mine['filter']", "mine", "gains"),
    ("mine['filter'] += ' || row.n == 1'", "mine", "gains"),
    ("mine['filter'] = 'row.n == 1'", "mine", "may_gain"),
    ("mine['columns'].append('owner')", "mine", "gains"),
    ("mine['columns'].append({'name': 'twice', 'value': 'row.n + row.n'})", "mine", "gains"),
    ("mine['columns'] = 'all'", "mine", "gains"),
    ("mine['writable'].append('n')", "mine", "gains"),
    ("del mine['writable']", "mine", "gains"),
    ("mine['table'] = 'logs'; mine['columns'] = 'all'; del mine['filter'], mine['writable']", "mine", "may_gain"),
    ("del mine['middleware']", "mine", "gains"),
    ("limited['params']['limit']['default'] = '20/minute'", "mine", "gains"),
    ("limited['params']['limit']['default'] = '10/hour'", "mine", "may_gain"),
    ("limited['steps'][0]['dry_run'] = True", "change", "gains"),
    ("limited['steps'][0]['by'] = 'request.ip'", "change", "may_gain"),
    ("change['middleware'][0]['with']['limit'] = '6/minute'", "change", "gains"),
    ("change['middleware'].pop(0)", "change", "gains"),
    ("owned['steps'].pop()", "change", "gains"),
    ("owned['steps'][1]['that'] += ' || note.n == 1'", "change", "gains"),
    ("owned['steps'][1]['that'] = 'note.n == 1'", "change", "may_gain"),
    ("owned['steps'][1]['when'] = 'input.on'", "change", "gains"),
    ("owned['steps'][1] = {'do': 'if', 'when': 'input.on', 'then': [owned['steps'][1]]}", "change", "gains"),
    ("owned['steps'][0]['from'] = 'every'", "change", "may_gain"),
    ("change['rules'] = []", "change", "gains"),
    ("change['rules'][0]['rule'] = 'input.n > -1'", "change", "gains"),
    ("change['rules'][0]['rule'] = 'input.n != 7'", "change", "may_gain"),
    ("change['rules'][0]['rule'] = 'input.n > 0 || input.on'", "change", "gains"),
    ("steps.pop(0)", "change", "gains"),
    ("steps[0]['that'] = \"auth.user.plan == 'pro'\"", "change", "gains"),
    ("steps[0]['that'] = \"auth.user.plan in ['pro', 'free'] && note.n < 5\"", "change", "gains"),
    ("steps[0]['that'] = \"auth.user.plan == 'pro' && note.n < 6\"", "change", "gains"),
    ("steps[1]['max'] = 6", "change", "gains"),
    ("steps[1]['where'] += ' && item.n == 1'", "change", "may_gain"),
    ("del steps[1]", "change", "gains"),
    ("steps.insert(0, {'do': 'if', 'when': 'input.on', 'then': [{'do': 'respond', 'status': 204}]})",
     "change", "gains"),
    ("steps.insert(0, {'do': 'set', 'values': {'note': {'n': 1, 'id': '=note.id', 'title': '=note.title'}}})",
     "change", "may_gain"),
    ("steps[2] = {'do': 'update', 'table': 'notes', 'where': 'true', 'expect': 'any', 'set': {'n': '=input.n'}}",
     "change", "gains"),
    ("steps[2]['when'] = 'input.on'", "change", "gains"),
    ("steps[2]['set']['title'] = 'x'", "change", "may_gain"),
    ("steps.insert(3, {'do': 'delete', 'table': 'logs', 'where': 'true', 'expect': 'any'})", "change", "may_gain"),
    ("del steps[3]['where']", "change", "gains"),
    ("steps[3]['where'] += ' || item.n == 1'", "change", "gains"),
    ("steps[4]['body']['owner'] = '=note.owner'", "change", "may_gain"),
    ("steps[4]['body']['title'] = '=note'", "change", "may_gain"),
    ("owned['steps'].insert(1, owned['steps'].pop(0) | {'optional': True}); owned['steps'].reverse()",
     "change", "may_gain"),
    ("owned['steps'][0]['optional'] = True", "change", "gains"),
    ("steps[2]['expect'] = 'any'", "change", "may_gain"),
    ("steps[4]['when'] = 'input.on'; steps.append({'do': 'respond', 'body': '=note.n'})", "change", "may_gain"),
    ("change['input']['body']['more'] = {'type': 'text'}", "change", "may_gain"),
    ("change['input']['body']['k']['required'] = False", "change", "may_gain"),
    ("del change['input']['body']['k']", "change", "gains"),
    ("change['input']['body']['k']['max_length'] = 9", "change", "may_gain"),
    ("del change['input']['body']['k']['pattern']", "change", "may_gain"),
    ("change['input']['body']['o']['fields']['i']['max'] = 6", "change", "may_gain"),
    ("change['input']['body']['l']['of']['values'].append('z')", "change", "may_gain"),
    ("mine['filter'] += ' && row.n == 1'; look['steps'].insert(1, {'do': 'require', 'that': 'many == 0'})",
     "look", "loses"),
    ("mine['presets'] = {'owner': '=auth.user.id'}", "mine", "may_gain"),
    ("look['name'] = 'other'; look['access'] = 'public'", "other", "gains"),
    ("look['name'] = 'other'; look['was'] = 'look'; look['path'] = '/x'; look['access'] = 'public'", "other", "gains"),
    ("mine['name'] = 'my'; mine['was'] = 'mine'; del mine['filter']; look['steps'][0]['from'] = 'my'", "my", "gains"),
    ("d['users']['columns'][0]['self_editable'] = True", "plan", "gains"),
    ("mine['presets'] = {'n': 1}; mine['columns'].remove('n')", "mine", "loses"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "where", "effect"), WIDENS)
def test_what_lets_somebody_into_more_is_found_there(change: str, where: str, effect: str) -> None:
    assert (where, effect, effect != "loses") in verdicts(change)


NARROWS = [
    "change['access'] = {'roles': ['staff']}",
    "mine['allow'] = ['select']; del mine['writable'], mine['presets']",
    "mine['filter'] += ' && row.n == 1'",
    "mine['columns'].remove('n')",
    "mine['access'] = {'roles': ['staff']}",
    "every['access'] = {'roles': ['staff']}; every['filter'] = 'row.n == 1'",
    "limited['params']['limit']['default'] = '1/minute'",
    "change['middleware'][0]['with']['limit'] = '4/minute'",
    "owned['steps'][1]['that'] += ' && note.n == 1'",
    "owned['steps'].append({'do': 'require', 'that': 'auth.signed_in'})",
    "owned['steps'].append({'do': 'fail', 'status': 400, 'when': 'input.on'})",
    "d['project'] = {'middleware': [{'use': 'limited', 'with': {'limit': '1/day'}}]}",
    "steps[1]['max'] = 4",
    "steps.insert(0, {'do': 'time_window', 'timezone': 'UTC', 'until': '2036-01-31T18:00:00'})",
    "steps[3]['where'] += ' && item.n == 1'",
    "steps.insert(0, {'do': 'fetch', 'from': 'mine', 'id': 'input.note', 'as': 'own'})",
    "d['endpoints'].pop()",
    "d['views'].pop()",
    "change['input']['body']['n'] |= {'required': True, 'min': 1, 'max': 5}",
    "change['input']['body']['l']['of']['values'] = ['x']",
    "del change['input']['body']['o']",
    "steps.insert(0, {'do': 'respond', 'status': 403, 'when': 'input.on'})",
    "d['users']['columns'][1]['self_editable'] = False",
]


@pytest.mark.parametrize("change", NARROWS)
def test_what_only_takes_away_is_told_and_widens_nothing(change: str) -> None:
    told = found(change)
    assert [one for one in told if one.wider] == []
    assert any(one.effect == "loses" for one in told)


SILENT = [
    "d['roles'].append({'name': 'more'})",
    "change['description'] = 'x'; mine['description'] = 'y'",
    "steps[0]['that'] = \"note.n < 5 && 'pro' == auth.user.plan\"",
    "steps[0:1] = [{'do': 'require', 'that': 'note.n < 5'}, {'do': 'require', 'that': \"auth.user.plan == 'pro'\"}]",
    "steps[0]['message'] = 'No.'; steps[0]['code'] = 'a.b'",
    "change['middleware'].reverse()",
    "change['middleware'] = ['owned', {'use': 'limited', 'with': {'limit': '5/minute'}}]",
    "change['middleware'].pop(); steps[0:0] = owned['steps']",
    "owned['name'] = 'held'; owned['was'] = 'owned'; change['middleware'][1] = 'held'",
    "d['roles'][0] = {'name': 'crew', 'was': 'staff'}; look['access'] = every['access'] = {'roles': ['crew']}",
    "notes['columns'][0] = {'name': 'holder', 'was': 'owner', 'type': 'user'};"
    "mine['filter'] = 'row.holder == auth.user.id'; owned['steps'][1]['that'] = 'note.holder == auth.user.id';"
    "steps[1]['where'] = steps[3]['where'] = 'item.holder == auth.user.id'",
    "notes['name'] = 'papers'; notes['was'] = 'notes'; mine['table'] = every['table'] = 'papers';"
    "owned['steps'][0]['from'] = steps[1]['from'] = steps[3]['from'] = steps[2]['table'] = 'papers'",
    "d['users']['columns'][0] = {'name': 'tier', 'was': 'plan', 'type': 'text'};"
    "steps[0]['that'] = \"auth.user.tier == 'pro' && note.n < 5\"",
    "steps[3]['limit'] = 7; steps[3]['order'] = ['title']",
    "mine['max_rows'] = 5; mine['order'] = ['title']",
    "owned['steps'][0]['as'] = 'doc'; owned['steps'][1]['that'] = 'doc.owner == auth.user.id';"
    "owned['steps'].append({'do': 'set', 'values': {'note': '=doc'}})",
]


@pytest.mark.parametrize("change", SILENT)
def test_what_changes_nobodys_access_is_silent(change: str) -> None:
    assert found(change) == []


NEW = [
    "d['views'].append({'name': 'more', 'table': 'notes', 'access': 'public'})",
    "d['endpoints'].append({**look, 'name': 'more', 'path': '/more', 'access': 'public'})",
    "notes['columns'].append({'name': 'fresh', 'type': 'text'})",
    "notes['columns'].append({'name': 'fresh', 'type': 'text'}); mine['columns'].append('fresh')",
    "d['users']['columns'].append({'name': 'motto', 'type': 'text', 'self_editable': True})",
]


@pytest.mark.parametrize("change", NEW)
def test_what_is_new_is_listed_and_takes_nothing_from_anybody(change: str) -> None:
    told = found(change)
    assert {(one.effect, one.wider) for one in told} == {("gains", False)}


def test_an_effect_says_where_who_what_and_why() -> None:
    (one,) = found("look['access'] = 'authenticated'")
    assert str(one) == (
        "endpoints/look: who is signed in gains calling it, "
        "because access is who is signed in now, and was the role staff"
    )
    assert one.shown() == {
        "where": "endpoints/look", "who": "who is signed in", "effect": "gains", "what": "calling it",
        "because": "access is who is signed in now, and was the role staff", "wider": True,
    }  # fmt: skip


def test_a_middleware_is_told_at_every_endpoint_and_view_that_it_guards() -> None:
    wide = "d['project'] = {'middleware': ['limited']}; change['skip'] = ['limited']"
    shared = copy.deepcopy(DOCUMENT)
    shared["project"] = {"middleware": [{"use": "limited", "with": {"limit": "1/day"}}]}
    wheres = {one.where for one in found("limited['steps'][0]['dry_run'] = True", shared) if one.wider}
    assert wheres == {"endpoints/change", "endpoints/look", "views/mine", "views/every"}
    wheres = {one.where for one in found("look['skip'] = ['limited']", shared) if one.wider}
    assert wheres == {"endpoints/look"}
    assert {one.where for one in found(wide) if one.wider} == set()


def test_an_empty_backend_has_nothing_to_widen() -> None:
    empty = project({"rowgate": 1})
    for path in sorted(EXAMPLES.glob("*.yaml")):
        told = effects(empty, project(load_file(path)))
        assert told
        assert {(one.effect, one.wider) for one in told} == {("gains", False)}


def test_the_examples_as_they_are_change_nothing_and_their_narrowing_is_no_widening() -> None:
    for path in sorted(EXAMPLES.glob("*.yaml")):
        held = load_file(path)
        assert effects(project(held), project(held)) == ()
        # Compared as if all had changed: a middleware more makes each be looked at.
        more = {**held, "middleware": [*held.get("middleware", []), {"name": "zz", "steps": [{"do": "set", "values": {
            "x": 1}}]}]}  # fmt: skip
        assert effects(project(held), project(more)) == ()


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ("steps[0]['that'] = 'true'", "`auth.user.plan == 'pro' && note.n < 5` became `true`"),
        ("steps.pop(0)", "`auth.user.plan == 'pro' && note.n < 5` is asked no longer"),
        ("steps[0]['when'] = 'input.on'", "`auth.user.plan == 'pro' && note.n < 5` is not always asked now"),
        ("steps[3]['where'] = 'true'", "it reads notes for more rows or cases now"),
        ("del mine['filter']", "the filter `row.owner == auth.user.id` became none"),
    ],
)
def test_the_reason_tells_what_has_become_of_a_rule(change: str, because: str) -> None:
    assert because in [one.because for one in found(change) if one.wider]


def test_what_was_saved_and_can_not_be_read_any_more_counts_as_wider_and_stops_nothing() -> None:
    for change in (
        "mine['filter'] = 'row.owner =='",
        "steps[0]['that'] = ')'",
        "owned['steps'][0] = {'do': 'require'}",
    ):
        broken = copy.deepcopy(DOCUMENT)
        names = {"mine": broken["views"][0], "steps": broken["endpoints"][0]["steps"], "owned": broken["middleware"][0]}
        exec(change, names)
        before, _ = parse_project(broken)
        assert before is not None
        assert {one.effect for one in effects(before, project(DOCUMENT)) if one.wider} == {"may_gain"}
