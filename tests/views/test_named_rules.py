"""Rules with names: said once, called by many, and seeing nothing of who calls."""

import json
from typing import Any

import pytest
import pytest_asyncio

from app.compiler.check import check_project
from app.compiler.stored import compile_stored
from app.definitions.project import parse_project
from app.definitions.stored import stored_of
from tests.backend import Backend, Person
from tests.views.test_related_rows import TABLES, refers, told

UUID = {"type": "uuid"}
RULES: list[dict[str, Any]] = [
    {
        "name": "is_member",
        "params": {"team": UUID},
        "that": "members.exists(m, m.team_id == params.team && m.user_id == auth.user.id)",
    },
    {
        "name": "sees",
        "params": {"project": UUID},
        "that": "projects.exists(m, m.id == params.project && is_member(m.team_id))",
    },
    {"name": "signed_in", "that": "auth.signed_in"},
]
VIEWS: list[dict[str, Any]] = [
    {
        "name": "team_projects",
        "table": "projects",
        "columns": "all",
        "filter": "is_member(row.team_id)",
        "allow": ["select", "insert"],
    },
    {"name": "team_tasks", "table": "tasks", "columns": ["text"], "filter": "sees(row.project_id)"},
    # The loop's variable has the name of the rule's own.
    {
        "name": "mates",
        "table": "teams",
        "columns": ["name"],
        "filter": "members.exists(m, is_member(m.team_id) && m.team_id == row.id)",
    },
    {"name": "not_mine", "table": "teams", "access": "public", "columns": ["name"], "filter": "!is_member(row.id)"},
]
ENDPOINT = {
    "name": "open",
    "method": "GET",
    "path": "/open/{id}",
    "access": "public",
    "input": {"path": {"id": {"type": "uuid"}}},
    "steps": [
        {"do": "require", "that": "is_member(input.id)"},
        {"do": "respond", "body": {"signed_in": "=signed_in()"}},
    ],
}
DOCUMENT: dict[str, Any] = {"rowgate": 1, "tables": TABLES, "rules": RULES, "views": VIEWS, "endpoints": [ENDPOINT]}


@pytest_asyncio.fixture(loop_scope="module")
async def people(backend: Backend) -> tuple[Person, Person, dict[str, str]]:
    """Ann is in red, bob in blue; each team has a project and that a task."""
    ids: dict[str, str] = {}
    ann, bob = await backend.sign_up("ann"), await backend.sign_up("bob")
    for team, owner in (("red", ann), ("blue", bob)):
        add = "INSERT INTO data.teams (name, owner_user_id) VALUES ($1, $2) RETURNING id"
        ((ids[team],),) = await backend.sql(add, team, owner.id)
        await backend.sql("INSERT INTO data.members (team_id, user_id) VALUES ($1, $2)", ids[team], owner.id)
        add = "INSERT INTO data.projects (team_id, title) VALUES ($1, $2) RETURNING id"
        ((project,),) = await backend.sql(add, ids[team], f"{team} project")
        await backend.sql("INSERT INTO data.tasks (project_id, text) VALUES ($1, $2)", project, f"{team} task")
    return ann, bob, ids


async def test_a_rule_means_what_it_says_wherever_it_is_called(
    backend: Backend, people: tuple[Person, Person, dict[str, str]]
) -> None:
    ann, bob, ids = people
    assert await told(ann, "team_projects?select=title") == ["red project"]
    assert await told(bob, "team_tasks") == ["blue task"]
    assert await told(ann, "mates") == ["red"]
    assert await told(ann, "not_mine") == ["blue"]
    # Of a stranger nobody knows whether he is a member.
    assert await told(backend, "not_mine") == []
    made = {"team_id": str(ids["blue"]), "title": "x"}
    assert [(await who.post("/rest/v1/team_projects", made)).status_code for who in (ann, bob)] == [403, 201]
    path = f"/api/open/{ids['red']}"
    assert (await ann.get(path)).json() == {"signed_in": True}
    assert (await bob.get(path)).status_code == (await backend.client.get(path)).status_code == 403


async def test_rules_are_edited_one_by_one(backend: Backend) -> None:
    headers = await backend.admin()
    listed = (await backend.client.get("/admin/v1/rules", headers=headers)).json()
    assert [one["name"] for one in listed] == ["is_member", "sees", "signed_in"]
    made = {"name": "staff", "that": "auth.user.email == 'staff@example.com'"}
    assert (await backend.client.post("/admin/v1/rules", json=made, headers=headers)).status_code == 201
    bad = {"name": "stuff", "that": "is_membr(auth.user.id)"}
    refused = await backend.client.post("/admin/v1/rules", json=bad, headers=headers)
    assert refused.status_code == 422
    assert "did you mean is_member?" in refused.text


