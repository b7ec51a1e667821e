"""The plans of filters that reach other rows: semi-joins by indexes, as cheap as the same SQL written by hand."""

import json
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from app.compiler.compile import compile_project
from app.database.pool import connect
from app.definitions.project import parse_project
from app.expressions.to_sql import Parameters
from app.relations.source import ALIAS, conditions_sql

ROWS = int(os.environ.get("ROWGATE_PLAN_ROWS", "100000"))
# A team has 20 projects and 4 members, a project 10 tasks; a person is in 2 teams.
BUILD = f"""
CREATE SCHEMA s;
CREATE FUNCTION s.key(kind int, n bigint) RETURNS uuid IMMUTABLE LANGUAGE sql
  AS $$ SELECT ('00000000-0000-4000-800' || kind || '-' || lpad(n::text, 12, '0'))::uuid $$;
CREATE TABLE s.teams (id uuid PRIMARY KEY, owner_user_id uuid NOT NULL, name text);
CREATE TABLE s.members (id uuid PRIMARY KEY, team_id uuid NOT NULL, user_id uuid NOT NULL, role text);
CREATE TABLE s.projects (id uuid PRIMARY KEY, team_id uuid NOT NULL, is_public boolean NOT NULL);
CREATE TABLE s.tasks (id uuid PRIMARY KEY, project_id uuid NOT NULL, done boolean);
INSERT INTO s.tasks SELECT s.key(3, n), s.key(2, n / 10), n % 3 = 0 FROM generate_series(0, {ROWS} - 1) n;
INSERT INTO s.projects SELECT s.key(2, n), s.key(1, n / 20), n % 100 = 0 FROM generate_series(0, {ROWS} / 10) n;
INSERT INTO s.teams SELECT s.key(1, n), s.key(0, n / 2), 'team ' || n FROM generate_series(0, {ROWS} / 200) n;
INSERT INTO s.members SELECT s.key(4, n), s.key(1, n / 4), s.key(0, n / 2), 'member'
  FROM generate_series(0, {ROWS} / 50) n;
CREATE INDEX ON s.tasks (project_id);
CREATE INDEX ON s.projects (team_id);
CREATE INDEX ON s.teams (owner_user_id);
CREATE INDEX ON s.members (user_id, team_id);
ANALYZE s.teams, s.members, s.projects, s.tasks;
"""
ME = "00000000-0000-4000-8000-000000000007"


def refers(name: str, table: str) -> dict[str, Any]:
    return {"name": name, "type": "reference", "table": table, "required": True}


TABLES = [
    {
        "name": "teams",
        "columns": [{"name": "owner_user_id", "type": "user", "required": True}, {"name": "name", "type": "text"}],
    },
    {
        "name": "members",
        "columns": [
            refers("team_id", "teams"),
            {"name": "user_id", "type": "user", "required": True},
            {"name": "role", "type": "text"},
        ],
    },
    {
        "name": "projects",
        "columns": [refers("team_id", "teams"), {"name": "is_public", "type": "boolean", "required": True}],
    },
    {"name": "tasks", "columns": [refers("project_id", "projects"), {"name": "done", "type": "boolean"}]},
]
# What is asked of which table, the same by hand, and whether nothing of it may be read from end to end.
ASKED = {
    "membership": (
        "projects",
        "members.exists(m, m.team_id == row.team_id && m.user_id == auth.user.id)",
        "EXISTS (SELECT FROM s.members m WHERE m.team_id = t.team_id AND m.user_id = $1)",
        True,
    ),
    "membership, by in": (
        "projects",
        "row.team_id in members.filter(m, m.user_id == auth.user.id).map(m, m.team_id)",
        "t.team_id IN (SELECT m.team_id FROM s.members m WHERE m.user_id = $1)",
        True,
    ),
    "the parent's owner": (
        "projects",
        "row.team_id.owner_user_id == auth.user.id",
        "EXISTS (SELECT FROM s.teams p WHERE p.id = t.team_id AND p.owner_user_id = $1)",
        True,
    ),
    "two hops": (
        "tasks",
        "row.project_id.team_id.owner_user_id == auth.user.id",
        "EXISTS (SELECT FROM s.projects p JOIN s.teams o ON o.id = p.team_id"
        " WHERE p.id = t.project_id AND o.owner_user_id = $1)",
        True,
    ),
    "members of the parent": (
        "tasks",
        "members.exists(m, m.team_id == row.project_id.team_id && m.user_id == auth.user.id)",
        "EXISTS (SELECT FROM s.projects p JOIN s.members m ON m.team_id = p.team_id"
        " WHERE p.id = t.project_id AND m.user_id = $1)",
        True,
    ),
    "nobody else's": (
        "projects",
        "!members.exists(m, m.team_id == row.team_id && m.user_id == auth.user.id)",
        "NOT EXISTS (SELECT FROM s.members m WHERE m.team_id = t.team_id AND m.user_id = $1)",
        False,
    ),
    "shown to all, or a member's": (
        "projects",
        "row.is_public || members.exists(m, m.team_id == row.team_id && m.user_id == auth.user.id)",
        "t.is_public OR EXISTS (SELECT FROM s.members m WHERE m.team_id = t.team_id AND m.user_id = $1)",
        False,
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def connection(module_database_url: str) -> AsyncIterator[Any]:
    opened = await connect(module_database_url)
    await opened.execute(BUILD)
    yield opened
    await opened.close()


def filtered(table: str, rule: str) -> tuple[str, list[Any]]:
    view = {"name": "v", "table": table, "columns": ["id"], "filter": rule}
    project, found = parse_project({"rowgate": 1, "tables": TABLES, "views": [view]})
    assert project is not None, found
    runtime, found = compile_project(project, schema="s")
    assert runtime is not None, found
    parameters = Parameters()
    (condition,) = conditions_sql(runtime.schema.views["v"], None, parameters)
    env = {"auth": {"user": {"id": ME}, "signed_in": True}}
    return condition, [evaluate(env) for evaluate in parameters.evaluators]


async def planned(connection: Any, table: str, condition: str, values: list[Any], mode: str) -> Any:
    await connection.execute(f"SET plan_cache_mode = {mode}")
    sql = f"EXPLAIN (FORMAT json) SELECT t.id FROM s.{table} {ALIAS} WHERE {condition}"
    return (await connection.fetchval(sql, *values))[0]["Plan"]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", ASKED)
async def test_a_filter_over_related_rows_costs_what_it_does_by_hand(connection: Any, name: str, mode: str) -> None:
    table, rule, by_hand, by_index = ASKED[name]
    condition, values = filtered(table, rule)
    ours = await planned(connection, table, condition, values, mode)
    shown = json.dumps(ours, indent=1, default=float)
    other = await planned(connection, table, by_hand, [ME], mode)
    assert float(ours["Total Cost"]) <= 1.3 * float(other["Total Cost"]), shown
    assert ("Seq Scan" not in shown) is by_index or not by_index, shown
    query = f"SELECT t.id FROM s.{table} t WHERE"
    found = await connection.fetch(f"{query} {condition} ORDER BY t.id", *values)
    assert found == await connection.fetch(f"{query} {by_hand} ORDER BY t.id", ME)
    assert found
