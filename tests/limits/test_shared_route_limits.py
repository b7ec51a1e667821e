"""The bounds of sign-in and of the admin API, counted for two instances in the Redis that they share."""

import asyncio
from collections import Counter
from typing import Any

import redis

from tests.backend import Backend, calling, serving
from tests.limits.test_redis_limits import address, needs_redis, patient, server

__all__ = ["patient", "server"]
DOCUMENT: dict[str, Any] = {"rowgate": 1, "auth": {"passkeys": True, "site_url": "https://app.example.com"}}
# A route, how many requests of one address it takes in a minute, and what it answers to them.
BOUNDS = [("/admin/v1/setup", 20, 422), ("/auth/v1/passkeys/authentication/verify", 60, 422)]


async def sent(instances: list[Backend], path: str, count: int) -> Counter[int]:
    """Send so many requests to each, all at once."""
    asked = [one.client.post(path, json={}) for one in instances for _ in range(count)]
    return Counter(answer.status_code for answer in await asyncio.gather(*asked))


@needs_redis
async def test_two_instances_share_the_bounds_of_their_routes(migrated_url: str, server: redis.Redis) -> None:
    server.flushall()
    shared = {"redis_url": address(server)}
    async with serving(migrated_url, DOCUMENT, **shared) as here, serving(migrated_url, DOCUMENT, **shared) as there:
        for path, amount, status in BOUNDS:
            assert await sent([here, there], path, amount) == {status: amount, 429: amount}, path
            refused = await there.client.post(path, json={})
            assert refused.json()["code"] == "auth.rate_limited"
            assert 1 <= int(refused.headers["retry-after"]) <= 61
            async with calling(there.app, "127.0.0.9") as another:
                assert (await another.post(path, json={})).status_code == status
        assert not any(key.startswith(b"rowgate:limit/routes.auth.sign_up") for key in server.scan_iter())
        await here.sign_up("alice")
        assert any(key.startswith(b"rowgate:limit/routes.auth.sign_up") for key in server.scan_iter())


@needs_redis
async def test_without_an_answer_of_the_store_each_instance_goes_by_its_own_count(migrated_url: str) -> None:
    gone = {"redis_url": "redis://127.0.0.1:1"}
    async with serving(migrated_url, DOCUMENT, **gone) as here, serving(migrated_url, DOCUMENT, **gone) as there:
        path, amount, status = BOUNDS[0]
        assert await sent([here, there], path, amount + 1) == {status: 2 * amount, 429: 2}
