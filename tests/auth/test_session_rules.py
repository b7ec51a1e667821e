"""How long sessions last and how many there are, as a document says, on every instance at once."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.auth.conftest import bearer, refresh, sign_in
from tests.auth.test_what_a_document_says import DOCUMENT, saying, signed_up
from tests.backend import PASSWORD, Backend, serving
from tests.turns import Turns


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


@pytest_asyncio.fixture(loop_scope="module")
async def elsewhere(backend: Backend) -> AsyncIterator[Backend]:
    """A second instance, which is told nothing."""
    async with serving(backend.url, DOCUMENT) as other:
        await other.app.server.live.stop()
        yield other


async def test_how_long_sessions_last_is_what_the_document_says_on_each_instance(
    backend: Backend, elsewhere: Backend
) -> None:
    alice = await backend.sign_up("alice")
    await backend.apply(saying(sessions={"access_minutes": 2, "idle_days": 3, "absolute_days": 5}))
    told = (await refresh(elsewhere, alice.session["refresh_token"])).json()
    assert told["expires_in"] == 120
    for path, status in (("/auth/v1/signup", 200), ("/api/join", 204)):
        assert (await signed_up(elsewhere, f"user{status}", path=path)).status_code == status
    days = "SELECT DISTINCT (extract(epoch FROM expires_at - created_at) / 86400)::int FROM rowgate.sessions ORDER BY 1"
    assert [row[0] for row in await backend.sql(days)] == [5, 30]
    await backend.sql("UPDATE rowgate.sessions SET refreshed_at = now() - interval '4 days'")
    assert (await refresh(elsewhere, told["refresh_token"])).status_code == 401


async def test_a_single_session_is_the_one_that_began_last_also_of_many_at_once(
    backend: Backend, elsewhere: Backend
) -> None:
    alice = await backend.sign_up("alice")
    await backend.apply(saying(sessions={"single": True}))
    assert (await alice.get("/auth/v1/user")).status_code == 200
    first = (await sign_in(elsewhere, "alice@example.com", PASSWORD)).json()
    assert (await alice.get("/auth/v1/user")).status_code == 401
    both = (backend, elsewhere)
    many = await asyncio.gather(*(sign_in(both[n % 2], "alice@example.com", PASSWORD) for n in range(6)))
    sessions = [first, *(one.json() for one in many)]
    statuses = [
        (await one.client.get("/auth/v1/user", headers=bearer(session["access_token"]))).status_code
        for session in sessions
        for one in both
    ]
    assert sorted(statuses) == [200] * 2 + [401] * 12
    assert len(await backend.sql("SELECT FROM rowgate.sessions WHERE revoked_at IS NULL")) == 1
