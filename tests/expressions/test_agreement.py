"""Random typed expressions over random rows and callers: Postgres and Python answer alike, unknowns included."""

import asyncio
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from app.database.pool import connect
from app.database.quoting import quoted
from app.expressions.check import Scope, check
from app.expressions.compiling import RELATED
from app.expressions.evaluate import compile_value
from app.expressions.named import NamedRule
from app.expressions.operations import EvaluationError
from app.expressions.problems import ExpressionErrors
from app.expressions.relation import Relation, RowsSql
from app.expressions.to_sql import Parameters, compile_sql
from app.expressions.types import (
    BOOL,
    DATE,
    DECIMAL,
    DOUBLE,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    UUID,
    Enum,
    ListOf,
    Record,
    Reference,
)

Rows = dict[str, list[dict[str, Any]]]
EXAMPLES = int(os.environ.get("ROWGATE_AGREEMENT_EXAMPLES", "150"))

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
    "counts": (ListOf(INT), "bigint[]"),
    "day": (DATE, "date"),
    "data": (DYN, "jsonb"),
    "team": (UUID, "uuid"),
}
TEAM = {"team": Reference("teams")}
TEAMS = {
    "id": (UUID, "uuid"),
    "owner": (UUID, "uuid"),
    "parent": (UUID, "uuid"),
    "name": (STRING, "text"),
    "open": (BOOL, "boolean"),
}
MEMBERS = {
    "team": (UUID, "uuid"),
    "user": (UUID, "uuid"),
    "level": (INT, "bigint"),
    "role": (STRING, "text"),
    "admin": (BOOL, "boolean"),
    "home": (UUID, "uuid"),
}
FILLED = {"teams": {"id"}, "members": {"admin", "home"}}


@dataclass(frozen=True)
class Others(Relation):
    """A table beside the row's own, which a statement has in its WITH."""

    name: str
    columns: dict[str, tuple[Any, str]]
    references: dict[str, Reference]

    @property
    def item(self) -> Record:
        return Record(self.name, {name: kind for name, (kind, _) in self.columns.items()}, references=self.references)

    def rows_sql(self, alias: str, parameters: Parameters) -> RowsSql:
        return RowsSql(f"{self.name} {alias}", (), lambda name: f"{alias}.{quoted(name)}")

    def never_null(self, name: str) -> bool:
        return name in FILLED[self.name]

    def sql(self, rows: list[dict[str, Any]], parameters: Parameters) -> str:
        kinds = {name: pg for name, (_, pg) in self.columns.items()}
        parts = [f"SELECT {', '.join(f'NULL::{pg}' for pg in kinds.values())} WHERE false"]
        given = [[parameters.constant(row[name], pg) for name, pg in kinds.items()] for row in rows]
        parts += [f"SELECT {', '.join(values)}" for values in given]
        return f"{self.name} ({', '.join(map(quoted, kinds))}) AS ({' UNION ALL '.join(parts)})"


OTHERS = {
    "teams": Others("teams", TEAMS, {"parent": Reference("teams")}),
    "members": Others("members", MEMBERS, {**TEAM, "home": Reference("teams")}),
}
SCOPE = Scope(
    {
        "row": Record("things", {name: kind for name, (kind, _) in COLUMNS.items()}, references=TEAM),
        "n": INT,
        "me": UUID,
        "word": STRING,
        "list": ListOf(STRING),
    },
    rows=frozenset({"row"}),
    relations=OTHERS,
    related=True,
)
RULES: dict[str, NamedRule | str] = {}
for name, params, said in (
    ("is_member", {"team": UUID}, "members.exists(m, m.team == params.team && m.user == caller)"),
    ("leads", {"team": UUID, "least": INT}, "is_member(params.team) && members.all(m, m.level > params.least)"),
    ("known", {"team": UUID}, "has(params.team) && params.team != null && !teams.exists(t, t.id != params.team)"),
):
    within = Scope({"caller": UUID, "params": Record("params", params)}, relations=OTHERS, related=True, rules=RULES)
    RULES[name] = NamedRule(name, params, check(said, within))
