"""The plans that Postgres makes of compiled filters: indexes serve, and what can't hold reads nothing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.database.pool import connect, connected
from app.database.quoting import quoted
from app.expressions.check import Scope, check
from app.expressions.to_sql import Parameters, compile_sql
from app.expressions.types import BOOL, DECIMAL, STRING, TIMESTAMP, UUID, ListOf, Record

ROW = Record("documents", {"id": UUID, "owner_user_id": UUID, "status": STRING, "at": TIMESTAMP, "amount": DECIMAL})
USER = Record("auth.user", {"id": UUID, "plan": STRING, "roles": ListOf(STRING)})
SCOPE = Scope(
    {"row": ROW, "auth": Record("auth", {"user": USER, "signed_in": BOOL}), "now": TIMESTAMP, "ids": ListOf(UUID)},
    rows=frozenset({"row"}),
)
BUILD = """
CREATE SCHEMA s;
CREATE TABLE s.documents (id uuid PRIMARY KEY, owner_user_id uuid, status text, at timestamptz, amount numeric);
INSERT INTO s.documents SELECT gen_random_uuid(), ('00000000-0000-4000-8000-' || lpad((n % 500)::text, 12, '0'))::uuid,
  'status ' || n % 40, now() - n * interval '1 minute', n FROM generate_series(1, 20000) n;
CREATE INDEX by_owner ON s.documents (owner_user_id, status);
CREATE INDEX by_time ON s.documents (at);
ANALYZE s.documents;
"""
ME = "00000000-0000-4000-8000-000000000007"


@pytest.fixture(scope="module")
def built(module_database_url: str) -> str:
    """A database with rows to plan for, in which nobody writes."""

    async def build() -> None:
        async with connected(module_database_url) as connection:
            await connection.execute(BUILD)

    asyncio.run(build())
    return module_database_url


@pytest.fixture
async def planned(built: str) -> AsyncIterator[Any]:
    connection = await connect(built)

    async def plan(text: str, *, mode: str) -> str:
        parameters = Parameters()
        sql = compile_sql(check(text, SCOPE), lambda _root, name: f"t.{quoted(name)}", parameters)
        user = {"id": ME, "plan": "free", "roles": []}
        now = await connection.fetchval("SELECT now()")
        env = {"auth": {"user": user, "signed_in": True}, "now": now, "ids": [ME]}
        await connection.execute(f"SET plan_cache_mode = {mode}")
        statement = f"EXPLAIN (COSTS off) SELECT id FROM s.documents AS t WHERE {sql}"
        rows = await connection.fetch(statement, *(evaluate(env) for evaluate in parameters.evaluators))
        return "\n".join(row[0] for row in rows)

    yield plan
    await connection.close()


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("row.owner_user_id == auth.user.id", "by_owner"),
        ('row.owner_user_id == auth.user.id && row.status == "status 7"', "by_owner"),
        ("row.owner_user_id in ids", "by_owner"),
        ('row.owner_user_id == auth.user.id && row.status in ["status 7", "status 9"]', "by_owner"),
        ('row.at > now - duration("24h")', "by_time"),
        ("row.id == auth.user.id", "documents_pkey"),
    ],
)
async def test_a_filter_uses_the_index(planned: Any, mode: str, text: str, index: str) -> None:
    plan = await planned(text, mode=mode)
    assert index in plan
    assert "Seq Scan" not in plan
    assert "Index Cond" in plan


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(
    "text",
    [
        "false",
        "row.amount > 1.0 && false",
        '"pro" == "free" && row.amount > 1.0',
        'auth.user.plan == "pro" && row.amount > 1.0',
        '"support" in auth.user.roles && row.owner_user_id != auth.user.id',
    ],
)
async def test_a_filter_that_cannot_hold_reads_nothing(planned: Any, mode: str, text: str) -> None:
    plan = await planned(text, mode=mode)
    assert "One-Time Filter" in plan
    if "auth" not in text:
        assert "One-Time Filter: false" in plan
