"""Requests that meet in the database, each on a connection of its own: what must hold whoever is faster."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.backend import Backend, serving

# Each deadlock is a second of waiting until Postgres sees it.
ROUNDS = int(os.environ.get("ROWGATE_DEADLOCK_ROUNDS", "8"))
STEPS = 6


def endpoint(name: str, steps: list[Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "method": "POST", "path": f"/{name}", "access": "public", "steps": steps, **more}


def add(who: str, amount: int) -> dict[str, Any]:
    where = f'item.who == "{who}"'
    return {"do": "update", "table": "accounts", "where": where, "set": {"held": f"=item.held + ({amount})"}}


def leave(who: str) -> list[Any]:
    """One of two may go off duty, as long as the other stays: write skew where both look at once."""
    return [
        {"do": "count", "from": "accounts", "where": "item.on_duty", "as": "there"},
        {"do": "require", "that": "there >= 2", "status": 409},
        {"do": "update", "table": "accounts", "where": f'item.who == "{who}"', "set": {"on_duty": False}},
    ]


DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {
            "name": "accounts",
            "columns": [
                {"name": "who", "type": "text", "unique": True},
                {"name": "held", "type": "integer", "default": 0},
                {"name": "on_duty", "type": "boolean", "default": True},
            ],
        },
        {
            "name": "stock",
            "columns": [{"name": "left", "type": "integer"}, {"name": "owner", "type": "user"}],
        },
    ],
    "endpoints": [
        endpoint("there", [add("a", -1), add("b", 1)]),
        endpoint("back", [add("b", -1), add("a", 1)]),
        endpoint("leave_a", leave("a"), isolation="serializable"),
        endpoint("leave_b", leave("b"), isolation="serializable"),
        endpoint(
            "buy",
            [
                {"do": "fetch", "from": "stock", "where": "true", "as": "stock"},
                {"do": "require", "that": "stock.left > 0", "status": 409},
                {"do": "update", "table": "stock", "id": "stock.id", "set": {"left": "=stock.left - 1"}},
                {"do": "respond", "status": 201},
            ],
        ),
        endpoint(
            "own",
            [
                {"do": "fetch", "from": "stock", "where": "true", "as": "stock"},
                {"do": "require", "that": "stock.owner == auth.user.id"},
                {"do": "update", "table": "stock", "id": "stock.id", "set": {"left": 0}},
            ],
            access="authenticated",
        ),
        *(
            endpoint(
                f"fails_at_{k}",
                [
                    {"do": "set", "values": {"x": "=1 / (1 - 1)"}}
                    if step == k
                    else {"do": "insert", "table": "accounts", "set": {"who": f"step {step}"}}
                    for step in range(STEPS)
                ],
            )
            for k in range(STEPS)
        ),
    ],
}


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as backend:
        yield backend


async def post(backend: Backend, name: str) -> Any:
    return await backend.client.post(f"/api/{name}")


async def accounts(backend: Backend) -> dict[str, int]:
    return {row["who"]: row["held"] for row in await backend.sql("SELECT who, held FROM data.accounts")}


@pytest.mark.parametrize("k", range(STEPS))
async def test_whichever_step_fails_nothing_of_the_others_stays(backend: Backend, k: int) -> None:
    assert (await post(backend, f"fails_at_{k}")).status_code in {500, 422}
    assert await accounts(backend) == {}


async def test_what_locks_in_opposite_order_is_tried_again_and_no_sum_is_lost(backend: Backend) -> None:
    await backend.sql("INSERT INTO data.accounts (who) VALUES ('a'), ('b')")
    for _ in range(ROUNDS):
        answers = await asyncio.gather(*(post(backend, name) for name in ("there", "back")))
        assert [answer.status_code for answer in answers] == [204, 204], [answer.text for answer in answers]
    assert await accounts(backend) == {"a": 0, "b": 0}
    await asyncio.gather(*(post(backend, "there") for _ in range(10)))
    assert await accounts(backend) == {"a": -10, "b": 10}


async def test_serializable_endpoints_have_no_write_skew(backend: Backend) -> None:
    for _ in range(20):
        await backend.sql("DELETE FROM data.accounts")
        await backend.sql("INSERT INTO data.accounts (who) VALUES ('a'), ('b')")
        answers = await asyncio.gather(post(backend, "leave_a"), post(backend, "leave_b"))
        assert sorted(answer.status_code for answer in answers) == [204, 409]


async def test_of_a_hundred_buyers_ten_get_what_there_is(backend: Backend) -> None:
    await backend.sql('INSERT INTO data.stock ("left") VALUES (10)')
    answers = await asyncio.gather(*(post(backend, "buy") for _ in range(100)))
    assert Counter(answer.status_code for answer in answers) == {201: 10, 409: 90}
    assert [row["left"] for row in await backend.sql('SELECT "left" FROM data.stock')] == [0]


async def test_who_lost_the_row_while_the_request_waited_does_not_write_it(backend: Backend) -> None:
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    await backend.sql('INSERT INTO data.stock ("left", owner) VALUES (10, $1)', alice.id)
    pool = backend.app.fastapi.state.pool
    async with pool.lease() as other:
        async with other.transaction():
            await other.execute("UPDATE data.stock SET owner = $1", bob.id)
            waiting = asyncio.create_task(alice.post("/api/own"))
            await asyncio.sleep(0.3)
            assert not waiting.done()  # it stands before the row that the other has locked
        refused = await waiting
    assert (refused.status_code, refused.json()["code"]) == (403, "chain.refused")
    assert [row["left"] for row in await backend.sql('SELECT "left" FROM data.stock')] == [10]
