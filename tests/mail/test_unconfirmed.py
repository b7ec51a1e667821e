"""Before an address is confirmed: what a stranger gave is in force for nobody."""

from typing import Any

import pytest

from tests.auth.conftest import sign_in
from tests.backend import PASSWORD, Backend
from tests.mail.conftest import (
    ALICE,
    DOCUMENT,
    code_of,
    confirmed,
    last_mail,
    mails,
    me,
    post,
    signed_up,
    token_of,
)

__all__ = ["DOCUMENT"]
STRANGERS = "a strangers battery"


async def test_each_attempt_puts_its_own_password_and_data_in_force(backend: Backend) -> None:
    await signed_up(backend, password=STRANGERS, data={"nick": "stranger"})
    own = await signed_up(backend, data={"nick": "alice"})
    session = await post(backend, "/verify", type="signup", token_hash=token_of(own))
    assert (await me(backend, session.json())).json()["nick"] == "alice"
    assert (await sign_in(backend, ALICE, STRANGERS)).status_code == 401
    assert (await sign_in(backend, ALICE, PASSWORD)).status_code == 200


async def test_when_one_attempt_is_confirmed_the_others_are_of_no_use(backend: Backend) -> None:
    strangers = await signed_up(backend, password=STRANGERS)
    own = await signed_up(backend)
    assert (await post(backend, "/verify", type="signup", token_hash=token_of(own))).status_code == 200
    assert (await post(backend, "/verify", type="signup", token_hash=token_of(strangers))).status_code == 403


@pytest.mark.parametrize("way", ["recovery", "magiclink", "otp", "invite"])
async def test_any_other_way_of_confirming_drops_what_a_stranger_gave(backend: Backend, way: str) -> None:
    await signed_up(backend, password=STRANGERS, data={"nick": "stranger"})
    if way == "invite":
        await backend.client.post("/auth/v1/invite", json={"email": ALICE}, headers=await backend.admin())
    else:
        await post(backend, {"recovery": "/recover"}.get(way, f"/{way}"), email=ALICE)
    kind = {"otp": "email"}.get(way, way)
    session = await post(backend, "/verify", type=kind, token_hash=token_of(await last_mail(backend)))
    assert (await me(backend, session.json())).json() == {"email": ALICE, "nick": None}
    assert (await sign_in(backend, ALICE, STRANGERS)).status_code == 401
    assert (await backend.sql("SELECT count(*) FROM rowgate.one_time_tokens WHERE kind = 'confirmation'"))[0][0] == 0


async def shape(answer: Any) -> Any:
    body = answer.json()
    drawn = {"id", "created_at", "updated_at", "identities", "email"}
    return answer.status_code, sorted(answer.headers), {key: one for key, one in body.items() if key not in drawn}


async def test_nobody_learns_from_an_answer_who_has_an_account(backend: Backend) -> None:
    await confirmed(backend)
    await signed_up(backend, "waiting@example.com")
    for path, body in (
        ("/signup", {"password": PASSWORD}),
        ("/otp", {}),
        ("/otp", {"create_user": False}),
        ("/recover", {}),
        ("/resend", {"type": "signup"}),
        ("/resend", {"type": "email_change"}),
    ):
        await backend.sql("DELETE FROM rowgate.counted")
        answers = [
            await shape(await post(backend, path, email=email, **body))
            for email in (ALICE, "waiting@example.com", f"nobody{path[1:]}{len(str(body))}@example.com")
        ]
        assert answers[0] == answers[1] == answers[2], path


async def test_an_unknown_address_gets_nothing_and_is_counted_all_the_same(backend: Backend) -> None:
    for known in (True, False):
        if known:
            await confirmed(backend)
            await backend.sql("DELETE FROM rowgate.counted")
        email = ALICE if known else "nobody@example.com"
        before = len(await mails(backend))
        statuses = [(await post(backend, "/recover", email=email)).status_code for _ in range(7)]
        assert statuses == [200] * 6 + [429]
        assert len(await mails(backend)) == before + (6 if known else 0)
        (row,) = await backend.sql("SELECT count(*) FROM rowgate.one_time_tokens WHERE email = $1", email)
        assert row[0] == 6
    limited = await post(backend, "/otp", email="Nobody@Example.com")
    assert (limited.json()["error_code"], limited.headers["retry-after"]) == ("over_email_send_rate_limit", "3600")


async def test_twenty_mails_a_day_are_the_most(backend: Backend) -> None:
    for _ in range(20):
        assert (await post(backend, "/recover", email=ALICE)).status_code == 200
        await backend.sql(
            "UPDATE rowgate.counted SET at = at - interval '2 hours' WHERE at > now() - interval '1 hour'"
        )
    limited = await post(backend, "/recover", email=ALICE)
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "86400")


async def test_a_sign_up_that_is_closed_makes_no_account_by_a_code_either(backend: Backend) -> None:
    await backend.apply({**DOCUMENT, "auth": {**DOCUMENT["auth"], "sign_up": "invited"}})
    answer = await post(backend, "/otp", email="nobody@example.com")
    assert (answer.status_code, answer.json()) == (200, {})
    assert (await backend.sql("SELECT count(*) FROM data.users"))[0][0] == 0
    assert await mails(backend) == []


async def test_who_has_no_account_gets_one_by_a_code(backend: Backend) -> None:
    await post(backend, "/otp", email=ALICE, data={"nick": "Al"})
    session = await post(backend, "/verify", type="email", email=ALICE, token=code_of(await last_mail(backend)))
    assert (await me(backend, session.json())).json()["nick"] == "Al"
