"""Filters that reach other rows: who sees and writes a row because of another one."""

from typing import Any

import pytest_asyncio

from app.compiler.check import check_project
from app.definitions.project import parse_project
from tests.backend import Backend, Person
from tests.statements import captured_here


def refers(name: str, table: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "reference", "table": table, **more}


TABLES: list[dict[str, Any]] = [
    {
        "name": "teams",
        "columns": [
            {"name": "name", "type": "text", "unique": True},
            {"name": "owner_user_id", "type": "user", "required": True, "on_delete": "cascade"},
        ],
    },
    {
        "name": "members",
        "columns": [
            refers("team_id", "teams", required=True, on_delete="cascade"),
            {"name": "user_id", "type": "user", "required": True, "on_delete": "cascade"},
            {"name": "role", "type": "enum", "values": ["member", "lead"], "default": "member"},
        ],
        "unique": [["team_id", "user_id"]],
    },
    {
        "name": "projects",
        "columns": [
            refers("team_id", "teams", required=True, on_delete="cascade"),
            {"name": "title", "type": "text", "unique": True},
        ],
    },
    {
        "name": "tasks",
        "columns": [
            refers("project_id", "projects", on_delete="cascade"),
            {"name": "text", "type": "text"},
            {"name": "done", "type": "boolean"},
        ],
    },
    {"name": "bans", "columns": [{"name": "user_id", "type": "user"}]},
]
IS_MEMBER = "members.exists(m, m.team_id == row.team_id && m.user_id == auth.user.id)"
ALL = ["select", "insert", "update", "delete"]
VIEWS: list[dict[str, Any]] = [
    {"name": "team_projects", "table": "projects", "columns": "all", "filter": IS_MEMBER, "allow": ALL},
    {
        "name": "colleagues",
        "table": "members",
        "columns": ["id", "team_id", "user_id", "role"],
        "filter": IS_MEMBER,
        "allow": ["select", "insert"],
    },
    {
        "name": "team_tasks",
        "table": "tasks",
        "columns": ["id", "text", "project_id", {"name": "team", "value": "row.project_id.team_id.name"}],
        "filter": "row.project_id.team_id in members.filter(m, m.user_id == auth.user.id).map(m, m.team_id)",
        "order": ["text"],
    },
    {
        "name": "owned_tasks",
        "table": "tasks",
        "columns": ["text"],
        "filter": "row.project_id.team_id.owner_user_id == auth.user.id",
        "order": ["text"],
    },
    {"name": "loose", "table": "tasks", "columns": ["text"], "filter": "row.project_id.title == null"},
    {
        "name": "unbanned",
        "table": "teams",
        "access": "public",
        "columns": ["name"],
        "filter": "!bans.exists(b, b.user_id == auth.user.id)",
    },
    {
        "name": "done_projects",
        "table": "projects",
        "columns": ["title"],
        "filter": "tasks.filter(t, t.project_id == row.id).all(t, t.done)",
        "order": ["title"],
    },
    {
        "name": "through_a_view",
        "table": "teams",
        "columns": ["name"],
        "filter": "team_projects.exists(p, p.team_id == row.id)",
    },
]
DOCUMENT: dict[str, Any] = {"rowgate": 1, "tables": TABLES, "views": VIEWS}


@pytest_asyncio.fixture(loop_scope="module")
async def people(backend: Backend) -> tuple[Person, Person, dict[str, str]]:
    """Ann owns and leads red, Bob blue, of which she is a member too; each team has a project, each project a task."""
    ann, bob = await backend.sign_up("ann"), await backend.sign_up("bob")
    ids: dict[str, str] = {}
    for team, owner in (("red", ann), ("blue", bob)):
        add = "INSERT INTO data.teams (name, owner_user_id) VALUES ($1, $2) RETURNING id"
        ((ids[team],),) = await backend.sql(add, team, owner.id)
        join = "INSERT INTO data.members (team_id, user_id, role) VALUES ($1, $2, 'lead')"
        await backend.sql(join, ids[team], owner.id)
        add = "INSERT INTO data.projects (team_id, title) VALUES ($1, $2) RETURNING id"
        ((project,),) = await backend.sql(add, ids[team], f"{team} project")
        await backend.sql("INSERT INTO data.tasks (project_id, text) VALUES ($1, $2)", project, f"{team} task")
        ids[f"{team} project"] = project
    await backend.sql("INSERT INTO data.members (team_id, user_id) VALUES ($1, $2)", ids["blue"], ann.id)
    await backend.sql("INSERT INTO data.tasks (text) VALUES ('loose task')")
    return ann, bob, ids


