"""A used refresh token: the same successor for who lost the answer, the end of the session for anybody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from app.database import lock_waits
from app.database import pool as database
from tests.auth.conftest import admin_sign_in, bearer, sign_in
from tests.backend import ADMIN_PASSWORD, PASSWORD, Backend, serving


@dataclass
class Side:
    """One kind of people who refresh, and where what is kept of it is."""

    backends: list[Backend]
    refresh_path: str
    own_path: str
    sessions: str
    tokens: str
    reuse: str
    account: tuple[str, str]
    first: dict[str, Any] = field(default_factory=dict)

    async def sign_in(self, at: int = 0) -> dict[str, Any]:
        how = admin_sign_in if "admin" in self.tokens else sign_in
        session: dict[str, Any] = (await how(self.backends[at], *self.account)).json()
        return session

    async def refresh(self, token: str, at: int = 0) -> httpx.Response:
        return await self.backends[at].client.post(self.refresh_path, json={"refresh_token": token})

    async def successor(self, token: str, at: int = 0) -> str:
        answer = await self.refresh(token, at)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["refresh_token"])

    async def sql(self, statement: str, *parameters: Any) -> list[Any]:
        return await self.backends[0].sql(statement.format(**vars(self)), *parameters)

    async def later(self, seconds: int) -> None:
        await self.sql(f"UPDATE {self.tokens} SET used_at = used_at - interval '{seconds} seconds'")

    async def status(self, session: dict[str, Any], at: int = 0) -> int:
        answer = await self.backends[at].client.get(self.own_path, headers=bearer(session["access_token"]))
        return answer.status_code

    async def reuses(self) -> int:
        rows = await self.sql("SELECT count(*) FROM rowgate.audit WHERE action = $1", self.reuse)
        return int(rows[0][0])


@pytest.fixture(params=["user", "admin"])
async def side(
    request: pytest.FixtureRequest, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Side]:
    """Somebody who signed in, and two instances on one database."""
    # However slow the machine is: this is about answers, and not about how long one waits for them.
    monkeypatch.setattr(lock_waits, "WAIT_FOR_ROWS", "SET LOCAL lock_timeout = 60000")
    monkeypatch.setitem(database.SESSION_SETTINGS, "statement_timeout", "60s")
    async with AsyncExitStack() as stack:
        both = [await stack.enter_async_context(serving(migrated_url, {"rowgate": 1}, pool_size=25)) for _ in range(2)]
        if request.param == "user":
            await both[0].sign_up("alice")
            path, own = "/auth/v1/token?grant_type=refresh_token", "/auth/v1/user"
            tables, account = ("rowgate.sessions", "rowgate.refresh_tokens"), ("alice@example.com", PASSWORD)
            side = Side(both, path, own, *tables, "refresh_token.reuse", account)
        else:
            await both[0].admin()
            path, own = "/admin/v1/refresh", "/admin/v1/users"
            tables = ("rowgate.admin_sessions", "rowgate.admin_refresh_tokens")
            side = Side(both, path, own, *tables, "admin.refresh_token_reuse", ("root@example.com", ADMIN_PASSWORD))
        side.first = await side.sign_in()
        yield side


async def test_a_used_token_after_its_grace_ends_the_session_once(side: Side) -> None:
    first = side.first["refresh_token"]
    second = await side.successor(first)
    await side.later(11)
    third = (await side.refresh(second)).json()
    answer = await side.refresh(first, at=1)
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.refresh_token_invalid")
    for token in (first, second, third["refresh_token"]):
        assert (await side.refresh(token)).status_code == 401
    assert [await side.status(session) for session in (side.first, third)] == [401, 401]
    assert await side.reuses() == 1


async def test_a_used_token_within_its_grace_ends_the_session_once_its_successor_was_used(side: Side) -> None:
    first = side.first["refresh_token"]
    second = await side.successor(first)
    assert await side.successor(first, at=1) == second
    third = await side.successor(second)
    assert await side.reuses() == 0
    assert (await side.refresh(first)).status_code == 401
    assert (await side.refresh(third)).status_code == 401
    assert await side.reuses() == 1


ENDS = (
    # What is sealed for another row, or was changed by a bit, opens nothing.
    "UPDATE {tokens} SET successor = set_byte(successor, 20, get_byte(successor, 20) # 1)",
    "UPDATE {tokens} SET successor = '\\x00'",
    "UPDATE {tokens} t SET successor = o.successor FROM {tokens} o"
    " WHERE o.successor IS NOT NULL AND t.successor IS NOT NULL AND o.digest <> t.digest",
    "UPDATE {sessions} SET revoked_at = now()",
    "UPDATE {sessions} SET expires_at = now()",
    "DELETE FROM {sessions}",
    "WITH a AS (UPDATE rowgate.accounts SET disabled_at = now()) UPDATE rowgate.admins SET disabled_at = now()",
)


async def test_the_grace_gives_nothing_where_the_session_ended_or_what_is_sealed_was_touched(side: Side) -> None:
    for end in ENDS:
        sessions = [await side.sign_in() for _ in range(2)]
        for session in sessions:
            await side.successor(session["refresh_token"])
        await side.sql(end)
        for at, session in enumerate(sessions):
            assert (await side.refresh(session["refresh_token"], at)).status_code == 401, end


async def test_fifty_at_once_on_two_instances_get_one_successor(side: Side) -> None:
    first = side.first["refresh_token"]
    answers = await asyncio.gather(*(side.refresh(first, index % 2) for index in range(50)))
    assert {answer.text[:300] for answer in answers if answer.status_code != 200} == set()
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert [await side.status(answer.json(), at) for answer in answers[:2] for at in (0, 1)] == [200] * 4
    assert len(await side.sql("SELECT FROM {tokens} WHERE used_at IS NULL AND session_id IN"
                              " (SELECT session_id FROM {tokens} WHERE used_at IS NOT NULL)")) == 1  # fmt: skip
    assert await side.reuses() == 0


async def test_no_token_is_readable_in_the_database_and_what_is_sealed_is_wiped(side: Side) -> None:
    tokens = [side.first["refresh_token"]]
    for _ in range(3):
        tokens.append(await side.successor(tokens[-1]))
        sealed = await side.sql("SELECT successor FROM {tokens} WHERE successor IS NOT NULL")
        assert len(sealed) == 1  # only the newest of a session
        assert not any(token.encode() in sealed[0]["successor"] for token in tokens)
    await side.later(11)
    again = await side.sign_in(at=1)
    await side.successor(again["refresh_token"])
    assert len(await side.sql("SELECT FROM {tokens} WHERE successor IS NOT NULL")) == 1


async def test_a_changed_password_and_a_sign_out_end_what_the_grace_would_give(backend: Backend) -> None:
    for name, end in (
        ("alice", ("PUT", "/auth/v1/user", {"password": "another horse battery", "current_password": PASSWORD})),
        ("bob", ("POST", "/auth/v1/logout?scope=global", None)),
    ):
        person = await backend.sign_up(name)
        elsewhere = (await sign_in(backend, f"{name}@example.com", PASSWORD)).json()
        path = "/auth/v1/token?grant_type=refresh_token"
        lost = {"refresh_token": elsewhere["refresh_token"]}
        assert (await backend.client.post(path, json=lost)).status_code == 200
        method, where, body = end
        assert (await person.call(method, where, json=body)).status_code in {200, 204}
        assert (await backend.client.post(path, json=lost)).status_code == 401
