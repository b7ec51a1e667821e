"""What a chain counts before it writes is still so when it has written, whoever else writes at the same time."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import product
from typing import Any

import pytest

from app.data_plane import targets
from app.database.pool import connect
from tests.backend import Backend, serving

ROUNDS = int(os.environ.get("ROWGATE_HOLD_ROUNDS", "2"))
AT_ONCE = 12
TAKEN = "item.code == input.code"
GATE = {"do": "fetch", "from": "gates", "where": "true", "as": "gate", "lock": True}
OFF = {"do": "update", "table": "oncall", "where": "item.who == input.who", "set": {"active": False}}
MORE = {"do": "require", "that": "n > 1", "status": 409}
NONE = {"do": "require", "that": "!taken", "status": 409}
ACTIVE = {"do": "count", "from": "oncall", "where": "item.active", "as": "n"}
OF_TEAM = {"do": "count", "from": "oncall", "where": "item.active && item.team == input.team", "as": "n"}


def endpoint(name: str, *steps: Any, **more: Any) -> dict[str, Any]:
    body = {name: {"type": kind} for name, kind in {"code": "text", "who": "text", "team": "uuid"}.items()}
    return {
        "name": name, "method": "POST", "path": f"/{name}", "access": "public", "input": {"body": body},
        "steps": steps, **more,
    }  # fmt: skip


def insert(table: str, **values: str) -> dict[str, Any]:
    return {"do": "insert", "table": table, "set": values}


FREE = "!codes.exists(c, c.code == input.code)"
CODE = insert("codes", code="=input.code")
# Each way to ask whether there is such a row, and to write one where there is none.
ASKING: dict[str, list[Any]] = {
    "count": [{"do": "count", "from": "codes", "where": TAKEN, "as": "n"}, {"do": "require", "that": "n == 0"}],
    "exists": [{"do": "exists", "from": "codes", "where": TAKEN, "as": "taken"}, NONE],
    "all": [{"do": "exists", "from": "codes", "as": "taken"}, NONE],
    "list": [
        {"do": "list", "from": "codes", "where": TAKEN, "as": "found"},
        {"do": "require", "that": "size(found) == 0"},
    ],
    "fetch": [
        {"do": "fetch", "from": "codes", "where": TAKEN, "optional": True, "as": "found"},
        {"do": "require", "that": "found == null"},
    ],
    "view": [{"do": "exists", "from": "all_codes", "where": TAKEN, "as": "taken"}, NONE],
    "update": [
        {"do": "update", "table": "codes", "where": TAKEN, "set": {"code": "=item.code"}, "as": "found"},
        {"do": "require", "that": "size(found) == 0"},
    ],
    "delete": [
        {"do": "delete", "table": "codes", "where": TAKEN, "as": "gone"},
        {"do": "require", "that": "size(gone) == 0"},
    ],
    "aggregate": [
        {"do": "aggregate", "from": "codes", "where": TAKEN, "values": {"n": {"count": "item.id"}}, "as": "all"},
        {"do": "require", "that": "all.n == 0"},
    ],
    "quota": [{"do": "quota", "max": 1, "from": "codes", "where": TAKEN}],
    "require": [{"do": "require", "that": FREE}],
    "validate": [{"do": "validate", "rules": [{"rule": FREE}]}],
}
# Those of which the one step asks and writes; what it hasn't written is told by the last.
IN_ONE: dict[str, list[Any]] = {
    "when": [{**CODE, "when": FREE, "as": "made"}, {"do": "require", "that": "made != null"}],
    "if": [{"do": "if", "when": FREE, "then": [CODE], "else": [{"do": "fail", "status": 409}]}],
    "if_not": [{"do": "if", "when": f"!({FREE})", "then": [{"do": "fail", "status": 409}], "else": [CODE]}],
}

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {"name": "teams", "columns": [{"name": "title", "type": "text"}]},
        {"name": "gates", "columns": [{"name": "title", "type": "text"}]},
        {"name": "codes", "columns": [{"name": "code", "type": "text"}]},
        {
            "name": "oncall",
            "columns": [
                {"name": "who", "type": "text"},
                {"name": "active", "type": "boolean", "default": True},
                {"name": "team", "type": "reference", "table": "teams", "on_delete": "cascade"},
            ],
        },
    ],
    "views": [
        {"name": "all_codes", "table": "codes", "filter": "row.code != null", "access": "public"},
        {
            "name": "people",
            "table": "oncall",
            "columns": ["who", "active", "team"],
            "access": "public",
            "allow": ["select", "insert", "update", "delete"],
        },
    ],
    "endpoints": [
        *(endpoint(f"once_{name}", *steps, CODE) for name, steps in ASKING.items()),
        *(endpoint(f"once_{name}", *steps) for name, steps in IN_ONE.items()),
        endpoint("off", ACTIVE, MORE, OFF),
        endpoint("gone", ACTIVE, MORE, {"do": "delete", "table": "oncall", "where": "item.who == input.who"}),
        endpoint("off_serializable", ACTIVE, MORE, OFF, isolation="serializable"),
        endpoint("slow_whole", ACTIVE, GATE, MORE, OFF),
        endpoint("slow_team", OF_TEAM, GATE, MORE, OFF),
        endpoint("slow_serializable", ACTIVE, GATE, MORE, OFF, isolation="serializable"),
        endpoint(
            "slow_quota",
            {"do": "quota", "max": 99, "from": "oncall", "where": "item.team == input.team"},
            GATE,
            OFF,
        ),
        endpoint("add", insert("oncall", who="=input.who", team="=input.team")),
        endpoint(
            "on_again",
            {"do": "fetch", "from": "oncall", "where": "item.who == input.who", "as": "one"},
            {"do": "update", "table": "oncall", "id": "one.id", "set": {"active": True}},
        ),
        endpoint("disband", {"do": "delete", "table": "teams", "id": "input.team"}),
    ],
}  # fmt: skip


@pytest.fixture
async def backend(migrated_url: str, patient: None) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        yield backend


async def post(backend: Backend, name: str, **body: Any) -> Any:
    return await backend.client.post(f"/api/{name}", json=body)


async def on_call(backend: Backend, count: int) -> str:
    """Have so many people on call, of one team, whose id it gives."""
    await backend.sql("DELETE FROM data.oncall")
    team = (await backend.sql("INSERT INTO data.teams (title) VALUES ('one') RETURNING id"))[0]["id"]
    people = "INSERT INTO data.oncall (who, team) SELECT 'p' || n, $1 FROM pg_catalog.generate_series(1, $2) n"
    await backend.sql(people, team, count)
    return str(team)


async def active(backend: Backend) -> int:
    return int((await backend.sql("SELECT count(*) AS n FROM data.oncall WHERE active"))[0]["n"])


async def test_of_twelve_who_go_off_duty_at_once_one_stays(backend: Backend) -> None:
    for names in [("off",), ("off", "gone"), ("off_serializable",), ("off", "off_serializable")] * ROUNDS:
        await on_call(backend, AT_ONCE)
        calls = [post(backend, names[n % len(names)], who=f"p{n + 1}") for n in range(AT_ONCE)]
        answers = Counter([answer.status_code for answer in await asyncio.gather(*calls)])
        assert set(answers) <= {204, 409}, names  # whoever comes first is waited for: nobody stands in another's way
        assert answers[204] >= 1, names
        assert await active(backend) == AT_ONCE - answers[204] >= 1, names


async def test_of_twelve_who_write_what_must_not_be_there_yet_one_does(backend: Backend) -> None:
    for name in (*ASKING, *IN_ONE):
        await backend.sql("DELETE FROM data.codes")
        answers = await asyncio.gather(*(post(backend, f"once_{name}", code="a") for _ in range(AT_ONCE)))
        assert Counter(answer.status_code < 300 for answer in answers) == {True: 1, False: AT_ONCE - 1}, name
        assert len(await backend.sql("SELECT FROM data.codes")) == 1, name


Writer = Callable[[Backend, str], Awaitable[Any]]


async def by_hand(backend: Backend, sql: str, *parameters: Any) -> None:
    connection = await connect(backend.url)
    await connection.execute("SET SESSION lock_timeout = 60000")
    await connection.execute(sql, *parameters)
    await connection.close()


WRITERS: dict[str, Writer] = {
    "another endpoint": lambda backend, team: post(backend, "add", who="new", team=team),
    "an endpoint that locks its row before": lambda backend, team: post(backend, "on_again", who="p2"),
    "a view's PATCH": lambda backend, team: backend.client.patch(
        "/rest/v1/people?who=eq.p2", json={"active": False}
    ),
    "a view's PATCH of all": lambda backend, team: backend.client.patch(
        f"/rest/v1/people?team=eq.{team}", json={"active": False}
    ),
    "a view's bulk insert": lambda backend, team: backend.client.post(
        "/rest/v1/people", json=[{"who": str(n), "active": True, "team": team} for n in range(50)]
    ),
    "a view's DELETE": lambda backend, team: backend.client.delete("/rest/v1/people?who=eq.p2"),
    "SQL by hand": lambda backend, team: by_hand(backend, "UPDATE data.oncall SET active = false WHERE who = 'p2'"),
    "a row that comes from elsewhere": lambda backend, team: by_hand(
        backend, "UPDATE data.oncall SET team = $1 WHERE who = 'other'", team
    ),
    "what goes with a deleted row": lambda backend, team: post(backend, "disband", team=team),
}  # fmt: skip


async def waiting(backend: Backend, count: int, *tasks: "asyncio.Task[Any]") -> bool:
    """Wait until so many wait for a lock in the database, or one of the tasks has ended."""
    asked = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while not any(task.done() for task in tasks):
        if (await backend.sql(asked))[0]["n"] >= count:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_whoever_writes_a_row_waits_for_who_has_counted_it(backend: Backend) -> None:
    """The counting endpoint stands before its gate when the writer comes, and goes through with what it counted."""
    counters = ["slow_whole", "slow_team", "slow_serializable", "slow_quota"]
    for name, (what, write) in product(counters, WRITERS.items()):
        team = await on_call(backend, 3)
        other = (await backend.sql("INSERT INTO data.teams (title) VALUES ('two') RETURNING id"))[0]["id"]
        await backend.sql("DELETE FROM data.gates")
        await backend.sql("INSERT INTO data.gates (title) VALUES ('gate')")
        await backend.sql("INSERT INTO data.oncall (who, team, active) VALUES ('other', $1, false)", other)
        async with backend.app.server.pool.lease() as connection, connection.transaction():
            await connection.execute("SELECT FROM data.gates FOR UPDATE")
            counting = asyncio.create_task(post(backend, name, who="p1", team=team))
            assert await waiting(backend, 1, counting)
            writing = asyncio.ensure_future(write(backend, team))
            assert await waiting(backend, 2, counting, writing), f"{what} doesn't wait for {name}"
        answer, written = await counting, await writing
        assert answer.status_code == 204, (what, answer.text)
        assert written is None or written.status_code < 300, (what, written.text)


@pytest.mark.parametrize("name", ["slow_whole", "slow_team"])
async def test_a_writer_that_has_locked_the_row_before_it_waits_stops_nobody(backend: Backend, name: str) -> None:
    """For who holds the table it waits before it locks; by a column each waits for the other, and one is run again."""
    team = await on_call(backend, 3)
    await backend.sql("INSERT INTO data.gates (title) VALUES ('gate')")
    async with backend.app.server.pool.lease() as connection, connection.transaction():
        await connection.execute("SELECT FROM data.gates FOR UPDATE")
        counting = asyncio.create_task(post(backend, name, who="p1", team=team))
        assert await waiting(backend, 1, counting)
        writing = asyncio.create_task(post(backend, "on_again", who="p1"))
        assert await waiting(backend, 2, counting, writing)
    assert [(await task).status_code for task in (counting, writing)] == [204, 204]


async def test_who_writes_other_rows_than_those_counted_waits_for_nobody(backend: Backend) -> None:
    team = await on_call(backend, 3)
    key = "SELECT rowgate.hold_key('data.oncall'::regclass, 'team', $1::uuid::text) AS key"
    mine, other = (await backend.sql(key, team))[0]["key"], None
    while other is None or (await backend.sql(key, other))[0]["key"] == mine:  # one in 256 shares a lock
        other = (await backend.sql("INSERT INTO data.teams (title) VALUES ('two') RETURNING id"))[0]["id"]
    await backend.sql("INSERT INTO data.gates (title) VALUES ('gate')")
    async with backend.app.server.pool.lease() as connection, connection.transaction():
        await connection.execute("SELECT FROM data.gates FOR UPDATE")
        counting = asyncio.create_task(post(backend, "slow_quota", who="p1", team=team))
        assert await waiting(backend, 1, counting)
        await backend.sql("INSERT INTO data.oncall (who, team) VALUES ('x', $1)", other)
        assert not counting.done()
    assert (await counting).status_code == 204


async def test_a_bulk_write_takes_a_bounded_number_of_locks(backend: Backend) -> None:
    async with backend.app.server.pool.lease() as connection, connection.transaction():
        await connection.execute("INSERT INTO data.codes (code) SELECT n::text FROM generate_series(1, 3000) n")
        taken = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        assert 200 < await connection.fetchval(taken) <= 257


async def test_who_waits_too_long_for_others_is_told_to_come_back(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who counts waits for who writes, and the other way round; each no longer than for a row."""
    lock = "SELECT pg_advisory_xact_lock(rowgate.hold_key('data.oncall'::regclass, '', ''))"
    monkeypatch.setattr(targets, "WAIT_FOR_ROWS", "SET LOCAL lock_timeout = 200")
    team = await on_call(backend, 2)
    async with backend.app.server.pool.lease() as connection, connection.transaction():
        await connection.execute(lock)
        answers = await asyncio.gather(
            post(backend, "off", who="p1"), post(backend, "add", who="p3", team=team), post(backend, "on_again")
        )
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "db.contended"), answer.text
        assert answer.headers["retry-after"] == "1"
    assert await active(backend) == 2


