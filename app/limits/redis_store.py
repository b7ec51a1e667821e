"""The store of rate limits that several processes share: Redis or Valkey."""

import re
import time
from typing import Any, cast

from limits.aio.storage import RedisStorage
from limits.aio.storage.redis.redispy import RedispyBridge
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


class RedisSide:
    """What the library's Redis store doesn't tell by its own interface."""

    def __init__(self, bridge: RedispyBridge) -> None:
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


def opened(url: str) -> tuple[RedisStorage, RedisSide]:
    """Give the store at `redis://`, `rediss://`, `valkey://`, and its side; connects when hit."""
    storage = RedisStorage(
        "async+" + re.sub(r"^valkey", "redis", url),
        implementation="redispy",
        key_prefix="rowgate",
        # A connection that the store has closed meanwhile is opened again, once and at once.
        retry=cast("Any", Retry(NoBackoff(), 1)),
    )
    return storage, RedisSide(cast("RedispyBridge", storage.bridge))
