"""Sign-in by mail beside a second factor and for people without an address, and what owners are told."""

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pyotp
import pytest

from app.auth import passkeys
from tests.auth.conftest import sign_in, told
from tests.auth.test_factors import enrolled
from tests.backend import PASSWORD, Backend, Person
from tests.mail.conftest import (
    ALICE,
    code_of,
    confirmed,
    last_mail,
    link_of,
    mails,
    post,
    signed_up,
    token_of,
)
from tests.mail.conftest import DOCUMENT as BASE
from tests.mail.test_links import FLOW, VERIFIER

DOCUMENT = {**BASE, "auth": {**BASE["auth"], "anonymous": True, "passkeys": True}}
REFUSED = (403, "auth.second_factor_needed")


def claims(session: Any) -> Any:
    body = session["access_token"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def person(backend: Backend, session: Any) -> Person:
    return Person(backend.client, session["user"]["id"], session)


async def by_code(backend: Backend, kind: str, path: str) -> Any:
    await post(backend, path, email=ALICE)
    return await post(backend, "/verify", type=kind, email=ALICE, token=code_of(await last_mail(backend)))


async def by_link(backend: Backend, kind: str, path: str) -> Any:
    await post(backend, path, email=ALICE)
    return await post(backend, "/verify", type=kind, token_hash=token_of(await last_mail(backend)))


async def by_flow(backend: Backend, path: str) -> Any:
    await post(backend, path, email=ALICE, **FLOW)
    seen = await backend.client.get(link_of(await last_mail(backend)))
    code = parse_qs(urlsplit(seen.headers["location"]).query)["code"][0]
    return await post(backend, "/token?grant_type=pkce", auth_code=code, code_verifier=VERIFIER)


WAYS: dict[str, tuple[Any, str]] = {
    "a recovery's code": (lambda backend: by_code(backend, "recovery", "/recover"), "recovery"),
    "a recovery's link": (lambda backend: by_link(backend, "recovery", "/recover"), "recovery"),
    "a recovery's flow": (lambda backend: by_flow(backend, "/recover"), "recovery"),
    "a code": (lambda backend: by_code(backend, "email", "/otp"), "otp"),
    "a link": (lambda backend: by_link(backend, "magiclink", "/magiclink"), "magiclink"),
    "a link's flow": (lambda backend: by_flow(backend, "/magiclink"), "magiclink"),
}


async def with_factor(backend: Backend, user_id: str) -> None:
    await backend.sql(
        "INSERT INTO rowgate.factors (user_id, kind, name, key_id, nonce, ciphertext, verified_at)"
        " VALUES ($1, 'totp', 'phone', 'k', 'n', 'c', now())",
        user_id,
    )


async def changes_nothing(one: Person) -> None:
    assert claims(one.session)["aal"] == "aal1"
    for body in ({"password": "another horse battery"}, {"email": "eve@example.com"}):
        assert told(await one.call("PUT", "/auth/v1/user", json=body)) == REFUSED
    assert told(await one.post("/auth/v1/factors", {"factor_type": "totp"})) == REFUSED
    assert told(await one.post("/auth/v1/factors/recovery-codes")) == REFUSED


async def test_a_change_of_address_that_one_factor_began_ends_with_the_first_second_one(backend: Backend) -> None:
    alice = person(backend, await confirmed(backend))
    new = "b@example.com"
    asked = await alice.call("PUT", "/auth/v1/user", json={"email": new})
    assert asked.json()["new_email"] == new
    links = [token_of(await last_mail(backend, to)) for to in (ALICE, new)]
    app = await enrolled(backend, alice)
    both = await app.verify()
    assert (both.status_code, both.json()["user"].get("new_email")) == (200, None)
    for link in links:
        refused = await post(backend, "/verify", type="email_change", token_hash=link)
        assert told(refused) == (403, "auth.link_invalid")
    # Who has shown two factors begins another one, which a further factor leaves alone.
    alice = person(backend, both.json())
    await alice.call("PUT", "/auth/v1/user", json={"email": new})
    links = [token_of(await last_mail(backend, to)) for to in (ALICE, new)]
    assert (await (await enrolled(backend, alice, "key")).verify()).status_code == 200
    changed = [await post(backend, "/verify", type="email_change", token_hash=link) for link in links]
    assert changed[1].json()["user"]["email"] == new


@pytest.mark.parametrize("way", list(WAYS))
async def test_by_mail_alone_nobody_changes_the_account_of_who_has_a_second_factor(backend: Backend, way: str) -> None:
    alice = await confirmed(backend)
    assert claims(alice)["amr"][0]["method"] == "otp"
    await with_factor(backend, alice["user"]["id"])
    ask, method = WAYS[way]
    session = (await ask(backend)).json()
    assert [one["method"] for one in claims(session)["amr"]] == [method]
    await changes_nothing(person(backend, session))
    assert await backend.sql("SELECT FROM rowgate.one_time_tokens WHERE kind = 'email_change'") == []


async def test_an_invitation_that_is_used_late_is_one_factor_too(backend: Backend) -> None:
    await backend.client.post("/auth/v1/invite", json={"email": ALICE}, headers=await backend.admin())
    late = token_of(await last_mail(backend))
    alice = (await by_link(backend, "magiclink", "/magiclink")).json()
    await with_factor(backend, alice["user"]["id"])
    session = (await post(backend, "/verify", type="invite", token_hash=late)).json()
    assert claims(session)["amr"][0]["method"] == "invite"
    await changes_nothing(person(backend, session))
    assert len(await backend.sql("SELECT FROM rowgate.factors")) == 1


async def test_a_sign_up_says_by_what_it_was_confirmed(backend: Backend) -> None:
    mail = await signed_up(backend)
    session = (await post(backend, "/verify", type="signup", token_hash=token_of(mail))).json()
    assert claims(session)["amr"][0]["method"] == "email/signup"


async def anonymous(backend: Backend) -> Person:
    made = await backend.client.post("/auth/v1/signup", json={})
    assert made.status_code == 200, made.text
    return person(backend, made.json())


async def without_address(backend: Backend) -> Person:
    """Make somebody whom a provider gave no address."""
    session = await confirmed(backend)
    await backend.sql("UPDATE data.users SET email = NULL")
    return person(backend, session)


@pytest.mark.parametrize("who", [anonymous, without_address])
async def test_who_has_no_address_gets_one_by_a_mail_to_it_alone(backend: Backend, who: Any) -> None:
    one = await who(backend)
    before = len(await mails(backend))
    new = "ann@example.com"
    refused = await one.call("PUT", "/auth/v1/user", json={"email": "no address"})
    assert told(refused) == (422, "auth.email_invalid")
    asked = await one.call("PUT", "/auth/v1/user", json={"email": new})
    assert (asked.status_code, asked.json()["email"], asked.json()["new_email"]) == (200, "", new)
    assert len(await mails(backend)) == before + 1
    used = await post(backend, "/verify", type="email_change", token_hash=token_of(await last_mail(backend, new)))
    user = used.json()["user"]
    assert (user["id"], user["email"], user["is_anonymous"]) == (one.id, new, False)
    assert claims(used.json())["amr"][0]["method"] == "email_change"
    assert await backend.sql("SELECT FROM rowgate.anonymous_users") == []
    assert [mail for mail in await mails(backend) if mail["kind"] == "email_changed"] == []
    given = await person(backend, used.json()).call("PUT", "/auth/v1/user", json={"password": PASSWORD})
    assert given.status_code == 200, given.text
    assert (await sign_in(backend, new, PASSWORD)).json()["user"]["id"] == one.id


@pytest.mark.parametrize("who", [anonymous, without_address])
async def test_who_has_no_address_is_asked_for_one_before_a_code_is_mailed(backend: Backend, who: Any) -> None:
    one = await who(backend)
    answer = await one.get("/auth/v1/reauthenticate")
    assert told(answer) == (422, "input.invalid")
    assert answer.json()["hint"] == "Give one: PUT /auth/v1/user."


async def test_an_authenticator_calls_who_has_no_address_by_the_id(backend: Backend) -> None:
    one = await without_address(backend)
    app = await enrolled(backend, one)
    assert pyotp.parse_uri(app.factor["totp"]["uri"]).name == one.id


async def changes(backend: Backend) -> list[str]:
    """Give what owners were told of their factors, the oldest first."""
    found = [one for one in await mails(backend) if one["kind"] == "factor_changed"]
    return [one["text"].split(": ", 1)[1].split(".")[0] for one in reversed(found)]


async def test_an_owner_is_told_of_every_factor_that_comes_or_goes(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = person(backend, await confirmed(backend))
    never = await enrolled(backend, alice, "never")
    assert (await alice.call("DELETE", f"/auth/v1/factors/{never.factor['id']}")).status_code == 200
    assert await changes(backend) == []  # it was never in force
    app = await enrolled(backend, alice)
    both = person(backend, (await app.verify()).json())
    assert (await both.post("/auth/v1/factors/recovery-codes")).status_code == 200
    kept = {"id": str(uuid4()), "name": "Passkey", "created_at": datetime.now(UTC), "last_used_at": None}

    async def add(*_: Any) -> Any:
        return kept

    monkeypatch.setattr(passkeys, "add", add)
    asked = (await both.post("/auth/v1/passkeys/registration/options", {})).json()
    body = {"challenge_id": asked["challenge_id"], "credential": {}}
    assert (await both.post("/auth/v1/passkeys/registration/verify", body)).status_code == 200
    await backend.sql(
        "INSERT INTO rowgate.passkeys (id, user_id, credential_id, public_key, sign_count, name)"
        " VALUES ($1, $2, 'c', 'k', 0, 'mine')", kept["id"], alice.id,
    )  # fmt: skip
    assert (await both.call("DELETE", f"/auth/v1/passkeys/{kept['id']}")).status_code == 204
    assert (await both.call("DELETE", f"/auth/v1/factors/{app.factor['id']}")).status_code == 200
    assert await changes(backend) == [
        "a second factor was added", "recovery codes were made", "a passkey was added", "a passkey was taken away",
        "a second factor was taken away",
    ]  # fmt: skip
    assert {one["to"] for one in await mails(backend)} == {ALICE}


async def test_an_owner_is_told_of_a_factor_that_an_admin_takes_away(backend: Backend) -> None:
    alice = await confirmed(backend)
    await with_factor(backend, alice["user"]["id"])
    (factor,) = await backend.sql("SELECT id FROM rowgate.factors")
    path = f"/auth/v1/admin/users/{alice['user']['id']}/factors/{factor['id']}"
    assert (await backend.client.delete(path, headers=await backend.admin())).status_code == 200
    assert await changes(backend) == ["a second factor was taken away"]
