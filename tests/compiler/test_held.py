"""Which rows a chain holds: those of tables that it writes behind the step that reads them, as few as can be."""

from typing import Any

import pytest

from app.compiler.compile import compile_project
from app.definitions.project import parse_project

TABLES: list[Any] = [
    {"name": "teams", "columns": [{"name": "title", "type": "text"}]},
    {"name": "parts", "columns": [{"name": "team", "type": "reference", "table": "teams", "on_delete": "cascade"}]},
    {"name": "notes", "columns": [{"name": "part", "type": "reference", "table": "parts", "on_delete": "set_null"}]},
    {"name": "kept", "columns": [{"name": "team", "type": "reference", "table": "teams"}]},
    {
        "name": "seats",
        "columns": [
            {"name": "code", "type": "text", "unique": True},
            {"name": "owner", "type": "user"},
            {"name": "line", "type": "integer"},
            {"name": "kind", "type": "enum", "values": ["a", "b"]},
            {"name": "price", "type": "decimal"},
            {"name": "open", "type": "boolean"},
            {"name": "labels", "type": "text", "array": True},
        ],
    },
]
VIEWS: list[Any] = [
    {"name": "mine", "table": "seats", "filter": "row.owner == auth.user.id", "allow": ["select", "update", "delete"]},
    {
        "name": "counted",
        "table": "teams",
        "columns": ["id", "title", {"name": "many", "count": "parts", "where": "item.team == row.id"}],
        "access": "public",
    },
    {
        "name": "twice",
        "table": "kept",
        "columns": ["id", {"name": "n", "sum": "counted", "where": "item.id == row.team", "of": "item.many"}],
        "access": "public",
    },
]
WRITE = {"do": "insert", "table": "seats", "set": {"line": 1}}
INSERT: dict[str, Any] = {
    name: {"do": "insert", "table": name, "set": {}} for name in ("teams", "parts", "notes", "kept")
}
SIGN_UP = {"do": "sign_up", "email": "input.code", "password": "input.code"}


def count(table: str, where: str | None = None, **more: Any) -> dict[str, Any]:
    return {"do": "count", "from": table, "as": "n", **({} if where is None else {"where": where}), **more}


def held(*steps: Any, middleware: tuple[Any, ...] = (), isolation: str = "read committed") -> set[str]:
    body = {"code": {"type": "text"}, "line": {"type": "integer"}, "kind": {"type": "enum", "values": ["a", "b"]}}
    endpoint = {
        "name": "it", "method": "POST", "path": "/it", "access": "authenticated",
        "input": {"body": body}, "steps": steps, "middleware": ["before"] if middleware else [], "isolation": isolation,
    }  # fmt: skip
    said = {"rowgate": 1, "tables": TABLES, "views": VIEWS, "endpoints": [endpoint]}
    if middleware:
        said["middleware"] = [{"name": "before", "steps": middleware}]
    project, findings = parse_project(said)
    assert project is not None, findings
    runtime, findings = compile_project(project)
    assert runtime is not None, findings
    return {f"{one.table}.{one.column}".removesuffix(".") for one in runtime.held}


@pytest.mark.parametrize(
    ("where", "by"),
    [
        (None, ""),
        ("item.open", ""),
        ("item.line > 3", ""),
        ("item.price == 3", ""),
        ('"a" in item.labels', ""),
        ("item.line == item.line", ""),
        ("item.line == 3 || item.open", ""),
        ("!(item.line == 3)", ""),
        ("item.line == 3", "line"),
        ("input.line == item.line", "line"),
        ("item.open == true", "open"),
        ("item.kind == input.kind && item.open", "kind"),
        ("item.kind == input.kind && (item.open && item.line == input.line)", "line"),
        ("item.line == input.line && item.owner == auth.user.id", "owner"),
        ("item.owner == auth.user.id && item.code == input.code + string(input.line)", "code"),
        ("item.id == item.id && item.code == input.code", "code"),
    ],
)
def test_rows_are_held_by_the_most_telling_equality_else_all(where: str | None, by: str) -> None:
    assert held(count("seats", where), WRITE) == {f"seats.{by}".removesuffix(".")}


