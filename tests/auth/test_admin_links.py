"""An admin's ways in by mail: invitations, and another password for one that was forgotten. Refusals first."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.auth.admins import SomeAdmin, mails_to, some_admin, token_in, uncounted
from tests.auth.conftest import bearer, told
from tests.backend import ADMIN_PASSWORD, Backend, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")
# What an editor says of mails is for people: an admin's never goes through it.
TEMPLATE = {"subject": "Mine", "text": "Mine", "html": "<img src='https://evil.example/{{ token_hash }}'>"}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "auth": {"mail": {"from": "Shop <no-reply@example.com>", "templates": {"invite": TEMPLATE, "recovery": TEMPLATE}}},
}
NEW = "another much longer battery"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(shared_url: str) -> AsyncIterator[Backend]:
    async with serving(shared_url, DOCUMENT) as backend:
        yield backend


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(served: Backend) -> dict[str, str]:
    return await served.admin()


@pytest_asyncio.fixture(loop_scope="module")
async def backend(served: Backend) -> AsyncIterator[Backend]:
    async with uncounted(served) as client:
        yield client


async def invited(backend: Backend, owner: dict[str, str], name: str, role: str = "viewer") -> dict[str, Any]:
    body = {"email": f"{name}@example.com", "role": role}
    made = await backend.client.post("/admin/v1/admins/invites", json=body, headers=owner)
    assert made.status_code == 201, made.text
    answer: dict[str, Any] = made.json()
    return answer


async def accept(backend: Backend, token: str, password: str = ADMIN_PASSWORD) -> Any:
    body = {"token": token, "password": password}
    return await backend.client.post("/admin/v1/admins/invites/accept", json=body)


async def recovery(backend: Backend, owner: dict[str, str], email: str) -> str:
    """Ask for a way back, and give the token of the mail."""
    assert (await backend.client.post("/admin/v1/recover", json={"email": email})).status_code == 204
    return token_in((await mails_to(backend, owner, email))[0]["text"])


async def redeem(backend: Backend, token: str, **more: str) -> Any:
    return await backend.client.post("/admin/v1/recover/redeem", json={"token": token, "password": NEW, **more})


async def test_who_is_invited_chooses_a_password_and_has_the_rank(backend: Backend, owner: dict[str, str]) -> None:
    made = await invited(backend, owner, " Ada", "editor")
    assert made["email"] == "ada@example.com"
    (mail,) = await mails_to(backend, owner, "ada@example.com")
    token = token_in(mail["text"])
    assert made["link"] == f"http://testserver/console/invited#{token}"
    assert ("evil" in str(mail), "as editor" in mail["text"], mail["sender"]) == (
        False, True, "Shop <no-reply@example.com>",
    )  # fmt: skip
    assert told(await accept(backend, token, "too short")) == (422, "auth.password_refused")
    assert (await accept(backend, token)).json()["role"] == "editor"
    assert told(await accept(backend, token)) == (403, "auth.link_invalid")
    ada = SomeAdmin(backend, "", "ada@example.com")
    assert (await ada.sign_in()).status_code == 200
    assert (await ada.call("GET", "/account")).json()["role"] == "editor"
    listed = await backend.client.get("/admin/v1/admins/invites", headers=owner)
    assert "ada@example.com" not in listed.text


async def test_an_invitation_is_taken_up_once_also_by_many_at_once(backend: Backend, owner: dict[str, str]) -> None:
    token = (await invited(backend, owner, "bea"))["link"].partition("#")[2]
    answers = await asyncio.gather(*(accept(backend, token) for _ in range(6)))
    assert sorted(one.status_code for one in answers) == [201] + [403] * 5


async def test_an_invitation_ends_by_another_one_by_being_revoked_and_by_the_databases_clock(
    backend: Backend, owner: dict[str, str]
) -> None:
    first = await invited(backend, owner, "cat")
    second = await invited(backend, owner, "cat", "owner")
    assert told(await accept(backend, first["link"].partition("#")[2])) == (403, "auth.link_invalid")
    path = "/admin/v1/admins/invites"
    listed = (await backend.client.get(path, headers=owner)).json()
    assert [(one["role"], one["invited_by"]) for one in listed if one["email"] == "cat@example.com"] == [
        ("owner", "admin:root@example.com")
    ]
    assert "link" not in listed[0]
    assert (await backend.client.delete(f"{path}/{second['id']}", headers=owner)).status_code == 204
    assert (await backend.client.delete(f"{path}/{second['id']}", headers=owner)).status_code == 404
    assert told(await accept(backend, second["link"].partition("#")[2])) == (403, "auth.link_invalid")
    third = await invited(backend, owner, "cat")
    await backend.sql("UPDATE rowgate.admin_links SET expires_at = now() WHERE id = $1", third["id"])
    assert told(await accept(backend, third["link"].partition("#")[2])) == (403, "auth.link_invalid")
    assert third["id"] not in (await backend.client.get(path, headers=owner)).text


async def test_an_admin_isnt_invited_and_one_made_meanwhile_isnt_replaced(
    backend: Backend, owner: dict[str, str]
) -> None:
    token = (await invited(backend, owner, "dan"))["link"].partition("#")[2]
    dan = await some_admin(backend, owner, "dan")
    assert told(await accept(backend, token, NEW)) == (409, "admin.exists")
    assert (await dan.sign_in()).status_code == 200
    body = {"email": "Dan@example.com", "role": "owner"}
    again = await backend.client.post("/admin/v1/admins/invites", json=body, headers=owner)
    assert told(again) == (409, "admin.exists")


@pytest.mark.parametrize("end", ["disabled", "demoted", "deleted", "key"])
async def test_who_may_invite_nobody_any_more_has_invited_nobody(
    backend: Backend, owner: dict[str, str], end: str
) -> None:
    if end == "key":
        key = {"name": f"inviting-{end}", "admin_role": "owner"}
        made = await backend.client.post("/admin/v1/api-keys", json=key, headers=owner)
        inviter, path = {"apikey": made.json()["key"]}, f"/api-keys/{key['name']}"
    else:
        chief = await some_admin(backend, owner, f"chief-{end}", "owner")
        inviter, path = chief.headers, f"/admins/{chief.id}"
    token = (await invited(backend, inviter, f"by-{end}"))["link"].partition("#")[2]
    method, body = {"disabled": ("PATCH", {"disabled": True}), "demoted": ("PATCH", {"role": "editor"})}.get(
        end, ("DELETE", None)
    )
    ended = await backend.client.request(method, f"/admin/v1{path}", json=body, headers=owner)
    assert ended.status_code < 300, ended.text
    assert told(await accept(backend, token)) == (403, "auth.link_invalid")


async def test_mails_to_admins_are_for_owners_alone(backend: Backend, owner: dict[str, str]) -> None:
    editor = await some_admin(backend, owner, "reader")
    await recovery(backend, owner, editor.email)
    seen = (await editor.call("GET", "/mail")).json()
    assert [one for one in seen if one["kind"].startswith("admin_")] == []


async def test_a_way_back_is_asked_for_alike_whether_or_not_there_is_an_admin(
    backend: Backend, owner: dict[str, str]
) -> None:
    eve, off = await some_admin(backend, owner, "eve"), await some_admin(backend, owner, "off")
    disabled = await backend.client.patch(f"/admin/v1/admins/{off.id}", json={"disabled": True}, headers=owner)
    assert disabled.status_code == 200
    emails = (eve.email, "nobody@example.com", off.email)
    answers = [await backend.client.post("/admin/v1/recover", json={"email": one}) for one in emails]
    assert [(one.status_code, one.content) for one in answers] == [(204, b"")] * 3
    assert [len(await mails_to(backend, owner, one)) for one in emails] == [1, 0, 0]
    assert told(await backend.client.post("/admin/v1/recover", json={"email": "x"})) == (422, "auth.email_invalid")
    assert (await eve.call("GET", "/account")).status_code == 200  # asking ends nothing
    assert (await eve.sign_in()).status_code == 200


async def test_mails_to_one_address_are_bounded_whether_or_not_it_is_known(
    backend: Backend, owner: dict[str, str]
) -> None:
    known = await some_admin(backend, owner, "flooded")
    for email in (known.email, "flooded-nobody@example.com"):
        answers = [await backend.client.post("/admin/v1/recover", json={"email": email}) for _ in range(7)]
        assert [one.status_code for one in answers] == [204] * 6 + [429]
    assert len(await mails_to(backend, owner, known.email)) == 6


async def test_a_way_back_is_used_once_and_ends_every_session(backend: Backend, owner: dict[str, str]) -> None:
    fay = await some_admin(backend, owner, "fay")
    older = await recovery(backend, owner, fay.email)
    token = await recovery(backend, owner, fay.email)
    for wrong in ("", "x", f"{token}x"):
        assert told(await redeem(backend, wrong)) == (403, "auth.link_invalid")
    short = await backend.client.post("/admin/v1/recover/redeem", json={"token": token, "password": "short"})
    assert told(short) == (422, "auth.password_refused")
    answers = await asyncio.gather(*(redeem(backend, token) for _ in range(6)))
    assert sorted(one.status_code for one in answers) == [204] + [403] * 5
    assert told(await redeem(backend, older)) == (403, "auth.link_invalid")
    assert (await fay.call("GET", "/account")).status_code == 401
    assert told(await fay.sign_in()) == (401, "auth.credentials_invalid")
    fay.password = NEW
    assert (await fay.sign_in()).status_code == 200
    assert (await mails_to(backend, owner, fay.email))[0]["subject"] == "Your password was changed"


async def test_a_way_back_ends_by_the_databases_clock_and_by_any_other_change_of_the_password(
    backend: Backend, owner: dict[str, str]
) -> None:
    gus = await some_admin(backend, owner, "gus")
    late = await recovery(backend, owner, gus.email)
    await backend.sql("UPDATE rowgate.admin_links SET expires_at = now() WHERE admin_id = $1", gus.id)
    assert told(await redeem(backend, late)) == (403, "auth.link_invalid")
    token = await recovery(backend, owner, gus.email)
    changed = await gus.call("PUT", "/password", {"current_password": ADMIN_PASSWORD, "password": NEW})
    assert changed.status_code == 204
    assert told(await redeem(backend, token)) == (403, "auth.link_invalid")


async def test_a_way_back_doesnt_skip_the_second_factor(backend: Backend, owner: dict[str, str]) -> None:
    hal = await (await some_admin(backend, owner, "hal")).with_factor()
    token = await recovery(backend, owner, hal.email)
    assert told(await redeem(backend, token)) == (401, "admin.code_needed")
    assert told(await redeem(backend, token, code="000000")) == (422, "auth.factor_code_wrong")
    assert (await hal.sign_in(await hal.code())).status_code == 200  # so far the password is the one of before
    assert (await redeem(backend, token, code=hal.codes[0])).status_code == 204
    hal.password = NEW
    assert told(await hal.sign_in()) == (401, "admin.code_needed")
    assert (await hal.sign_in(await hal.code())).status_code == 200


async def test_links_of_admins_and_of_people_open_nothing_of_each_other(
    backend: Backend, owner: dict[str, str]
) -> None:
    ida = await some_admin(backend, owner, "ida")
    await backend.sign_up("iris")
    admins = await recovery(backend, owner, ida.email)
    invitation = (await invited(backend, owner, "ian"))["link"].partition("#")[2]
    await backend.client.post("/auth/v1/recover", json={"email": "iris@example.com"})
    (mail,) = [one for one in await mails_to(backend, owner, "iris@example.com") if one["kind"] == "recovery"]
    peoples = mail["html"].partition("evil.example/")[2].partition("'")[0]
    for token in (peoples, invitation):
        assert told(await redeem(backend, token)) == (403, "auth.link_invalid")
    for token in (peoples, admins):
        assert told(await accept(backend, token)) == (403, "auth.link_invalid")
    for token in (admins, invitation):
        for kind in ("recovery", "invite"):
            body = {"token_hash": token, "type": kind}
            assert (await backend.client.post("/auth/v1/verify", json=body)).status_code == 403
    assert (await backend.client.get("/admin/v1/account", headers=bearer(peoples))).status_code == 401


async def test_without_a_server_for_mail_production_gives_the_link_and_no_way_back(migrated_url: str) -> None:
    production = {"env": "production", "confirm_email": False}
    async with serving(migrated_url, {"rowgate": 1}, **production) as backend:
        owner = await backend.admin()
        made = await invited(backend, owner, "ada")
        assert (await accept(backend, made["link"].partition("#")[2])).status_code == 201
        answer = await backend.client.post("/admin/v1/recover", json={"email": "ada@example.com"})
        assert told(answer) == (503, "mail.unavailable")
        assert await backend.sql("SELECT 1 FROM rowgate.mail") == []


async def test_with_a_server_for_mail_the_link_goes_to_who_is_invited_alone(migrated_url: str) -> None:
    smtp = {"env": "production", "smtp_url": "smtp://127.0.0.1:9", "public_url": "https://api.example.com"}
    async with serving(migrated_url, {"rowgate": 1}, **smtp) as backend:
        made = await invited(backend, await backend.admin(), "ada")
        assert made["link"] is None
        (mail,) = await backend.sql("SELECT kind, recipient FROM rowgate.mail")
        assert (mail["kind"], mail["recipient"]) == ("admin_invite", "ada@example.com")