async def test_tries_that_run_out_are_told_to_come_back(backend: Backend) -> None:
    await backend.sql("CREATE SEQUENCE data.tries")
    await backend.sql(
        "CREATE FUNCTION data.lose() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM nextval('data.tries'); RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END$$"
    )
    await backend.sql("CREATE TRIGGER lose BEFORE INSERT ON data.codes EXECUTE FUNCTION data.lose()")
    answer = await post(backend, "once_count", code="a")
    assert (answer.status_code, answer.json()["code"]) == (503, "db.contended")
    assert answer.headers["retry-after"] == "1"
    assert [row["last_value"] for row in await backend.sql("SELECT last_value FROM data.tries")] == [3]


async def test_a_trace_says_what_holds_the_rows_that_were_counted(backend: Backend) -> None:
    admin = await backend.admin()

    async def held(name: str) -> list[str]:
        said = {"method": "POST", "path": f"/api/{name}", "body": {"code": "a", "who": "p1"}}
        answer = await backend.client.post("/admin/v1/simulate", json=said, headers=admin)
        steps = [step for stage in answer.json()["trace"] for step in stage.get("steps", [])]
        return [step["held"] for step in steps if "held" in step]

    assert await held("off") == ["rows of oncall where item.active (the whole table oncall)"]
    assert await held("off_serializable") == [
        "rows of oncall where item.active (the whole table oncall), by a lock on tables"
    ]
    assert await held("once_quota") == ["rows of codes where item.code == input.code (codes by code)"]
    assert await held("once_fetch") == ["rows of codes where item.code == input.code (codes by code)"]
    assert await held("add") == []
