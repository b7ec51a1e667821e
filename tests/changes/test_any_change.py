"""From any project to any other: the tables end up as if they had been made so."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.changes.apply import apply_project
from app.compiler.check import check_project
from app.definitions.project import EMPTY, Project, parse_project
from app.store.engine import make_engine

EXAMPLES = int(os.environ.get("ROWGATE_CHANGE_EXAMPLES", "10"))
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

plain = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("text")}, optional={"max_length": st.sampled_from([5, 9]), "default": st.just("d")}
    ),
    st.fixed_dictionaries({"type": st.just("text"), "format": st.just("slug")}),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "bigint"])}, optional={"min": st.just(1), "array": st.just(True)}
    ),
    st.fixed_dictionaries({"type": st.just("decimal")}, optional={"precision": st.just(9), "max": st.just(7)}),
    st.fixed_dictionaries({"type": st.just("enum"), "values": st.sampled_from([["p", "q"], ["p"]])}),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["float", "boolean", "date", "uuid", "timestamp", "json", "text"])},
        optional={"array": st.booleans()},
    ),
)
common = st.fixed_dictionaries(
    {}, optional={"unique": st.booleans(), "index": st.booleans(), "required": st.booleans()}
)


@st.composite
def columns(draw: st.DrawFn, tables: list[str]) -> list[dict[str, Any]]:
    link = st.fixed_dictionaries(
        {
            "type": st.just("reference"),
            "table": st.sampled_from(tables),
            "on_delete": st.sampled_from(["restrict", "cascade"]),
        },
        optional={"column": st.sampled_from(COLUMNS)},
    )
    names = draw(st.lists(st.sampled_from(COLUMNS), unique=True, min_size=1))
    return [{"name": name, **draw(st.one_of(plain, link)), **draw(common)} for name in names]


SAME = {"text": '"d"', "integer": "3", "bigint": "3", "boolean": "true", "uuid": "auth.user.id"}


@st.composite
def counting(draw: st.DrawFn, tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Endpoints that count rows of a table before they write it, all of them or by a column: it has triggers then."""
    endpoints = []
    for number, table in enumerate(draw(st.lists(st.sampled_from(tables), max_size=3))):
        equal = [
            f"item.{column['name']} == {SAME[column['type']]}"
            for column in table["columns"]
            if column["type"] in SAME and not column.get("array")
        ]
        count = {"do": "count", "from": table["name"], "where": draw(st.sampled_from(["true", *equal])), "as": "n"}
        steps = [count, {"do": "delete", "table": table["name"], "where": "n == 0"}]
        name = f"e{number}"
        endpoints.append({"name": name, "method": "POST", "path": f"/{name}", "access": "public", "steps": steps})
    return endpoints


def ids(tables: list[str]) -> st.SearchStrategy[Any]:
    link = st.fixed_dictionaries({"type": st.just("reference"), "table": st.sampled_from(tables)})
    text = st.fixed_dictionaries({"type": st.just("text")}, optional={"max_length": st.sampled_from([5, 9])})
    return st.one_of(st.sampled_from(["uuid", "bigint", "user"]), text, link)


def together(draw: st.DrawFn, tables: list[dict[str, Any]]) -> None:
    """Let columns of some tables refer to columns that are unique together elsewhere, be they of those types or not."""
    groups = [(table["name"], group) for table in tables for group in table["unique"] if isinstance(group, list)]
    for table in tables if groups else ():
        if draw(st.booleans()):
            target, group = draw(st.sampled_from(groups))
            own = [one["name"] for one in table["columns"]]
            if len(own) >= len(group):
                said = {"columns": draw(st.permutations(own))[: len(group)], "table": target, "to": group}
                table["references"] = [said]


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
    tables = []
    for name in names:
        said = draw(columns(names))
        group = st.lists(st.sampled_from([one["name"] for one in said]), unique=True, min_size=1)
        table: dict[str, Any] = {"name": name, "columns": said, "id": draw(ids(names))}
        table["timestamps"] = draw(st.booleans())
        table["unique"] = draw(st.lists(group, max_size=1))
        if "x" in [one["name"] for one in said] and draw(st.booleans()):
            table["unique"].append({"columns": ["x"], "where": "row.x == row.x"})
        table["indexes"] = draw(st.lists(group, max_size=1))
        if "x" in [one["name"] for one in said]:
            table["checks"] = [{"rule": "row.x == row.x"}] if draw(st.booleans()) else []
        tables.append(table)
    added = draw(columns(names))
    together(draw, tables)
    return {"rowgate": 1, "tables": tables, "users": {"columns": added}, "endpoints": draw(counting(tables))}


@st.composite
def successors(draw: st.DrawFn, before: dict[str, Any]) -> dict[str, Any]:
    """Another document, some of whose names say that they were one of those before."""
    document = draw(documents())
    held = {table["name"]: [column["name"] for column in table["columns"]] for table in before["tables"]}
    for table in document["tables"]:
        table["was"] = draw(st.sampled_from([None, *held]))
        for column in table["columns"]:
            column["was"] = draw(st.sampled_from([None, *held.get(table["was"] or table["name"], [])]))
    return document


@st.composite
def changes(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    # Each is drawn until it is sound by itself: of pairs of any two, hardly one would be.
    before = draw(documents().filter(sound))
    return before, draw(successors(before).filter(sound))


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


@settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(change=changes())
def test_any_project_becomes_any_other_as_if_it_were_made_anew(
    ending: Callable[[Project, Project], None], change: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    ending(parsed(change[0]), parsed(change[1]))