SCOPE = replace(SCOPE.with_names(caller=UUID), rules=RULES)
IDS = ("018f0000-0000-7000-8000-00000000000a", "018f0000-0000-7000-8000-00000000000b")
EDGES = (0, 1, -1, 2, 7, 2**31 - 1, -(2**31))
LARGE = (*EDGES, 2**63 - 1, -(2**63), 2**62)
NUMERALS = ("12", "-0.5", "1e400", "1e-400", "NaN")
WORDS = ("", " a\t", "true", "a", "B", "ab", "50%", "a_b", "\\", "Straße", "\u0130", "\U0001f600", "\uffff", *NUMERALS)


DAYS = ("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear")
CLOCK = ("getHours", "getMinutes", "getSeconds", "getMilliseconds")
ZONES = ("", '"UTC"', '"Europe/Zurich"', '"America/St_Johns"', '"Asia/Kathmandu"', '"+05:30"', '"-09:30"')


def or_null(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


json_values = st.sampled_from((None, True, False, 0, 1, -1, 2**53, "", "a", "B", [1, "a"], {"a": 1}))
objects = st.dictionaries(st.sampled_from(("a", "b", "")), json_values, max_size=3)
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
    "counts": or_null(st.lists(or_null(st.sampled_from(LARGE)), max_size=3)),
    "day": or_null(st.dates(date(1, 1, 1), date(9999, 12, 31))),
    "data": or_null(st.one_of(st.sampled_from((1, "a", True, 2.5)), st.lists(json_values, max_size=3), objects)),
    "team": or_null(st.sampled_from(IDS)),
})  # fmt: skip
# Of both teams there is a row: a reference leads to one or is null.
teams = st.tuples(*(
    st.fixed_dictionaries({
        "id": st.just(id_),
        "owner": or_null(st.sampled_from(IDS)),
        "parent": or_null(st.sampled_from(IDS)),
        "name": or_null(st.sampled_from(WORDS)),
        "open": or_null(st.booleans()),
    })
    for id_ in IDS
)).map(list)  # fmt: skip
members = st.lists(
    st.fixed_dictionaries({
        "team": or_null(st.sampled_from(IDS)),
        "user": or_null(st.sampled_from(IDS)),
        "level": or_null(st.sampled_from(LARGE)),
        "role": or_null(st.sampled_from(WORDS)),
        "admin": st.booleans(),
        "home": st.sampled_from(IDS),
    }),
    max_size=4,
)  # fmt: skip
others = st.fixed_dictionaries({"teams": teams, "members": members})
callers = st.fixed_dictionaries({
    "n": or_null(st.sampled_from(LARGE)),
    "me": or_null(st.sampled_from(IDS)),
    "word": or_null(st.sampled_from(WORDS)),
    "list": or_null(st.lists(or_null(st.sampled_from(WORDS)), max_size=3)),
    "caller": or_null(st.sampled_from(IDS)),
})  # fmt: skip


