"""Random typed expressions over random rows and callers: Postgres and Python answer alike, unknowns included."""

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.database import connect
from app.expressions.check import Scope, check
from app.expressions.evaluate import compile_value
from app.expressions.operations import EvaluationError
from app.expressions.problems import ExpressionErrors
from app.expressions.to_sql import Parameters, compile_sql
from app.expressions.types import BOOL, DECIMAL, DOUBLE, INT, STRING, TIMESTAMP, UUID, Enum, ListOf, Record
from app.relations.schema import quoted

EXAMPLES = int(os.environ.get("ROWGATE_AGREEMENT_EXAMPLES", "300"))

COLUMNS = {
    "small": (INT, "integer"),
    "big": (INT, "bigint"),
    "flag": (BOOL, "boolean"),
    "name": (STRING, "text"),
    "owner": (UUID, "uuid"),
    "price": (DECIMAL, "numeric"),
    "ratio": (DOUBLE, "double precision"),
    "at": (TIMESTAMP, "timestamptz"),
    "kind": (Enum(("a", "b")), "text"),
    "words": (ListOf(STRING), "text[]"),
}
SCOPE = Scope(
    {
        "row": Record("things", {name: kind for name, (kind, _) in COLUMNS.items()}),
        "n": INT,
        "me": UUID,
        "word": STRING,
        "list": ListOf(STRING),
    },
    rows=frozenset({"row"}),
)
IDS = ("018f0000-0000-7000-8000-00000000000a", "018f0000-0000-7000-8000-00000000000b")
EDGES = (0, 1, -1, 2, 7, 2**31 - 1, -(2**31))
LARGE = (*EDGES, 2**63 - 1, -(2**63), 2**62)
WORDS = ("", "a", "B", "ab", "50%", "a_b", "\\", "Straße", "\u0130", "\U0001f600", "\uffff", "z'\"")


def or_null(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
rows = st.fixed_dictionaries({
    "small": or_null(st.sampled_from(EDGES)),
    "big": or_null(st.sampled_from(LARGE)),
    "flag": or_null(st.booleans()),
    "name": or_null(st.sampled_from(WORDS)),
    "owner": or_null(st.sampled_from(IDS)),
    "price": or_null(st.decimals(-(10**24), 10**24, places=6)),
    "ratio": or_null(st.sampled_from((0.0, -0.0, 1.5, -2.5, 1e308, float("nan"), float("inf"), float("-inf")))),
    "at": or_null(moments),
    "kind": or_null(st.sampled_from(("a", "b"))),
    "words": or_null(st.lists(or_null(st.sampled_from(WORDS)), max_size=3)),
})  # fmt: skip
callers = st.fixed_dictionaries({
    "n": or_null(st.sampled_from(LARGE)),
    "me": or_null(st.sampled_from(IDS)),
    "word": or_null(st.sampled_from(WORDS)),
    "list": or_null(st.lists(or_null(st.sampled_from(WORDS)), max_size=3)),
})  # fmt: skip


def text_literal(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


ints: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(("row.small", "row.big", "n", "0", "1", "-1", "3", "9223372036854775807")),
        st.builds("({} {} {})".format, ints, st.sampled_from("+-*/%"), ints),
        st.builds("size({})".format, texts),
        st.builds("size({})".format, st.sampled_from(("row.words", "list"))),
        st.builds("(-{})".format, ints),
        st.builds("({} ? {} : {})".format, bools, ints, ints),
    )
)
decimals: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(("row.price", 'decimal("0.5")', 'decimal("-3")', "decimal(n)")),
        st.builds("({} {} {})".format, decimals, st.sampled_from("+-*"), decimals),
        st.builds("({} + {})".format, decimals, st.sampled_from(("row.big", "row.small", "n"))),
    )
)
texts: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(("row.name", "word")),
        st.sampled_from(WORDS).map(text_literal),
        st.builds("({} + {})".format, texts, texts),
        st.builds("string({})".format, ints),
        st.builds("({} ? {} : {})".format, bools, texts, texts),
    )
)
times: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(("row.at", 'timestamp("2026-03-29T01:30:00Z")')),
        st.builds(
            "({} {} duration({}))".format, times, st.sampled_from("+-"), st.sampled_from(('"1h"', '"36h"', '"1s"'))
        ),
    )
)
compared = st.sampled_from(("==", "!=", "<", "<=", ">", ">="))
bools: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(("row.flag", "true", "false")),
        *(st.builds("({} {} {})".format, kind, compared, kind) for kind in (ints, decimals, texts, times)),
        st.builds("({} {} {})".format, ints, compared, decimals),
        st.builds("(row.ratio {} {})".format, compared, st.sampled_from(("1.5", "0.0", "double(n)", "row.ratio"))),
        st.builds("(row.owner {} me)".format, st.sampled_from(("==", "!=", "<"))),
        st.builds("(row.kind {})".format, st.sampled_from(('== "a"', '!= "b"', 'in ["a"]', "in list"))),
        st.builds("({} {} null)".format, st.one_of(ints, texts, bools, times), st.sampled_from(("==", "!="))),
        st.builds(
            "({} in {})".format, texts, st.sampled_from(("row.words", "list", '["a", "B"]', "[]", "[row.name, word]"))
        ),
        st.builds("{}.{}({})".format, texts, st.sampled_from(("startsWith", "endsWith", "contains")), texts),
        st.builds("(!{})".format, bools),
        st.builds("({} {} {})".format, bools, st.sampled_from(("&&", "||")), bools),
        st.builds("({} ? {} : {})".format, bools, bools, bools),
        st.builds("has(row.{})".format, st.sampled_from(("name", "big"))),
    )
)


