"""Before an address is confirmed: whatever a stranger gave the account is gone once its owner comes by another way."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from app.auth.confirming import confirm
from app.auth.one_time import LinkInvalid, OneTime, spend_link, tried
from app.database.connection import Connection
from tests.backend import Backend
from tests.mail.conftest import ALICE, DOCUMENT, last_mail, post, signed_up, token_of

__all__ = ["DOCUMENT"]
# How a stranger's is made, by the table that it is a row of.
GIVEN = {
    "factors": "(user_id, kind, name, key_id, nonce, ciphertext, verified_at)"
    " VALUES ($1, 'totp', '', 'k', 'n', 'c', now())",
    "recovery_codes": "(user_id, digest) VALUES ($1, 'd')",
    "passkeys": "(user_id, credential_id, public_key, sign_count, name) VALUES ($1, 'c', 'k', 0, 'mine')",
    "passkey_challenges": "(user_id, challenge, expires_at) VALUES ($1, 'c', now() + interval '5 minutes')",
    "identities": "(user_id, provider, issuer, subject) VALUES ($1, 'acme', 'https://id.example.com', 'eve')",
    "sign_in_flows": "(user_id, token, stage, provider, issuer, redirect_to, expires_at) VALUES ($1, 't', 'code',"
    " 'acme', 'https://id.example.com', 'https://a.example', now() + interval '10 minutes')",
    "sessions": "(user_id, expires_at) VALUES ($1, now() + interval '1 day')",
    "one_time_tokens": "(kind, user_id, email, new_email, link, columns, expires_at, code_expires_at) VALUES"
    " ('email_change', $1, 'eve@example.com', 'eve@example.com', 'l', '{\"confirmed\": true}',"
    " now() + interval '1 day', now())",
}  # fmt: skip
# What an admin gave, or what is only counted.
STAYS = {"accounts", "user_roles", "factor_tries", "anonymous_users"}


async def test_of_every_table_about_people_it_is_said_what_becomes_of_it(backend: Backend) -> None:
    found = await backend.sql(
        "SELECT c.relname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
        " WHERE k.contype = 'f' AND k.confrelid = 'data.users'::regclass AND c.relnamespace = 'rowgate'::regnamespace"
    )
    assert {row[0] for row in found} == {*GIVEN, *STAYS}


@pytest.mark.parametrize("way", ["signup", "recovery", "magiclink", "otp", "invite"])
async def test_nothing_that_a_stranger_gave_opens_the_account_of_its_owner(backend: Backend, way: str) -> None:
    mail = await signed_up(backend)
    (person,) = await backend.sql("SELECT id FROM data.users")
    for table, row in GIVEN.items():
        await backend.sql(f"INSERT INTO rowgate.{table} {row}", person["id"])
    if way == "invite":
        await backend.client.post("/auth/v1/invite", json={"email": ALICE}, headers=await backend.admin())
    elif way != "signup":
        await post(backend, {"recovery": "/recover"}.get(way, f"/{way}"), email=ALICE)
    kind = {"otp": "email"}.get(way, way)
    mail = mail if way == "signup" else await last_mail(backend)
    used = await post(backend, "/verify", type=kind, token_hash=token_of(mail))
    assert used.status_code == 200, used.text
    left = []
    for table in GIVEN:
        goes_on = " AND revoked_at IS NULL AND amr = '[]'" if table == "sessions" else ""
        left += [
            table for _ in await backend.sql(f"SELECT FROM rowgate.{table} WHERE user_id = $1{goes_on}", person["id"])
        ]
    assert left == []


async def waiting(backend: Backend) -> None:
    """Return once a statement waits for a lock that another one holds."""
    async with asyncio.timeout(10):
        while not await backend.sql("SELECT FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - a lock has no event
            await asyncio.sleep(0.005)


async def two(stack: AsyncExitStack, backend: Backend) -> tuple[Connection, Connection]:
    """Lend two connections, each in a transaction."""
    lent = []
    for _ in range(2):
        lent.append(await stack.enter_async_context(backend.app.server.pool.lease()))
        await stack.enter_async_context(lent[-1].transaction())
    return lent[0], lent[1]


async def test_two_links_of_one_account_dont_wait_for_each_other(backend: Backend) -> None:
    links = [token_of(await signed_up(backend)) for _ in range(2)]

    async def use(connection: Connection, of: OneTime) -> None:
        await confirm(connection, of, (), {}, with_session=True)

    async def later(connection: Connection) -> None:
        await use(connection, await spend_link(connection, links[1], ["confirmation"]))

    async with AsyncExitStack() as stack:
        first, second = await two(stack, backend)
        of = await spend_link(first, links[0], ["confirmation"])
        other = asyncio.create_task(later(second))
        await waiting(backend)
        await use(first, of)
        await first.execute("COMMIT")
        with pytest.raises(LinkInvalid):
            await other
        await first.execute("BEGIN")


async def test_a_code_that_is_tried_doesnt_wait_for_a_link_that_waits_for_it(backend: Backend) -> None:
    await signed_up(backend)
    await post(backend, "/otp", email=ALICE)
    link = token_of(await last_mail(backend))
    async with AsyncExitStack() as stack:
        first, second = await two(stack, backend)
        of = await spend_link(first, link, ["magic_link"])
        other: Any = asyncio.create_task(tried(second, ALICE, ["confirmation", "magic_link"]))
        await waiting(backend)
        await confirm(first, of, (), {}, with_session=True)
        await first.execute("COMMIT")
        await other
        await first.execute("BEGIN")


async def test_a_try_of_a_code_waits_for_another_as_long_as_any_change(backend: Backend) -> None:
    await signed_up(backend)
    async with AsyncExitStack() as stack:
        first, _ = await two(stack, backend)
        await first.execute("UPDATE rowgate.one_time_tokens SET code_tries = code_tries")
        pool = backend.app.server.pool
        async with pool.lease() as second:
            other = asyncio.create_task(tried(second, ALICE, ["confirmation"]))
            await waiting(backend)
            await asyncio.sleep(0.3)  # longer than what only reads waits for anything
            assert not other.done()
            await first.execute("COMMIT")
            await other
        await first.execute("BEGIN")