async def told(who: Person | Backend, path: str) -> list[Any]:
    answer = await (who.client.get(f"/rest/v1/{path}") if isinstance(who, Backend) else who.get(f"/rest/v1/{path}"))
    assert answer.status_code == 200, answer.text
    return [next(iter(row.values())) for row in answer.json()]


async def test_a_row_shows_because_of_another_one(
    backend: Backend, people: tuple[Person, Person, dict[str, str]]
) -> None:
    ann, bob, _ = people
    assert sorted(await told(ann, "team_projects?select=title")) == ["blue project", "red project"]
    assert await told(bob, "team_projects?select=title") == ["blue project"]
    assert await told(ann, "team_tasks?select=text") == ["blue task", "red task"]
    assert await told(bob, "team_tasks?select=text,team") == ["blue task"]
    assert await told(bob, "team_tasks?select=team") == ["blue"]
    assert await told(bob, "owned_tasks") == ["blue task"]
    assert await told(ann, "owned_tasks") == ["red task"]
    assert await told(bob, "through_a_view") == ["blue"]
    # What refers to nothing leads to nothing.
    assert await told(ann, "loose") == ["loose task"]
    # A view's filter may read its own table.
    assert len(await told(bob, "colleagues?select=id")) == 2
    assert len(await told(ann, "colleagues?select=id")) == 3
    await backend.sql("DELETE FROM data.members WHERE user_id = $1", ann.id)
    assert await told(ann, "team_projects?select=title") == await told(ann, "team_tasks") == []


async def test_it_is_one_statement(people: tuple[Person, Person, dict[str, str]]) -> None:
    ann, _, _ = people
    await told(ann, "team_tasks")
    with captured_here() as statements:
        await told(ann, "team_tasks")
        await told(ann, "through_a_view")
    assert len(statements.seen) == 2, list(statements.seen)


async def test_nobody_is_let_in_because_nothing_is_known_of_them(
    backend: Backend, people: tuple[Person, Person, dict[str, str]]
) -> None:
    ann, bob, ids = people
    assert sorted(await told(backend, "unbanned")) == ["blue", "red"]
    await backend.sql("INSERT INTO data.bans (user_id) VALUES ($1)", bob.id)
    assert sorted(await told(ann, "unbanned")) == ["blue", "red"]
    assert await told(bob, "unbanned") == []
    # Whether a stranger is among those that are banned can't be known, nor whether anybody is who isn't named.
    assert await told(backend, "unbanned") == []
    await backend.sql("INSERT INTO data.bans (user_id) VALUES (NULL)")
    assert await told(ann, "unbanned") == []
    # Of a task nobody knows whether it is done, and another's project isn't known.
    assert await told(ann, "done_projects") == []
    await backend.sql("UPDATE data.tasks SET done = true WHERE project_id = $1", ids["red project"])
    assert await told(ann, "done_projects") == []
    await backend.sql("DELETE FROM data.tasks WHERE project_id IS NULL")
    assert await told(ann, "done_projects") == ["red project"]


async def test_what_is_written_is_held_to_it(backend: Backend, people: tuple[Person, Person, dict[str, str]]) -> None:
    ann, bob, ids = people
    made = {"team_id": str(ids["blue"]), "title": "new"}
    path = "/rest/v1/team_projects"
    assert (await ann.post(path, made)).status_code == 201
    assert (await bob.post(path, {**made, "team_id": str(ids["red"]), "title": "x"})).json()["code"] == "42501"
    # A row can't be moved to where one isn't, and those of others are as if they were not there.
    moved = await bob.call("PATCH", f"{path}?title=eq.new", json={"team_id": str(ids["red"])})
    assert moved.status_code == 403
    gone = await bob.call("DELETE", f"{path}?title=eq.red%20project", headers={"Prefer": "return=representation"})
    assert gone.json() == []
    merge = {"Prefer": "resolution=merge-duplicates"}
    taken = [{"team_id": str(ids["blue"]), "title": "red project"}]
    hit = await bob.call("POST", f"{path}?on_conflict=title", json=taken, headers=merge)
    assert hit.status_code == 409
    again = await bob.call("POST", f"{path}?on_conflict=title", json=[made], headers=merge)
    assert again.status_code in (200, 201), again.text
    assert (await ann.call("DELETE", f"{path}?title=eq.new")).status_code == 204
    titles = await backend.sql("SELECT title FROM data.projects ORDER BY title")
    assert [row["title"] for row in titles] == ["blue project", "red project"]