def findings_of(rule: str | None = None, *rules: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    view = {"name": "v", "table": "projects", "columns": ["id"], **({"filter": rule} if rule else {}), **more}
    tables = [*TABLES, {"name": "notes", "columns": [refers("project_id", "projects")]}]
    document = {"rowgate": 1, "tables": tables, "rules": [*RULES, *rules], "views": [view]}
    project, found = parse_project(document)
    found = found if project is None else check_project(project)
    return [(one.place, one.message) for one in found]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("is_membr(row.team_id)", "there is no function 'is_membr'"),
        ("is_member()", "is_member takes 1 arguments"),
        ("is_member(row.title)", "uuid is wanted for team, and this is string"),
        ("is_member('no uuid')", "uuid is wanted for team, and this is string"),
        ("is_member(row.tem_id)", "projects has no field 'tem_id'"),
        ("row.is_member()", "there is no function 'is_member'"),
    ],
)
def test_a_call_is_checked_in_its_place(call: str, message: str) -> None:
    ((place, found),) = findings_of(call)
    assert (place.startswith("views/v.filter:1:"), found) == (True, message)


@pytest.mark.parametrize(
    ("rule", "place", "message"),
    [
        ({"name": "r", "that": "row.team_id == auth.user.id"}, "that:1:1", "there is no 'row' here"),
        ({"name": "r", "that": "item.x"}, "that:1:1", "there is no 'item' here"),
        ({"name": "r", "that": "input.x"}, "that:1:1", "there is no 'input' here"),
        ({"name": "r", "that": "auth.user.id"}, "that:1:11", "bool is wanted here, and this is uuid"),
        (
            {"name": "r", "that": "r()"},
            "that:1:1",
            "r can't be called here: the rules call each other in a circle: r > r",
        ),
        ({"name": "r", "that": "params == null"}, "that", "the whole of params can't be read here"),
        ({"name": "members", "that": "true"}, "name", "there is a table or view 'members'"),
        ({"name": "size", "that": "true"}, "name", "there is a function 'size'"),
        ({"name": "math", "that": "true"}, "name", "'math' is a word of the language"),
    ],
)
def test_a_rule_sees_nothing_of_who_calls_and_is_named_like_nothing_else(
    rule: dict[str, Any], place: str, message: str
) -> None:
    assert findings_of(None, rule) == [(f"rules/r.{place}".replace("rules/r", f"rules/{rule['name']}"), message)]


def test_a_rule_over_rows_is_called_where_rows_can_be_read() -> None:
    preset = {
        "allow": ["select", "insert"],
        "columns": ["id", "title"],
        "presets": {"team_id": "=is_member(auth.user.id)"},
    }
    ((_, message),) = findings_of("true", **preset)
    assert message == "is_member reads rows of members, which can't be read here"


def test_a_rule_may_take_the_name_of_no_view_that_its_callers_can_not_read() -> None:
    narrow = {"name": "narrow", "table": "members", "columns": ["id"], "access": {"roles": ["r"]}}
    rule = {"name": "none", "that": "!narrow.exists(n, true)"}
    view = {"name": "v", "table": "projects", "columns": ["id"], "filter": "none()"}
    document = {"rowgate": 1, "tables": TABLES, "rules": [rule], "views": [narrow, view], "roles": [{"name": "r"}]}
    project, _ = parse_project(document)
    assert project is not None
    ((place, message),) = [(one.place, one.message) for one in check_project(project)]
    assert place == "views/v.filter:1:1"
    assert message.endswith("which can't be read here: the view narrow is not for everybody who may read v")


def test_rules_that_grow_past_all_bounds_are_refused() -> None:
    grows = [{"name": "r0", "that": "auth.signed_in && auth.signed_in"}]
    grows += [{"name": f"r{n}", "that": f"r{n - 1}() && r{n - 1}() && r{n - 1}()"} for n in range(1, 9)]
    found = findings_of("r8()", *grows)
    assert any("is too large with all the rules that it calls" in message for _, message in found)


@pytest.mark.parametrize(
    "name", ["exists", "has", "in", "row", "auth", "notes", "type", "decimal", "pg_x", "is_member"]
)
def test_a_rule_is_named_like_no_word_and_nothing_that_there_is(name: str) -> None:
    assert findings_of(None, {"name": name, "that": "true"}) != []


