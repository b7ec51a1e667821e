"""Signing in: refusals first."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from passlib.hash import argon2

from app.limits.limit import Limit
from tests.auth.conftest import DOCUMENT, admin_sign_in, refresh, sign_in
from tests.backend import ADMIN_PASSWORD, PASSWORD, Backend, serving
from tests.conftest import real_hashes

ALICE = "alice@example.com"
_LOOPBACK = (ip_network("127.0.0.1"),)


def same(answer: Any) -> Any:
    """Give what a client can tell answers apart by."""
    headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    return answer.status_code, {**answer.json(), "request_id": ""}, headers


async def test_a_wrong_password_and_an_unknown_address_look_the_same(backend: Backend) -> None:
    await backend.sign_up("alice")
    wrong = await sign_in(backend, ALICE, "not the password")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "auth.credentials_invalid")
    assert wrong.json()["error_code"] == "invalid_credentials"
    assert wrong.json()["error"] == "invalid_grant"
    assert wrong.headers["www-authenticate"] == 'Bearer realm="rowgate"'
    for address in ("nobody@example.com", "no address", "", "x" * 5000):
        assert same(await sign_in(backend, address, "not the password")) == same(wrong)


async def test_a_refused_sign_in_is_in_the_audit_log(backend: Backend) -> None:
    await backend.sign_up("alice")
    await sign_in(backend, ALICE, "not the password")
    await sign_in(backend, ALICE, PASSWORD)
    rows = await backend.sql("SELECT action, detail FROM rowgate.audit ORDER BY id")
    assert [row["action"] for row in rows][-2:] == ["sign_in.refused", "sign_in"]
    assert "not the password" not in str(rows)


async def test_an_endless_password_is_refused_before_it_is_hashed(backend: Backend) -> None:
    await backend.sign_up("alice")
    answer = await sign_in(backend, ALICE, "x" * 60_000)
    assert (answer.status_code, answer.json()["code"]) == (422, "auth.password_refused")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "body",
    [{}, {"email": ALICE}, {"email": ALICE, "password": None}, {"email": ALICE, "password": {"$ne": ""}},
     {"email": [ALICE], "password": "x"}, {"email": ALICE, "password": "x", "role": "support"}, [], "x", None],
    ids=str,
)  # fmt: skip
async def test_a_body_of_another_shape_is_refused(refusing: Backend, body: Any) -> None:
    answer = await refusing.client.post("/auth/v1/token?grant_type=password", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "input.invalid")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("query", ["", "?grant_type=", "?grant_type=web3", "?grant_type=authorization_code"])
async def test_another_grant_is_refused(refusing: Backend, query: str) -> None:
    answer = await refusing.client.post(f"/auth/v1/token{query}", json={"email": ALICE, "password": "x"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


async def test_after_five_wrong_passwords_also_the_right_one_waits(backend: Backend) -> None:
    await backend.sign_up("alice")
    await backend.sign_up("bob")
    spellings = [ALICE, "Alice@Example.com", " alice@example.com", "ａlice@example.com", "ALICE@example.com"]
    assert [(await sign_in(backend, one, "wrong")).status_code for one in spellings] == [401] * 5
    refused = await sign_in(backend, ALICE, PASSWORD)
    assert (refused.status_code, refused.json()["code"]) == (429, "auth.too_many_failures")
    assert int(refused.headers["retry-after"]) > 0
    assert (await sign_in(backend, "bob@example.com", PASSWORD)).status_code == 200


async def test_guessing_all_at_once_gains_nothing(patient: None, backend: Backend) -> None:
    await backend.sign_up("alice")
    answers = await asyncio.gather(*(sign_in(backend, ALICE, f"guess {n}") for n in range(30)))
    assert sorted({one.status_code for one in answers}) == [401, 429]
    assert sum(one.status_code == 401 for one in answers) == 5


async def test_a_right_guess_sent_along_with_too_many_wrong_ones_is_not_told(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backend.sign_up("alice")
    passwords = backend.app.server.auth.passwords
    verify = passwords.verify

    async def slow(password: str, *parts: Any) -> Any:
        if password == PASSWORD:
            for n in range(5):
                await sign_in(backend, ALICE, f"guess {n}")
        return await verify(password, *parts)

    monkeypatch.setattr(passwords, "verify", slow)
    answer = await sign_in(backend, ALICE, PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (429, "auth.too_many_failures")


async def test_many_sign_ins_of_one_person_at_once_all_succeed(backend: Backend) -> None:
    await backend.sign_up("alice")
    answers = await asyncio.gather(*(sign_in(backend, ALICE, PASSWORD) for _ in range(12)))
    assert [one.status_code for one in answers] == [200] * 12


async def test_a_right_password_forgets_the_wrong_ones(backend: Backend) -> None:
    await backend.sign_up("alice")
    for _ in range(2):
        for _ in range(4):
            assert (await sign_in(backend, ALICE, "wrong")).status_code == 401
        assert (await sign_in(backend, ALICE, PASSWORD)).status_code == 200


def behind_proxy(backend: Backend) -> None:
    settings = backend.app.settings.model_copy(update={"trusted_proxies": _LOOPBACK})
    backend.app.fastapi.state.server = replace(backend.app.server, settings=settings)


async def test_a_strangers_guesses_lock_nobody_out(backend: Backend) -> None:
    behind_proxy(backend)
    await backend.sign_up("alice")
    for _ in range(7):
        await sign_in(backend, ALICE, "wrong", **{"X-Forwarded-For": "203.0.113.7"})
    assert (await sign_in(backend, ALICE, PASSWORD, **{"X-Forwarded-For": "203.0.113.7"})).status_code == 429
    assert (await sign_in(backend, ALICE, PASSWORD, **{"X-Forwarded-For": "198.51.100.1"})).status_code == 200


async def test_guesses_from_everywhere_stop_and_known_addresses_still_pass(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind_proxy(backend)
    monkeypatch.setattr("app.auth.failures.ON_ACCOUNT", Limit(8, 86400))
    home = {"X-Forwarded-For": "2001:db8:1::1"}
    await backend.sign_up("alice")
    assert (await sign_in(backend, ALICE, PASSWORD, **home)).status_code == 200
    for n in range(8):
        assert (await sign_in(backend, ALICE, "wrong", **{"X-Forwarded-For": f"203.0.113.{n}"})).status_code == 401
    assert (await sign_in(backend, ALICE, PASSWORD, **{"X-Forwarded-For": "203.0.113.99"})).status_code == 429
    assert (await sign_in(backend, ALICE, PASSWORD, **{"X-Forwarded-For": "2001:db8:1::ffff"})).status_code == 200


async def test_an_address_that_tries_many_accounts_is_stopped(backend: Backend) -> None:
    answers = [await sign_in(backend, f"person{n}@example.com", "wrong") for n in range(21)]
    assert [one.status_code for one in answers] == [401] * 20 + [429]


async def test_a_store_of_limits_that_is_gone_keeps_nobody_out_and_gives_no_guess_more(migrated_url: str) -> None:
    gone = {"redis_url": "redis://127.0.0.1:1"}
    async with serving(migrated_url, DOCUMENT, **gone) as one, serving(migrated_url, DOCUMENT, **gone) as other:
        await one.sign_up("alice")
        await one.admin()
        assert (await sign_in(other, ALICE, PASSWORD)).status_code == 200
        wrong = await asyncio.gather(*(sign_in((one, other)[n % 2], ALICE, "wrong") for n in range(12)))
        assert sorted(answer.status_code for answer in wrong) == [401] * 5 + [429] * 7
        for instance in (one, other):
            answer = await sign_in(instance, ALICE, PASSWORD)
            assert (answer.status_code, answer.json()["code"]) == (429, "auth.too_many_failures")
            # Users' failures and admins' are counted apart.
            assert (await admin_sign_in(instance, "root@example.com", ADMIN_PASSWORD)).status_code == 200
        for _ in range(5):
            assert (await admin_sign_in(other, "root@example.com", "wrong")).status_code == 401
        assert (await admin_sign_in(one, "root@example.com", ADMIN_PASSWORD)).status_code == 429


async def test_failures_are_stored_without_the_address_tried_and_cleared_away(backend: Backend) -> None:
    await sign_in(backend, ALICE, "wrong")
    kept = await backend.sql("SELECT * FROM rowgate.sign_in_failures")
    assert "alice" not in str(kept)
    await backend.sql("UPDATE rowgate.sign_in_failures SET at = at - interval '25 hours'")
    await sign_in(backend, ALICE, "wrong")
    assert len(await backend.sql("SELECT FROM rowgate.sign_in_failures")) == 1


async def test_a_forged_header_doesnt_change_the_address_that_is_counted(backend: Backend) -> None:
    await backend.sign_up("alice")
    for n in range(5):
        await sign_in(
            backend, ALICE, "wrong", **{"X-Forwarded-For": f"203.0.113.{n}", "X_FORWARDED_FOR": f"10.0.0.{n}"}
        )
    assert (await sign_in(backend, ALICE, PASSWORD)).status_code == 429


async def test_a_flood_on_a_fixed_route_is_refused_before_it_costs_anything(backend: Backend) -> None:
    answers = [await backend.client.post("/admin/v1/setup", json={}) for _ in range(21)]
    assert {one.status_code for one in answers[:20]} == {422}
    assert (answers[20].status_code, answers[20].json()["code"]) == (429, "auth.rate_limited")
    assert int(answers[20].headers["retry-after"]) > 0


async def test_a_password_changed_while_one_signs_in_with_the_old_one_ends_that(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await backend.sign_up("alice")
    passwords = backend.app.server.auth.passwords
    verify = passwords.verify

    async def slow(*parts: Any) -> Any:
        checked = await verify(*parts)
        await backend.sql("UPDATE rowgate.accounts SET password_hash = 'another' WHERE user_id = $1", alice.id)
        return checked

    monkeypatch.setattr(passwords, "verify", slow)
    assert (await sign_in(backend, ALICE, PASSWORD)).status_code == 401


async def test_what_clients_of_gotrue_send_along_is_taken_and_changes_nothing(backend: Backend) -> None:
    await backend.sign_up("alice")
    along = {"data": {"plan": "pro"}, "gotrue_meta_security": {"captcha_token": None}}
    body = {"email": ALICE, "password": PASSWORD, **along}
    answer = await backend.client.post("/auth/v1/token?grant_type=password", json=body)
    assert (answer.status_code, answer.json()["user"]["user_metadata"]["plan"]) == (200, "free")


async def test_the_form_of_oauth2_is_taken(backend: Backend) -> None:
    await backend.sign_up("alice")
    form = {
        "grant_type": "password",
        "username": "Alice@example.com",
        "password": PASSWORD,
        "scope": "",
        "client_id": "",
    }
    answer = await backend.client.post("/auth/v1/token", data=form)
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "bearer"
    again = {"grant_type": "refresh_token", "refresh_token": answer.json()["refresh_token"]}
    assert (await backend.client.post("/auth/v1/token", data=again)).status_code == 200


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "form",
    [
        b"username=a&username=b&password=x",
        b"password=%ff&username=a",
        b"username=a%00&password=x",
        b"&".join([b"a=1"] * 30),
    ],
)
async def test_a_form_that_is_unclear_is_refused(refusing: Backend, form: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await refusing.client.post("/auth/v1/token", content=form, headers=headers)
    assert answer.status_code in {400, 422}


async def test_a_hash_of_less_than_todays_cost_is_renewed(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    cheap: Any = argon2
    weak = cheap.using(type="ID", time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    await backend.sql("UPDATE rowgate.accounts SET password_hash = $2 WHERE user_id = $1", alice.id, weak)
    with real_hashes():
        assert (await sign_in(backend, ALICE, PASSWORD)).status_code == 200
    stored = (await backend.sql("SELECT password_hash FROM rowgate.accounts WHERE user_id = $1", alice.id))[0][0]
    assert stored != weak
    assert "m=19456,t=2" in stored
    assert (await sign_in(backend, ALICE, PASSWORD)).status_code == 200


async def test_the_hundred_and_first_session_ends_the_oldest(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    await backend.sql(
        "INSERT INTO rowgate.sessions (user_id, expires_at)"
        " SELECT $1, now() + interval '1 day' FROM generate_series(1, 99)", alice.id,
    )  # fmt: skip
    assert (await alice.get("/api/me")).status_code == 200
    assert (await sign_in(backend, ALICE, PASSWORD)).status_code == 200
    assert (await alice.get("/api/me")).status_code == 401
    assert (await refresh(backend, alice.session["refresh_token"])).status_code == 401