async def test_a_row_does_not_vouch_for_itself(backend: Backend, people: tuple[Person, Person, dict[str, str]]) -> None:
    ann, bob, ids = people
    # Who is a member may let others in; a stranger to the team can't let himself in.
    joins = {"team_id": str(ids["red"]), "user_id": bob.id}
    assert (await bob.post("/rest/v1/colleagues", joins)).status_code == 403
    both = [joins | {"role": "member"}, joins | {"user_id": ann.id, "role": "lead"}]
    assert (await bob.post("/rest/v1/colleagues", both)).status_code in (403, 409)
    assert await told(bob, "team_projects?select=title") == ["blue project"]
    assert (await ann.post("/rest/v1/colleagues", joins)).status_code == 201
    assert sorted(await told(bob, "team_projects?select=title")) == ["blue project", "red project"]


def findings_of(rule: str, *views: dict[str, Any], **more: Any) -> list[tuple[str, str, str | None]]:
    view = {"name": "v", "table": "tasks", "columns": ["id"], "filter": rule, **more}
    project, found = parse_project({"rowgate": 1, "tables": TABLES, "views": [*views, view], "roles": [{"name": "r"}]})
    found = found if project is None else check_project(project)
    return [(finding.place, finding.message, finding.hint) for finding in found]


def test_what_can_not_be_is_found_with_its_place() -> None:
    at = "views/v.filter:1"
    assert findings_of("membrs.exists(m, true)") == [(f"{at}:1", "there is no 'membrs' here", "did you mean members?")]
    assert findings_of("members.exists(m, m.usr_id == auth.user.id)") == [
        (f"{at}:21", "members has no field 'usr_id'", "did you mean user_id?")
    ]
    assert findings_of("row.project_id.tem_id == null") == [
        (f"{at}:16", "projects has no field 'tem_id'", "did you mean team_id?")
    ]
    ((place, message, _),) = findings_of("row.id == members[0].id")
    assert (place, "can't be said in SQL" in message) == (f"{at}:22", True)
    ((_, message, hint),) = findings_of("'x' in members.map(m, m.user_id.email + 'x')")
    assert ("map() of rows by this" in message, hint) == (True, "take one of a row's columns: .map(m, m.team_id)")
    assert findings_of("row.id in members.filter(m, true)")[0][1] == "in can't compare uuid with list of members"
    hops = [refers("next", "tasks")]
    tables = [
        {**table, "columns": [*table["columns"], *(hops if table["name"] == "tasks" else [])]} for table in TABLES
    ]
    deep = {"name": "v", "table": "tasks", "columns": ["id"], "filter": "row.next.next.next.next.next.text == 'x'"}
    project, _ = parse_project({"rowgate": 1, "tables": tables, "views": [deep]})
    assert project is not None
    assert [finding.message for finding in check_project(project)] == ["at most 4 references are followed in a row"]


def test_rows_are_read_only_where_postgres_decides() -> None:
    tables = [*TABLES, {"name": "notes", "columns": [refers("task_id", "tasks")]}]
    tables[-1]["checks"] = [{"rule": "row.task_id.done", "message": "x"}, {"rule": "bans.all(b, true)", "message": "x"}]
    view: dict[str, Any] = {"name": "v", "table": "notes", "columns": ["id", "task_id"], "allow": ["select", "insert"]}
    view["presets"] = {"task_id": "=first(tasks.map(t, t.id))"}
    project, _ = parse_project({"rowgate": 1, "tables": tables, "views": [view]})
    assert project is not None
    found = check_project(project)
    assert [(one.place, one.message) for one in found] == [
        ("tables/notes.checks/0.rule:1:5", "rows of tasks can't be read here"),
        ("tables/notes.checks/1.rule:1:1", "rows of bans can't be read here"),
        ("views/v.presets.task_id:1:8", "rows of tasks can't be read here"),
    ]
    assert all("read them by a step before" in str(one.hint) for one in found)


def test_a_view_is_read_by_a_rule_as_it_is_by_its_callers() -> None:
    other = {"name": "other", "table": "members", "columns": ["id"], "filter": "v.exists(x, true)"}
    circle = findings_of("other.exists(o, true)", other)
    assert any("the views read each other in a circle" in message for _, message, _ in circle)
    narrow = {"name": "narrow", "table": "members", "columns": ["id"], "access": {"roles": ["r"]}}
    ((_, message, _),) = findings_of("!narrow.exists(o, true)", narrow)
    assert message == "rows of narrow can't be read here: the view narrow is not for everybody who may read v"
    asks = {"name": "asks", "table": "members", "columns": ["id"], "params": {"q": {"type": "text"}}}
    ((_, message, _),) = findings_of("asks.exists(o, true)", asks)
    assert "has params" in message
    assert findings_of("narrow.exists(o, true)", narrow, access={"roles": ["r"]}) == []
