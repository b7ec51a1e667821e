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


AT_MOST_FIVE: dict[str, Any] = {
    "access": "authenticated",
    "middleware": [{"use": "at_most", "with": {"max": 5}}],
}
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
        {"name": "seats", "columns": [{"name": "owner", "type": "user"}, {"name": "line", "type": "text"}]},
    ],
    "views": [
        {"name": "all_accounts", "table": "accounts", "access": "public", "allow": ["select", "insert"]},
        {
            "name": "my_seats",
            "table": "seats",
            "columns": ["id", "line"],
            "filter": "row.owner == auth.user.id",
            "allow": ["select", "insert", "update"],
            "presets": {"owner": "=auth.user.id"},
            **AT_MOST_FIVE,
        },
    ],
    "middleware": [
        {
            "name": "at_most",
            "params": {"max": {"type": "integer", "default": 3}},
            "steps": [
                {"do": "quota", "max": "=params.max", "from": "seats", "where": "item.owner == auth.user.id"},
            ],
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
                {"do": "fetch", "from": "stock", "where": "true", "as": "kept"},
                {"do": "require", "that": "kept.left > 0", "status": 409},
                {"do": "update", "table": "stock", "id": "kept.id", "set": {"left": "=kept.left - 1"}},
                {"do": "respond", "status": 201},
            ],
        ),
        endpoint(
            "take",
            [
                {"do": "insert", "table": "accounts", "set": {"who": "=input.who"}, "as": "account"},
                {"do": "respond", "status": 201, "body": "=account.id"},
            ],
            input={"body": {"who": {"type": "text"}}},
        ),
        endpoint("fill", [{"do": "insert", "table": "seats", "set": {"owner": "=auth.user.id"}}], **AT_MOST_FIVE),
        endpoint(
            "own",
            [
                {"do": "fetch", "from": "stock", "where": "true", "as": "kept"},
                {"do": "require", "that": "kept.owner == auth.user.id"},
                {"do": "update", "table": "stock", "id": "kept.id", "set": {"left": 0}},
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


async def test_of_a_hundred_who_take_the_same_unique_value_one_gets_it(backend: Backend) -> None:
    for path, code in (("/api/take", "code"), ("/rest/v1/all_accounts", "rowgate_code")):
        body = {"who": path}
        answers = await asyncio.gather(*(backend.client.post(path, json=body) for _ in range(100)))
        assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 99}
        refused = [answer.json() for answer in answers if answer.status_code == 409]
        assert {answer[code] for answer in refused} == {"db.unique"}
        assert [error["loc"] for error in refused[0]["errors"]] == [["who"]]
    assert await accounts(backend) == {"/api/take": 0, "/rest/v1/all_accounts": 0}


async def seats(backend: Backend) -> Counter[str]:
    return Counter(str(row["owner"]) for row in await backend.sql("SELECT owner FROM data.seats"))


async def test_a_quota_in_middleware_holds_for_a_view_and_an_endpoint_together(backend: Backend) -> None:
    """Fifty at once for each of two people; what is written the one way counts for the other."""
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    calls = [
        person.post("/rest/v1/my_seats" if number % 2 else "/api/fill", {"line": "a"} if number % 2 else None)
        for number in range(50)
        for person in (alice, bob)
    ]
    answers = await asyncio.gather(*calls)
    for mine in (answers[::2], answers[1::2]):
        assert Counter(answer.status_code < 300 for answer in mine) == {True: 5, False: 45}
    refused = [answer.json() for answer in answers if answer.status_code == 403]
    assert len(refused) == 90
    assert {answer.get("rowgate_code", answer["code"]) for answer in refused} == {"chain.over_quota"}
    assert await seats(backend) == {alice.id: 5, bob.id: 5}


async def test_a_quota_of_a_view_bounds_its_posts_by_themselves(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    one = await asyncio.gather(*(alice.post("/rest/v1/my_seats", {"line": "a"}) for _ in range(50)))
    assert Counter(answer.status_code for answer in one) == {201: 5, 403: 45}
    assert await seats(backend) == {alice.id: 5}
    # Rows that come together can't pass either, and leave none.
    bob = await backend.sign_up("bob")
    six = await bob.post("/rest/v1/my_seats", [{"line": "a"}] * 6)
    assert (six.status_code, six.json()["rowgate_code"]) == (403, "chain.over_quota")
    twos = await asyncio.gather(*(bob.post("/rest/v1/my_seats", [{"line": "a"}] * 2) for _ in range(25)))
    assert Counter(answer.status_code for answer in twos) == {201: 2, 403: 23}
    assert await seats(backend) == {alice.id: 5, bob.id: 4}


async def test_who_lost_the_row_while_the_request_waited_does_not_write_it(backend: Backend) -> None:
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    await backend.sql('INSERT INTO data.stock ("left", owner) VALUES (10, $1)', alice.id)
    pool = backend.app.server.pool
    async with pool.lease() as other:
        async with other.transaction():
            await other.execute("UPDATE data.stock SET owner = $1", bob.id)
            waiting = asyncio.create_task(alice.post("/api/own"))
            await asyncio.sleep(0.3)
            assert not waiting.done()  # it stands before the row that the other has locked
        refused = await waiting
    assert (refused.status_code, refused.json()["code"]) == (403, "chain.refused")
    assert [row["left"] for row in await backend.sql('SELECT "left" FROM data.stock')] == [10]