def text_literal(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


paths = st.sampled_from(("row.data", "row.data.a", 'row.data["b"]', "row.data[0]", "row.data.a.a"))
ints: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(("row.small", "row.big", "n", "0", "1", "-1", "3", "9223372036854775807")),
        st.builds("({} {} {})".format, ints, st.sampled_from("+-*/%"), ints),
        st.builds("size({})".format, texts),
        st.builds("size({})".format, st.sampled_from(("row.words", "list"))),
        st.builds("(-{})".format, ints),
        st.builds("{}.indexOf({})".format, texts, texts),
        st.builds("math.{}({}, {})".format, st.sampled_from(("greatest", "least")), ints, ints),
        st.builds("math.abs({})".format, ints),
        st.builds("int({})".format, st.one_of(decimals, doubles, times, texts, paths)),
        st.builds("row.counts[{}]".format, st.sampled_from(("0", "1", "n", "-1"))),
        st.builds("{}.{}({})".format, times, st.sampled_from((*DAYS, *CLOCK)), st.sampled_from(ZONES)),
        st.builds("row.day.{}()".format, st.sampled_from(DAYS)),
        st.builds("({}).{}()".format, spans, st.sampled_from(CLOCK)),
        st.builds("({} ? {} : {})".format, bools, ints, ints),
        st.builds("size({})".format, kept),
        st.just("size(teams)"),
    )
)
compared = st.sampled_from(("==", "!=", "<", "<=", ">", ">="))
LOOPS = st.sampled_from(("exists", "all", "exists_one"))
# What other rows say: `m` is a member, `t` a team.
about_member: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from((
            "(m.user == me)", "(m.team == row.team)", "(m.home == row.team)", "(m.home != me)", "m.admin",
            "m.team.open",
            "(m.home.owner == me)", "(m.team == null)", "has(m.team.owner)", '(m.role in ["a", "B"])', "(m.level > n)",
            "true",
            "(m.level * 2 > row.big)", "(m.team.parent.owner == m.user)", "(row.team.name == m.role)",
        )),
        st.builds("(!{})".format, about_member),
        st.builds("({} {} {})".format, about_member, st.sampled_from(("&&", "||")), about_member),
        st.builds("teams.{}(t, {})".format, LOOPS, about_team),
    )
)  # fmt: skip
about_team: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(
            ("(t.owner == me)", "(t.id == row.team)", "t.open", "(t.parent.owner == me)", "(t.name == word)")
        ),
        st.builds("(!{})".format, about_team),
        st.builds("({} {} {})".format, about_team, st.sampled_from(("&&", "||")), about_team),
        st.builds("members.{}(m, m.home == t.id && {})".format, LOOPS, about_member),
    )
)
kept: st.SearchStrategy[str] = st.one_of(
    st.builds("members.filter(m, {})".format, about_member),
    st.builds("members.filter(m, {}).filter(m, {})".format, about_member, about_member),
)
related: st.SearchStrategy[str] = st.deferred(lambda: st.one_of(
    st.builds("members.{}(m, {})".format, LOOPS, about_member),
    st.builds("{}.{}(m, {})".format, kept, LOOPS, about_member),
    st.builds("teams.{}(t, {})".format, LOOPS, about_team),
    st.builds(
        "({} in {}.map(m, m.{}))".format,
        st.sampled_from(("row.team", "me", "row.owner", "row.team.parent")), kept, st.sampled_from(("team", "home")),
    ),
    st.builds("(n in members.map(m, {}, m.level))".format, about_member),
    st.builds("({} in members.map(m, m.level))".format, decimals),
    st.builds("members.map(m, {}, m.level).{}(l, l {} n)".format, about_member, LOOPS, compared),
    st.builds("(row.team.{} {} me)".format, st.sampled_from(("owner", "parent.owner")), compared),
    st.builds("(row.team.name {} {})".format, compared, texts),
    st.builds("(row.team.{} {} null)".format, st.sampled_from(("owner", "parent.name")), st.sampled_from(("==", "!="))),
    st.builds("has(row.team.{})".format, st.sampled_from(("owner", "parent.open"))),
    st.sampled_from(("row.team.open", "row.team.parent.open", "(row.team.name in [row.name, word])")),
    st.builds("(row.team.open ? {} : row.team.parent.open)".format, bools),
    st.sampled_from(("is_member(row.team)", "is_member(row.team.parent)", "leads(row.team, row.big)")),
    st.just("known(row.team)"),
    st.builds("members.{}(m, {} && is_member(m.team))".format, LOOPS, about_member),
    st.builds("teams.{}(m, leads(m.id, n) || known(m.parent))".format, LOOPS),
))  # fmt: skip
decimals: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(("row.price", 'decimal("0.5")', 'decimal("-3")', "decimal(n)")),
        st.builds("({} {} {})".format, decimals, st.sampled_from("+-*/"), decimals),
        st.builds("math.{}({})".format, st.sampled_from(("abs", "round")), decimals),
        st.builds("math.greatest({}, {})".format, decimals, ints),
        st.builds("decimal({})".format, st.one_of(texts, paths, ints)),
        st.builds("({} + {})".format, decimals, st.sampled_from(("row.big", "row.small", "n"))),
    )
)
doubles: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(("row.ratio", "1.5", "1e308", "double(n)", "double(row.big)")),
        st.builds("({} {} {})".format, doubles, st.sampled_from("+-"), doubles),
        st.builds("math.abs({})".format, doubles),
        st.builds("double({})".format, st.one_of(texts, paths, decimals)),
    )
)
spans: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(('duration("90m")', 'duration("-1500ms")')),
        st.builds("({} - {})".format, times, times),
        st.builds("({} {} {})".format, spans, st.sampled_from("+-"), spans),
    )
)
texts: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(("row.name", "word")),
        st.sampled_from(WORDS).map(text_literal),
        st.builds("({} + {})".format, texts, texts),
        st.builds("string({})".format, st.one_of(ints, bools, paths, st.sampled_from(("row.owner", "row.day")))),
        st.builds("{}.{}()".format, texts, st.sampled_from(("trim", "lowerAscii", "upperAscii"))),
        st.builds("{}.substring({})".format, texts, st.sampled_from(("0", "1", "0, 1", "1, 3", "n"))),
        st.builds("{}.charAt({})".format, texts, st.sampled_from(("0", "1", "row.small"))),
        st.builds('{}.replace("a", {})'.format, texts, texts),
        st.builds("row.words[{}]".format, st.sampled_from(("0", "2", "row.small"))),
        st.builds("sha256({})".format, texts),
        st.builds("({} ? {} : {})".format, bools, texts, texts),
    )
)
times: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(("row.at", 'timestamp("2026-03-29T01:30:00Z")', "timestamp(row.day)", "timestamp(row.big)")),
        st.builds(
            "({} {} duration({}))".format, times, st.sampled_from("+-"), st.sampled_from(('"1h"', '"36h"', '"1s"'))
        ),
    )
)
ORDERED = (ints, decimals, texts, times, doubles, spans)
bools: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        related,
        st.sampled_from(("row.flag", "true", "false")),
        *(
            st.builds("({} {} {})".format, kind, compared, kind)
            for kind in (ints, decimals, texts, times, doubles, spans)
        ),
        st.builds("(row.day {} {})".format, compared, st.sampled_from(('"2026-03-29"', "date(row.at)", "row.day"))),
        st.builds("({} {} {})".format, paths, compared, st.one_of(ints, texts, decimals)),
        st.builds("({} {} {})".format, paths, st.sampled_from(("==", "!=")), st.one_of(bools, paths)),
        st.builds("({} {} null)".format, paths, st.sampled_from(("==", "!="))),
        st.builds("has(row.data.{})".format, st.sampled_from("ab")),
        st.builds("row.words.{}(w, w {} {})".format, LOOPS, compared, texts),
        st.builds("row.words.{}(w, w in {})".format, LOOPS, st.sampled_from(("list", "row.words", '["a", row.name]'))),
        st.builds("row.counts.{}(c, {} {} c)".format, LOOPS, ints, compared),
        st.builds("bool({})".format, st.one_of(texts, bools, paths)),
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


