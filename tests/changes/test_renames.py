"""What is renamed keeps its rows and what is built on it; names that can't be followed are refused."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.changes.obstacles import DataInTheWay, WouldDestroy
from app.compiler.check import check_document
from app.definitions.project import parse_project
from tests.changes.test_apply import put, run


def backend(*columns: dict[str, Any], table: str = "notes", **more: Any) -> dict[str, Any]:
    return {"rowgate": 1, "tables": [{"name": table, "timestamps": False, "columns": list(columns), **more}]}


def text_column(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "text", **more}


A, B = text_column("a", unique=True), text_column("b", index=True)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ([text_column("a", was="b"), text_column("b", was="a")], "exchanged in a circle"),
        ([text_column("a", was="c"), text_column("b", was="a"), text_column("c", was="b")], "exchanged in a circle"),
        ([text_column("x", was="a"), text_column("y", was="a")], "two say that they were 'a'"),
    ],
)
def test_names_that_say_no_one_thing_are_refused(columns: list[dict[str, Any]], says: str) -> None:
    parsed, findings = parse_project(backend(*columns))
    assert parsed is None
    assert all(says in finding.message for finding in findings)


async def test_a_chain_of_renames_moves_each_value_once(engine: AsyncEngine) -> None:
    await put(engine, backend(A, B))
    await run(engine, "INSERT INTO data.notes (a, b) VALUES ('1', '2')")
    chain = backend(text_column("b", unique=True, was="a"), text_column("c", index=True, was="b"))
    for _ in range(2):
        await put(engine, chain)
        assert await run(engine, "SELECT b, c FROM data.notes") == [("1", "2")]


async def test_a_new_column_may_have_the_name_that_another_gave_up(engine: AsyncEngine) -> None:
    await put(engine, backend(A))
    await run(engine, "INSERT INTO data.notes (a) VALUES ('1')")
    await put(engine, backend(text_column("old", was="a", unique=True), text_column("a")))
    assert await run(engine, "SELECT old, a FROM data.notes") == [("1", None)]


async def test_a_renamed_table_keeps_its_rows_and_the_very_same_index(engine: AsyncEngine) -> None:
    await put(engine, backend(A, B))
    await run(engine, "INSERT INTO data.notes (a) VALUES ('1')")
    indexes = "SELECT indexrelid::bigint, relname FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE"
    indexes += " c.relnamespace = 'data'::regnamespace AND relname LIKE '%.%' ORDER BY 2"
    before = await run(engine, indexes)
    await put(engine, backend({**A, "name": "z", "was": "a"}, B, table="memos", was="notes"))
    after = await run(engine, indexes)
    assert sorted(oid for oid, _ in after) == sorted(oid for oid, _ in before)
    assert [name.partition(".")[0] for _, name in after] == ["memos", "memos"]
    assert await run(engine, "SELECT z FROM data.memos") == [("1",)]


async def test_an_id_of_another_type_makes_another_table_which_has_to_be_said(engine: AsyncEngine) -> None:
    await put(engine, backend(A))
    await run(engine, "INSERT INTO data.notes (a) VALUES ('1')")
    with pytest.raises(WouldDestroy, match="notes"):
        await put(engine, backend(A, id="bigint"))
    await put(engine, backend(A, id="bigint"), destroy=["notes"])
    assert await run(engine, "SELECT a FROM data.notes") == []


async def test_a_type_without_a_way_to_the_other_is_a_drop_which_has_to_be_said(engine: AsyncEngine) -> None:
    await put(engine, backend({"name": "a", "type": "boolean"}))
    await run(engine, "INSERT INTO data.notes (a) VALUES (true)")
    with pytest.raises(WouldDestroy, match=r"notes\.a"):
        await put(engine, backend({"name": "a", "type": "uuid"}))


async def becomes(engine: AsyncEngine, before: dict[str, Any], value: str, after: dict[str, Any]) -> Any:
    await put(engine, backend({"name": "a", **before}))
    await run(engine, f"INSERT INTO data.notes (a) VALUES ({value})")
    await put(engine, backend({"name": "a", **after}))
    (found,) = await run(engine, "SELECT a FROM data.notes")
    return found[0]


TEXT, TEXTS, WHOLE, JSON = {"type": "text"}, {"type": "text", "array": True}, {"type": "integer"}, {"type": "json"}


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        (TEXTS, "ARRAY['x', 'y']", TEXT),
        (TEXT, "'1.5'", WHOLE),
        (TEXT, "'2026-01-01 10:00'", {"type": "date"}),
        (JSON, "'1.5'", WHOLE),
        ({"type": "bigint"}, "5000000000", WHOLE),
        ({"type": "timestamp"}, "'2026-01-01 10:00Z'", {"type": "date"}),
    ],
)
async def test_a_value_that_would_lose_a_part_stops_the_change(
    engine: AsyncEngine, before: dict[str, Any], value: str, after: dict[str, Any]
) -> None:
    with pytest.raises(DataInTheWay):
        await becomes(engine, before, value, after)


@pytest.mark.parametrize(
    ("before", "value", "after", "found"),
    [
        (TEXT, "'x'", TEXTS, ["x"]),
        (TEXTS, "ARRAY['x']", TEXT, "x"),
        (TEXT, "'7'", WHOLE, 7),
        (JSON, "'7'", WHOLE, 7),
        (WHOLE, "7", TEXT, "7"),
        (TEXT, "'yes'", {"type": "boolean"}, True),
    ],
)
async def test_a_value_that_is_one_of_the_other_type_too_is_kept(
    engine: AsyncEngine, before: dict[str, Any], value: str, after: dict[str, Any], found: Any
) -> None:
    assert await becomes(engine, before, value, after) == found


async def test_a_column_may_be_called_like_any_word_of_postgres(engine: AsyncEngine) -> None:
    words = await run(engine, "SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T') ORDER BY 1")
    taken = [word for (word,) in words if not check_document(backend(text_column(word)))[1]]
    assert {"lateral", "tablesample", "collation"} <= set(taken)
    await put(engine, backend(*map(text_column, taken)))
    await put(engine, backend(*(text_column(word, required=True, default="a") for word in taken)))
    await put(engine, backend(*({"name": word, "type": "integer"} for word in taken)))
    await put(engine, backend(*({"name": f"{word}_x", "type": "integer", "was": word} for word in taken)))
    await put(engine, backend(*({"name": word, "type": "integer", "was": f"{word}_x"} for word in taken)))
    await put(engine, backend(A))
    await put(engine, backend(A, *map(text_column, taken)))
    columns = await run(engine, "SELECT column_name FROM information_schema.columns WHERE table_name = 'notes'")
    assert {name for (name,) in columns} == {"id", "a", *taken}
