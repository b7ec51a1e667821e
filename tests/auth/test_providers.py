"""Signing in by a provider's ID token: refusals, then who somebody is, and how identities are linked and unlinked."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from app.compiler.check import check_document
from app.definitions.auth import AuthDef
from app.review.auth_effects import auth_effects
from tests.auth.conftest import DOCUMENT, bearer, refresh, sign_in
from tests.auth.issuers import KEYS, TestIssuer
from tests.backend import PASSWORD, Backend, Person, serving
from tests.outward.upstream import reply

PATH = "/auth/v1/token?grant_type=id_token"
NONCE = "drawn by the client"
CLIENT = "rowgate"


def document(issuer: TestIssuer, auth: Any = None, **said: Any) -> dict[str, Any]:
    acme = {"name": "acme", "issuer": issuer.name, "client_id": CLIENT, "columns": {"display_name": "claims.name"}}
    allowed = {"http_allow": [issuer.server.host]}
    return {**DOCUMENT, "project": allowed, "auth": {"providers": [{**acme, **said}], **(auth or {})}}


@pytest_asyncio.fixture(loop_scope="module")
async def here(migrated_url: str, issuer: TestIssuer) -> AsyncIterator[Backend]:
    issuer.publish("r1", "e1")
    async with serving(migrated_url, document(issuer)) as backend:
        yield backend


def id_token(issuer: TestIssuer, subject: str = "carol", kid: str = "r1", header: Any = None, **claims: Any) -> str:
    hashed = hashlib.sha256(NONCE.encode()).hexdigest()
    said = {"aud": CLIENT, "nonce": hashed, "email": f"{subject}@example.com", "email_verified": True, **claims}
    return issuer.signed(kid, "RS256" if kid == "r1" else "ES256", header, sub=subject, **said)


async def sent(backend: Backend, token: str, by: Any = None, **body: Any) -> Any:
    headers = {} if by is None else bearer(by["access_token"])
    said = {"provider": "acme", "id_token": token, "nonce": NONCE, **body}
    return await backend.client.post(PATH, json={k: v for k, v in said.items() if v is not ...}, headers=headers)


async def told_of_links(backend: Backend) -> list[str]:
    """Give the subjects of the notices that owners got."""
    found = (await backend.client.get("/admin/v1/mail", headers=await backend.admin())).json()
    return [one["subject"] for one in found if one["kind"] == "identity_linked" and one["to"] == "alice@example.com"]


BAD: dict[str, dict[str, Any]] = {
    "another audience": {"aud": "else"},
    "no audience": {"aud": ...},
    "several audiences and no party": {"aud": [CLIENT, "else"]},
    "another party": {"aud": [CLIENT, "else"], "azp": "else"},
    "another party of one audience": {"azp": "else"},
    "another issuer": {"iss": "https://else.example.com"},
    "another nonce": {"nonce": "else"},
    "the nonce itself": {"nonce": NONCE},
    "no nonce": {"nonce": ...},
    "a nonce that is no text": {"nonce": 1},
    "no end": {"exp": ...},
    "over": {"exp": int(time.time()) - 1},
    "to come": {"iat": 4_000_000_000, "exp": 4_000_000_600},
    "not before later": {"nbf": 4_000_000_000},
    "not before anything": {"nbf": "soon"},
    "an access token": {"header": {"typ": "at+jwt"}},
    "an access token in full": {"header": {"typ": "application/AT+JWT"}},
    "no subject": {"sub": ...},
    "a long subject": {"sub": "s" * 256},
    "alg none": {"header": {"alg": "none"}},
    "an algorithm of shared secrets": {"header": {"alg": "HS256"}},
    "a key of its own": {"header": {"jku": "http://127.0.0.1/keys"}},
    "another key": {"header": {"kid": "e1"}},
}


@pytest.mark.asyncio(loop_scope="module")
async def test_an_id_token_that_isnt_whole_signs_nobody_in(here: Backend, issuer: TestIssuer) -> None:
    for wrong, changes in BAD.items():
        claims = dict(changes)
        subject = claims.pop("sub", "carol")
        token = issuer.signed(header=claims.pop("header", None), sub=subject, **{
            "aud": CLIENT, "nonce": hashlib.sha256(NONCE.encode()).hexdigest(), **claims,
        })  # fmt: skip
        answer = await sent(here, token)
        assert (answer.status_code, answer.json()["code"]) == (400, "auth.id_token_refused"), wrong
    for body in ({"nonce": "else"}, {"nonce": ...}):
        assert (await sent(here, id_token(issuer), **body)).json()["code"] == "auth.id_token_refused"
    unknown = await sent(here, id_token(issuer), provider="other")
    assert (unknown.status_code, unknown.json()["error_code"]) == (400, "validation_failed")
    assert (await here.sql("SELECT count(*) FROM data.users"))[0][0] == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_a_provider_that_doesnt_answer_is_a_503_and_makes_nobody(here: Backend, issuer: TestIssuer) -> None:
    issuer.server.answers[KEYS] = reply(b"", 500)
    answer = await sent(here, id_token(issuer))
    assert (answer.status_code, answer.json()["code"]) == (503, "auth.issuer_unreachable")
    assert (await here.sql("SELECT count(*) FROM data.users"))[0][0] == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_who_signs_in_first_is_made_once_with_an_address_and_columns(here: Backend, issuer: TestIssuer) -> None:
    token = id_token(issuer, name="Carol", kid="e1")
    answers = [one.json() for one in await asyncio.gather(*(sent(here, token) for _ in range(6)))]
    assert len({one["user"]["id"] for one in answers}) == 1
    user = answers[0]["user"]
    assert (user["email"], user["user_metadata"]["display_name"]) == ("carol@example.com", "Carol")
    assert user["app_metadata"] == {"provider": "acme", "providers": ["acme"], "roles": []}
    assert [(one["provider"], one["id"]) for one in user["identities"]] == [("acme", "carol")]
    me = await here.client.get("/api/me", headers=bearer(answers[0]["access_token"]))
    assert me.json()["id"] == user["id"]
    assert (await refresh(here, answers[0]["refresh_token"])).status_code == 200
    # It has no password that could be guessed, and no address that others could confirm.
    assert (await sign_in(here, "carol@example.com", PASSWORD)).status_code == 401
    actions = await here.sql("SELECT action FROM rowgate.audit WHERE actor = $1", f"user:{user['id']}")
    assert [row[0] for row in actions].count("sign_up") == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_an_address_joins_only_where_both_sides_are_trusted(migrated_url: str, issuer: TestIssuer) -> None:
    issuer.publish("r1")
    async with serving(migrated_url, document(issuer, trust_email=True)) as backend:
        alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
        await backend.sql("UPDATE rowgate.accounts SET email_confirmed_at = NULL WHERE user_id = $1", bob.id)
        joins = {"subject": "a1", "email": "Alice@example.com"}
        for token in (id_token(issuer, **joins, email_verified=False), id_token(issuer, "b1", email="bob@example.com")):
            user = (await sent(backend, token)).json()["user"]
            assert user["id"] not in {alice.id, bob.id}
            assert user["email"] == ""
        joined = (await sent(backend, id_token(issuer, "a2", email="Alice@example.com"))).json()["user"]
        assert (joined["id"], joined["app_metadata"]["providers"]) == (alice.id, ["email", "acme"])
        assert await told_of_links(backend) == ["Another way to sign in"]
        await backend.apply(document(issuer))
        other = (await sent(backend, id_token(issuer, "a3", email="alice@example.com"))).json()["user"]
        assert other["id"] != alice.id


@pytest.mark.asyncio(loop_scope="module")
async def test_nobody_new_comes_where_sign_up_is_not_open_and_the_known_go_on(
    here: Backend, issuer: TestIssuer
) -> None:
    assert (await sent(here, id_token(issuer))).status_code == 200
    await here.apply(document(issuer, {"sign_up": "invited"}))
    assert (await sent(here, id_token(issuer))).status_code == 200
    refused = await sent(here, id_token(issuer, "dave"))
    assert (refused.status_code, refused.json()["code"]) == (422, "auth.sign_up_closed")
    await here.sql("UPDATE rowgate.accounts SET disabled_at = now()")
    banned = await sent(here, id_token(issuer))
    assert (banned.status_code, banned.json()["error_code"]) == (403, "user_banned")
    await here.apply({**DOCUMENT, "auth": {}})
    assert (await sent(here, id_token(issuer))).json()["code"] == "auth.provider_unknown"


@pytest.mark.asyncio(loop_scope="module")
async def test_an_identity_is_linked_by_its_owner_and_the_last_way_in_stays(here: Backend, issuer: TestIssuer) -> None:
    alice = await here.sign_up("alice")
    assert (await sent(here, id_token(issuer, "a"), link_identity=True)).status_code == 401
    linked = (await sent(here, id_token(issuer, "a"), alice.session, link_identity=True)).json()
    assert linked["user"]["id"] == alice.id
    assert linked["user"]["email"] == "alice@example.com"
    assert await told_of_links(here) == ["Another way to sign in"]
    assert (await sent(here, id_token(issuer, "a"))).json()["user"]["id"] == alice.id
    bob = await here.sign_up("bob")
    taken = await sent(here, id_token(issuer, "a"), bob.session, link_identity=True)
    assert (taken.status_code, taken.json()["error_code"]) == (422, "identity_already_exists")
    by_name = {one["provider"]: one for one in linked["user"]["identities"]}
    path = f"/auth/v1/user/identities/{by_name['acme']['identity_id']}"
    for who, where in ((bob, path), (alice, "/auth/v1/user/identities/x"), (alice, f"{path[:-36]}{alice.id}")):
        assert (await who.call("DELETE", where)).json()["error_code"] == "identity_not_found"
    assert (await alice.call("DELETE", path)).status_code == 200
    carol = (await sent(here, id_token(issuer))).json()
    own = Person(here.client, carol["user"]["id"], carol)
    ways = [carol["user"]["identities"][0]["identity_id"]]
    more = (await sent(here, id_token(issuer, "c2"), carol, link_identity=True)).json()
    ways += [one["identity_id"] for one in more["user"]["identities"] if one["identity_id"] not in ways]
    gone = await asyncio.gather(*(own.call("DELETE", f"/auth/v1/user/identities/{way}") for way in ways))
    assert sorted(one.status_code for one in gone) == [200, 422]
    assert {one.json()["error_code"] for one in gone if one.status_code == 422} == {"single_identity_not_deletable"}


@pytest.mark.asyncio(loop_scope="module")
async def test_with_a_second_factor_no_address_joins_and_one_factor_changes_no_way_in(
    migrated_url: str, issuer: TestIssuer
) -> None:
    issuer.publish("r1")
    async with serving(migrated_url, document(issuer, trust_email=True)) as backend:
        alice = await backend.sign_up("alice")
        linked = (await sent(backend, id_token(issuer, "a1"), alice.session, link_identity=True)).json()
        (way,) = [one["identity_id"] for one in linked["user"]["identities"] if one["provider"] == "acme"]
        await backend.sql(
            "INSERT INTO rowgate.factors (user_id, kind, name, key_id, nonce, ciphertext, verified_at)"
            " VALUES ($1, 'totp', 'phone', 'k', 'n', 'c', now())",
            alice.id,
        )
        other = (await sent(backend, id_token(issuer, "a2", email="alice@example.com"))).json()["user"]
        assert other["id"] != alice.id
        more = await sent(backend, id_token(issuer, "a3"), alice.session, link_identity=True)
        gone = await alice.call("DELETE", f"/auth/v1/user/identities/{way}")
        assert [one.json()["error_code"] for one in (more, gone)] == ["insufficient_aal"] * 2
        mine = (await sent(backend, id_token(issuer, "a1"))).json()
        assert mine["user"]["id"] == alice.id


@pytest.mark.asyncio(loop_scope="module")
async def test_who_was_anonymous_is_so_no_longer_once_an_identity_is_linked(here: Backend, issuer: TestIssuer) -> None:
    await here.apply(document(issuer, {"anonymous": True}))
    made = (await here.client.post("/auth/v1/signup", json={})).json()
    assert made["user"]["is_anonymous"] is True
    linked = (await sent(here, id_token(issuer), made, link_identity=True)).json()["user"]
    assert (linked["id"], linked["is_anonymous"], linked["email"]) == (
        made["user"]["id"], False, "carol@example.com",
    )  # fmt: skip
    assert await here.sql("SELECT FROM rowgate.anonymous_users") == []
    assert (await sent(here, id_token(issuer))).json()["user"]["id"] == made["user"]["id"]


def test_what_cant_work_is_a_finding_with_its_place() -> None:
    said = {"name": "email", "issuer": "http://127.0.0.1:9000", "client_id": "c", "columns": {"nme": "claims.name"}}
    users = {"columns": [{"name": "city", "type": "text", "required": True}]}
    _, found = check_document({"rowgate": 1, "users": users, "auth": {"providers": [said, {**said, "name": "b"}]}})
    places = {one.place.partition(":")[0] for one in found}
    assert {"auth.providers.0.name", "auth.providers.0.issuer", "auth.providers.0.columns",
            "auth.providers.0.columns.nme", "auth.providers.1.issuer"} <= places  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"client_id": "other"}, ["may_gain True"]),
        ({"trust_email": True}, ["may_gain True"]),
        ({"name": "other"}, ["loses False", "gains True"]),
    ],
)
def test_a_change_of_a_provider_says_who_gains(change: Any, told: list[str]) -> None:
    said = {"name": "acme", "issuer": "https://id.example.com", "client_id": "rowgate"}
    old, new = (AuthDef.model_validate({"providers": [one]}) for one in (said, {**said, **change}))
    assert [f"{one.effect} {one.wider}" for one in auth_effects(old, new)] == told