@pytest.mark.parametrize(
    "rule", ["m.id == params.x", "found == null", "size(input) == 0", "request.ip == 'x'", "secrets.A == ''"]
)
def test_a_rule_sees_no_loop_variable_bound_name_or_request_of_its_callers(rule: str) -> None:
    """The rule is called inside a loop of `m`, behind a step that binds `found`."""
    said = {"name": "r", "params": {"x": UUID}, "that": rule}
    steps = [{"do": "list", "from": "teams", "as": "found"},
             {"do": "require", "that": "members.exists(m, r(m.id)) && found.all(f, true)"},
             {"do": "respond", "body": 1}]  # fmt: skip
    endpoint = {"name": "e", "method": "GET", "path": "/e", "access": "public", "steps": steps}
    document = {"rowgate": 1, "tables": TABLES, "rules": [said], "endpoints": [endpoint]}
    project, found = parse_project(document)
    found = found if project is None else check_project(project)
    assert [one.place.partition(":")[0] for one in found][:1] == ["rules/r.that"], found


async def test_arguments_are_values_and_a_null_one_is_null(backend: Backend) -> None:
    """A rule's own loop takes no name of an argument for its own, and of an argument that is null it may ask."""
    rules = [
        {"name": "none", "params": {"x": {"type": "integer"}}, "that": "params.x == null"},
        {"name": "has_none", "params": {"x": {"type": "integer"}}, "that": "!has(params.x)"},
        {"name": "in_it", "params": {"m": {"type": "integer"}}, "that": "[1, 2].exists(m, m == params.m)"},
    ]
    body = {"null": "=none(null)", "sent": "=none(input.n)", "not": "=none(1)", "has": "=has_none(input.n)",
            "captured": "=[7, 2].map(m, in_it(m))"}  # fmt: skip
    endpoint = {
        "name": "asked", "method": "GET", "path": "/asked", "access": "public",
        "input": {"query": {"n": {"type": "integer"}}}, "steps": [{"do": "respond", "body": body}],
    }  # fmt: skip
    headers = await backend.admin()
    for kind, made in (("rules", rules), ("endpoints", [endpoint])):
        for one in made:
            answer = await backend.client.post(f"/admin/v1/{kind}", json=one, headers=headers)
            assert answer.status_code == 201, answer.text
    shown = (await backend.client.get("/api/asked")).json()
    assert shown == {"null": True, "sent": True, "not": False, "has": True, "captured": [False, True]}
    assert (await backend.client.get("/api/asked?n=1")).json()["sent"] is False


def test_a_function_that_comes_later_yields_to_a_rule_of_its_name() -> None:
    rows: list[tuple[str, str, dict[str, Any]]] = [
        ("rule", "date_range", {"params": {"x": {"type": "integer"}}, "that": "params.x == 1"}),
        ("endpoint", "e", {"method": "GET", "path": "/e", "access": "public",
                           "steps": [{"do": "respond", "body": "=date_range(1)"}]}),
    ]  # fmt: skip
    stored = stored_of((kind, name, json.dumps({"name": name, **body})) for kind, name, body in rows)
    runtime = compile_stored(stored)
    assert (dict(runtime.broken.parts), list(runtime.endpoints)) == ({}, ["e"])
    assert check_project(stored.project)[0].stricter


@pytest.mark.parametrize("name", ["type", "math", "decimal"])
def test_a_table_named_like_a_word_of_the_language_stands_and_is_not_read_as_rows(name: str) -> None:
    table = {"name": name, "columns": [{"name": "a", "type": "text"}]}
    document: dict[str, Any] = {"rowgate": 1, "tables": [table]}
    view: dict[str, Any] = {"name": "v", "table": name, "columns": ["a"]}
    for rule, sound in (("true", True), (f"{name}.exists(t, t.a == row.a)", False)):
        project, _ = parse_project(document | {"views": [view | {"filter": rule}]})
        assert project is not None
        assert (check_project(project) == []) is sound


@pytest.mark.parametrize(
    ("step", "key"),
    [
        ({"do": "list", "from": "teams", "as": "teams"}, "as"),
        ({"do": "fetch", "from": "teams", "where": "true", "as": "users"}, "as"),
        ({"do": "set", "values": {"fine": 1, "v": 2}}, "values.v"),
        ({"do": "for_each", "each": "[1]", "as": "members", "steps": [{"do": "require", "that": "true"}]}, "as"),
    ],
)
def test_a_step_that_binds_the_name_of_a_table_or_view_is_a_finding_of_what_is_saved(
    step: dict[str, Any], key: str
) -> None:
    endpoint = {"name": "e", "method": "GET", "path": "/e", "access": "public",
                "steps": [step, {"do": "respond", "body": 1}]}  # fmt: skip
    view = {"name": "v", "table": "teams", "columns": ["id"]}
    project, _ = parse_project({"rowgate": 1, "tables": TABLES, "views": [view], "endpoints": [endpoint]})
    assert project is not None
    assert [(one.place, one.stricter) for one in check_project(project)] == [(f"endpoints/e.steps/0.{key}", True)]