def in_postgres(postgres: Postgres, text: str, row: dict[str, Any], caller: dict[str, Any], more: Rows) -> Any:
    parameters = Parameters()
    beside = ", ".join(OTHERS[name].sql(listed, parameters) for name, listed in more.items())
    holders = ", ".join(parameters.constant(row[name], pg) for name, (_, pg) in COLUMNS.items())
    names = ", ".join(quoted(name) for name in COLUMNS)
    sql = compile_sql(check(text, SCOPE), lambda _root, name: f"t.{quoted(name)}", parameters)
    values = [evaluate(caller) for evaluate in parameters.evaluators]
    return postgres.answer(f"WITH {beside} SELECT {sql} FROM (VALUES ({holders})) AS t ({names})", values)


def in_process(text: str, row: dict[str, Any], caller: dict[str, Any], more: Rows) -> Any:
    try:
        return compile_value(check(text, SCOPE))({**caller, "row": row, RELATED: more})
    except EvaluationError:
        return None


def answers(postgres: Postgres, text: str, row: dict[str, Any], caller: dict[str, Any], more: Rows) -> tuple[Any, Any]:
    """Give what Python and Postgres say; an expression that grows too long for SQL is none of ours."""
    try:
        found = in_postgres(postgres, text, row, caller, more)
    except ExpressionErrors as refused:
        assume({problem.code for problem in refused.problems} != {"expression.bounds"})
        raise
    return in_process(text, row, caller, more), found


