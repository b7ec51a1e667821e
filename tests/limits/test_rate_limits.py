"""Rate limits: what is refused, what the memory store holds, and what the headers promise."""

import re
import tracemalloc
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.limits.headers import limit_headers
from app.limits.keys import counted_key
from app.limits.limit import BadLimit, Limit, Outcome, parse_limit
from app.limits.limiter import Limiter, MemoryStore


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Limiter:
    return Limiter.in_memory(clock=clock)


@pytest.mark.parametrize(
    "text",
    [
        *("", "10", "10/", "/minute", "ten/minute", "10/fortnight", "10 per minute", "-1/minute", "1.5/minute"),
        *("10/minute;1/second", "0/minute", "100001/minute", "1/0 minutes", "1/32 days", "1/999999999 days"),
        *("١٠/minute", "1" * 5000 + "/minute", None, 10, True, ["10/minute"], b"10/minute"),
    ],
)
def test_text_that_is_no_limit_is_refused_with_what_to_write(text: object) -> None:
    with pytest.raises(BadLimit) as refusal:
        parse_limit(text)
    assert "10/minute" in (refusal.value.hint or "")
    assert "fortnight" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("10/minute", Limit(10, 60)),
        ("10 / minutes", Limit(10, 60)),
        ("100/15 minutes", Limit(100, 900)),
        ("5/second", Limit(5, 1)),
        (" 1000/Day ", Limit(1000, 86400)),
        ("3/2 hours", Limit(3, 7200)),
    ],
)
def test_a_limit_is_read(text: str, limit: Limit) -> None:
    assert parse_limit(text) == limit


@pytest.mark.parametrize("cost", [0, -1, 11, True])
async def test_a_cost_that_can_never_be_paid_is_an_error_and_counts_nothing(limiter: Limiter, cost: int) -> None:
    for count in (limiter.hit, limiter.look):
        with pytest.raises(BadLimit):
            await count(Limit(10, 60), "s", "alice", cost)
    assert (await limiter.hit(Limit(10, 60), "s", "alice", 10)).allowed


async def test_the_hit_above_the_limit_is_refused_and_counts_nothing(limiter: Limiter, clock: Clock) -> None:
    limit = Limit(2, 60)
    assert [(await limiter.hit(limit, "s", "a")).remaining for _ in range(2)] == [1, 0]
    for _ in range(50):
        clock.now += 1
        assert not (await limiter.hit(limit, "s", "a")).allowed
    clock.now = 1060.1
    assert (await limiter.hit(limit, "s", "a")).allowed


async def test_no_window_of_a_minute_holds_more_than_the_limit_at_its_edge(limiter: Limiter, clock: Clock) -> None:
    limit = Limit(100, 60)
    clock.now = 59.9
    assert sum([(await limiter.hit(limit, "s", "a")).allowed for _ in range(100)]) == 100
    clock.now = 60.1
    assert sum([(await limiter.hit(limit, "s", "a")).allowed for _ in range(100)]) == 0


@given(
    steps=st.lists(st.tuples(st.floats(0, 20), st.integers(1, 5)), min_size=1, max_size=60),
    amount=st.integers(5, 12),
    period=st.integers(1, 30),
)
async def test_any_window_holds_at_most_the_limit_and_retry_after_is_kept(
    steps: list[tuple[float, int]], amount: int, period: int
) -> None:
    clock, limit = Clock(), Limit(amount, period)
    limiter = Limiter.in_memory(clock=clock)
    taken: list[tuple[float, int]] = []
    for wait, cost in steps:
        clock.now += wait
        outcome = await limiter.hit(limit, "s", "a", cost)
        if not outcome.allowed:
            assert isinstance(outcome.retry_after, int)
            assert 1 <= outcome.retry_after <= period + 1
            clock.now += outcome.retry_after
            assert (await limiter.hit(limit, "s", "a", cost)).allowed
        taken.append((clock.now, cost))
        assert sum(cost for at, cost in taken if at >= clock.now - period) <= amount


async def test_scopes_keys_and_limits_are_counted_apart(limiter: Limiter) -> None:
    limit = Limit(1, 60)
    assert (await limiter.hit(limit, "s", "a")).allowed
    assert (await limiter.hit(limit, "s", "b")).allowed
    assert (await limiter.hit(limit, "t", "a")).allowed
    assert (await limiter.hit(Limit(1, 61), "s", "a")).allowed
    assert not (await limiter.hit(limit, "s", "a")).allowed


async def test_a_slash_in_a_key_never_meets_another_scope(limiter: Limiter) -> None:
    limit = Limit(1, 60)
    assert (await limiter.hit(limit, "s/x", "y")).allowed
    assert (await limiter.hit(limit, "s", "x/y")).allowed
    assert (await limiter.hit(limit, "s", "")).allowed
    assert (await limiter.hit(limit, "s", "\ud800\x00\r\n")).allowed


async def test_a_thousand_addresses_of_one_ipv6_network_are_one_caller(limiter: Limiter) -> None:
    hits = [await limiter.hit(Limit(10, 60), "s", f"2001:db8:1:2:{n:x}::{n:x}") for n in range(1000)]
    assert sum(hit.allowed for hit in hits) == 10
    assert (await limiter.hit(Limit(10, 60), "s", "2001:db8:1:3::1")).allowed


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        ("2001:DB8::1", "2001:db8:::64"),
        ("fe80::1%eth0", "fe80:::64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("0190b6a2-0000-7000-8000-000000000000", "0190b6a2-0000-7000-8000-000000000000"),
        ("a:b", "a:b"),
    ],
)
def test_a_short_key_is_stored_in_one_spelling(key: str, stored: str) -> None:
    assert counted_key(key) == stored


