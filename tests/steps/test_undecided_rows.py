"""What steps make of rows is unknown where one of them can't be decided: no row that is missing lets a stranger in."""

import random
from typing import Any

import pytest
import pytest_asyncio

from app.compiler.check import check_project
from app.database.pool import connect
from app.definitions.project import Project, parse_project
from app.expressions.check import Expression, Scope, check
from app.expressions.evaluate import compile_value
from app.expressions.operations import EvaluationError
from app.expressions.types import BOOL, INT, STRING, UUID, Record
from app.policy_tests.run import run_tests
from app.relations.schema import tables_of
from app.relations.select import any_row, count_rows, may_be_undecided
from app.relations.source import table_source
from tests.backend import Backend
from tests.turns import Turns

TABLES: list[dict[str, Any]] = [
    {"name": "bans", "columns": [{"name": "user_id", "type": "user", "required": True}]},
    {
        "name": "tasks",
        "columns": [
            {"name": "team", "type": "integer", "required": True},
            {"name": "done", "type": "boolean"},
            {"name": "size", "type": "integer"},
        ],
    },
]
MINE = {"from": "bans", "where": "item.user_id == auth.user.id"}
OPEN = {"from": "tasks", "where": "item.team == input.team && item.done == false"}
TEAM: dict[str, Any] = {"query": {"team": {"type": "integer", "required": True}}}


def endpoint(name: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    answers = [] if steps[-1]["do"] in ("respond", "insert") else [{"do": "respond", "body": {"in": True}}]
    return {"name": name, "method": "POST", "path": f"/{name}", "access": "public", "steps": [*steps, *answers], **more}


SHOWN = {"do": "respond", "body": {"x": "=x"}}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": TABLES,
    "endpoints": [
        endpoint("banned", {"do": "exists", **MINE, "as": "banned"}, {"do": "require", "that": "!banned"}),
        endpoint("few", {"do": "count", **MINE, "as": "n"}, {"do": "require", "that": "n == 0"}),
        endpoint("branch", {"do": "exists", **MINE, "as": "banned"},
                 {"do": "respond", "body": {"in": True}, "when": "!banned"}, {"do": "fail", "status": 409}),
        endpoint("folded", {"do": "aggregate", **MINE, "values": {"n": {"count": "item.id"}}, "as": "all"},
                 {"do": "require", "that": "all.n == 0"}),
        endpoint("grouped",
                 {"do": "aggregate", **MINE, "group_by": ["id"], "values": {"n": {"count": "item.id"}}, "as": "all"},
                 {"do": "require", "that": "size(all) == 0"}),
        endpoint("room", {"do": "quota", **OPEN, "max": 2}, {"do": "insert", "table": "tasks",
                 "set": {"team": "=input.team", "done": False}}, input=TEAM),
        endpoint("exists_open", {"do": "exists", **OPEN, "as": "x"}, SHOWN, input=TEAM),
        endpoint("count_open", {"do": "count", **OPEN, "as": "x"}, SHOWN, input=TEAM),
        endpoint("fold_open", {"do": "aggregate", **OPEN, "values": {"n": {"count": "item.id"},
                 "total": {"sum": "item.size"}}, "as": "x"}, SHOWN, input=TEAM),
        endpoint("group_open", {"do": "aggregate", **OPEN, "group_by": ["team"], "values": {"n": {"count": "item.id"}},
                 "as": "x"}, SHOWN, input=TEAM),
        endpoint("count_in", {"do": "aggregate", "from": "tasks", "where": "item.team == input.team",
                 "group_by": ["team"], "values": {"n": {"count": "item.done == false"}}, "as": "x"}, SHOWN, input=TEAM),
    ],
    "tests": [
        {"name": "a_stranger_is_not_let_in", "as": "anonymous",
         "given": {"users": [{"id": "ben"}], "bans": [{"user_id": "ben"}]},
         "request": {"method": "POST", "path": "/api/banned"}, "expect": {"status": 403}},
    ],
}  # fmt: skip
STRANGERS = ("banned", "few", "branch", "folded", "grouped")


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