NOTHING: dict[str, Any] = dict.fromkeys(COLUMNS)
NOBODY: dict[str, Any] = dict.fromkeys(("n", "me", "word", "list", "caller"))
FAR = {**NOBODY, "n": 2**63 - 1}
BARE: Rows = {"teams": [], "members": []}
NO_ONE = dict.fromkeys(MEMBERS) | {"admin": False, "home": IDS[0]}
SOMEBODY: Rows = {"teams": [], "members": [NO_ONE | {"user": IDS[0]}, NO_ONE]}


@example(text="(!members.exists(m, m.user == me))", row=NOTHING, caller=NOBODY, more=SOMEBODY)
@example(text="(!members.exists(m, m.home == me))", row=NOTHING, caller=NOBODY, more=SOMEBODY)
@example(text="(!members.exists(m, m.user == me))", row=NOTHING, caller=NOBODY, more=BARE)
@example(text="members.all(m, m.team.open)", row=NOTHING, caller=NOBODY, more=SOMEBODY)
@example(
    text="(size(members.filter(m, m.user == me)) == 0)", row=NOTHING, caller={**NOBODY, "me": IDS[1]}, more=SOMEBODY
)
@example(
    text="members.exists(m, teams.exists(t, (!members.exists(m, m.home == t.id && m.team.open))))",
    row=NOTHING,
    caller=NOBODY,
    more=SOMEBODY,
)
@example(text="(!(row.team in members.map(m, m.team)))", row={**NOTHING, "team": IDS[0]}, caller=NOBODY, more=SOMEBODY)
@example(text="has(row.name)", row=NOTHING, caller=NOBODY, more=BARE)
@example(text="has(row.data.a)", row={**NOTHING, "data": {"a": None}}, caller=NOBODY, more=BARE)
@example(text="(row.name in [])", row=NOTHING, caller=NOBODY, more=BARE)
@example(text="string((row.name in []))", row={**NOTHING, "name": "a"}, caller=NOBODY, more=BARE)
@example(
    text="(math.abs(row.price) + row.big)",
    row={**NOTHING, "price": Decimal("-10000000000000000000000.000001"), "big": 0},
    caller=NOBODY,
    more=BARE,
)
@example(text="(-row.big)", row={**NOTHING, "big": -(2**63)}, caller=NOBODY, more=BARE)
@example(text="row.name.substring(n)", row={**NOTHING, "name": "a"}, caller=FAR, more=BARE)
@example(text="row.counts[n] == row.data[n]", row={**NOTHING, "counts": [1], "data": [1]}, caller=FAR, more=BARE)
@example(text="(row.data < row.small)", row={**NOTHING, "data": 2.5, "small": 0}, caller=NOBODY, more=BARE)
@example(text="double(row.name)", row={**NOTHING, "name": "1e-400"}, caller=NOBODY, more=BARE)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    text=st.one_of(bools, bools, related, ints, decimals, texts, times, doubles), row=rows, caller=callers, more=others
)
def test_postgres_and_python_agree(
    postgres: Postgres, text: str, row: dict[str, Any], caller: dict[str, Any], more: Rows
) -> None:
    expected, found = answers(postgres, text, row, caller, more)
    if expected is None and found is False:
        # Of a condition by itself nobody can tell unknown from false: Postgres may say either. What it chooses tells.
        text = f"(({text}) ? true : false)"
        expected, found = answers(postgres, text, row, caller, more)
    if isinstance(expected, float) and math.isnan(expected):
        assert math.isnan(found)
        return
    assert found == expected, (text, row, caller, more)
    assert isinstance(found, type(expected)) or isinstance(expected, Decimal | timedelta)