def test_nothing_is_held_of_a_table_that_no_later_step_writes() -> None:
    assert held(count("seats")) == set()
    assert held(count("teams"), WRITE) == set()
    assert held(WRITE, count("seats")) == set()


@pytest.mark.parametrize(
    "step",
    [
        {"do": "exists", "from": "seats", "as": "n"},
        {"do": "list", "from": "seats", "as": "n"},
        {"do": "aggregate", "from": "seats", "values": {"n": {"sum": "item.line"}}, "as": "n"},
        {"do": "quota", "max": 3, "from": "seats", "where": "item.open"},
        {"do": "fetch", "from": "seats", "where": "item.open", "optional": True, "as": "n"},
        {"do": "update", "table": "seats", "where": "item.open", "set": {"line": 1}, "as": "n"},
        {"do": "delete", "table": "seats", "where": "item.open", "as": "n"},
    ],
)
def test_every_step_that_may_find_no_row_and_go_on_holds_what_it_looked_for(step: Any) -> None:
    assert held(step, WRITE) == {"seats"}
    assert held(step) == set()


@pytest.mark.parametrize(
    "step",
    [
        {"do": "fetch", "from": "seats", "where": "item.open", "as": "n"},
        {"do": "update", "table": "seats", "where": "item.open", "set": {"line": 1}},
        {"do": "update", "table": "seats", "where": "item.open", "set": {"line": 1}, "expect": "one", "as": "n"},
    ],
)
def test_a_row_without_which_the_chain_ends_is_locked_by_itself(step: Any) -> None:
    assert held(step, WRITE) == set()


def test_the_later_write_may_stand_in_a_branch_a_loop_a_call_or_an_endpoint_behind_middleware() -> None:
    branch = {"do": "if", "when": "n == 0", "then": [WRITE]}
    assert held(count("seats"), branch) == {"seats"}
    loop = {"do": "for_each", "each": "[1]", "as": "i", "steps": [WRITE, count("seats")]}
    assert held(loop) == {"seats"}, "its next round writes behind what this one counts"
    assert held(count("seats"), {"do": "call", "use": "before"}, middleware=(WRITE,)) == {"seats"}
    assert held(WRITE, middleware=(count("seats"),)) == {"seats"}


def test_a_quota_counts_what_was_written_before_it_too() -> None:
    assert held(WRITE, {"do": "quota", "max": 3, "from": "seats", "where": "item.line == 1"}) == {"seats.line"}


def test_people_are_written_by_the_steps_of_accounts() -> None:
    people = count("users", "item.email == input.code")
    assert held(people, SIGN_UP) == {"users.email"}
    change = {"do": "update_user", "user": "auth.user.id", "email": "input.code"}
    assert held(people, change) == {"users.email"}


def test_what_goes_with_a_deleted_row_is_written() -> None:
    gone = {"do": "delete", "table": "teams", "id": "auth.user.id"}
    for table, is_held in (("teams", True), ("parts", True), ("notes", True), ("kept", False), ("seats", False)):
        assert held(count(table), gone) == ({table} if is_held else set()), table


def test_a_views_filter_is_part_of_the_condition() -> None:
    assert held(count("mine"), WRITE) == {"seats.owner"}
    assert held(count("mine", "item.code == input.code"), WRITE) == {"seats.code"}


def test_tables_that_a_condition_reads_through_a_view_are_held_whole() -> None:
    few = count("counted", "item.many < 3 && item.title == input.code")
    assert held(few, INSERT["parts"]) == {"parts", "teams.title"}
    assert held(few, INSERT["teams"]) == {"parts", "teams.title"}
    assert held(few, INSERT["notes"]) == set()
    assert held(count("counted", "item.title == input.code"), INSERT["parts"]) == set(), "it doesn't ask how many"
    assert held(count("twice", "item.n == 0"), INSERT["parts"]) == {"kept", "parts", "teams"}