@pytest.mark.parametrize("name", STRANGERS)
async def test_who_is_nobody_is_let_in_by_no_row_that_is_missing(backend: Backend, name: str) -> None:
    ann, ben = await backend.sign_up("ann"), await backend.sign_up("ben")
    nobody = {"status": (await backend.client.post(f"/api/{name}")).status_code}
    assert nobody == {"status": 200}  # nobody is banned
    await backend.sql(f"INSERT INTO data.bans (user_id) VALUES ('{ben.id}')")
    refused = (await backend.client.post(f"/api/{name}")).status_code
    assert refused == (409 if name == "branch" else 403)
    assert (await ann.post(f"/api/{name}", {})).json() == {"in": True}
    assert (await ben.post(f"/api/{name}", {})).status_code == refused


async def test_what_a_null_leaves_open_is_null_and_only_where_it_could_decide(backend: Backend) -> None:
    async def found(name: str, team: int) -> Any:
        answer = await backend.client.post(f"/api/{name}?team={team}")
        assert answer.status_code == 200, answer.text
        return answer.json()["x"]

    await backend.sql("INSERT INTO data.tasks (team, done, size) VALUES (1, false, 3), (1, true, 9), (2, NULL, 5)")
    assert [await found("exists_open", team) for team in (1, 2, 3)] == [True, None, False]
    assert [await found("count_open", team) for team in (1, 2, 3)] == [1, None, 0]
    assert await found("fold_open", 1) == {"n": 1, "total": 3}
    assert await found("fold_open", 2) == {"n": None, "total": None}
    assert [await found("group_open", team) for team in (1, 2, 3)] == [[{"team": 1, "n": 1}], None, []]
    assert [await found("count_in", team) for team in (1, 2, 3)] == [
        [{"team": 1, "n": 1}], [{"team": 2, "n": None}], [],
    ]  # fmt: skip
    await backend.sql("INSERT INTO data.tasks (team, done) VALUES (2, false)")
    assert await found("exists_open", 2) is True  # there is one, whatever the other is


async def test_a_quota_has_no_room_where_nobody_knows_how_many_there_are(backend: Backend) -> None:
    await backend.sql("INSERT INTO data.tasks (team, done) VALUES (2, NULL)")
    assert (await backend.client.post("/api/room?team=1")).status_code == 204
    refused = await backend.client.post("/api/room?team=2")
    assert (refused.status_code, refused.json()["code"]) == (403, "chain.over_quota")


async def test_a_simulation_and_a_policy_test_answer_alike(backend: Backend, migrated_url: str) -> None:
    ben = await backend.sign_up("ben")
    await backend.sql(f"INSERT INTO data.bans (user_id) VALUES ('{ben.id}')")
    said = {"as": "anonymous", "method": "POST", "path": "/api/banned"}
    told = await backend.client.post("/admin/v1/simulate", json=said, headers=await backend.admin())
    assert told.json()["status"] == 403, told.text
    report = await run_tests(migrated_url, project_of(DOCUMENT))
    assert [str(failure) for result in report.results for failure in result.failures] == []


def project_of(document: dict[str, Any]) -> Project:
    project, findings = parse_project(document)
    assert project is not None, findings
    return project


ITEM = Record("item", {"id": UUID, "team": INT, "done": BOOL, "size": INT, "word": STRING})
PARTS = (
    "item.team == n", "item.done", "!item.done", "item.size > n", "item.size + 1 > n", "item.size in list",
    "item.team in list", "item.size in [1, 2]", "item.size == null", "n == 2", 'item.word.startsWith("a")',
)  # fmt: skip


def any_condition(chance: random.Random, depth: int = 2) -> str:
    if depth == 0 or chance.random() < 0.3:
        return chance.choice(PARTS)
    parts = [any_condition(chance, depth - 1) for _ in range(chance.choice((2, 2, 3)))]
    return f"{chance.choice(('', '!'))}({chance.choice((' && ', ' || ')).join(parts)})"


