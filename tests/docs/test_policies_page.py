"""Each policy of the page finds the same rows as the SQL beside it, for people and for a stranger."""

import random
import re
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app.changes.files import load_text
from app.compiler.compile import compile_project
from app.database.pool import connect
from app.definitions.project import parse_project
from app.expressions.to_sql import Parameters
from app.relations.source import conditions_sql, rule_sql
from app.review.doubts import doubts
from tests.backend import apply

PAGE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()
DOCUMENT, CHANGED = (load_text(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
ROWS = re.findall(r"^\| (.*?) \| `(.*?)` \| `(.*?)` \|$", PAGE, re.MULTILINE)
POLICIES = {name: (rule.replace("\\|", "|"), sql) for name, rule, sql in ROWS}


@pytest_asyncio.fixture(loop_scope="module")
async def connection(migrated_url: str) -> Any:
    await apply(migrated_url, DOCUMENT)
    opened = await connect(migrated_url)
    yield opened
    await opened.close()


async def filled(connection: Any) -> list[dict[str, Any]]:
    """Fill the tables with what a seed gives; gives people as rules see them, a stranger first."""
    chance = random.Random(7)

    async def add(table: str, **values: Any) -> Any:
        names, numbers = ", ".join(values), ", ".join(f"${n + 1}" for n in range(len(values)))
        sql = f"INSERT INTO data.{table} ({names}) VALUES ({numbers}) RETURNING id"
        return await connection.fetchval(sql, *values.values())

    def some(values: list[Any]) -> Any:
        return chance.choice([*values, None])

    people: list[dict[str, Any]] = []
    for n in range(5):
        said = {"email": f"p{n}@example.com", "plan": chance.choice(["free", "pro"]), "moderator": n == 4}
        people.append({**said, "id": str(await add("users", **said)), "roles": []})
    ids = [person["id"] for person in people]
    teams = [await add("teams", owner=chance.choice(ids), open=chance.random() < 0.5) for _ in range(4)]
    moments = [await connection.fetchval(f"SELECT now() + interval '{sign}1 day'") for sign in ("", "-")]
    for _ in range(8):
        await add(
            "members", team=chance.choice(teams), person=chance.choice(ids), role=chance.choice(["member", "lead"])
        )
        await add("follows", follower=chance.choice(ids), followed=chance.choice(ids))
    await add("bans", person=ids[0])
    for _ in range(30):
        project = await add(
            "projects",
            team=some(teams), owner=some(ids), public=some([True, False]), deadline=some(moments),
            deleted_at=some(moments),
        )  # fmt: skip
        for _ in range(chance.randrange(4)):
            await add("tasks", project=project, done=chance.random() < 0.7)
        await add("shares", project=project, person=chance.choice(ids))
    return [{}, *people]


@pytest.mark.asyncio(loop_scope="module")
async def test_each_filter_finds_what_its_policy_finds(connection: Any) -> None:
    callers = await filled(connection)
    now = await connection.fetchval("SELECT now()")
    wrong, found_any = [], set()
    for name, (rule, policy) in POLICIES.items():
        view = {"name": "v", "table": "projects", "columns": ["id"], "filter": rule}
        project, found = parse_project({**DOCUMENT, "views": [view]})
        assert project is not None, (name, found)
        runtime, found = compile_project(project)
        assert runtime is not None, (name, found)
        parameters = Parameters()
        (condition,) = conditions_sql(runtime.schema.views["v"], None, parameters)
        using = re.sub(r"\b(FROM|JOIN) (\w+) (\w)\b", r"\1 data.\2 \3", policy).replace("auth.uid()", "$1::uuid")
        for caller in callers:
            env = {"auth": {"user": caller or None, "signed_in": bool(caller)}, "now": now}
            values = [evaluate(env) for evaluate in parameters.evaluators]
            query = "SELECT t.id FROM data.projects t WHERE"
            ours = {row["id"] for row in await connection.fetch(f"{query} {condition}", *values)}
            given = [caller.get("id")] if "$1" in using else []
            theirs = {row["id"] for row in await connection.fetch(f"{query} {using}", *given)}
            found_any |= {name} if ours else set()
            wrong += [(name, caller.get("email"))] if ours != theirs else []
    assert wrong == []
    # A policy that finds nothing for anybody would show nothing here.
    assert found_any == set(POLICIES)


_POLICY = r"FOR \w+ (?:USING|WITH CHECK) \((.*?)\)(?: WITH CHECK \(.*\))?"
USING = dict(re.findall(rf"^\| `(\w+)` \| .* \| `{_POLICY}` \|$", PAGE, re.MULTILINE))
IS_MEMBER = "EXISTS (SELECT FROM data.members m WHERE m.team = t.team AND m.person = $1::uuid)"


@pytest.mark.asyncio(loop_scope="module")
async def test_each_action_is_for_the_rows_that_its_policy_is_for(connection: Any) -> None:
    await connection.execute("TRUNCATE data.users, data.teams, data.projects CASCADE")
    callers = await filled(connection)
    now = await connection.fetchval("SELECT now()")
    project, found = parse_project({**DOCUMENT, **CHANGED})
    assert project is not None, found
    runtime, found = compile_project(project)
    assert runtime is not None, found
    source = runtime.schema.views["team_projects"]
    rules = {"select": source.filter, "insert": source.writes["insert"].check}
    rules |= {action: source.writes[action].filter for action in ("update", "delete")}
    assert USING.keys() == rules.keys()
    for action, rule in rules.items():
        parameters = Parameters()
        condition = rule_sql(source, rule, parameters)
        policy = USING[action].replace("is_member(t.team)", IS_MEMBER).replace("auth.uid()", "$1::uuid")
        came = 0
        for caller in callers:
            env = {"auth": {"user": caller or None, "signed_in": bool(caller)}, "now": now}
            values = [evaluate(env) for evaluate in parameters.evaluators]
            query = "SELECT t.id FROM data.projects t WHERE"
            ours = {row["id"] for row in await connection.fetch(f"{query} {condition}", *values)}
            theirs = {row["id"] for row in await connection.fetch(f"{query} {policy}", caller.get("id"))}
            assert ours == theirs, (action, caller)
            came += len(ours)
        assert came > 0, action


def test_the_page_has_its_policies_and_each_look_up_its_index() -> None:
    assert len(POLICIES) == 20
    views = [
        {"name": f"v{n}", "table": "projects", "columns": ["id"], "filter": rule}
        for n, (rule, _) in enumerate(POLICIES.values())
    ]
    project, found = parse_project({**DOCUMENT, "views": views})
    assert project is not None, found
    assert [str(one) for one in doubts(project) if one.code.startswith("rules.")] == []
