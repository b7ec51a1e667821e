"""The cache of users: never older than the asking, and forgotten where the columns of users change."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.auth.users import UserCache
from app.database.pool import Pool, connect


class SlowPool(Pool):
    """A pool whose connections are handed out only when the test says so."""

    def __init__(self, url: str) -> None:
        super().__init__(url, 4)
        self.taken = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def acquire(self, on_behalf_of: object = None) -> Any:
        self.taken += 1
        await self.gate.wait()
        return await super().acquire(on_behalf_of)


@pytest.fixture
async def pool(migrated_url: str) -> AsyncIterator[SlowPool]:
    pool = SlowPool(migrated_url)
    yield pool
    await pool.close()


async def sql(url: str, statement: str, *parameters: Any) -> Any:
    connection = await connect(url)
    try:
        return await connection.fetchval(statement, *parameters)
    finally:
        await connection.close()


async def person(url: str, email: str = "a@example.com") -> str:
    return str(await sql(url, "INSERT INTO data.users (email) VALUES ($1) RETURNING id", email))


async def test_who_isnt_there_is_none_and_not_remembered(pool: SlowPool) -> None:
    users = UserCache(pool)
    for _ in range(2):
        assert await users.get("018f0000-0000-7000-8000-00000000000a") is None
    assert pool.taken == 2


async def test_who_is_known_costs_no_connection(pool: SlowPool, migrated_url: str) -> None:
    users, user_id = UserCache(pool), await person(migrated_url)
    first = await users.get(user_id)
    assert first is not None
    assert await users.get(user_id) is first
    assert pool.taken == 1
    assert (first.id, first.disabled, first.version > 0) == (user_id, False, True)
    assert set(first.columns) == {"id", "email", "created_at"}


async def test_no_more_are_remembered_than_there_is_room_for(pool: SlowPool, migrated_url: str) -> None:
    users = UserCache(pool, 2)
    ids = [await person(migrated_url, f"{name}@example.com") for name in "abc"]
    for user_id in ids:
        await users.get(user_id)
    assert [users.known(user_id) is not None for user_id in ids] == [False, True, True]


async def test_who_asks_while_a_read_is_under_way_gets_a_later_one(pool: SlowPool, migrated_url: str) -> None:
    users, user_id = UserCache(pool), await person(migrated_url)
    pool.gate.clear()
    early = asyncio.create_task(users.reload(user_id))
    await asyncio.sleep(0)
    late = [asyncio.create_task(users.reload(user_id)) for _ in range(20)]
    await asyncio.sleep(0.01)
    assert pool.taken == 1
    pool.gate.set()
    states = [await task for task in late]
    assert await early is not states[0]
    assert all(state is states[0] for state in states)
    assert pool.taken == 2


async def test_a_failed_read_reaches_who_asked_and_the_next_one_succeeds(pool: SlowPool, migrated_url: str) -> None:
    users, user_id = UserCache(pool), await person(migrated_url)

    async def broken(on_behalf_of: object = None) -> Any:
        raise OSError("no route", on_behalf_of)

    pool.acquire = broken  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no route"):
        await users.reload(user_id)
    del pool.acquire
    assert await users.reload(user_id) is not None


async def test_who_hangs_up_takes_the_read_from_nobody(pool: SlowPool, migrated_url: str) -> None:
    users, user_id = UserCache(pool), await person(migrated_url)
    pool.gate.clear()
    gone, here = asyncio.create_task(users.reload(user_id)), asyncio.create_task(users.reload(user_id))
    await asyncio.sleep(0)
    gone.cancel()
    pool.gate.set()
    state = await here
    assert state is not None
    assert gone.cancelled()


async def test_everybody_is_forgotten_where_the_columns_of_users_change(pool: SlowPool, migrated_url: str) -> None:
    users, user_id = UserCache(pool), await person(migrated_url)
    users.follow(0, ("plan",))
    await users.get(user_id)
    users.follow(1, ("plan",))
    assert users.known(user_id) is not None
    users.follow(2, ("plan", "city"))
    assert users.known(user_id) is None


async def test_what_was_read_before_a_change_of_columns_and_comes_after_it_is_read_again(
    pool: SlowPool, migrated_url: str
) -> None:
    users, user_id = UserCache(pool), await person(migrated_url)
    await sql(migrated_url, "UPDATE rowgate.live SET revision = 1")
    users.follow(2, "columns that this read doesn't have")
    lease = pool.lease

    def counted() -> Any:
        return _Counting(lease(), migrated_url)

    pool.lease = counted  # type: ignore[method-assign]
    state = await users.reload(user_id)
    assert state is not None
    assert _Counting.reads == 2


class _Counting:
    """A lease that publishes the next revision after the first read."""

    reads = 0

    def __init__(self, lease: Any, url: str) -> None:
        self.lease, self.url = lease, url

    async def __aenter__(self) -> "_Counting":
        self.connection = await self.lease.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.lease.__aexit__(*error)

    async def rows(self, *parts: Any) -> Any:
        found = await self.connection.rows(*parts)
        _Counting.reads += 1
        await sql(self.url, "UPDATE rowgate.live SET revision = 2")
        return found
