"""A used refresh token: the same successor for who lost the answer, the end of the session for anybody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app import database
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
    first: dict[str, Any]

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
async def side(request: pytest.FixtureRequest, migrated_url: str) -> AsyncIterator[Side]:
    """Somebody who signed in, and two instances on one database."""
    async with AsyncExitStack() as stack:
        both = [await stack.enter_async_context(serving(migrated_url, {"rowgate": 1}, pool_size=25)) for _ in range(2)]
        if request.param == "user":
            first = (await both[0].sign_up("alice")).session
            path, own = "/auth/v1/token?grant_type=refresh_token", "/auth/v1/user"
            yield Side(both, path, own, "rowgate.sessions", "rowgate.refresh_tokens", "refresh_token.reuse", first)
        else:
            await both[0].admin()
            first = (await admin_sign_in(both[0], "root@example.com", ADMIN_PASSWORD)).json()
            tables = "rowgate.admin_sessions", "rowgate.admin_refresh_tokens"
            yield Side(
                both, "/admin/v1/refresh", "/admin/v1/users", *tables, "admin.refresh_token_reuse", first
            )  # fmt: skip


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
    third = await side.successor(second)
    assert (await side.refresh(first)).status_code == 401
    assert (await side.refresh(third)).status_code == 401
    assert await side.reuses() == 1


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE {sessions} SET revoked_at = now()",
        "UPDATE {sessions} SET expires_at = now()",
        "DELETE FROM {sessions}",
        "WITH a AS (UPDATE rowgate.accounts SET disabled_at = now()) UPDATE rowgate.admins SET disabled_at = now()",
        # What is sealed for one row, or was changed by a bit, or belongs to another key, opens nothing.
        "UPDATE {tokens} SET successor = set_byte(successor, 20, get_byte(successor, 20) # 1)",
        "UPDATE {tokens} SET successor = '\\x00'",
        "UPDATE {tokens} SET successor = substr(successor, 2) WHERE successor IS NOT NULL",
    ],
)
async def test_the_grace_gives_nothing_where_the_session_ended_or_what_is_sealed_was_touched(
    side: Side, end: str
) -> None:
    first = side.first["refresh_token"]
    await side.successor(first)
    await side.sql(end)
    assert [(await side.refresh(first, at)).status_code for at in (0, 1)] == [401, 401]


async def test_fifty_at_once_on_two_instances_get_one_successor(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    # However slow the machine is: this is about the answer, and not about how long one waits for it.
    monkeypatch.setitem(database.SESSION_SETTINGS, "lock_timeout", "60s")
    first = side.first["refresh_token"]
    answers = await asyncio.gather(*(side.refresh(first, index % 2) for index in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert [await side.status(answer.json(), at) for answer in answers[:2] for at in (0, 1)] == [200] * 4
    assert len(await side.sql("SELECT FROM {tokens} WHERE used_at IS NULL AND session_id IN"
                              " (SELECT session_id FROM {tokens} WHERE used_at IS NOT NULL)")) == 1  # fmt: skip
    assert await side.reuses() == 0


async def test_a_lost_answer_is_given_again_and_goes_on(side: Side) -> None:
    first = side.first["refresh_token"]
    second = await side.successor(first)
    assert await side.successor(first, at=1) == second
    assert await side.successor(second) not in {first, second}
    assert await side.reuses() == 0


async def test_no_token_is_readable_in_the_database_and_what_is_sealed_is_wiped(side: Side) -> None:
    tokens = [side.first["refresh_token"]]
    for _ in range(3):
        tokens.append(await side.successor(tokens[-1]))
        sealed = await side.sql("SELECT successor FROM {tokens} WHERE successor IS NOT NULL")
        assert len(sealed) == 1  # only the newest of a session
        assert not any(token.encode() in sealed[0]["successor"] for token in tokens)
    await side.later(11)
    other = [one for one in side.backends[1:2]]
    if "admin" in side.tokens:
        again = (await admin_sign_in(other[0], "root@example.com", ADMIN_PASSWORD)).json()
    else:
        again = (await sign_in(other[0], "alice@example.com", PASSWORD)).json()
    await side.successor(again["refresh_token"])
    assert len(await side.sql("SELECT FROM {tokens} WHERE successor IS NOT NULL")) == 1


async def test_a_successor_sealed_for_one_row_opens_on_no_other(side: Side) -> None:
    """Two sessions whose sealed successors were swapped by hand."""
    if "admin" in side.tokens:
        other = (await admin_sign_in(side.backends[0], "root@example.com", ADMIN_PASSWORD)).json()
    else:
        other = (await sign_in(side.backends[0], "alice@example.com", PASSWORD)).json()
    for session in (side.first, other):
        await side.successor(session["refresh_token"])
    await side.sql(
        "UPDATE {tokens} t SET successor = o.successor FROM {tokens} o"
        " WHERE o.successor IS NOT NULL AND t.successor IS NOT NULL AND o.digest <> t.digest"
    )
    for session in (side.first, other):
        assert (await side.refresh(session["refresh_token"])).status_code == 401


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
