"""Claims about the pool: bounded, quick to refuse, and never a connection handed on that carries somebody's state."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from urllib.parse import quote

import asyncpg
import pytest

from app.database.connection_share import KNOWN, SLOW_SECONDS, ConnectionShare
from app.database.embedded import SUPERUSER, EmbeddedPostgres
from app.database.lending import Within
from app.database.opening import DatabaseUnavailable
from app.database.pool import DatabaseOverloaded, Pool
from tests.http.test_room import until


@pytest.fixture
async def pool(module_database_url: str) -> AsyncIterator[Pool]:
    pool = Pool(module_database_url, 2, patience=10)
    yield pool
    await pool.close()


@pytest.fixture
async def hasty_pool(module_database_url: str) -> AsyncIterator[Pool]:
    pool = Pool(module_database_url, 2, patience=0.1)
    yield pool
    await pool.close()


async def backend(pool: Pool) -> int:
    async with pool.lease() as connection:
        return int(await connection.fetchval("SELECT pg_backend_pid()"))


async def kill(server: EmbeddedPostgres, pid: int) -> None:
    connection = await asyncpg.connect(server.url(user=SUPERUSER))
    try:
        await connection.execute(f"SELECT pg_terminate_backend({pid}, 2000)")
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://rowgate:hunter2secret@/nothing?host={socket}", "does not exist"),
        ("postgresql://nobody:hunter2secret@/rowgate?host={socket}", "refuses the role"),
        ("postgresql://a:hunter2secret@127.0.0.1:1/x", "cannot be reached"),
        ("postgresql://a:b@127.0.0.1:hunter2secret/x", "not the URL of a Postgres database"),
        ("http://a:hunter2secret@127.0.0.1/x", "ROWGATE_DATABASE_URL"),
    ],
)
async def test_a_database_that_cannot_be_used_stops_the_start_with_a_sentence_without_secrets(
    embedded_server: EmbeddedPostgres, url: str, sentence: str
) -> None:
    pool = Pool(url.format(socket=quote(str(embedded_server.socket_dir))), 2)
    with pytest.raises(DatabaseUnavailable, match=sentence) as refused:
        await pool.open()
    assert "hunter2secret" not in repr(refused.value)
    assert refused.value.__suppress_context__
    assert refused.value.headers == {"Retry-After": "1"}
    with pytest.raises(DatabaseUnavailable):  # the failure took no slot for good
        await asyncio.gather(*(pool.acquire() for _ in range(5)))


async def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.database.pool.CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(DatabaseUnavailable, match="does not answer in time"):
            await Pool(f"postgresql://a:b@127.0.0.1:{port}/x", 1).open()


async def test_a_waiter_is_refused_when_none_comes_free(hasty_pool: Pool) -> None:
    async with hasty_pool.lease(), hasty_pool.lease():
        started = time.monotonic()
        with pytest.raises(DatabaseOverloaded) as refused:
            await hasty_pool.acquire()
    assert (refused.value.status, refused.value.code) == (503, "db.overloaded")
    assert time.monotonic() - started > 0.05


def test_a_request_waits_one_second_unless_told_otherwise(module_database_url: str) -> None:
    assert Pool(module_database_url, 1)._patience == 1.0


async def test_a_waiter_that_was_refused_is_not_served_later(hasty_pool: Pool) -> None:
    async with hasty_pool.lease(), hasty_pool.lease():
        with pytest.raises(DatabaseOverloaded):
            await hasty_pool.acquire()
    assert len(hasty_pool._idle) == 2


async def test_waiters_are_served_in_the_order_in_which_they_came(pool: Pool) -> None:
    order: list[int] = []

    async def work(number: int) -> None:
        async with pool.lease():
            order.append(number)
            await asyncio.sleep(0.002)

    async with pool.lease(), pool.lease():
        line = asyncio.gather(*(work(number) for number in range(12)))
        await asyncio.sleep(0.01)
    await line
    assert order == list(range(12))


async def test_no_more_connections_than_its_size_are_open(pool: Pool, module_database_url: str) -> None:
    async def count() -> int:
        async with pool.lease() as connection:
            await connection.fetchval("SELECT pg_sleep(0.001)")
            return int(
                await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            )

    assert max(await asyncio.gather(*(count() for _ in range(40)))) <= 2


async def test_the_connection_used_last_is_used_first(pool: Pool) -> None:
    first, second = await pool.acquire(), await pool.acquire()
    pool.release(first)
    pool.release(second)
    assert await pool.acquire() is second
    assert await pool.acquire() is first
    pool.release(first)
    pool.release(second)


async def test_large_answers_make_a_share_slow_however_quick_they_are(pool: Pool) -> None:
    for heavy, share in ((True, "large"), (False, "small")):
        for _ in range(20):
            pool.release(await pool.acquire(share), heavy=heavy)
    assert pool._shares["small"].seconds < SLOW_SECONDS <= pool._shares["large"].seconds


async def test_a_connection_inside_a_transaction_is_closed_and_its_work_rolled_back(pool: Pool) -> None:
    async with pool.lease() as connection:
        await connection.execute("BEGIN; CREATE SCHEMA left_open")
    assert not pool._idle
    async with pool.lease() as other:
        assert other is not connection
        assert await other.fetchval("SELECT to_regnamespace('left_open')") is None


async def test_a_connection_in_a_failed_transaction_is_closed(pool: Pool) -> None:
    async with pool.lease() as connection:
        await connection.execute("BEGIN")
        with pytest.raises(asyncpg.PostgresError):
            await connection.execute("SELECT 1/0")
    assert not pool._idle


async def test_a_refused_statement_alone_costs_no_connection(pool: Pool) -> None:
    before = await backend(pool)
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with pool.lease() as connection:
            await connection.execute("SELECT 1/0")
    assert await backend(pool) == before


async def test_a_cancelled_block_costs_its_connection_and_stops_its_statement(pool: Pool) -> None:
    before = await backend(pool)

    async def long() -> None:
        async with pool.lease() as connection:
            await connection.execute("SELECT pg_sleep(30)")

    task = asyncio.create_task(long())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.gather(*pool._closings)
    async with pool.lease() as connection:
        assert connection.get_server_pid() != before
        assert await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep'") == 0
    assert pool._slots == 1


async def test_a_timeout_that_the_block_swallows_costs_the_connection_too(pool: Pool) -> None:
    async with pool.lease() as connection:
        with pytest.raises(TimeoutError):
            await connection.execute("SELECT pg_sleep(30)", timeout=0.02)
    assert not pool._idle
    assert await backend(pool) != 0


async def test_a_connection_that_was_closed_while_idle_is_not_handed_out(
    pool: Pool, embedded_server: EmbeddedPostgres
) -> None:
    before = await backend(pool)
    (idle,) = pool._idle
    await kill(embedded_server, before)
    await until(idle.is_closed)
    assert await backend(pool) != before
    assert pool._slots == 1


async def test_a_connection_that_broke_in_use_frees_its_slot_for_a_waiter(
    pool: Pool, embedded_server: EmbeddedPostgres
) -> None:
    held = [await pool.acquire(), await pool.acquire()]
    waiter = asyncio.create_task(backend(pool))
    await asyncio.sleep(0.01)
    await kill(embedded_server, held[0].get_server_pid())
    await until(held[0].is_closed)
    pool.release(held[0])
    assert await waiter not in {connection.get_server_pid() for connection in held if not connection.is_closed()}
    pool.release(held[1])
    assert pool._slots == 2


async def test_a_waiter_cancelled_as_it_is_served_passes_the_connection_on(pool: Pool) -> None:
    held = [await pool.acquire(), await pool.acquire()]
    first, second = (asyncio.create_task(pool.acquire()) for _ in range(2))
    await asyncio.sleep(0.01)
    pool.release(held[0])
    first.cancel()
    assert await second is held[0]
    with pytest.raises(asyncio.CancelledError):
        await first
    pool.release(held[0])
    pool.release(held[1])
    assert len(pool._idle) == pool._slots == 2


async def test_nothing_leaks_under_cancellations_at_every_moment(pool: Pool) -> None:
    async def work() -> None:
        async with pool.lease() as connection, connection.transaction():
            await connection.fetchval("SELECT pg_sleep(0.002)")

    tasks = []
    for number in range(60):
        tasks.append(asyncio.create_task(work()))
        asyncio.get_running_loop().call_later(number * 0.0004, tasks[-1].cancel)
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*pool._closings)
    assert not pool._leased
    assert pool._slots == len(pool._idle)
    assert await backend(pool)


async def test_a_closed_pool_refuses_borrowers_and_leaves_no_connection(module_database_url: str) -> None:
    pool = Pool(module_database_url, 1)
    held = await pool.acquire()
    waiter = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(pool.close())
    with pytest.raises(DatabaseUnavailable, match="stopping"):
        await waiter
    pool.release(held)
    await closing
    assert held.is_closed()
    assert pool._slots == 0
    with pytest.raises(DatabaseUnavailable, match="stopping"):
        await pool.acquire()


async def test_a_borrower_that_outstays_the_grace_is_cut_off(module_database_url: str) -> None:
    pool = Pool(module_database_url, 1)
    held = await pool.acquire()
    await pool.close(grace=0.02)
    assert held.is_closed()
    pool.release(held)
    assert pool._slots == 0


def quick(pool: Pool, *names: str) -> None:
    """Have shares that were seen to be quick."""
    for name in names:
        pool._shares[name] = share = ConnectionShare()
        share.seconds = 0.0


async def taken_by(pool: Pool, name: str) -> int:
    """Take all that a share can get, and count it."""
    asked = await asyncio.gather(*(pool.acquire(name) for _ in range(pool.size + 1)), return_exceptions=True)
    refused = [one for one in asked if isinstance(one, BaseException)]
    assert [(type(one), getattr(one, "headers", None)) for one in refused] == [
        (DatabaseOverloaded, {"Retry-After": "1"})
    ] * len(refused)
    return len(asked) - len(refused)


SHARES = [(1, 1, 1), (2, 1, 1), (3, 2, 2), (5, 3, 4), (10, 5, 8), (20, 10, 16)]


@pytest.mark.parametrize(("size", "slow", "most"), SHARES)
async def test_how_many_a_share_gets_alone(module_database_url: str, size: int, slow: int, most: int) -> None:
    for count, pool in ((slow, Pool(module_database_url, size, patience=0.01)),
                        (most, Pool(module_database_url, size, patience=0.01))):  # fmt: skip
        if count is most:
            quick(pool, "any")
        assert await taken_by(pool, "any") == count
        if count < size:  # who has no share takes what the share may not
            assert await pool.acquire() is not None
        await pool.close(0)


async def test_of_two_greedy_shares_neither_shuts_a_newcomer_out(module_database_url: str) -> None:
    pool = Pool(module_database_url, 10, patience=0.01)
    quick(pool, "b")
    assert (await taken_by(pool, "a"), await taken_by(pool, "b")) == (5, 4)
    assert await pool.acquire("newcomer") is not None
    await pool.close(0)


async def test_a_share_is_slow_or_quick_by_how_long_it_held_its_last_ones(
    module_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.database.connection_share.SLOW_SECONDS", 0.05)
    pool = Pool(module_database_url, 10, patience=0.01)

    async def hold(seconds: float) -> float:
        connection = await pool.acquire("any")
        await asyncio.sleep(seconds)
        pool.release(connection)
        return pool._shares["any"].seconds

    assert await hold(0) < 0.05
    assert await hold(0.5) > 0.05
    assert await taken_by(pool, "any") == 5
    await pool.close(0)


async def test_a_share_that_waits_is_served_when_it_has_room_again(pool: Pool) -> None:
    held, other = await pool.acquire("a"), await pool.acquire("b")
    waiter = asyncio.create_task(pool.acquire("a"))
    await asyncio.sleep(0)
    pool.release(other)
    await asyncio.sleep(0.01)
    assert not waiter.done()  # one is free, and left to who holds none
    pool.release(held)
    pool.release(await waiter)
    assert (pool._granted, [share.held for share in pool._shares.values()]) == (0, [0, 0])


async def test_who_would_wait_longer_than_it_may_is_refused_at_once(module_database_url: str) -> None:
    pool = Pool(module_database_url, 10, patience=3600)
    held = [await pool.acquire("slow") for _ in range(5)]
    share = pool._shares["slow"]
    share.usual, share.returned = 3600.0 / 2, KNOWN
    waiting = [asyncio.create_task(pool.acquire("slow")) for _ in range(11)]  # each of the five serves two in an hour
    await asyncio.sleep(0)
    with pytest.raises(DatabaseOverloaded) as refused:
        await pool.acquire("slow")
    assert refused.value.headers == {"Retry-After": "1"}
    pool.release(await pool.acquire("quick"))
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not share.waiters
    share.returned = 0  # nothing is known, so it waits
    waiting = [asyncio.create_task(pool.acquire("slow")) for _ in range(99)]
    await asyncio.sleep(0)
    assert len(share.waiters) == 99
    for one in waiting:
        one.cancel()
    for connection in held:
        pool.release(connection)
    await pool.close()


async def test_those_that_were_refused_are_not_kept(hasty_pool: Pool) -> None:
    held = await hasty_pool.acquire("a")
    refused = await asyncio.gather(*(hasty_pool.acquire("a") for _ in range(4)), return_exceptions=True)
    assert [type(one) for one in refused] == [DatabaseOverloaded] * 4
    assert not hasty_pool._shares["a"].waiters
    hasty_pool.release(held)


async def held_by(pool: Pool, *names: object) -> list[int]:
    """Ask for one connection after the other, and say for which names there were any, by their places."""
    asked: list[object] = []
    for name in names:
        asked += await asyncio.gather(pool.acquire(name), return_exceptions=True)
    return [place for place, one in enumerate(asked) if not isinstance(one, DatabaseOverloaded)]


ANN, BOB, EVE = (Within("streams", name) for name in ("ann", "bob", "eve"))


@pytest.mark.parametrize(
    ("size", "names", "given"),
    [
        (10, [ANN] * 6 + [BOB] * 3 + [EVE] * 2, [0, 1, 2, 6, 9]),
        (10, [ANN, BOB, EVE] * 3, [0, 1, 2, 3]),
        (20, [ANN] * 10 + [BOB] * 10 + [EVE] * 2, [0, 1, 2, 3, 4, 10, 11, 12, 20]),
        (4, [ANN, ANN, BOB, EVE], [0, 2]),
        (2, [ANN, BOB], [0]),
        (1, [ANN], [0]),
    ],
)
async def test_one_borrower_leaves_some_of_a_share_to_its_others(
    module_database_url: str, size: int, names: list[object], given: list[int]
) -> None:
    pool = Pool(module_database_url, size, patience=0.01)
    assert await held_by(pool, *names) == given
    assert await held_by(pool, "view") == ([0] if size > 1 else [])
    await pool.close(0)


async def test_borrowers_of_a_share_take_turns_and_are_forgotten_when_they_have_none(module_database_url: str) -> None:
    pool, order = Pool(module_database_url, 2, patience=10), list[str]()

    async def work(name: Within) -> None:
        connection = await pool.acquire(name)
        order.append(str(name.of))
        pool.release(connection, heavy=True)

    held = await pool.acquire(ANN)
    line = [asyncio.create_task(work(name)) for name in (ANN, ANN, ANN, BOB, BOB)]
    await asyncio.sleep(0)
    pool.release(held)
    await asyncio.gather(*line)
    assert order == ["ann", "bob", "ann", "bob", "ann"]
    held = [await pool.acquire(), await pool.acquire()]
    waiter = asyncio.create_task(pool.acquire(EVE))
    await asyncio.sleep(0)
    assert EVE in pool._shares
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    assert [*pool._shares] == ["streams"]
    assert (pool._shares["streams"].held, pool._shares["streams"].is_slow) == (0, True)
    for one in held:
        pool.release(one)
    await pool.close()


async def test_shares_that_wait_take_turns(module_database_url: str) -> None:
    pool, order = Pool(module_database_url, 1, patience=10), list[str]()

    async def work(name: str) -> None:
        connection = await pool.acquire(name)
        order.append(name)
        pool.release(connection)

    held = await pool.acquire()
    line = [asyncio.create_task(work(name)) for name in ("many", "many", "many", "many", "few", "few")]
    await asyncio.sleep(0)
    pool.release(held)
    await asyncio.gather(*line)
    assert order == ["many", "few", "many", "few", "many", "many"]
    await pool.close()


async def test_a_share_gets_back_what_a_cancelled_or_failed_borrower_was_to_have(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await pool.acquire("a")
    waiter = asyncio.create_task(pool.acquire("a"))
    await asyncio.sleep(0)
    pool.release(held)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    connection = await pool.acquire("a")
    monkeypatch.setattr(pool, "_url", "postgresql://a:b@127.0.0.1:1/x")
    with pytest.raises(DatabaseUnavailable):
        await pool.acquire("b")
    pool.release(connection)
    assert (pool._granted, [share.held for share in pool._shares.values()]) == (0, [0, 0])


def test_one_long_turn_of_the_loop_makes_no_line_hopeless() -> None:
    share = ConnectionShare()
    for _ in range(20):
        share.note(0.002)
    for _ in range(8):  # all that are out come back behind one turn
        share.note(0.05)
    assert share.usual < 3 * 0.002
    for _ in range(60):  # but what has become slow is known to be so
        share.note(1.0)
    assert share.usual > 0.9
    assert share.seconds > 0.9


def test_a_line_is_reckoned_by_what_was_seen_from_the_first_connection_on() -> None:
    share = ConnectionShare()
    share.note(0.002)
    assert share.usual == 0.002
