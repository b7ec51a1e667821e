"""From any project to any other: the tables end up as if they had been made so."""

import asyncio
import os
from collections.abc import Callable
from random import Random, randrange
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.changes.apply import apply_project
from app.compiler.check import check_project
from app.definitions.project import EMPTY, Project, parse_project
from app.store.engine import make_engine

EXAMPLES = int(os.environ.get("ROWGATE_CHANGE_EXAMPLES", "10"))
SEED = os.environ.get("ROWGATE_CHANGE_SEED") or str(randrange(2**32))
NAMES = ["a", "b", "a_b", "c"]
COLUMNS = ["x", "y", "x_y", "z"]
CATALOGUE = (
    "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,"
    " pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
    " LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum"
    " WHERE c.relnamespace = 'data'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped"
    " ORDER BY 1, 2",
    "SELECT conrelid::regclass::text, CASE contype WHEN 'p' THEN 'key' ELSE conname END, convalidated,"
    " pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'data'::regnamespace AND contype <> 'n'"
    " ORDER BY 1, 2, 4",
    "SELECT i.indrelid::regclass::text, c.relname, i.indisunique, i.indisvalid,"
    " ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(1, i.indnatts) k)"
    " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " WHERE c.relnamespace = 'data'::regnamespace AND NOT i.indisprimary ORDER BY 1, 2",
    "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(t.oid)"
    " FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid"
    " WHERE c.relnamespace = 'data'::regnamespace AND NOT tgisinternal ORDER BY 1, 2",
)

SAME = {"text": '"d"', "integer": "3", "bigint": "3", "boolean": "true", "uuid": "auth.user.id"}


def some(chance: Random, of: list[str]) -> list[str]:
    """Give some of these, at least one, in any order."""
    return chance.sample(of, chance.randint(1, len(of)))


def perhaps(chance: Random, **options: Any) -> dict[str, Any]:
    """Give about half of these options."""
    return {name: value for name, value in options.items() if chance.random() < 0.5}


def plain(chance: Random) -> dict[str, Any]:
    """Give a type and its options."""
    kinds: list[Callable[[], dict[str, Any]]] = [
        lambda: {"type": "text", **perhaps(chance, max_length=chance.choice([5, 9]), default="d")},
        lambda: {"type": "text", "format": "slug"},
        lambda: {"type": chance.choice(["integer", "bigint"]), **perhaps(chance, min=1, array=True)},
        lambda: {"type": "decimal", **perhaps(chance, precision=9, max=7)},
        lambda: {"type": "enum", "values": chance.choice([["p", "q"], ["p"]])},
        lambda: {
            "type": chance.choice(["float", "boolean", "date", "uuid", "timestamp", "json", "text"]),
            **perhaps(chance, array=chance.random() < 0.5),
        },
    ]
    return chance.choice(kinds)()


def columns(chance: Random, tables: list[str]) -> list[dict[str, Any]]:
    """Give columns; about one of seven refers to a table."""
    found = []
    for name in some(chance, COLUMNS):
        flags = {flag: chance.random() < 0.5 for flag in ("unique", "index", "required")}
        said = plain(chance)
        if chance.random() < 1 / 7:
            said = {"type": "reference", "table": chance.choice(tables)}
            said |= {"on_delete": chance.choice(["restrict", "cascade"])}
            said |= perhaps(chance, column=chance.choice(COLUMNS))
        found.append({"name": name, **said, **perhaps(chance, **flags)})
    return found