async def test_a_count_and_an_exists_answer_as_a_list_of_the_rows_does_in_process(backend: Backend) -> None:
    """Random conditions over random rows with nulls, for callers whose values may be null."""
    document = {"rowgate": 1, "tables": [{"name": "any_rows", "columns": [
        {"name": "team", "type": "integer", "required": True}, {"name": "done", "type": "boolean"},
        {"name": "size", "type": "integer"}, {"name": "word", "type": "text"},
    ]}]}  # fmt: skip
    source = table_source(tables_of(project_of(document))["any_rows"])
    names = {"n": INT, "list": check("[1]", Scope({})).type}
    over_item = Scope({**names, "item": source.item}, rows=frozenset({"item"}))
    rows_type = check("[item]", over_item).type
    chance, unknown = random.Random("undecided"), 0
    connection = await connect(backend.url)
    await connection.execute(
        "CREATE TABLE data.any_rows (team integer NOT NULL, done boolean, size integer, word text)"
    )
    try:
        for _ in range(40):
            rows = [{"team": chance.choice((1, 2)), "done": chance.choice((True, False, None)),
                     "size": chance.choice((1, 2, None)), "word": chance.choice(("ab", "b", None))}
                    for _ in range(chance.choice((0, 1, 2, 4)))]  # fmt: skip
            await connection.execute("TRUNCATE data.any_rows")
            for row in rows:
                listed = ", ".join("NULL" if one is None else f"'{one}'" for one in row.values())
                await connection.execute(f"INSERT INTO data.any_rows (team, done, size, word) VALUES ({listed})")
            for _ in range(5):
                text = any_condition(chance)
                env = {"n": chance.choice((1, 2, None)), "list": chance.choice(([1], [1, None], [], None))}
                where = check(text, over_item)
                asked = Scope({**names, "rows": rows_type})
                for statement, said in ((any_row(source, where), "rows.exists(item, {})"),
                                        (count_rows(source, where), "size(rows.filter(item, {}))")):  # fmt: skip
                    found = await connection.fetchval(statement.sql, *statement.bind(env))
                    wanted = answer_of(check(said.format(text), asked), {**env, "rows": rows})
                    unknown += wanted is None
                    assert found == wanted, (text, env, rows)
    finally:
        await connection.execute("DROP TABLE data.any_rows")
        await connection.close()
    assert unknown > 50


def answer_of(expression: Expression, env: dict[str, Any]) -> Any:
    try:
        return compile_value(expression)(env)
    except EvaluationError:
        return None


def test_where_nothing_can_be_unknown_the_statement_is_the_plain_one() -> None:
    table = tables_of(project_of({"rowgate": 1, "tables": TABLES}))["tasks"]
    source = table_source(table)
    scope = Scope({"item": source.item, "n": INT}, rows=frozenset({"item"}))
    plain = check("item.team == 3", scope)
    assert count_rows(source, plain).sql == (
        'SELECT count(*) AS value FROM "data"."tasks" t WHERE ((t."team" = $1::bigint))'
    )
    assert any_row(source, None).sql == 'SELECT EXISTS (SELECT FROM "data"."tasks" t) AS value'
    assert not may_be_undecided(source, check("item.team == n", scope))
    assert may_be_undecided(source, check("item.team == n && item.size == n", scope))
    narrowed = count_rows(source, check("item.team == 3 && item.size > 1", scope)).sql
    inner = narrowed.partition("EXISTS")[2].partition("))")[0]
    assert '"team" =' in inner  # the rows that are looked through are those that the rest holds for


@pytest.mark.parametrize(
    ("step", "body"),
    [
        ({"do": "count", **OPEN, "as": "x"}, "=x + 1"),
        ({"do": "exists", **OPEN, "as": "x"}, "=!x"),
        ({"do": "aggregate", **OPEN, "values": {"n": {"count": "item.id"}}, "as": "x"}, "=x.n + 1"),
        ({"do": "aggregate", **OPEN, "group_by": ["team"], "values": {"n": {"count": "1"}}, "as": "x"}, "=size(x)"),
        ({"do": "aggregate", "from": "tasks", "values": {"n": {"count": "item.done"}}, "as": "x"}, "=x.n + 1"),
    ],
)
def test_a_value_that_has_no_answer_then_is_a_finding(step: dict[str, Any], body: str) -> None:
    def found(step: dict[str, Any]) -> list[tuple[str, bool]]:
        said = endpoint("e", step, {"do": "respond", "body": body}, input=TEAM)
        project = project_of({"rowgate": 1, "tables": TABLES, "endpoints": [said]})
        return [(one.code, one.stricter) for one in check_project(project)]

    assert found(step) == [("expression.null", True)]
    sure = {**step, "where": "item.team == input.team"}
    counts_all = {"n": {"count": "item.id"}}
    assert found({**sure, "values": counts_all} if "values" in step else sure) == []
