"""Links and codes: what is of no use comes first."""

import asyncio
import hashlib
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.auth.conftest import refresh, sign_in
from tests.backend import PASSWORD, Backend
from tests.mail.conftest import (
    ALICE,
    DOCUMENT,
    SITE,
    bearer,
    code_of,
    confirmed,
    last_mail,
    link_of,
    mails,
    me,
    post,
    signed_up,
    token_of,
)

__all__ = ["DOCUMENT"]
VERIFIER = "v" * 43
S256 = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
FLOW = {"code_challenge": S256, "code_challenge_method": "s256"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def pressed(backend: Backend, **fields: str) -> Any:
    return await backend.client.post("/auth/v1/verify", data=fields)


def fragment(answer: Any) -> dict[str, str]:
    return {key: value[0] for key, value in parse_qs(urlsplit(answer.headers["location"]).fragment).items()}


async def test_a_scanner_that_opens_every_link_twice_changes_nothing(backend: Backend) -> None:
    mail = await signed_up(backend)
    for method in ("HEAD", "GET", "GET", "HEAD"):
        seen = await backend.client.request(method, link_of(mail))
        assert seen.status_code == 200
    assert (await sign_in(backend, ALICE, PASSWORD)).json()["error_code"] == "email_not_confirmed"
    page = await backend.client.get(link_of(mail))
    assert '<form method="post"' in page.text
    assert "<script" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert f"form-action 'self' {SITE}" in policy
    assert (page.headers["referrer-policy"], page.headers["cache-control"]) == ("no-referrer", "no-store")
    back = await pressed(backend, token=token_of(mail), type="signup")
    assert back.status_code == 303
    assert back.headers["location"].startswith(f"{SITE}#access_token=")
    assert (await me(backend, fragment(back))).json()["email"] == ALICE
    again = await pressed(backend, token=token_of(mail), type="signup")
    assert fragment(again)["error_code"] == "otp_expired"


async def test_of_many_uses_at_once_one_counts_of_a_link_as_of_a_code(backend: Backend) -> None:
    mail = await signed_up(backend)
    uses = [post(backend, "/verify", type="signup", token_hash=token_of(mail)) for _ in range(10)]
    answers = await asyncio.gather(*uses)
    assert sorted(one.status_code for one in answers) == [200] + [403] * 9
    assert {one.json()["error_code"] for one in answers if one.status_code == 403} == {"otp_expired"}
    await post(backend, "/otp", email=ALICE)
    code = code_of(await last_mail(backend))
    uses = [post(backend, "/verify", type="email", email=ALICE, token=code) for _ in range(5)]
    assert sorted(one.status_code for one in await asyncio.gather(*uses)) == [200] + [403] * 4


@pytest.mark.parametrize("kind", ["recovery", "invite", "magiclink", "email_change"])
async def test_a_link_is_of_no_use_as_another_kind(backend: Backend, kind: str) -> None:
    mail = await signed_up(backend)
    if kind == "magiclink":
        await backend.sql("UPDATE rowgate.one_time_tokens SET kind = 'recovery'")
    for body in ({"token_hash": token_of(mail)}, {"email": ALICE, "token": code_of(mail)}):
        refused = await post(backend, "/verify", type=kind, **body)
        assert (refused.status_code, refused.json()["code"]) == (403, "auth.link_invalid")
    looked = await backend.client.get(link_of(mail).replace("type=signup", f"type={kind}"))
    assert fragment(looked)["error_code"] == "otp_expired"


async def test_a_code_is_of_no_use_for_another_address_or_when_its_time_is_over(backend: Backend) -> None:
    mail, other = await signed_up(backend), await signed_up(backend, "bob@example.com")
    refused = await post(backend, "/verify", type="signup", email=ALICE, token=code_of(other))
    assert refused.status_code == 403 or code_of(mail) == code_of(other)
    await backend.sql("UPDATE rowgate.one_time_tokens SET code_expires_at = now()")
    assert (await post(backend, "/verify", type="signup", email=ALICE, token=code_of(mail))).status_code == 403
    await backend.sql("UPDATE rowgate.one_time_tokens SET expires_at = now()")
    assert (await post(backend, "/verify", type="signup", token_hash=token_of(mail))).status_code == 403


async def test_five_wrong_codes_end_the_code_and_not_the_link(backend: Backend) -> None:
    mail = await signed_up(backend)
    right = code_of(mail)
    wrong = f"{(int(right) + 1) % 10**6:06d}"
    for _ in range(5):
        assert (await post(backend, "/verify", type="signup", email=ALICE, token=wrong)).status_code == 403
    limited = await post(backend, "/verify", type="signup", email=ALICE, token=right)
    assert (limited.status_code, limited.json()["code"]) == (429, "auth.code_limited")
    await backend.sql("DELETE FROM rowgate.counted WHERE what LIKE 'code%'")
    assert (await post(backend, "/verify", type="signup", email=ALICE, token=right)).status_code == 403
    assert (await post(backend, "/verify", type="signup", token_hash=token_of(mail))).status_code == 200


async def test_tries_of_codes_are_bounded_for_an_address_and_for_a_caller_known_or_not(backend: Backend) -> None:
    for number in range(4):
        for _ in range(5):
            answer = await post(backend, "/verify", type="email", email=f"{number}@example.com", token="000000")
            assert answer.status_code == 403
    answer = await post(backend, "/verify", type="email", email="5@example.com", token="000000")
    assert (answer.status_code, answer.json()["error_code"]) == (429, "over_request_rate_limit")
    assert answer.headers["retry-after"] == "3600"


async def test_a_newer_code_ends_the_older_and_the_older_link_still_holds(backend: Backend) -> None:
    await confirmed(backend)
    await post(backend, "/otp", email=ALICE)
    older = await last_mail(backend)
    await post(backend, "/otp", email=ALICE)
    if code_of(older) != code_of(await last_mail(backend)):
        assert (await post(backend, "/verify", type="email", email=ALICE, token=code_of(older))).status_code == 403
    assert (await post(backend, "/verify", type="email", token_hash=token_of(older))).status_code == 200


async def test_nothing_that_opens_a_door_is_kept_as_it_is(backend: Backend) -> None:
    mail = await signed_up(backend)
    (row,) = await backend.sql("SELECT t::text AS said FROM rowgate.one_time_tokens t")
    (kept,) = await backend.sql("SELECT m::text AS said FROM rowgate.mail m")
    for said in (row["said"], kept["said"]):
        assert token_of(mail) not in said
        assert token_of(mail).encode().hex() not in said
        assert code_of(mail).encode().hex() not in said


async def test_a_pkce_link_gives_the_same_code_twice_and_is_used_with_its_verifier_alone(backend: Backend) -> None:
    mail = await signed_up(backend, **FLOW)
    seen = [await backend.client.get(link_of(mail)) for _ in range(2)]
    assert [one.status_code for one in seen] == [303, 303]
    codes = [parse_qs(urlsplit(one.headers["location"]).query)["code"][0] for one in seen]
    assert codes[0] == codes[1]
    path = "/token?grant_type=pkce"
    wrong = await post(backend, path, auth_code=codes[0], code_verifier="w" * 43)
    assert (wrong.status_code, wrong.json()["error_code"]) == (400, "bad_code_verifier")
    uses = [post(backend, path, auth_code=codes[0], code_verifier=VERIFIER) for _ in range(5)]
    answers = await asyncio.gather(*uses)
    assert sorted(one.status_code for one in answers) == [200] + [400] * 4
    session = next(one for one in answers if one.status_code == 200).json()
    assert (await me(backend, session)).json()["email"] == ALICE


async def test_on_another_device_the_button_confirms_the_address_and_gives_no_session(backend: Backend) -> None:
    mail = await signed_up(backend, **FLOW)
    seen = await backend.client.get(link_of(mail))
    code = parse_qs(urlsplit(seen.headers["location"]).query)["code"][0]
    page = await backend.client.get("/auth/v1/verify", params={"code": code})
    assert f'name="code" value="{code}"' in page.text
    assert (await sign_in(backend, ALICE, PASSWORD)).json()["error_code"] == "email_not_confirmed"
    back = await pressed(backend, code=code)
    assert back.status_code == 303
    assert "access_token" not in fragment(back)
    assert (await sign_in(backend, ALICE, PASSWORD)).status_code == 200


async def test_a_button_of_another_site_is_none(backend: Backend) -> None:
    mail = await signed_up(backend)
    fields = {"token": token_of(mail), "type": "signup"}
    sent = await backend.client.post("/auth/v1/verify", data=fields, headers={"Sec-Fetch-Site": "cross-site"})
    assert sent.status_code == 422


@pytest.mark.parametrize(
    "to", ["//evil.example", "/\\evil.example", "https:evil.example", "https://evil.example/", "https://app.example.com.evil.example/",
           "https://app.example.com@evil.example/", "javascript://other.example.com/", "shop://elsewhere"]
)  # fmt: skip
async def test_nobody_is_sent_where_nothing_is_listed(backend: Backend, to: str) -> None:
    query = {"redirect_to": to}
    for path, body in (("/signup", {"password": PASSWORD}), ("/otp", {}), ("/recover", {}), ("/magiclink", {})):
        refused = await backend.client.post(f"/auth/v1{path}", params=query, json={"email": ALICE, **body})
        assert (refused.status_code, refused.json()["error_code"]) == (400, "validation_failed")
    mail = await signed_up(backend)
    looked = await backend.client.get(f"{link_of(mail)}", params={"token": token_of(mail), "type": "signup", **query})
    used = await pressed(backend, token=token_of(mail), type="signup", redirect_to=to)
    assert [looked.status_code, used.status_code] == [400, 400]
    assert "location" not in looked.headers


async def test_the_host_that_a_request_names_is_in_no_mail(backend: Backend) -> None:
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    body = {"email": ALICE, "password": PASSWORD}
    assert (await backend.client.post("/auth/v1/signup", json=body, headers=evil)).status_code == 200
    assert "evil" not in str(await mails(backend))


async def test_recovery_ends_every_session_when_it_is_used_and_none_before(backend: Backend) -> None:
    before = await confirmed(backend)
    await backend.apply({**DOCUMENT, "auth": {**DOCUMENT["auth"], "password": {"current": True}}})
    await post(backend, "/recover", email=ALICE)
    assert (await me(backend, before)).status_code == 200
    used = await post(backend, "/verify", type="recovery", email=ALICE, token=code_of(await last_mail(backend)))
    session = used.json()
    assert (await me(backend, before)).status_code == 401
    assert (await refresh(backend, before["refresh_token"])).status_code == 401
    # Who has forgotten the password isn't asked for it.
    new = {"password": "another horse battery"}
    changed = await backend.client.put("/auth/v1/user", json=new, headers=bearer(session))
    assert changed.status_code == 200
    assert (await sign_in(backend, ALICE, "another horse battery")).status_code == 200
    assert (await last_mail(backend))["kind"] == "password_changed"


async def test_both_addresses_confirm_a_change_and_either_may_come_first(backend: Backend) -> None:
    for first, second, new in (("old", "new", "b@example.com"), ("new", "old", "c@example.com")):
        session = await confirmed(backend, f"{first}@example.com")
        old = f"{first}@example.com"
        asked = await backend.client.put("/auth/v1/user", json={"email": new}, headers=bearer(session))
        assert (asked.json()["email"], asked.json()["new_email"]) == (old, new)
        sent = {"old": await last_mail(backend, old), "new": await last_mail(backend, new)}
        half = await post(backend, "/verify", type="email_change", token_hash=token_of(sent[first]))
        assert "access_token" not in half.json()
        assert (await me(backend, session)).json()["email"] == old
        whole = await post(backend, "/verify", type="email_change", token_hash=token_of(sent[second]))
        assert whole.json()["user"]["email"] == new
        assert (await me(backend, session)).json()["email"] == new
        assert (await last_mail(backend, old))["kind"] == "email_changed"
        # The mails of one change are of no use twice.
        again = await post(backend, "/verify", type="email_change", token_hash=token_of(sent[first]))
        assert again.status_code == 403


@pytest.mark.parametrize("one", ["old", "new"])
async def test_one_address_of_a_change_is_not_both_however_often_it_was_mailed(backend: Backend, one: str) -> None:
    session, new = await confirmed(backend), "b@example.com"
    asked = await backend.client.put("/auth/v1/user", json={"email": new}, headers=bearer(session))
    assert asked.status_code == 200
    to, other = (ALICE, new) if one == "old" else (new, ALICE)
    sent = [await last_mail(backend, to)]
    for _ in range(2):
        assert (await post(backend, "/resend", type="email_change", email=ALICE)).status_code == 200
        sent.append(await last_mail(backend, to))
    half = await post(backend, "/verify", type="email_change", token_hash=token_of(sent[0]))
    assert "access_token" not in half.json()
    bodies = [{"token_hash": token_of(sent[1])}, {"email": to, "token": code_of(sent[2])}]
    for body in bodies:
        assert (await post(backend, "/verify", type="email_change", **body)).status_code == 403
    assert (await me(backend, session)).json()["email"] == ALICE
    link = token_of(await last_mail(backend, other))
    whole = await post(backend, "/verify", type="email_change", token_hash=link)
    assert whole.json()["user"]["email"] == new


async def test_another_password_ends_a_change_of_address_but_the_one_that_comes_with_it(backend: Backend) -> None:
    session, new = await confirmed(backend), "b@example.com"

    async def changed(**body: str) -> list[str]:
        answer = await backend.client.put("/auth/v1/user", json=body, headers=bearer(session))
        assert answer.status_code == 200, answer.text
        sent = [one for one in await mails(backend) if one["kind"] == "email_change"]
        return [token_of(next(one for one in sent if one["to"] == to)) for to in (ALICE, new)]

    async def used(link: str) -> Any:
        return await post(backend, "/verify", type="email_change", token_hash=link)

    old_half, new_half = await changed(email=new)
    assert (await used(old_half)).status_code == 200
    await changed(password="another horse battery")
    assert (await used(new_half)).status_code == 403
    halves = await changed(email=new, password=PASSWORD)
    assert [await used(half) for half in halves][1].json()["user"]["email"] == new


async def test_who_is_disabled_changes_no_address_and_gets_no_session_by_it(backend: Backend) -> None:
    session, admin, new = await confirmed(backend), await backend.admin(), "b@example.com"
    asked = await backend.client.put("/auth/v1/user", json={"email": new}, headers=bearer(session))
    assert asked.status_code == 200
    old_half, new_half = [token_of(await last_mail(backend, to)) for to in (ALICE, new)]
    place = f"/admin/v1/users/{session['user']['id']}"

    async def used(link: str) -> Any:
        return await post(backend, "/verify", type="email_change", token_hash=link)

    assert (await used(old_half)).status_code == 200
    assert (await backend.client.post(f"{place}/disable", headers=admin)).status_code < 300
    refused = await used(new_half)
    assert (refused.status_code, refused.json()["error_code"]) == (403, "user_banned")
    back = await pressed(backend, token=new_half, type="email_change")
    assert fragment(back)["error_code"] == "user_banned"
    assert (await backend.client.post(f"{place}/enable", headers=admin)).status_code < 300
    assert await backend.sql("SELECT FROM rowgate.sessions WHERE revoked_at IS NULL") == []
    assert (await used(new_half)).json()["user"]["email"] == new


async def test_a_change_to_a_taken_address_is_answered_as_any_and_comes_to_nothing(backend: Backend) -> None:
    await confirmed(backend, "bob@example.com")
    alice = await confirmed(backend)
    before = len(await mails(backend))
    taken = await backend.client.put("/auth/v1/user", json={"email": "bob@example.com"}, headers=bearer(alice))
    assert taken.json()["new_email"] == "bob@example.com"
    assert len(await mails(backend)) == before + 1


async def test_a_nonce_shows_whose_password_is_changed(backend: Backend) -> None:
    session = await confirmed(backend)
    await backend.apply({**DOCUMENT, "auth": {**DOCUMENT["auth"], "password": {"current": True}}})
    assert (await backend.client.get("/auth/v1/reauthenticate", headers=bearer(session))).status_code == 200
    nonce = code_of(await last_mail(backend))
    wrong = f"{(int(nonce) + 1) % 10**6:06d}"
    new = "another horse battery"
    for sent, status in ((None, 403), (wrong, 422), (nonce, 200), (nonce, 422)):
        body = {"password": new, **({"nonce": sent} if sent else {})}
        changed = await backend.client.put("/auth/v1/user", json=body, headers=bearer(session))
        assert changed.status_code == status, changed.text


async def test_an_invitation_makes_an_account_that_its_owner_gives_a_password(backend: Backend) -> None:
    admin = await backend.admin()
    assert (await post(backend, "/invite", email=ALICE)).status_code == 401
    body = {"email": ALICE, "data": {"nick": "Al"}}
    invited = await backend.client.post("/auth/v1/invite", json=body, headers=admin)
    assert invited.json()["email"] == ALICE
    used = await post(backend, "/verify", type="invite", token_hash=token_of(await last_mail(backend)))
    assert (await me(backend, used.json())).json()["nick"] == "Al"
    again = await backend.client.post("/auth/v1/invite", json=body, headers=admin)
    assert (again.status_code, again.json()["error_code"]) == (422, "user_already_exists")


async def test_an_invitation_that_was_sent_twice_lets_nobody_in_once_there_is_another_password(
    backend: Backend,
) -> None:
    admin, links = await backend.admin(), []
    for _ in range(2):
        await backend.client.post("/auth/v1/invite", json={"email": ALICE}, headers=admin)
        links.append(token_of(await last_mail(backend)))
    session = (await post(backend, "/verify", type="invite", token_hash=links[1])).json()
    changed = await backend.client.put("/auth/v1/user", json={"password": PASSWORD}, headers=bearer(session))
    assert changed.status_code == 200, changed.text
    assert (await post(backend, "/verify", type="invite", token_hash=links[0])).status_code == 403


@pytest.mark.parametrize("kind", ["signup", "invite", "magiclink", "recovery"])
async def test_an_editor_gets_a_link_instead_of_a_mail(backend: Backend, kind: str) -> None:
    if kind in {"magiclink", "recovery"}:
        await confirmed(backend)
    before, admin = len(await mails(backend)), await backend.admin()
    body = {"type": kind, "email": ALICE, "password": PASSWORD, "redirect_to": "https://other.example.com/x"}
    made = (await backend.client.post("/auth/v1/admin/generate_link", json=body, headers=admin)).json()
    assert (made["verification_type"], made["redirect_to"]) == (kind, "https://other.example.com/x")
    assert len(await mails(backend)) == before
    used = await post(backend, "/verify", type=kind, token_hash=made["hashed_token"])
    assert used.json()["user"]["email"] == ALICE


async def test_links_that_are_used_by_being_opened_are_said_to_be(backend: Backend) -> None:
    await backend.apply({**DOCUMENT, "auth": {**DOCUMENT["auth"], "mail": {"links": "direct"}}})
    mail = await signed_up(backend)
    for _ in range(2):  # a scanner's, which sees that something is there
        looked = await backend.client.head(link_of(mail))
        assert (looked.status_code, "location" in looked.headers) == (200, False)
    opened = await backend.client.get(link_of(mail))
    assert (opened.status_code, fragment(opened)["type"]) == (303, "signup")


async def test_wherever_a_flow_may_begin_its_challenge_is_of_a_method_that_there_is(backend: Backend) -> None:
    session = await confirmed(backend)
    other = {"code_challenge": S256, "code_challenge_method": "s512"}
    for path in ("signup", "otp", "magiclink", "recover"):
        body = {"email": "bob@example.com", **({"password": PASSWORD} if path == "signup" else {})}
        refused = await backend.client.post(f"/auth/v1/{path}", json={**body, **other})
        assert (refused.status_code, refused.json()["error_code"]) == (422, "validation_failed"), path
    new = {"email": "new@example.com", **other}
    changed = await backend.client.put("/auth/v1/user", json=new, headers=bearer(session))
    assert (changed.status_code, changed.json()["error_code"]) == (422, "validation_failed")
