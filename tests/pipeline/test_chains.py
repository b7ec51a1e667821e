"""Chains on a backend of their own: order, names, branches, transactions and races."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.backend import Backend, serving

SEATS: dict[str, Any] = {
    "name": "seats",
    "columns": [
        {"name": "event", "type": "text", "required": True},
        {"name": "left", "type": "integer", "required": True, "min": 0},
        {"name": "price", "type": "decimal", "precision": 8, "scale": 2, "default": 10},
    ],
    "unique": [["event"]],
    "checks": [{"rule": "row.left <= 100", "message": "No hall is that large."}],
}
BOOKINGS = {
    "name": "bookings",
    "columns": [
        {"name": "seat", "type": "reference", "table": "seats", "required": True},
        {"name": "who", "type": "user", "required": True, "on_delete": "cascade"},
        {"name": "note", "type": "text", "max_length": 10},
    ],
}


def endpoint(name: str, steps: list[Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "method": "POST", "path": f"/{name}", "access": "public", "steps": steps, **more}


def body(**fields: str) -> dict[str, Any]:
    return {"body": {name: {"type": kind} for name, kind in fields.items()}}


ENDPOINTS = [
    endpoint(
        "half_done",
        [
            {"do": "insert", "table": "seats", "set": {"event": "=input.event", "left": 5}},
            {"do": "require", "that": "input.go"},
            {"do": "respond", "body": "done"},
        ],
        input=body(event="text", go="boolean"),
    ),
    endpoint(
        "fails",
        [
            {"do": "insert", "table": "seats", "set": {"event": "x", "left": 5}},
            {"do": "fail", "status": 418, "code": "tea.pot", "message": '="I am " + "short"'},
        ],
    ),
    endpoint(
        "expression_fails",
        [
            {"do": "insert", "table": "seats", "set": {"event": "x", "left": 5}},
            {"do": "respond", "body": "=1 / input.by"},
        ],
        input={"body": {"by": {"type": "integer", "required": True}}},
    ),
    endpoint(
        "add",
        [
            {"do": "insert", "table": "seats", "set": {"event": "=input.event", "left": "=input.left"}, "as": "seat"},
            {"do": "respond", "body": "=seat"},
        ],
        input=body(event="text", left="integer"),
    ),
    endpoint(
        "put",
        [
            {
                "do": "insert",
                "table": "seats",
                "set": {"event": "=input.event", "left": "=input.left"},
                "on_conflict": {"columns": ["event"], "do": "update"},
                "as": "seat",
            },
            {"do": "respond", "body": "=seat.left"},
        ],
        input=body(event="text", left="integer"),
    ),
    endpoint(
        "book",
        [
            {
                "do": "update",
                "table": "seats",
                "where": "item.event == input.event && item.left >= 1",
                "set": {"left": "=item.left - 1"},
                "expect": "one",
                "as": "seat",
            },
            {
                "do": "insert",
                "table": "bookings",
                "set": {"seat": "=seat.id", "who": "=auth.user.id", "note": "=input.note"},
            },
            {"do": "count", "from": "bookings", "where": "item.seat == seat.id", "as": "taken"},
            {"do": "exists", "from": "bookings", "where": "item.who == auth.user.id", "as": "mine"},
            {"do": "respond", "body": {"left": "=seat.left", "taken": "=taken", "mine": "=mine"}},
        ],
        input=body(event="text", note="text"),
        access="authenticated",
    ),
    endpoint(
        "branches",
        [
            {"do": "set", "values": {"n": "=input.n", "twice": "=n * 2"}},
            {
                "do": "if",
                "when": "n > 10",
                "then": [{"do": "set", "values": {"size": "large"}}],
                "else": [{"do": "set", "values": {"size": "small"}}],
            },
            {"do": "if", "when": "n > 100", "then": [{"do": "respond", "status": 202, "body": "huge"}]},
            {"do": "set", "when": "n == 7", "values": {"lucky": True}},
            {"do": "respond", "body": {"twice": "=twice", "size": "=size", "lucky": "=lucky"}},
        ],
        input={"body": {"n": {"type": "integer", "required": True}}},
    ),
    endpoint(
        "calls",
        [
            {"do": "call", "use": "find", "with": {"event": "=input.event"}, "as": "found"},
            {"do": "respond", "body": "=found.seat.left"},
        ],
        input=body(event="text"),
    ),
    endpoint(
        "listed",
        [
            {
                "do": "list",
                "from": "seats",
                "where": "item.left > 1",
                "order": ["left desc"],
                "limit": "=input.limit",
                "as": "found",
            },
            {"do": "respond", "body": "=found.map(s, s.event)"},
        ],
        input=body(limit="integer"),
    ),
    endpoint(
        "unknown",
        [{"do": "require", "that": "input.n > 1"}, {"do": "respond", "body": "passed"}],
        input=body(n="integer"),
    ),
    endpoint(
        "slow",
        [
            {"do": "fetch", "from": "seats", "where": 'item.event == "held"', "as": "seat"},
            {"do": "update", "table": "seats", "id": "seat.id", "set": {"left": "=seat.left - 1"}},
            {"do": "respond", "body": "=seat.left"},
        ],
    ),
    endpoint(
        "timed",
        [{"do": "update", "table": "seats", "where": 'item.event == "held"', "set": {"left": 1}}],
        timeout=1.2,
    ),
    endpoint(
        "removes",
        [{"do": "delete", "table": "seats", "where": "item.event == input.event", "expect": "one"}],
        input=body(event="text"),
    ),
]
DOCUMENT = {
    "rowgate": 1,
    "tables": [SEATS, BOOKINGS],
    "middleware": [
        {
            "name": "find",
            "params": {"event": {"type": "text", "required": True}},
            "steps": [{"do": "fetch", "from": "seats", "where": "item.event == params.event", "as": "seat"}],
        }
    ],
    "endpoints": ENDPOINTS,
}


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        yield backend


async def call(backend: Backend, name: str, **given: Any) -> Any:
    return await backend.client.post(f"/api/{name}", json=given)


async def seats(backend: Backend) -> dict[str, int]:
    return {row["event"]: row["left"] for row in await backend.sql('SELECT event, "left" FROM data.seats')}


async def test_a_refusal_after_a_write_leaves_nothing(backend: Backend) -> None:
    refused = await call(backend, "half_done", event="a", go=False)
    assert (refused.status_code, refused.json()["code"]) == (403, "chain.refused")
    assert await seats(backend) == {}
    assert (await call(backend, "half_done", event="a", go=True)).json() == "done"
    assert await seats(backend) == {"a": 5}


async def test_fail_has_its_own_status_code_and_message_and_rolls_back(backend: Backend) -> None:
    refused = await call(backend, "fails")
    assert (refused.status_code, refused.json()["code"], refused.json()["detail"]) == (418, "tea.pot", "I am short")
    assert await seats(backend) == {}


async def test_an_expression_that_fails_is_a_500_without_a_word_and_rolls_back(backend: Backend) -> None:
    failed = await call(backend, "expression_fails", by=0)
    assert (failed.status_code, failed.json()["code"]) == (500, "expression.failed")
    assert "zero" not in failed.text
    assert await seats(backend) == {}


async def test_what_the_database_refuses_is_told_by_column_and_by_the_admins_words(backend: Backend) -> None:
    assert (await call(backend, "add", event="a", left=3)).status_code == 200
    unique = await call(backend, "add", event="a", left=3)
    assert (unique.status_code, unique.json()["code"]) == (409, "db.unique")
    assert [error["loc"] for error in unique.json()["errors"]] == [["event"]]
    for left, sentence in ((-1, "A number of at least 0 is wanted."), (101, "No hall is that large.")):
        refused = await call(backend, "add", event="b", left=left)
        assert (refused.status_code, refused.json()["detail"]) == (422, sentence)
    missing = await call(backend, "add", event="b")
    assert (missing.status_code, missing.json()["code"]) == (422, "db.not_null")


async def test_an_insert_on_conflict_updates(backend: Backend) -> None:
    assert (await call(backend, "put", event="a", left=3)).json() == 3
    assert (await call(backend, "put", event="a", left=4)).json() == 4
    assert await seats(backend) == {"a": 4}


async def test_branches_and_names(backend: Backend) -> None:
    assert (await call(backend, "branches", n=7)).json() == {"twice": 14, "size": "small", "lucky": True}
    assert (await call(backend, "branches", n=11)).json() == {"twice": 22, "size": "large", "lucky": None}
    huge = await call(backend, "branches", n=101)
    assert (huge.status_code, huge.json()) == (202, "huge")


async def test_an_unknown_answer_never_passes(backend: Backend) -> None:
    assert (await call(backend, "unknown")).status_code == 403
    assert (await call(backend, "unknown", n=None)).status_code == 403
    assert (await call(backend, "unknown", n=2)).json() == "passed"


async def test_a_middleware_called_as_a_subroutine_gives_one_value(backend: Backend) -> None:
    assert (await call(backend, "calls", event="a")).status_code == 404
    await call(backend, "add", event="a", left=3)
    assert (await call(backend, "calls", event="a")).json() == 3


async def test_a_list_is_ordered_and_bounded(backend: Backend) -> None:
    for event, left in (("a", 3), ("b", 5), ("c", 1), ("d", 4)):
        await call(backend, "add", event=event, left=left)
    assert (await call(backend, "listed", limit=2)).json() == ["b", "d"]
    assert (await call(backend, "listed")).json() == ["b", "d", "a"]
    assert (await call(backend, "listed", limit=0)).json() == []


async def test_a_write_that_expects_one_row_and_meets_none_is_404(backend: Backend) -> None:
    assert (await call(backend, "removes", event="a")).status_code == 404
    await call(backend, "add", event="a", left=3)
    assert (await call(backend, "removes", event="a")).status_code == 204
    assert await seats(backend) == {}


async def test_of_many_at_once_no_more_get_a_seat_than_there_are(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    await call(backend, "add", event="a", left=10)
    answers = await asyncio.gather(*(alice.post("/api/book", {"event": "a"}) for _ in range(30)))
    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [404] * 20
    assert await seats(backend) == {"a": 0}
    assert await backend.sql("SELECT count(*) AS n FROM data.bookings") == [(10,)]
    assert {answer.json()["taken"] for answer in answers if answer.status_code == 200} == set(range(1, 11))


async def test_a_step_that_fails_undoes_those_before_it(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    await call(backend, "add", event="a", left=10)
    refused = await alice.post("/api/book", {"event": "a", "note": "much too long a note"})
    assert (refused.status_code, refused.json()["code"]) == (422, "db.check")
    assert await seats(backend) == {"a": 10}


async def test_what_was_fetched_for_a_write_is_locked_until_the_end(backend: Backend) -> None:
    """Read, compute, write: without the lock, requests at once would overwrite each other's numbers."""
    await call(backend, "add", event="held", left=20)
    answers = await asyncio.gather(*(call(backend, "slow") for _ in range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert await seats(backend) == {"held": 0}


async def test_a_request_that_takes_too_long_is_cut_off_and_leaves_no_connection_behind(backend: Backend) -> None:
    await call(backend, "add", event="held", left=20)
    pool = backend.app.server.pool
    async with pool.lease() as connection, connection.transaction():
        await connection.execute("SELECT FROM data.seats FOR UPDATE")
        refused = await call(backend, "timed")
    assert (refused.status_code, refused.json()["code"]) == (504, "request.timeout")
    assert await seats(backend) == {"held": 20}
    assert (await call(backend, "timed")).status_code == 204
    async with asyncio.timeout(5):
        while pool._leased:  # noqa: ASYNC110 - the look for a new revision takes one for a moment each second
            await asyncio.sleep(0.01)
