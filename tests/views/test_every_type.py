"""Every type of column against every operator, cast, order and group: an answer or a refusal, never a 500."""

import copy
import itertools
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest_asyncio

from app.data_plane.rest.dialect.select import cast_types, castable, pg_of
from app.database.pool import connect
from app.definitions.column_types import COLUMN_TYPES
from app.relations import asked as dialect
from app.relations.asked import OPERATORS, QUANTIFIED, SEARCHES
from app.relations.query import Operand
from app.relations.source import Source
from tests.backend import Backend
from tests.views import every_type
from tests.views.every_type import COLUMNS, NAMES, ROWS, VALUES, rows, small_and_large

DOCUMENT = copy.deepcopy(every_type.DOCUMENT)
LISTED = [name for name in NAMES if not name.endswith("_list") and name != "c_json"]
DOCUMENT["views"].append({
    "name": "computed", "table": "things", "access": "public",
    "columns": [
        "id", "label",
        *({"name": f"f_{name}", "value": f"row.{name}"} for name in NAMES),
        *({"name": f"l_{name}", "list": "things", "where": "item.id == row.id", "value": f"item.{name}"}
          for name in LISTED),
        {"name": "one", "one": "numbered", "where": "item.id == row.c_number"},
        {"name": "many", "list": "numbered", "where": "item.id == row.c_number"},
        {"name": "length", "value": "row.c_timestamp - row.c_timestamp"},
    ],
})  # fmt: skip
DOCUMENT["views"].append({
    "name": "filtered", "table": "things", "access": "public", "columns": ["label"],
    "filter": "row.c_integer_list == [1] && 1 in row.c_integer_list && row.c_integer_list.exists(x, x == 1)",
})  # fmt: skip
DOCUMENT["tables"][2]["checks"] = [
    {"rule": "row.c_integer_list == null || row.c_integer_list != [7, 7]", "message": "Not these."}
]

# What the operators find for the small value, of rows with the small value, with the large one, and with null.
SMALL, LARGE = {"small"}, {"large"}
FOUND = {
    **dict.fromkeys(("eq", "lte", "in", "cs", "cd", "like", "ilike", "match", "imatch", *SEARCHES), SMALL),
    "neq": LARGE, "gt": LARGE, "gte": SMALL | LARGE, "lt": set(), "isdistinct": LARGE | {"none"}, "is": {"none"},
    "ov": SMALL, "sl": set(), "sr": LARGE, "nxr": SMALL, "nxl": SMALL | LARGE, "adj": LARGE,
}  # fmt: skip
EVERYBODY = {"small", "large", "none"}
PATTERNS = frozenset({"like", "ilike", "match", "imatch"})
FOUND_IN_ARRAYS = {
    "eq": {"small"}, "neq": {"large"}, "lt": set(), "lte": {"small"}, "gt": {"large"}, "gte": {"small", "large"},
    "isdistinct": {"large", "none"}, "is": {"none"}, "cs": {"small", "large"}, "cd": {"small"},
    "ov": {"small", "large"},
}  # fmt: skip
ODD = [
    "null", "", "x", "{", "{}", "{null}", "{x}", "{{1},{2}}", "{{{{{{{1}}}}}}}", "[" * 7000, "(" * 7000, '"', "\\",
    "9" * 40, f"{{{'9' * 40}}}", "1e400", "NaN", "infinity", "(1,)", "a\x00b", "x" * 7000,
]  # fmt: skip
# One operator for each way in which a value is read.
READ_BY = ["eq", "eq(any)", "in", "is", "isdistinct", "cs", "like", "match", "fts"]


@pytest_asyncio.fixture(loop_scope="module")
async def filled(backend: Backend) -> Backend:
    for statement in ROWS:
        await backend.sql(statement)
    answer = await backend.client.post("/rest/v1/plain", json=rows())
    assert answer.status_code == 201, answer.text
    return backend


async def labels(backend: Backend, query: str, view: str = "plain") -> set[str] | None:
    """Give the labels of the rows that are found, or None for a refusal."""
    answer = await backend.client.get(f"/rest/v1/{view}?select=label&{query}")
    assert answer.status_code in (200, 400), (query[:200], answer.text)
    return {row["label"] for row in answer.json()} if answer.status_code == 200 else None


def forms() -> list[str]:
    quantified = [f"{operator}({word})" for operator in sorted(QUANTIFIED) for word in ("any", "all")]
    return [*sorted(OPERATORS), *quantified, *(f"{operator}(english)" for operator in sorted(SEARCHES))]


def asked(column: dict[str, Any], form: str) -> str:
    """Write the small value as the operator takes it."""
    small = small_and_large(column)[0]
    items = [
        str(one).lower() if isinstance(one, bool) else str(one) for one in (small if column.get("array") else [small])
    ]
    text = f"{{{in_quotes(items[0])}}}" if column.get("array") or form.endswith(("(any)", "(all)")) else items[0]
    return "null" if form == "is" else f"({in_quotes(text)})" if form == "in" else text