def counting(chance: Random, tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Endpoints that count rows of a table before they write it, all of them or by a column: it has triggers then."""
    endpoints = []
    for number, table in enumerate(chance.choices(tables, k=chance.randint(0, 3))):
        equal = [
            f"item.{column['name']} == {SAME[column['type']]}"
            for column in table["columns"]
            if column["type"] in SAME and not column.get("array")
        ]
        count = {"do": "count", "from": table["name"], "where": chance.choice(["true", *equal]), "as": "n"}
        steps = [count, {"do": "delete", "table": table["name"], "where": "n == 0"}]
        name = f"e{number}"
        endpoints.append({"name": name, "method": "POST", "path": f"/{name}", "access": "public", "steps": steps})
    return endpoints


def key(chance: Random, tables: list[str]) -> Any:
    """Give what the ids of a table are."""
    said: list[Any] = [
        chance.choice(["uuid", "bigint", "user"]),
        {"type": "text", **perhaps(chance, max_length=chance.choice([5, 9]))},
        {"type": "reference", "table": chance.choice(tables)},
    ]
    return chance.choice(said)


def together(chance: Random, tables: list[dict[str, Any]]) -> None:
    """Let columns of some tables refer to columns that are unique together elsewhere, be they of those types or not."""
    groups = [(table["name"], group) for table in tables for group in table["unique"] if isinstance(group, list)]
    for table in tables if groups else ():
        if chance.random() < 0.5:
            target, group = chance.choice(groups)
            own = [one["name"] for one in table["columns"]]
            if len(own) >= len(group):
                said = {"columns": chance.sample(own, len(group)), "table": target, "to": group}
                table["references"] = [said]


def documents(chance: Random) -> dict[str, Any]:
    names = some(chance, NAMES)
    tables = []
    for name in names:
        said = columns(chance, names)
        own = [one["name"] for one in said]
        table: dict[str, Any] = {"name": name, "columns": said, "id": key(chance, names)}
        table["timestamps"] = chance.random() < 0.5
        table["unique"] = [some(chance, own)] if chance.random() < 0.5 else []
        if "x" in own and chance.random() < 0.5:
            table["unique"].append({"columns": ["x"], "where": "row.x == row.x"})
        table["indexes"] = [some(chance, own)] if chance.random() < 0.5 else []
        if "x" in own:
            table["checks"] = [{"rule": "row.x == row.x"}] if chance.random() < 0.5 else []
        tables.append(table)
    added = columns(chance, names)
    together(chance, tables)
    return {"rowgate": 1, "tables": tables, "users": {"columns": added}, "endpoints": counting(chance, tables)}


def successor(chance: Random, before: dict[str, Any]) -> dict[str, Any]:
    """Another document, some of whose names say that they were one of those before."""
    document = documents(chance)
    held = {table["name"]: [column["name"] for column in table["columns"]] for table in before["tables"]}
    for table in document["tables"]:
        table["was"] = chance.choice([None, *held])
        for column in table["columns"]:
            column["was"] = chance.choice([None, *held.get(table["was"] or table["name"], [])])
    return document


def change(chance: Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give two documents; each is made until it is sound by itself: of pairs of any two, hardly one would be."""
    before = next(one for one in iter(lambda: documents(chance), None) if sound(one))
    return before, next(one for one in iter(lambda: successor(chance, before), None) if sound(one))


def sound(document: dict[str, Any]) -> bool:
    project, _ = parse_project(document)
    return project is not None and not check_project(project)


def parsed(document: dict[str, Any]) -> Project:
    project, findings = parse_project(document)
    assert project is not None, findings
    return project


async def catalogue(engine: AsyncEngine) -> Any:
    async with engine.connect() as connection:
        return [[tuple(row) for row in await connection.execute(text(sql))] for sql in CATALOGUE]


async def ends_alike(url: str, before: Project, after: Project) -> None:
    engine = make_engine(url)
    try:
        for project in (before, after, after):
            plan = await apply_project(engine, project, author="test", allow_wider=True)
        changed = await catalogue(engine)
        assert plan.changes == (), "applied a second time, it changes nothing"
        await apply_project(engine, EMPTY, author="test", allow_wider=True)
        await apply_project(engine, after, author="test", allow_wider=True)
        assert changed == await catalogue(engine)
    finally:
        await apply_project(engine, EMPTY, author="test")
        await engine.dispose()


@pytest.fixture
def ending(migrated_url: str) -> Callable[[Project, Project], None]:
    return lambda before, after: asyncio.run(ends_alike(migrated_url, before, after))


@pytest.mark.parametrize("number", range(EXAMPLES))
def test_any_project_becomes_any_other_as_if_it_were_made_anew(
    ending: Callable[[Project, Project], None], number: int
) -> None:
    before, after = change(Random(f"{SEED}/{number}"))
    try:
        ending(parsed(before), parsed(after))
    except BaseException as error:
        error.add_note(f"ROWGATE_CHANGE_SEED={SEED}: from {before} to {after}")
        raise


def test_an_id_that_refers_to_another_table_becomes_of_its_ids_type(ending: Callable[[Project, Project], None]) -> None:
    def said(kind: str) -> Project:
        notes = {"name": "notes", "id": kind, "columns": [{"name": "text", "type": "text"}]}
        stars = {
            "name": "stars",
            "id": {"type": "reference", "table": "notes"},
            "columns": [{"name": "n", "type": "integer"}],
        }
        return parsed({"rowgate": 1, "tables": [notes, stars]})

    ending(said("uuid"), said("bigint"))
