import asyncio
from typing import Any

import asyncpg
import pytest

from app.database.pool import connect
from app.expressions.check import Scope, check
from app.expressions.evaluate import compile_value
from app.expressions.operations import EvaluationError
from app.expressions.problems import ExpressionErrors
from app.expressions.to_sql import Parameters, compile_sql
from app.expressions.types import BOOL, DECIMAL, DOUBLE, DYN, INT, STRING, TIMESTAMP, UUID, Enum, ListOf, Record

COLUMNS = {
    "id": (INT, "integer"),
    "big": (INT, "bigint"),
    "flag": (BOOL, "boolean"),
    "name": (STRING, "text"),
    "owner": (UUID, "uuid"),
    "price": (DECIMAL, "numeric"),
    "ratio": (DOUBLE, "double precision"),
    "at": (TIMESTAMP, "timestamptz"),
    "kind": (Enum(("a", "b")), "text"),
    "tags": (ListOf(STRING), "text[]"),
    "data": (DYN, "jsonb"),
}
ROW = Record("things", {name: kind for name, (kind, _) in COLUMNS.items()})
USER = Record("auth.user", {"id": UUID, "roles": ListOf(STRING)})
SCOPE = Scope(
    {"row": ROW, "auth": Record("auth", {"user": USER, "signed_in": BOOL}), "now": TIMESTAMP, "n": INT},
    rows=frozenset({"row"}),
)
ALICE = "018f0000-0000-7000-8000-00000000000a"
VALUES = """
INSERT INTO public.things VALUES
 (1, 9223372036854775807, true, 'Straße', '018f0000-0000-7000-8000-00000000000a', 12.50, 0.5, '2026-01-01T00:00:00Z',
  'a', '{x,y}', '{"size": 3, "none": null, "word": "x"}'),
 (2, -9223372036854775808, false, '50%', '018f0000-0000-7000-8000-00000000000b', 0, 'NaN', '2026-06-01T00:00:00Z',
  'b', '{}', '[1]'),
 (3, 0, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL)
"""


@pytest.fixture(scope="module")
def things_url(module_database_url: str) -> str:
    async def make() -> None:
        connection = await asyncpg.connect(module_database_url)
        columns = ", ".join(f'"{name}" {pg}' for name, (_, pg) in COLUMNS.items())
        await connection.execute(f"CREATE TABLE public.things ({columns}); {VALUES}")
        await connection.close()

    asyncio.run(make())
    return module_database_url


def to_sql(text: str) -> tuple[str, Parameters]:
    parameters = Parameters()
    return compile_sql(check(text, SCOPE), lambda _root, name: f't."{name}"', parameters), parameters


ENV: dict[str, Any] = {"auth": {"user": {"id": ALICE, "roles": ["support"]}, "signed_in": True}, "n": 2}


async def answers(url: str, text: str, env: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """What Postgres and the evaluator answer for each row; None stands for no answer."""
    sql, parameters = to_sql(text)
    connection = await connect(url)
    try:
        rows = await connection.fetch("SELECT * FROM public.things ORDER BY id")
        values = [evaluate(env) for evaluate in parameters.evaluators]
        found = await connection.fetch(f"SELECT {sql} AS v FROM public.things t ORDER BY id", *values)
        in_sql = [row["v"] for row in found]
    finally:
        await connection.close()
    compute = compile_value(check(text, SCOPE))
    in_process = []
    for row in rows:
        try:
            in_process.append(compute({**env, "row": dict(row)}))
        except EvaluationError:
            in_process.append(None)
    return in_sql, in_process


@pytest.mark.parametrize(
    "text",
    [
        "row.owner == auth.user.id",
        "row.owner != auth.user.id",
        "row.owner == null",
        "row.flag != null",
        "!row.flag",
        "row.flag || row.id == 3",
        "row.flag && row.id == 3",
        "row.big + 1",
        "row.big - 1",
        "row.big * 2",
        "-row.big",
        "-(row.id - 2147483647 - 2)",
        "row.big / (row.id - 1)",
        "row.big % (row.id - 1)",
        "row.price * row.price > 100",
        "row.price > 10",
        "row.ratio == row.ratio",
        "row.ratio != 0.5",
        "row.ratio < 1.0",
        "row.name + 'x'",
        "row.name < 'T'",
        "row.name.contains('%')",
        "row.name.startsWith('Str')",
        "row.name.endsWith('')",
        "size(row.name)",
        "size(row.tags)",
        "'x' in row.tags",
        "!('x' in row.tags)",
        "row.kind in ['a']",
        "row.kind == 'b'",
        "!(row.kind in ['a', 'b'])",
        "row.id in [n, 3]",
        "row.id == 1 ? row.name : row.kind == 'b' ? 'two' : 'other'",
        "row.flag ? 'yes' : 'no'",
        "row.at + duration('24h') > timestamp('2026-01-01T12:00:00Z')",
        "row.at - timestamp('2026-01-01T00:00:00Z') > duration('1h')",
        "row.data.size == 3",
        "row.data.word == 'x'",
        "row.data.none == null",
        "row.data.size > 2",
        "auth.user.id == row.owner || 'support' in auth.user.roles",
        "string(row.id) == '2'",
        "date(row.at) == date('2026-06-01')",
    ],
)
@pytest.mark.parametrize("env", [ENV, {**ENV, "auth": {"user": None, "signed_in": False}}], ids=["alice", "stranger"])
async def test_postgres_and_python_give_the_same_answer(things_url: str, text: str, env: dict[str, Any]) -> None:
    in_sql, in_process = await answers(things_url, text, env)
    assert in_sql == in_process


async def test_a_rule_about_nobody_shows_no_row(things_url: str) -> None:
    stranger = {**ENV, "auth": {"user": None, "signed_in": False}}
    in_sql, _ = await answers(things_url, "row.owner != auth.user.id", stranger)
    assert in_sql == [None, None, None]


def test_what_touches_no_row_is_one_parameter() -> None:
    sql, parameters = to_sql("row.id == (n > 1 ? size(auth.user.roles.map(r, r + 'x')) : 0)")
    assert sql == '(t."id" = $1::bigint)'
    assert [evaluate(ENV) for evaluate in parameters.evaluators] == [1]


@pytest.mark.parametrize(
    "text",
    [
        "row.name.matches('a+')",
        "row.tags.map(x, x)",
        "row.at.getHours('US/Central') == 1",
        "row.at.getHours(row.name) == 1",
        "lower(row.name) == 'x'",
        "row.data.exists(x, x == 1)",
        "row.tags.filter(t, t == 'x').size() == 1",
        'row.name.replace(row.name, "x") == "x"',
        "row == row",
    ],
)
def test_what_sql_cannot_say_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(ExpressionErrors) as raised:
        to_sql(text)
    assert raised.value.problems[0].code == "expression.no_sql"
    assert raised.value.problems[0].line == 1


def test_a_rule_whose_sql_would_grow_without_end_is_refused() -> None:
    deep = "row.big"
    for _ in range(60):
        deep = f"({deep} + 1)"
    with pytest.raises(ExpressionErrors) as raised:
        to_sql(f"{deep} > 0")
    assert {problem.code for problem in raised.value.problems} == {"expression.bounds"}