@pytest.mark.parametrize(
    "key", ["x" * 65, "x" * 1_000_000, "alice@example.org", "a b", "", "#", "ü", "a\n", "::1" + "x" * 90]
)
def test_a_long_or_unusual_key_is_stored_as_a_hash(key: str) -> None:
    assert re.fullmatch(r"#[0-9a-f]{64}", counted_key(key))


async def flood(limiter: Limiter, limit: Limit, scope: str, count: int, hits: int = 1) -> None:
    for number in range(count):
        await limiter.hit(limit, scope, f"key-{number}", hits)


async def test_a_flood_of_keys_stays_within_the_budget_by_measure() -> None:
    budget = 4 * 1024 * 1024
    store = MemoryStore(budget)
    limiter = Limiter(store, store)
    await flood(limiter, Limit(10, 60), "s", 100)
    tracemalloc.start()
    try:
        await flood(limiter, Limit(10, 3600), "s", 20_000)
        await flood(limiter, Limit(10_000, 3600), "heavy", 300, hits=10_000)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert store.weight <= budget
    assert held <= budget


async def test_a_flood_in_one_scope_forgets_nothing_of_another(clock: Clock) -> None:
    store = MemoryStore(512 * 1024, clock)
    limiter = Limiter(store, store)
    await limiter.hit(Limit(1, 3600), "sign_in", "alice")
    await flood(limiter, Limit(10, 3600), "open", 5000)
    assert store.keys < 1000
    assert not (await limiter.hit(Limit(1, 3600), "sign_in", "alice")).allowed


async def test_expired_keys_are_freed_by_later_hits_of_any_scope(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    limiter = Limiter(store, store)
    await flood(limiter, Limit(10, 60), "s", 800)
    assert store.keys == 800
    clock.now += 61
    for _ in range(400):
        await limiter.hit(Limit(1000, 60), "other", "bob")
    assert store.keys == 1
    assert store.weight < 10_000


async def test_the_store_can_be_asked_and_cleared(clock: Clock) -> None:
    store = MemoryStore(clock=clock)
    key = "limit/s/a/10/60/second"
    assert await store.get_moving_window(key, 10, 60) == (clock.now, 0)
    assert await store.get_expiry(key) == clock.now
    await store.acquire_entry(key, 10, 60, 3)
    assert (await store.get(key), await store.get_expiry(key), await store.check()) == (3, clock.now + 60, True)
    await store.clear(key)
    assert (await store.get(key), store.weight) == (0, 0)
    await store.acquire_entry(key, 10, 60)
    assert (await store.reset(), store.weight, store.keys) == (1, 0, 0)
    with pytest.raises(NotImplementedError):
        await store.incr(key, 60)


def test_an_outcome_and_a_limit_are_frozen() -> None:
    for value in (Limit(1, 1), Outcome(True, 1, 0.0, None)):
        with pytest.raises((FrozenInstanceError, TypeError)):
            value.amount = 2  # type: ignore[union-attr, misc]


def test_headers_tell_all_limits_and_the_longest_wait() -> None:
    seen = limit_headers(
        [("a", Limit(10, 60), Outcome(True, 4, 12.2, None)), ("b", Limit(1, 9), Outcome(False, 0, 3.5, 4))]
    )
    assert seen == {
        "RateLimit-Policy": '"a";q=10;w=60, "b";q=1;w=9',
        "RateLimit": '"a";r=4;t=13, "b";r=0;t=4',
        "Retry-After": "4",
    }


def test_without_a_refusal_there_is_no_retry_after() -> None:
    assert "Retry-After" not in limit_headers([("a", Limit(10, 60), Outcome(True, 4, 12.2, None))])
    assert limit_headers([]) == {}


@given(st.text())
def test_no_name_breaks_out_of_its_header(name: str) -> None:
    for value in limit_headers([(name, Limit(1, 1), Outcome(False, 0, 1.0, 2))]).values():
        assert re.fullmatch(r"[ -~]*", value)
    policy = limit_headers([(name, Limit(1, 1), Outcome(True, 0, 1.0, None))])["RateLimit-Policy"]
    assert re.fullmatch(r'"([ !#-\[\]-~]|\\["\\])*";q=1;w=1', policy)


def test_only_one_file_knows_the_library(request: pytest.FixtureRequest) -> None:
    files: Callable[[str], object] = request.config.rootpath.joinpath("app").rglob
    knowing = [path.name for path in files("*.py") if re.search(r"^(from|import) limits\b", path.read_text(), re.M)]  # type: ignore[attr-defined]
    assert knowing == ["limiter.py"]


@given(hits=st.lists(st.tuples(st.floats(0, 20), st.integers(1, 6)), max_size=30), cost=st.integers(1, 6))
async def test_a_look_says_what_the_hit_comes_to_and_counts_nothing(hits: list[tuple[float, int]], cost: int) -> None:
    clock, limit = Clock(), Limit(6, 30)
    limiter = Limiter.in_memory(clock=clock)
    for wait, spent in hits:
        clock.now += wait
        await limiter.hit(limit, "s", "a", spent)
    looked = [await limiter.look(limit, "s", "a", cost) for _ in range(2)]
    hit = await limiter.hit(limit, "s", "a", cost)
    assert looked[0] == looked[1]
    assert (looked[0].allowed, looked[0].remaining, looked[0].retry_after) == (
        hit.allowed, hit.remaining, hit.retry_after,
    )  # fmt: skip
