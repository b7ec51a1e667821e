"""Moving-window rate limits, counted in memory or in Redis or Valkey, and the headers that tell about them."""

from __future__ import annotations

import math
import re
import time
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MovingWindowSupport, Storage
from limits.aio.strategies import MovingWindowRateLimiter

from app.limits.keys import counted_key, counted_scope
from app.limits.limit import BadLimit, Limit, Outcome

if TYPE_CHECKING:
    from app.limits.store_watch import StoreWatch

MEMORY_BUDGET = 64 * 1024 * 1024
KEY_BYTES = 640  # measured: one key's name, window and place in the two dictionaries; a hit more is 8 bytes
ROUNDING = 0.001  # seconds
_PROBE = Limit(1, 1)


class _Side(Protocol):
    """What the limiter needs of a store beside the library's own interface."""

    async def clock(self) -> float: ...

    async def nth_newest(self, key: str, index: int) -> float | None: ...

    async def close(self) -> None: ...


class _Partition:
    """The windows of one scope and limit, the one hit longest ago first: also the order in which they expire."""

    __slots__ = ("hits", "period", "windows")

    def __init__(self, period: int) -> None:
        self.windows: OrderedDict[str, array[float]] = OrderedDict()
        self.hits = 0
        self.period = period

    def weight(self) -> int:
        return KEY_BYTES * len(self.windows) + 8 * self.hits

    def drop_oldest(self) -> None:
        self.hits -= len(self.windows.popitem(last=False)[1])

    def drop_expired(self, now: float, at_most: int) -> None:
        for _ in range(min(at_most, len(self.windows))):
            if next(iter(self.windows.values()))[-1] >= now - self.period:
                return
            self.drop_oldest()


def _partition_of(key: str) -> str:
    """Drop the who of a key `limit/<scope>/<who>/<amount>/<period>/second`; a who never has a slash."""
    scope, _, amount, period, _ = key.rsplit("/", 4)
    return f"{scope}/{amount}/{period}"