def in_quotes(text: str) -> str:
    """Write a value as it stands in a list, and between parentheses."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if set(text) & set(',()"') else text


def source_of(backend: Backend, view: str) -> Source:
    source: Source = backend.app.server.live.runtime.views[view].source
    return source


def test_there_are_values_of_every_type() -> None:
    assert set(VALUES) == set(COLUMN_TYPES)
    assert {column["type"] for column in COLUMNS} == set(VALUES)


async def test_every_operator_finds_its_rows_in_a_column_of_every_type_that_it_takes(filled: Backend) -> None:
    shown = source_of(filled, "plain").shown
    for column in COLUMNS:
        for form in forms():
            operator, _, quantifier = form.rstrip(")").partition("(")
            place = (column["name"], form)
            test = f"{form}.{quote(asked(column, form))}"
            found = await labels(filled, f"{column['name']}={test}")
            taken = dialect.testable(shown[column["name"]], operator, "null", quantified=quantifier in ("any", "all"))
            assert taken == (found is not None), place
            if not taken or (operator in PATTERNS and column["type"] not in ("text", "enum")) or column.get("array"):
                continue
            if operator in SEARCHES and column["type"] == "json":
                continue  # the words of its texts are found, and this value is a number
            wanted = FOUND[operator]
            assert found == wanted, place
            turned = await labels(filled, f"{column['name']}=not.{test}")
            assert turned == (EVERYBODY if operator in ("is", "isdistinct") else {"small", "large"}) - wanted, place


async def test_every_operator_finds_its_arrays(filled: Backend) -> None:
    for column in COLUMNS:
        if not column.get("array"):
            continue
        for operator, wanted in FOUND_IN_ARRAYS.items():
            test = f"{operator}.{quote(asked(column, operator))}"
            assert await labels(filled, f"{column['name']}={test}") == wanted, (column, operator)


async def test_no_value_makes_an_operator_fail(filled: Backend) -> None:
    for column in COLUMNS:
        for form in READ_BY:
            for value in ODD:
                await labels(filled, f"{column['name']}={form}.{quote(value, safe='[(')}")


async def test_computed_columns_and_embedded_views_take_the_same_tests(filled: Backend) -> None:
    shown = source_of(filled, "computed").shown
    for column in COLUMNS:
        name = column["name"]
        tests = [
            (
                operator,
                f"{operator}.{asked(column, operator) if operator == 'in' else in_quotes(asked(column, operator))}",
            )
            for operator in sorted(OPERATORS)
            if dialect.testable(shown[f"f_{name}"], operator, "null", quantified=False)
        ]
        together = ",".join(f"{name}.{test}" for _, test in tests)
        answer = await filled.client.get(f"/rest/v1/numbers?select=id,plain!inner(id)&plain.or=({quote(together)})")
        assert (answer.status_code, len(answer.json())) == (200, 2), answer.text
        computed = ",".join(f"f_{name}.{test}" for _, test in tests)
        assert await labels(filled, f"or=({quote(computed)})", "computed") == EVERYBODY
        if name in LISTED:
            array = {**column, "array": True}
            listed = ",".join(
                f"l_{name}.{operator}.{in_quotes(asked(array, operator))}" for operator in FOUND_IN_ARRAYS
            )
            assert await labels(filled, f"or=({quote(listed)})", "computed") == EVERYBODY


async def test_a_filter_and_a_check_of_a_table_compare_arrays(filled: Backend) -> None:
    assert await labels(filled, "", "filtered") == {"small"}
    answer = await filled.client.post("/rest/v1/plain", json={"c_integer_list": [7, 7]})
    assert (answer.status_code, answer.json()["message"]) == (422, "Not these.")


async def test_what_can_be_cast_is_what_postgres_casts(filled: Backend) -> None:
    tables = [source_of(filled, "plain").table.columns[name].pg.partition("(")[0] for name in NAMES]
    connection = await connect(filled.url)
    for pg, cast in itertools.product(sorted({*tables, "json", "interval"}), cast_types()):
        try:
            await connection.fetch(f"SELECT NULL::{pg}::{cast}")
        except asyncpg.CannotCoerceError:
            assert cast not in castable(pg), (pg, cast)
        else:
            assert cast in castable(pg), (pg, cast)
    await connection.close()


async def test_every_cast_order_and_group_of_every_column_is_carried_out_or_refused(filled: Backend) -> None:
    source = source_of(filled, "computed")
    for name in source.shown:
        if name in ("id", "label"):
            continue
        folds = [f"{fold}{cast}" for fold in ("count", "sum", "avg", "min", "max") for cast in ("", "::text", "::bool")]
        selected = [
            *(f"x:{name}::{cast}" for cast in cast_types() if cast not in castable(pg_of(source, Operand(name)))),
            ",".join(f"x{i}:{name}::{cast}" for i, cast in enumerate(castable(pg_of(source, Operand(name))))),
            *(f"x:{name}.{fold.replace('::', '()::') if '::' in fold else f'{fold}()'}" for fold in folds),
            *(f"x:{name}::{cast},count()" for cast in ("text", "json", "jsonb")),
            *(f"{name}->0", f"x:{name}->>0", f"x:{name}->a->0::text,count()"),
        ]
        queries = [f"select={quote(part)}" for part in selected]
        queries += [
            f"order={name}",
            f"select={name},count()&order={name}",
            f"select=x:{name}::text,count()&order={name}",
        ]
        queries += [f"{name}->0=eq.1", f"{name}->>0=like.1", f"order={name}->0"]
        for query in queries:
            answer = await filled.client.get(f"/rest/v1/computed?{query}")
            assert answer.status_code in (200, 400), (query, answer.text)


async def test_groups_are_ordered_by_what_comes_out(filled: Backend) -> None:
    for name in ("f_c_integer_list", "l_c_integer"):
        answer = await filled.client.get(f"/rest/v1/computed?select={name},count()&order={name}.nullslast")
        assert answer.status_code == 200, answer.text
        assert answer.json()[0] == {name: [1], "count": 1}