class Postgres:
    """One connection and its loop, since a property runs synchronously."""

    def __init__(self, url: str) -> None:
        self.runner = asyncio.Runner()
        self.connection: Any = self.runner.run(connect(url))

    def answer(self, sql: str, values: list[Any]) -> Any:
        return self.runner.run(self.connection.fetchval(sql, *values))

    def close(self) -> None:
        self.runner.run(self.connection.close())
        self.runner.close()


@pytest.fixture(scope="module")
def postgres(module_database_url: str) -> Iterator[Postgres]:
    opened = Postgres(module_database_url)
    yield opened
    opened.close()


def in_postgres(postgres: Postgres, text: str, row: dict[str, Any], caller: dict[str, Any]) -> Any:
    parameters = Parameters()
    holders = ", ".join(parameters.constant(row[name], pg) for name, (_, pg) in COLUMNS.items())
    names = ", ".join(quoted(name) for name in COLUMNS)
    sql = compile_sql(check(text, SCOPE), lambda _root, name: f"t.{quoted(name)}", parameters)
    values = [evaluate(caller) for evaluate in parameters.evaluators]
    return postgres.answer(f"SELECT {sql} FROM (VALUES ({holders})) AS t ({names})", values)


def in_process(text: str, row: dict[str, Any], caller: dict[str, Any]) -> Any:
    try:
        return compile_value(check(text, SCOPE))({**caller, "row": row})
    except EvaluationError:
        return None


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.one_of(bools, bools, ints, decimals, texts, times), row=rows, caller=callers)
def test_postgres_and_python_agree(postgres: Postgres, text: str, row: dict[str, Any], caller: dict[str, Any]) -> None:
    try:
        in_postgres(postgres, text, row, caller)
    except ExpressionErrors as refused:
        assume({problem.code for problem in refused.problems} != {"expression.bounds"})
        raise
    expected, found = in_process(text, row, caller), in_postgres(postgres, text, row, caller)
    if expected is None and found is False:
        # Of a condition by itself nobody can tell unknown from false: Postgres may say either. Of its negation one can.
        text = f"!({text})"
        expected, found = in_process(text, row, caller), in_postgres(postgres, text, row, caller)
    assert found == expected, (text, row, caller)
    assert isinstance(found, type(expected)) or isinstance(expected, Decimal | timedelta)
