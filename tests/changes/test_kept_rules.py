"""Rules that a table keeps, in its checks and the conditions of its indexes: what the check takes Postgres takes."""

from itertools import product
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.changes.apply import apply_project
from app.compiler.check import check_project
from app.definitions.project import Project, parse_project
from app.expressions.library.table import TABLE
from app.expressions.types import Type
from app.relations.schema import tables_of

TYPES = (
    "text", "integer", "bigint", "decimal", "float", "boolean", "date", "time", "timestamp", "uuid", "json",
    "integer_range", "bigint_range", "decimal_range", "date_range", "timestamp_range",
)  # fmt: skip
LISTS = ("text", "integer", "decimal", "date", "timestamp")
COLUMNS: list[dict[str, Any]] = [{"name": f"a_{kind}", "type": kind} for kind in TYPES]
COLUMNS += [{"name": f"list_{kind}", "type": kind, "array": True} for kind in LISTS]
COLUMNS.append({"name": "word", "type": "enum", "values": ["a", "b"]})
WRITTEN = (
    *(f"row.a_json.state {sign} {value}" for sign in ("==", "!=") for value in ('"x"', "1", "true", 'decimal("1.5")')),
    "row.a_json.state != row.a_text",
    "row.a_json.state == row.a_integer",
    "row.a_json[0] == row.a_boolean",
    "row.a_json.size > 1",
    "row.a_timestamp + duration('1h') > row.a_timestamp - duration('1h')",
    "row.a_timestamp - row.a_timestamp > duration('1h')",
    "row.a_timestamp.getHours('Europe/Zurich') == 3",
    "row.a_timestamp.getHours('+02:00') == 3",
    "row.list_text.exists(one, one == row.a_text)",
    "row.list_integer.all(one, one > 3)",
    "row.a_text in row.list_text",
    "row.word in ['a']",
)


def called() -> list[str]:
    """Call each function with every column, and every two, that it takes."""
    kinds = tables_of(project([], []))["things"].record.fields
    return [
        f"{_call(name, arguments, method=one.method)} != null"
        for name, one in TABLE.items()
        for count in (1, 2)
        for arguments in product(kinds, repeat=count)
        if any(overload.sql and _fits(overload, [kinds[name] for name in arguments]) for overload in one.overloads)
    ]


def _fits(overload: Any, kinds: list[Type]) -> bool:
    return overload.fits(kinds) is not None


def _call(name: str, arguments: tuple[str, ...], *, method: bool) -> str:
    first, *others = (f"row.{argument}" for argument in arguments)
    return f"{first}.{name}({', '.join(others)})" if method else f"{name}({', '.join((first, *others))})"


def project(checks: list[str], conditions: list[str]) -> Project:
    table = {
        "name": "things",
        "columns": COLUMNS,
        "checks": [{"rule": rule} for rule in checks],
        "unique": [{"columns": ["a_text"], "where": rule} for rule in conditions],
    }
    found, findings = parse_project({"rowgate": 1, "tables": [table]})
    assert found is not None, findings
    return found


def refused(checks: list[str], conditions: list[str]) -> dict[str, str]:
    """The rules that the check refuses, each with what it says."""
    place = {f"tables/things.checks/{number}.rule": rule for number, rule in enumerate(checks)}
    place |= {f"tables/things.unique/{number}.where": rule for number, rule in enumerate(conditions)}
    return {place[found.place.split(":")[0]]: found.message for found in check_project(project(checks, conditions))}


@pytest.mark.parametrize("kept", ["checks", "unique"])
async def test_what_the_check_takes_of_a_tables_rules_postgres_takes(engine: AsyncEngine, kept: str) -> None:
    rules = [*WRITTEN, *called()]

    def said(some: list[str]) -> tuple[list[str], list[str]]:
        return (some, []) if kept == "checks" else ([], some)

    not_taken = refused(*said(rules))
    taken = [rule for rule in rules if rule not in not_taken]
    assert len(taken) > 150
    await apply_project(engine, project(*said(taken)), author="test", allow_wider=True)


@pytest.mark.parametrize("rule", ["row.a_json.state == 'active'", "int(row.a_timestamp) > 3"])
def test_what_no_setting_changes_may_be_the_condition_of_an_index(rule: str) -> None:
    assert refused([], [rule]) == {}


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ("row.a_json.state == row.a_text", "a value beside a JSON value"),
        ("string(row.a_date) == '2027-01-31'", "string()"),
        ("row.a_timestamp.getHours('+02:00') == 3", "getHours()"),
        ("row.list_text.exists(one, one == 'a')", "exists()"),
    ],
)
def test_what_a_setting_might_change_is_no_condition_of_an_index(rule: str, what: str) -> None:
    assert refused([], [rule]) == {rule: f"{what} can't be said in the SQL of an index, and this reads the row"}


def test_a_check_looks_through_no_list() -> None:
    rule = "row.list_text.exists(one, one == 'a')"
    assert refused([rule], []) == {rule: "exists() can't be said in the SQL of a check, and this reads the row"}
