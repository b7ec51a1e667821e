"""The same work for every address: what is asked of the database, hashed and written, whoever has an account."""

import asyncio
import re
from collections import Counter
from typing import Any

import pytest

from app.auth.passwords import Passwords
from tests.backend import PASSWORD, Backend
from tests.mail.conftest import ALICE, DOCUMENT, bearer, confirmed, mails, post, signed_up
from tests.statements import captured_here

__all__ = ["DOCUMENT"]
WAITING, NOBODY = "waiting@example.com", "nobody@example.com"
OTHER = "another horse battery"
# What each route that takes an address is asked, but for the address.
ROUTES: list[tuple[str, dict[str, Any]]] = [
    ("/token?grant_type=password", {"password": OTHER}),
    ("/signup", {"password": PASSWORD}),
    ("/otp", {"create_user": False}),
    ("/otp", {}),
    ("/magiclink", {"create_user": False}),
    ("/magiclink", {"data": {"nick": "Al"}}),
    ("/recover", {}),
    ("/resend", {"type": "signup"}),
    ("/resend", {"type": "email_change"}),
    ("/verify", {"type": "recovery", "token": "000000"}),
]
# A savepoint has a name of its own, and what is made beside a known address goes back to it in the same round trip.
SAVEPOINT = re.compile(r"(?:RELEASE SAVEPOINT|ROLLBACK TO) __asyncpg_savepoint_\w+|__asyncpg_savepoint_\w+")
UNIQUE = {**DOCUMENT, "users": {"columns": [{"name": "nick", "type": "text", "self_editable": True, "unique": True}]}}


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give what is hashed, as it happens."""
    found: list[str] = []
    for name in ("hash", "verify"):
        real = getattr(Passwords, name)

        async def noting(self: Passwords, *parts: Any, real: Any = real, name: str = name) -> Any:
            found.append(name)
            return await real(self, *parts)

        monkeypatch.setattr(Passwords, name, noting)
    return found


async def work(backend: Backend, hashed: list[str], path: str, email: str, body: dict[str, Any]) -> Any:
    """Ask, and give status, members and headers, what was hashed, how many mails there are more, and the statements."""
    hashed.clear()
    before = (await backend.sql("SELECT count(*) FROM rowgate.mail"))[0][0]
    with captured_here() as sent:
        answer = await post(backend, path, email=email, **body)
    written = (await backend.sql("SELECT count(*) FROM rowgate.mail"))[0][0] - before
    told = answer.status_code, list(answer.json()), sorted(answer.headers)
    return *told, tuple(hashed), written, [SAVEPOINT.sub("end", one) for one in sent.order]


@pytest.mark.parametrize(("path", "body"), ROUTES, ids=str)
async def test_every_address_costs_the_same_work(
    backend: Backend, hashed: list[str], path: str, body: dict[str, Any]
) -> None:
    await confirmed(backend)
    await signed_up(backend, WAITING)
    await backend.sql("DELETE FROM rowgate.counted")
    await work(backend, hashed, path, "warm@example.com", body)  # what a connection is told once
    known, waiting, nobody = [await work(backend, hashed, path, one, body) for one in (ALICE, WAITING, NOBODY)]
    assert known == waiting == nobody
    assert len(nobody[-1]) > 5


@pytest.mark.parametrize(("path", "status"), [("/signup", 409), ("/otp", 200)])
async def test_a_value_that_is_taken_is_answered_alike_for_every_address(
    backend: Backend, path: str, status: int
) -> None:
    await backend.apply(UNIQUE)
    await confirmed(backend, data={"nick": "Al"})
    await signed_up(backend, WAITING)
    before = len(await mails(backend))
    body = {"password": PASSWORD, "data": {"nick": "Al"}} if path == "/signup" else {"data": {"nick": "Al"}}
    answers = [await post(backend, path, email=one, **body) for one in (ALICE, WAITING, NOBODY)]
    assert [one.status_code for one in answers] == [status] * 3
    assert len({str({**one.json(), "request_id": ""}) for one in answers}) == 1
    # Who has an account still signs in by a code.
    assert len(await mails(backend)) - before == (2 if path == "/otp" else 0)
    assert (await backend.sql("SELECT count(*) FROM data.users"))[0][0] == 2


async def test_what_is_no_address_is_refused_as_each_route_says(backend: Backend) -> None:
    for path, body in ROUTES:
        for email in ("nobody", "a@example.com\n,b@x.com", "\u202e@example.com", "a@[127.0.0.1]"):
            answer = await post(backend, path, email=email, **body)
            wanted = (401, "auth.credentials_invalid") if path.startswith("/token") else (422, "auth.email_invalid")
            assert (answer.status_code, answer.json()["code"]) == wanted, (path, email)


async def test_mails_of_one_address_are_counted_together_whoever_asks_for_whatever_and_however_many_at_once(
    backend: Backend,
) -> None:
    session = await confirmed(backend)
    await backend.sql("DELETE FROM rowgate.counted")
    admin = await backend.admin()
    asked = [
        post(backend, path, email=email, **body)
        for email in (ALICE, "Alice@Example.com")
        for path, body in ROUTES
        if path not in {"/token?grant_type=password", "/verify"}
    ]
    asked += [
        backend.client.post("/auth/v1/reauthenticate", headers=bearer(session)),
        backend.client.post("/auth/v1/invite", json={"email": ALICE}, headers=admin),
    ]
    before = len(await mails(backend))
    statuses = Counter(answer.status_code for answer in await asyncio.gather(*asked))
    assert statuses[429] == len(asked) - 6
    assert len(await mails(backend)) - before <= 6
