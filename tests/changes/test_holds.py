"""The triggers by which writers wait for who counts: they come and go with the chains that need them."""

import asyncio
import copy
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.changes import settle as settling
from app.changes import settler as settlers
from app.changes.apply import apply_holds, apply_project
from app.changes.settle import settle
from app.changes.table_locks import TablesBusy
from app.compiler.compile import compile_project
from app.definitions.project import Project, parse_project
from app.main import create_app
from app.settings import load_settings
from tests.backend import SECRET_KEY

WHERE = {"all": "item.active", "by": "item.place == input.place"}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {
            "name": "oncall",
            "columns": [{"name": "place", "type": "text"}, {"name": "active", "type": "boolean"}],
        }
    ],
    "endpoints": [
        {
            "name": name,
            "method": "POST",
            "path": f"/{name}",
            "access": "public",
            "input": {"body": {"place": {"type": "text"}}},
            "steps": [
                {"do": "count", "from": "oncall", "where": where, "as": "n"},
                {"do": "insert", "table": "oncall", "set": {"active": True}, "when": "n > 1"},
            ],
        }
        for name, where in WHERE.items()
    ],
}
ALL = "oncall rowgate_hold_table()"
TRIGGERS = (
    "SELECT c.relname || ' ' || split_part(pg_get_triggerdef(t.oid), 'rowgate.', 2) FROM pg_trigger t"
    " JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgname LIKE 'rowgate_hold%' ORDER BY 1"
)


def project(document: dict[str, Any]) -> Project:
    parsed, findings = parse_project(document)
    assert parsed is not None, findings
    return parsed


async def triggers(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return list((await connection.execute(text(TRIGGERS))).scalars())


async def test_triggers_come_and_go_with_the_endpoints_and_follow_renames(engine: AsyncEngine) -> None:
    document = copy.deepcopy(DOCUMENT)
    plan = await apply_project(engine, project(document), author="test")
    assert [str(change) for change in plan.changes if "writers" in str(change)] == [
        "have writers of oncall wait for who counts all its rows before writing",
        "have writers of oncall wait for who counts rows by place before writing",
    ]
    assert sum("CREATE OR REPLACE TRIGGER rowgate_hold" in sql for sql in plan.sql) == 2
    assert await triggers(engine) == ["oncall hold_rows('place')", "oncall hold_table()"]

    renamed = copy.deepcopy(DOCUMENT)
    renamed["tables"][0] |= {"name": "duty", "was": "oncall"}
    renamed["tables"][0]["columns"][0] |= {"name": "town", "was": "place"}
    for endpoint in renamed["endpoints"]:
        endpoint["steps"][0] |= {
            "from": "duty",
            "where": endpoint["steps"][0]["where"].replace("item.place", "item.town"),
        }
        endpoint["steps"][1]["table"] = "duty"
    await apply_project(engine, project(renamed), author="test")
    assert await triggers(engine) == ["duty hold_rows('town')", "duty hold_table()"]

    del renamed["endpoints"][0]
    for one in (renamed["tables"][0], renamed["tables"][0]["columns"][0]):
        del one["was"]
    plan = await apply_project(engine, project(renamed), author="test")
    assert "have writers of duty wait no longer for who counts all its rows" in map(str, plan.changes)
    assert await triggers(engine) == ["duty hold_rows('town')"]
    renamed["endpoints"] = []
    await apply_project(engine, project(renamed), author="test")
    assert await triggers(engine) == []


async def test_a_dry_run_makes_no_trigger(engine: AsyncEngine) -> None:
    await apply_project(engine, project(DOCUMENT), author="test", dry_run=True)
    assert await triggers(engine) == []


DROPPED = ("DROP TRIGGER rowgate_hold_table ON data.oncall", "DROP TRIGGER rowgate_hold_rows ON data.oncall")


async def drop(engine: AsyncEngine) -> None:
    """Have the database as an older Rowgate, which knew of no triggers, left it."""
    async with engine.begin() as connection:
        for sql in DROPPED:
            await connection.execute(text(sql))


async def test_what_an_older_version_defined_gets_its_triggers_when_it_is_settled(
    engine: AsyncEngine, migrated_url: str
) -> None:
    await apply_project(engine, project(DOCUMENT), author="test")
    runtime, _ = compile_project(project(DOCUMENT), revision=1)
    assert runtime is not None
    assert not await settle(migrated_url, runtime), "there is nothing to make"
    await drop(engine)
    assert await settle(migrated_url, runtime)
    assert len(await triggers(engine)) == 2
    told = text("SELECT author, changes FROM rowgate.revisions ORDER BY number DESC LIMIT 1")
    async with engine.connect() as connection:
        author, changes = (await connection.execute(told)).one()
    assert (author, len(changes)) == ("rowgate", 2)
    await drop(engine)
    assert not await settle(migrated_url, runtime), "a newer revision is not this one's to settle"


async def test_what_could_not_be_settled_is_tried_again(
    engine: AsyncEngine, migrated_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await apply_project(engine, project(DOCUMENT), author="test")
    runtime, _ = compile_project(project(DOCUMENT), revision=1)
    assert runtime is not None
    await drop(engine)
    failures = [TablesBusy("A table is in use."), TablesBusy("It still is.")]

    async def busy(*given: Any, **named: Any) -> Any:
        if failures:
            raise failures.pop()
        return await apply_holds(*given, **named)

    monkeypatch.setattr(settling, "apply_holds", busy)
    monkeypatch.setattr(settlers, "PAUSE", 0)
    settler = settlers.Settler(migrated_url)
    settler.follow(runtime)
    await settler.start()
    assert await triggers(engine) == []
    async with asyncio.timeout(20):
        while len(await triggers(engine)) < 2:  # noqa: ASYNC110 - nothing tells of a trigger
            await asyncio.sleep(0.02)
    await settler.stop()
    assert caplog.text.count("tables lack triggers") == 2


async def test_a_server_makes_what_lacks_when_it_starts_and_for_revisions_of_others(
    engine: AsyncEngine, migrated_url: str
) -> None:
    await apply_project(engine, project(DOCUMENT), author="test")
    await drop(engine)
    settings = load_settings(database_url=migrated_url, secret_key=SECRET_KEY, env="development")
    fastapi = create_app(settings, migrated_url).fastapi
    async with fastapi.router.lifespan_context(fastapi):
        assert len(await triggers(engine)) == 2
        await drop(engine)
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE rowgate.live SET revision = revision + 1"))
        await fastapi.state.server.live.refresh()
        async with asyncio.timeout(20):
            while len(await triggers(engine)) < 2:  # noqa: ASYNC110 - nothing tells of a trigger
                await asyncio.sleep(0.02)
