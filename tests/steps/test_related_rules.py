"""Conditions of steps that read other rows: one statement of the request's transaction, and what it read stays so."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from app.compiler.check import check_project
from app.definitions.project import parse_project
from tests.backend import Backend, Person
from tests.statements import captured_here
from tests.turns import Turns
from tests.views.test_related_rows import TABLES, VIEWS

IS_MEMBER = "members.exists(m, m.team_id == project.team_id && m.user_id == auth.user.id)"
FETCH = {"do": "fetch", "from": "projects", "id": "input.id", "as": "project"}
DONE = {"do": "respond", "body": {"done": True}}


def endpoint(name: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    said = {"method": "POST", "path": f"/{name}", "access": "public", **more}
    said.setdefault("input", {"body": {"id": {"type": "uuid"}}})
    return {"name": name, **said, "steps": list(steps)}


TITLE = {"body": {"title": {"type": "text"}}}
ENDPOINTS = [
    endpoint("required", FETCH, {"do": "require", "that": IS_MEMBER}, DONE),
    endpoint("required_alone", {"do": "require", "that": "!bans.exists(b, b.user_id == auth.user.id)"}, DONE),
    endpoint("followed", FETCH, {"do": "require", "that": "project.team_id.owner_user_id == auth.user.id"}, DONE),
    endpoint("when", FETCH, {"do": "fail", "status": 409, "when": IS_MEMBER}, DONE),
    endpoint(
        "branch",
        FETCH,
        {
            "do": "if",
            "when": IS_MEMBER,
            "then": [{"do": "respond", "body": "member"}],
            "else": [{"do": "respond", "body": "stranger"}],
        },
    ),
    endpoint(
        "validated",
        {
            "do": "validate",
            "rules": [
                {"rule": "!projects.exists(p, p.title == input.title)", "message": "taken", "field": "title"},
                {"rule": "size(input.title) > 2", "message": "short", "field": "title"},
            ],
        },
        DONE,
        input=TITLE,
    ),
    endpoint(
        "listed",
        {
            "do": "list",
            "from": "tasks",
            "where": "item.project_id.team_id.owner_user_id == auth.user.id",
            "as": "found",
        },
        {"do": "respond", "body": "=found.map(f, f.text)"},
    ),
    endpoint(
        "owner",
        FETCH,
        {"do": "fetch", "from": "users", "id": "project.team_id.owner_user_id", "as": "owner"},
        {"do": "respond", "body": "=owner.email"},
    ),
    endpoint(
        "joined",
        {"do": "require", "that": "size(members.filter(m, m.team_id == input.id)) < 3", "message": "full"},
        {"do": "insert", "table": "members", "set": {"team_id": "=input.id", "user_id": "=auth.user.id"}},
        DONE,
        access="authenticated",
    ),
]
JOIN = ENDPOINTS[-1]["steps"]
TWICE = {"do": "require", "that": "!members.exists(m, m.team_id == input.id && m.user_id == auth.user.id)",
         "message": "twice"}  # fmt: skip
ENDPOINTS.append(endpoint("joined_once", JOIN[0], TWICE, *JOIN[1:], access="authenticated"))
OWNS = "project.team_id.owner_user_id == auth.user.id"
NOT_BANNED = "!bans.exists(b, b.user_id == auth.user.id)"
REQUIRE = [{"do": "require", "that": that, "message": that[:9]} for that in (IS_MEMBER, OWNS, NOT_BANNED)]
ENDPOINTS += [
    endpoint("three", FETCH, *REQUIRE, DONE),
    endpoint("three_when", FETCH, {"do": "require", "when": IS_MEMBER, "that": OWNS}, REQUIRE[2],
             {"do": "fail", "status": 409, "when": OWNS}, DONE),
    endpoint("apart", FETCH, REQUIRE[0], {"do": "require", "that": OWNS, "when": "input.id != null"}, REQUIRE[2], DONE),
    endpoint("both", {"do": "validate", "rules": [
        {"rule": "!projects.exists(p, p.title == input.title)", "message": "taken", "field": "title"},
        {"rule": "teams.exists(t, t.name == input.title)", "message": "no team", "field": "title"},
    ]}, {"do": "require", "that": NOT_BANNED}, DONE, input=TITLE),
    endpoint("each", FETCH, {"do": "for_each", "each": "['red', 'blue', 'red']", "as": "name", "steps": [
        {"do": "insert", "table": "teams", "set": {"name": "=name", "owner_user_id": "=auth.user.id"},
         "when": "!teams.exists(t, t.name == name)"},
        {"do": "require", "that": "teams.exists(t, t.name == name)"},
        {"do": "require", "that": "teams.exists(t, t.name == name && t.owner_user_id == auth.user.id)"},
    ]}, DONE, access="authenticated"),
]  # fmt: skip
DOCUMENT: dict[str, Any] = {"rowgate": 1, "tables": TABLES, "views": VIEWS, "endpoints": ENDPOINTS}


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


@pytest_asyncio.fixture(loop_scope="module")
async def people(backend: Backend) -> tuple[Person, Person, dict[str, str]]:
    """Ann owns red, which has a project; bob is in no team."""
    ann, bob = await backend.sign_up("ann"), await backend.sign_up("bob")
    ((team,),) = await backend.sql(
        "INSERT INTO data.teams (name, owner_user_id) VALUES ('red', $1) RETURNING id", ann.id
    )
    await backend.sql("INSERT INTO data.members (team_id, user_id) VALUES ($1, $2)", team, ann.id)
    add = "INSERT INTO data.projects (team_id, title) VALUES ($1, 'red project') RETURNING id"
    ((project,),) = await backend.sql(add, team)
    await backend.sql("INSERT INTO data.tasks (project_id, text) VALUES ($1, 'red task')", project)
    return ann, bob, {"team": str(team), "project": str(project)}


async def ask(backend: Backend, name: str, body: Any, who: Person | None = None) -> tuple[int, Any]:
    path = f"/api/{name}"
    answer = await (backend.client.post(path, json=body) if who is None else who.post(path, body))
    return answer.status_code, answer.json()


async def test_conditions_of_steps_read_other_rows(
    backend: Backend, people: tuple[Person, Person, dict[str, str]]
) -> None:
    ann, bob, ids = people
    body = {"id": ids["project"]}
    for name in ("required", "followed"):
        assert [(await ask(backend, name, body, who))[0] for who in (ann, bob, None)] == [200, 403, 403]
    assert [(await ask(backend, "when", body, who))[0] for who in (ann, bob, None)] == [409, 200, 200]
    assert [(await ask(backend, "branch", body, who))[1] for who in (ann, bob)] == ["member", "stranger"]
    assert (await ask(backend, "listed", body, ann))[1] == ["red task"]
    assert (await ask(backend, "owner", body))[1] == "ann@example.com"
    assert (await ask(backend, "listed", body, bob))[1] == (await ask(backend, "listed", body))[1] == []


async def test_what_is_unknown_of_a_stranger_refuses(
    backend: Backend, people: tuple[Person, Person, dict[str, str]]
) -> None:
    ann, bob, _ = people
    await backend.sql("INSERT INTO data.bans (user_id) VALUES ($1)", bob.id)
    answers = [(await ask(backend, "required_alone", {}, who))[0] for who in (ann, bob, None)]
    assert answers == [200, 403, 403]


async def test_all_rules_of_a_validate_are_tried(
    backend: Backend, people: tuple[Person, Person, dict[str, str]]
) -> None:
    ann, _, _ = people
    status, found = await ask(backend, "validated", {"title": "red project"}, ann)
    assert (status, [one["message"] for one in found["errors"]]) == (422, ["taken"])
    await backend.sql("UPDATE data.projects SET title = 'x'")
    _, found = await ask(backend, "validated", {"title": "x"}, ann)
    assert [one["message"] for one in found["errors"]] == ["taken", "short"]
    assert (await ask(backend, "validated", {"title": "new"}, ann))[0] == 200


async def test_a_condition_is_one_statement(backend: Backend, people: tuple[Person, Person, dict[str, str]]) -> None:
    ann, _, ids = people
    await ask(backend, "required", {"id": ids["project"]}, ann)
    with captured_here() as statements:
        await ask(backend, "required", {"id": ids["project"]}, ann)
    assert len([one for one in statements.seen if one.startswith(("SELECT", "WITH"))]) == 2


async def test_neighbouring_conditions_are_one_statement_and_decide_as_if_each_were_its_own(
    backend: Backend, people: tuple[Person, Person, dict[str, str]]
) -> None:
    ann, bob, ids = people
    body, reads = {"id": ids["project"]}, {}
    for name, status in (("three", 200), ("three_when", 409), ("apart", 200), ("both", 422)):
        sent = {"title": "red project"} if name == "both" else body
        await ask(backend, name, sent, ann)
        with captured_here() as statements:
            assert (await ask(backend, name, sent, ann))[0] == status, name
        reads[name] = len([one for one in statements.seen if one.startswith(("SELECT", "WITH"))])
    # The row is fetched by one of its own; what is asked only where something else holds is asked by itself.
    assert reads == {"three": 2, "three_when": 4, "apart": 4, "both": 1}
    assert [error["message"] for error in (await ask(backend, "both", {"title": "x"}, ann))[1]["errors"]] == ["no team"]
    assert (await ask(backend, "three", body, bob))[1]["detail"] == IS_MEMBER[:9]  # the first that fails refuses
    await backend.sql("INSERT INTO data.members (team_id, user_id) VALUES ($1, $2)", ids["team"], bob.id)
    assert (await ask(backend, "three", body, bob))[1]["detail"] == OWNS[:9]
    assert (await ask(backend, "three_when", body, bob))[0] == 403
    await backend.sql("INSERT INTO data.bans (user_id) VALUES ($1)", ann.id)
    assert [(await ask(backend, name, body, ann))[1]["detail"] for name in ("three", "apart")] == [NOT_BANNED[:9]] * 2
    assert (await ask(backend, "both", {"title": "red"}, ann))[0] == 403


async def test_neighbouring_conditions_hold_what_they_read_by_one_statement_before_the_one_that_asks(
    backend: Backend, people: tuple[Person, Person, dict[str, str]]
) -> None:
    ann, bob, ids = people
    body = {"id": ids["team"]}
    with captured_here() as statements:
        assert (await ask(backend, "joined_once", body, bob))[0] == 200
    seen = [one for one in statements.seen if one.startswith(("SELECT", "WITH", "INSERT"))]
    assert [("pg_advisory_xact_lock" in one, "INSERT" in one) for one in seen] == [
        (True, False), (False, False), (False, True),
    ]  # fmt: skip
    assert [(await ask(backend, "joined_once", body, who))[1]["detail"] for who in (ann, bob)] == ["twice"] * 2
    assert (await ask(backend, "joined_once", body, await backend.sign_up("cat")))[0] == 200
    assert (await ask(backend, "joined_once", body, bob))[1]["detail"] == "full"


async def test_in_a_loop_each_round_asks_anew(backend: Backend, people: tuple[Person, Person, dict[str, str]]) -> None:
    ann, bob, ids = people
    assert (await ask(backend, "each", {"id": ids["project"]}, ann))[0] == 200
    assert (await ask(backend, "each", {"id": ids["project"]}, bob))[0] == 403


@pytest.mark.parametrize("name", ["joined", "joined_once"])
async def test_what_a_condition_read_still_holds_where_the_request_writes(
    backend: Backend, people: tuple[Person, Person, dict[str, str]], name: str
) -> None:
    _, bob, ids = people
    more = [await backend.sign_up(f"more{n}") for n in range(6)]
    answers = await asyncio.gather(*(ask(backend, name, {"id": ids["team"]}, who) for who in (bob, *more)))
    assert sorted(status for status, _ in answers) == [200, 200, 403, 403, 403, 403, 403]
    ((count,),) = await backend.sql("SELECT count(*) FROM data.members")
    assert count == 3


def findings_of(*steps: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    said = endpoint("e", *steps, **more)
    document = {"rowgate": 1, "tables": TABLES, "views": VIEWS, "roles": [{"name": "r"}], "endpoints": [said]}
    project, found = parse_project(document)
    found = found if project is None else check_project(project)
    return [(one.place, one.message) for one in found]


@pytest.mark.parametrize(
    "step",
    [
        {"do": "respond", "body": "=size(members)"},
        {"do": "set", "values": {"n": "=members.filter(m, m.role == 'lead')"}},
        {"do": "update", "table": "tasks", "where": "true", "set": {"text": "=item.project_id.title"}},
        {"do": "respond", "body": "=project.team_id.name"},
        {"do": "for_each", "each": "members", "as": "m", "steps": [DONE]},
        {"do": "rate_limit", "limit": "5/minute", "by": "project.team_id.name"},
    ],
)
def test_values_can_not_read_other_rows(step: dict[str, Any]) -> None:
    found = findings_of(FETCH, step)
    assert any("can't be read here" in message for _, message in found), found


def test_a_view_that_some_callers_can_not_read_is_not_asked() -> None:
    rule = {"do": "require", "that": "!team_projects.exists(p, true)"}
    ((_, message),) = findings_of(rule, DONE)
    assert message.endswith("the view team_projects is not for everybody who may come here")
    assert findings_of(rule, DONE, access="authenticated") == []