class MemoryStore(Storage, MovingWindowSupport):
    """Windows in this process's memory, within a budget of bytes.

    Every hit also frees a few expired windows, so a flood pays for its own cleaning. Over budget, the largest scope
    loses the window hit longest ago: a flood of keys in one scope forgets counts of that scope only. (The library's own
    memory store starts a task per hit that walks all keys, each by way of a thread.)
    """

    STORAGE_SCHEME = None

    def __init__(self, budget: int = MEMORY_BUDGET, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._budget = budget
        self._now = clock
        self._partitions: OrderedDict[str, _Partition] = OrderedDict()
        self._weight = 0

    @property
    def base_exceptions(self) -> type[Exception]:
        """Name no error of its own: memory doesn't fail."""
        return MemoryError

    @property
    def weight(self) -> int:
        """Give the bytes that the windows are reckoned to hold."""
        return self._weight

    @property
    def keys(self) -> int:
        """Count the windows held."""
        return sum(len(partition.windows) for partition in self._partitions.values())

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` hits if the window has room for all of them; a refused hit is not recorded."""
        now = self._now()
        self._sweep(now)
        name = _partition_of(key)
        partition = self._partitions.get(name)
        window = partition.windows.get(key) if partition else None
        counted = 0 if window is None else len(window) - bisect_left(window, now - expiry)
        if counted + amount > limit:
            return False
        if partition is None:
            partition = self._partitions[name] = _Partition(expiry)
        before = partition.weight()
        if window is None:
            window = partition.windows[key] = array("d")
        expired = len(window) - counted
        del window[:expired]
        window.extend([now] * amount)
        partition.windows.move_to_end(key)
        partition.hits += amount - expired
        self._weight += partition.weight() - before
        self._keep_budget()
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Give the time of the oldest counted hit (now, if there is none) and how many are counted."""
        now = self._now()
        window = self._window(key)
        first = bisect_left(window, now - expiry)
        count = min(len(window) - first, limit)
        return (window[len(window) - count], count) if count else (now, 0)

    async def nth_newest(self, key: str, index: int) -> float | None:
        """Give the time of the hit `index` places before the newest."""
        window = self._window(key)
        return window[-1 - index] if index < len(window) else None

    async def clock(self) -> float:
        """Give the time that hits are recorded in."""
        return self._now()

    async def close(self) -> None:
        """Hold nothing open."""

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Belong to fixed windows, which let twice the amount pass at an edge: refused."""
        raise NotImplementedError("this store counts moving windows only")

    async def get(self, key: str) -> int:
        """Count what is recorded under a key, expired or not."""
        return len(self._window(key))

    async def get_expiry(self, key: str) -> float:
        """Give the time at which the newest hit of a key leaves its window."""
        window = self._window(key)
        partition = self._partitions.get(_partition_of(key))
        return window[-1] + partition.period if partition and window else self._now()

    async def check(self) -> bool:
        """Tell that memory is there."""
        return True

    async def reset(self) -> int:
        """Forget all windows and tell how many they were."""
        forgotten = self.keys
        self._partitions.clear()
        self._weight = 0
        return forgotten

    async def clear(self, key: str) -> None:
        """Forget one key."""
        partition = self._partitions.get(_partition_of(key))
        if partition and key in partition.windows:
            before = partition.weight()
            partition.hits -= len(partition.windows.pop(key))
            self._weight += partition.weight() - before

    def _window(self, key: str) -> array[float]:
        partition = self._partitions.get(_partition_of(key))
        return partition.windows.get(key, array("d")) if partition else array("d")

    def _sweep(self, now: float) -> None:
        """Free up to eight expired windows of the next partition in turn, and the partition when it is empty."""
        if not self._partitions:
            return
        name, partition = next(iter(self._partitions.items()))
        before = partition.weight()
        partition.drop_expired(now, 8)
        self._weight += partition.weight() - before
        if partition.windows:
            self._partitions.move_to_end(name)
        else:
            del self._partitions[name]

    def _keep_budget(self) -> None:
        while self._weight > self._budget:
            largest = max(self._partitions.values(), key=_Partition.weight)
            before = largest.weight()
            largest.drop_oldest()
            self._weight += largest.weight() - before


class _RedisSide:
    """What the library's Redis store doesn't tell by its own interface."""

    def __init__(self, bridge: Any) -> None:
        self._bridge = bridge

    async def clock(self) -> float:
        """Give the time that the library records hits in."""
        return time.time()

    async def nth_newest(self, key: str, index: int) -> float | None:
        """Give the time of the hit `index` places before the newest."""
        client: Any = self._bridge.get_connection()
        found = await client.lindex(self._bridge.prefixed_key(key), index)
        return None if found is None else float(found)

    async def close(self) -> None:
        """Close the connections."""
        client: Any = self._bridge.get_connection()
        await client.aclose()


class Limiter:
    """Counts hits by limit, scope and key; use `in_memory` or `in_redis`, `start` it, and `close` at the end."""

    def __init__(self, storage: Storage, side: _Side, spare: Limiter | None = None) -> None:
        self._strategy = MovingWindowRateLimiter(storage)
        self._side = side
        self._spare = spare
        self.watch: StoreWatch | None = None
        """What is known of the store; None where this process counts by itself."""

    @classmethod
    def in_memory(cls, budget: int = MEMORY_BUDGET, clock: Callable[[], float] = time.monotonic) -> Limiter:
        """Count in this process alone, in at most about `budget` bytes."""
        store = MemoryStore(budget, clock)
        return cls(store, store)

    @classmethod
    def in_redis(cls, url: str) -> Limiter:
        """Count in Redis or Valkey (`redis://`, `rediss://`, `valkey://`) for all processes; connects when hit."""
        if not re.match(r"(redis|valkey)s?://", url):
            raise BadLimit("The address of the limiter's store begins with redis:// or rediss://.")
        # The client of Redis is large, and few servers need it.
        from limits.aio.storage import RedisStorage  # noqa: PLC0415
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415

        from app.limits.store_watch import StoreWatch  # noqa: PLC0415 - it takes the client

        storage = RedisStorage(
            "async+" + re.sub(r"^valkey", "redis", url),
            implementation="redispy",
            key_prefix="rowgate",
            # A connection that the store has closed meanwhile is opened again, once and at once.
            retry=cast("Any", Retry(NoBackoff(), 1)),
        )
        limiter = cls(storage, _RedisSide(storage.bridge), cls.in_memory())
        limiter.watch = StoreWatch(partial(limiter._hit, _PROBE, "watch", "store", 1))
        return limiter

    def start(self) -> None:
        """Watch the store from here on."""
        if self.watch is not None:
            self.watch.start()

    async def hit(self, limit: Limit, scope: str, key: str, cost: int = 1) -> Outcome:
        """Count `cost` hits if there is room for all of them, else none.

        `scope` names what is limited and comes from a definition; `key` names who, and may be anything a client sends.
        Raises BadLimit for a cost outside 1..amount, StoreUnavailable when the store doesn't answer.
        """
        _check_cost(limit, cost)
        if self.watch is None or self._spare is None:
            return await self._hit(limit, scope, key, cost)
        async with self.watch.asked():
            try:
                return await self._hit(limit, scope, key, cost)
            except self.watch.full:
                # The store is up but full: this process counts alone, until the store's keys expire.
                return await self._spare.hit(limit, scope, key, cost)

    async def look(self, limit: Limit, scope: str, key: str, cost: int = 1) -> Outcome:
        """Say what a hit would come to now, and count none; raises as `hit` does."""
        _check_cost(limit, cost)
        if self.watch is None or self._spare is None:
            return await self._look(limit, scope, key, cost)
        async with self.watch.asked():
            outcome = await self._look(limit, scope, key, cost)
        if not outcome.allowed:
            return outcome
        # What a full store had no room for was counted in the spare.
        spare = await self._spare.look(limit, scope, key, cost)
        return outcome if spare.allowed else spare

    async def _hit(self, limit: Limit, scope: str, key: str, cost: int) -> Outcome:
        item, names = _named(limit, scope, key)
        allowed = await self._strategy.hit(item, *names, cost=cost)
        window = await self._strategy.get_window_stats(item, *names)
        return await self._outcome(item, names, window, cost, allowed)

    async def _look(self, limit: Limit, scope: str, key: str, cost: int) -> Outcome:
        item, names = _named(limit, scope, key)
        reset_at, left = await self._strategy.get_window_stats(item, *names)
        allowed = left >= cost
        return await self._outcome(item, names, (reset_at, left - cost if allowed else left), cost, allowed)

    async def _outcome(
        self, item: RateLimitItem, names: tuple[str, str], window: tuple[float, int], cost: int, allowed: bool
    ) -> Outcome:
        now, left = await self._side.clock(), window[1]
        if not 0 <= left <= item.amount:
            msg = "no store of limits answers so"
            raise ValueError(msg)
        reset_after = max(0.0, window[0] - now) if left < item.amount else 0.0
        if allowed:
            return Outcome(True, left, reset_after, None)
        blocking = await self._side.nth_newest(item.key_for(*names), item.amount - cost)
        wait = 0.0 if blocking is None else blocking + item.multiples - now
        # The library still counts a hit that is exactly one period old, and its floats round: the next whole second
        # above the wait and a margin for rounding is the first that surely succeeds.
        return Outcome(False, left, reset_after, max(1, math.floor(wait + ROUNDING) + 1))

    async def close(self) -> None:
        """Watch no longer, and close the store's connections."""
        if self.watch is not None:
            await self.watch.stop()
        await self._side.close()


def _check_cost(limit: Limit, cost: int) -> None:
    if isinstance(cost, bool) or not 1 <= cost <= limit.amount:
        raise BadLimit(f"A hit on this rate limit costs from 1 to {limit.amount}.")


def _named(limit: Limit, scope: str, key: str) -> tuple[RateLimitItem, tuple[str, str]]:
    item = RateLimitItemPerSecond(limit.amount, limit.period, namespace="limit")
    return item, (counted_scope(scope), counted_key(key))