def test_what_a_fetched_row_shows_of_other_tables_is_held_where_they_are_written() -> None:
    fetch = {"do": "fetch", "from": "counted", "where": "item.title == input.code", "as": "team"}
    assert held(fetch, INSERT["parts"]) == {"parts"}
    assert held(fetch, INSERT["teams"]) == set(), "the row itself is locked"


def test_a_view_that_is_written_holds_what_its_middleware_counts() -> None:
    view = {
        "name": "few",
        "table": "seats",
        "access": "public",
        "allow": ["select", "insert"],
        "middleware": ["before"],
    }
    said = {
        "rowgate": 1,
        "tables": TABLES,
        "views": [view],
        "middleware": [{"name": "before", "steps": [count("seats")]}],
    }
    for allow, expected in ((["select"], set()), (["select", "insert"], {"seats"})):
        project, findings = parse_project({**said, "views": [{**view, "allow": allow}]})
        assert project is not None, findings
        runtime, _ = compile_project(project)
        assert runtime is not None
        assert {one.table for one in runtime.held} == expected


def test_a_transaction_begins_by_what_it_would_wait_for_with_rows_locked() -> None:
    """Whoever writes a table that others hold whole takes part at once; who is serializable locks it."""

    def begins(*endpoints: tuple[str, list[Any], str]) -> dict[str, tuple[str, ...]]:
        listed = [
            {
                "name": name,
                "method": "POST",
                "path": f"/{name}",
                "access": "public",
                "steps": steps,
                "isolation": isolation,
            }
            for name, steps, isolation in endpoints
        ]
        project, findings = parse_project({"rowgate": 1, "tables": TABLES, "endpoints": listed})
        assert project is not None, findings
        runtime, findings = compile_project(project)
        assert runtime is not None, findings
        return {name: endpoint.chained.locks for name, endpoint in runtime.endpoints.items()}

    fetch = {"do": "fetch", "from": "seats", "where": "item.line == 1", "as": "seat"}
    found = begins(
        ("counts", [count("seats"), WRITE], "read committed"),
        ("writes", [fetch, WRITE], "read committed"),
        ("reads", [fetch, count("seats")], "read committed"),
    )
    assert found == {
        "counts": (),
        "writes": ('SELECT rowgate.hold_writer(NULL::"data"."seats")',),
        "reads": (),
    }
    # Where a serializable endpoint locks tables, all who write them do, in the same order.
    found = begins(
        ("counts", [count("seats"), WRITE], "read committed"),
        ("writes", [fetch, INSERT["teams"], WRITE], "read committed"),
        ("reads", [fetch, count("seats")], "read committed"),
        ("strict", [count("seats"), count("teams"), WRITE, INSERT["teams"]], "serializable"),
        ("half", [count("seats"), INSERT["teams"], WRITE], "serializable"),
    )
    assert found == {
        "counts": ('LOCK TABLE "data"."seats" IN ROW EXCLUSIVE MODE',),
        "writes": (
            'LOCK TABLE "data"."seats", "data"."teams" IN ROW EXCLUSIVE MODE',
            'SELECT rowgate.hold_writer(NULL::"data"."seats")',
            'SELECT rowgate.hold_writer(NULL::"data"."teams")',
        ),
        "reads": (),
        "strict": ('LOCK TABLE "data"."seats", "data"."teams" IN SHARE ROW EXCLUSIVE MODE',),
        "half": (
            'LOCK TABLE "data"."seats" IN SHARE ROW EXCLUSIVE MODE',
            'LOCK TABLE "data"."teams" IN ROW EXCLUSIVE MODE',
        ),
    }
