"""Tokens of somebody else's: what is refused, then what they may here, and when that ends."""

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from joserfc import jwk

from app.auth import foreign_keys
from app.compiler.check import check_document
from app.definitions.auth import AuthDef
from app.review.auth_effects import auth_effects
from tests.auth.conftest import DOCUMENT, bearer
from tests.auth.issuers import AUDIENCE, CONFIGURATION, KEYS, TestIssuer
from tests.auth.test_tokens import b64
from tests.backend import Backend, serving
from tests.outward.upstream import reply

CLAIMS = {"body": {"tier": "=auth.claims.tier", "kind": "=auth.kind", "mail": "=auth.user.email"}}
TOLD = {"name": "told", "method": "GET", "path": "/told", "access": "authenticated"}


def document(issuer: TestIssuer, **said: Any) -> dict[str, Any]:
    taken = {
        "issuer": issuer.name,
        "audience": AUDIENCE,
        "roles": "claims.groups",
        "grants": ["support"],
        "create": True,
    }
    return {
        **DOCUMENT,
        "project": {"http_allow": [issuer.server.host]},
        "auth": {"issuers": [{**taken, **said}]},
        "endpoints": [*DOCUMENT["endpoints"], {**TOLD, "steps": [{"do": "respond", **CLAIMS}]}],
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(shared_url: str, issuer: TestIssuer) -> AsyncIterator[Backend]:
    async with serving(shared_url, document(issuer)) as backend:
        yield backend


@pytest.fixture
def taking(served: Backend, issuer: TestIssuer) -> Backend:
    """A backend that takes the issuer's tokens, for refusals, none of which changes anything."""
    issuer.publish("r1", "e1", "o1")  # what another test has had it publish is over
    return served


async def asked(backend: Backend, token: str, path: str = "/api/me") -> Any:
    return await backend.client.get(path, headers=bearer(token))


def later(backend: Backend, seconds: float) -> None:
    """Let time pass for what is known of issuers."""
    keys = backend.app.server.auth.foreign.keys
    assert keys is not None
    before = keys._ticks
    keys._ticks = lambda: before() + seconds


# What is changed in a token that is good otherwise: its header, then its claims.
BAD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another audience": ({}, {"aud": "else"}),
    "no audience": ({}, {"aud": ...}),
    "a list of other audiences": ({}, {"aud": ["a", "b"]}),
    "another issuer": ({}, {"iss": "https://else.example.com"}),
    "no issuer": ({}, {"iss": ...}),
    "an issuer that is no text": ({}, {"iss": ["a"]}),
    "no subject": ({}, {"sub": ...}),
    "an empty subject": ({}, {"sub": ""}),
    "a subject that is a number": ({}, {"sub": 7}),
    "a long subject": ({}, {"sub": "s" * 256}),
    "no end": ({}, {"exp": ...}),
    "an end that is a text": ({}, {"exp": "9999999999"}),
    "an end that is true": ({}, {"exp": True}),
    "an endless end": ({}, {"exp": 10**30}),
    "no beginning": ({}, {"iat": ...}),
    "a beginning to come": ({}, {"iat": 4_000_000_000, "exp": 4_000_000_600}),
    "not yet": ({}, {"nbf": 4_000_000_000}),
    "a key of its own": ({"jwk": {"kty": "RSA"}}, {}),
    "an address of keys": ({"jku": "http://127.0.0.1/keys"}, {}),
    "an address of a certificate": ({"x5u": "http://127.0.0.1/cert"}, {}),
    "a certificate": ({"x5c": ["MIIB"]}, {}),
    "what is critical": ({"crit": ["exp"]}, {}),
    "another kind of token": ({"typ": "logout+jwt"}, {}),
    "a key of another kind": ({"kid": "e1"}, {}),
    "a name that is no text": ({"kid": 1}, {}),
    "no algorithm": ({"alg": "none"}, {}),
    "another algorithm of the key": ({"alg": "RS384"}, {}),
    "an algorithm of shared secrets": ({"alg": "HS256"}, {}),
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("wrong", BAD)
async def test_a_token_that_is_not_whole_is_a_401_and_makes_nobody(
    wrong: str, taking: Backend, issuer: TestIssuer
) -> None:
    header, claims = BAD[wrong]
    for path in ("/api/me", "/api/open"):
        answer = await asked(taking, issuer.signed(header=header, **claims), path)
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.token_invalid"), wrong
    assert (await taking.sql("SELECT count(*) FROM data.users"))[0][0] == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_a_signature_by_anything_but_the_published_key_is_refused(taking: Backend, issuer: TestIssuer) -> None:
    other = jwk.RSAKey.generate_key(2048, {"kid": "r1"})
    header = {"alg": "RS256", "kid": "r1"}
    payload = json.dumps(issuer.claims()).encode()
    good = issuer.raw(header, payload, issuer.keys["r1"])
    signed, _, signature = good.rpartition(".")
    pem = issuer.keys["r1"].as_pem(private=False)
    named = b64(json.dumps({"alg": "HS256", "kid": "r1"}).encode())
    by_hmac = f"{named}.{b64(payload)}"
    forged = [
        issuer.raw(header, payload, other),
        f"{signed}.",
        f"{signed}.{signature}A",
        f"{signed}.{signature}=",
        f"{good}.{signature}",
        f"{by_hmac}.{b64(hmac.digest(pem, by_hmac.encode(), 'sha256'))}",
        issuer.raw(header, payload[:-1] + b', "sub": "mallory"}', issuer.keys["r1"]),
        issuer.raw(header, b"[" * 20_000, issuer.keys["r1"]),
        issuer.signed(filler="x" * 8192),
    ]
    for token in forged:
        assert (await asked(taking, token)).status_code == 401, token[:60]
    assert (await asked(taking, issuer.signed(exp=int(time.time()) - 1))).json()["code"] == "auth.token_expired"
    assert (await asked(taking, issuer.signed(iat=int(time.time()) - 3601))).json()["code"] == "auth.token_expired"
    assert (await taking.sql("SELECT count(*) FROM data.users"))[0][0] == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_names_of_keys_that_arent_there_cost_no_more_than_one_question(
    taking: Backend, issuer: TestIssuer
) -> None:
    await asked(taking, issuer.signed(sub=...))
    later(taking, foreign_keys.LEAST_SECONDS)
    before = issuer.asked.count(KEYS)
    storm = [asked(taking, issuer.signed(header={"kid": f"k{n}"})) for n in range(50)]
    assert {one.status_code for one in await asyncio.gather(*storm)} == {401}
    assert issuer.asked.count(KEYS) == before + 1


@pytest_asyncio.fixture(loop_scope="module")
async def here(migrated_url: str, issuer: TestIssuer) -> AsyncIterator[Backend]:
    issuer.publish("r1", "e1", "o1")
    async with serving(migrated_url, document(issuer)) as backend:
        yield backend


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("kid", "alg"), [("r1", "RS256"), ("e1", "ES256"), ("o1", "EdDSA")])
async def test_who_comes_for_the_first_time_is_made_once_with_only_the_granted_roles(
    here: Backend, issuer: TestIssuer, kid: str, alg: str
) -> None:
    more: dict[str, Any] = {"groups": ["support", "billing", "root"], "tier": "gold", "email": "Carol@example.com"}
    token = issuer.signed(kid, alg, email_verified=True, **more)
    answers = await asyncio.gather(*(asked(here, token) for _ in range(10)))
    assert {one.status_code for one in answers} == {200}
    assert {tuple(one.json()["roles"]) for one in answers} == {("support",)}
    assert (await asked(here, token, "/api/desk")).status_code == 200
    told = (await asked(here, token, "/api/told")).json()
    assert told == {"tier": "gold", "kind": "user", "mail": "carol@example.com"}
    rows = await here.sql("SELECT u.email, i.subject FROM data.users u JOIN rowgate.identities i ON i.user_id = u.id")
    assert [tuple(row) for row in rows] == [("carol@example.com", "carol")]
    # Its roles are the token's, and no session of here comes of it.
    assert (await asked(here, issuer.signed(kid, alg), "/api/desk")).status_code == 403
    assert (await asked(here, token, "/auth/v1/user")).status_code == 401
    assert (await here.client.post("/auth/v1/logout", headers=bearer(token))).status_code == 401


@pytest.mark.asyncio(loop_scope="module")
async def test_nobody_is_joined_by_an_address_and_none_is_kept_unverified(here: Backend, issuer: TestIssuer) -> None:
    alice = await here.sign_up("alice")
    for subject, verified in (("mallory", True), ("eve", False), ("odd", "true")):
        token = issuer.signed(sub=subject, tier="", email="alice@example.com", email_verified=verified)
        answer = (await asked(here, token)).json()
        assert answer["id"] != alice.id
        assert (await asked(here, token, "/api/told")).json()["mail"] is None


@pytest.mark.asyncio(loop_scope="module")
async def test_disabling_and_deleting_here_end_a_token_at_once_on_each_instance(
    here: Backend, issuer: TestIssuer
) -> None:
    admin = await here.admin()
    async with serving(here.url, document(issuer)) as there:
        await there.app.server.live.stop()
        for subject, end in (("a", "disable"), ("b", "delete"), ("c", "identity"), ("d", "issuer")):
            token = issuer.signed(sub=subject)
            assert [(await asked(one, token)).status_code for one in (here, there)] == [200, 200]
            user = (await asked(here, token)).json()["id"]
            if end == "disable":
                await here.client.post(f"/admin/v1/users/{user}/disable", headers=admin)
            elif end == "delete":
                await here.client.delete(f"/admin/v1/users/{user}", headers=admin)
            elif end == "identity":
                await here.sql("UPDATE rowgate.identities SET subject = 'other' WHERE user_id = $1", user)
            else:
                await here.apply({**document(issuer), "auth": {}})
            again = [await asked(one, token) for one in (there, here)]
            if end in {"delete", "identity"}:  # whoever comes again is somebody new
                assert [one.status_code for one in again] == [200, 200]
                assert {one.json()["id"] for one in again} != {user}
            else:
                assert [one.status_code for one in again] == [401, 401], end


@pytest.mark.asyncio(loop_scope="module")
async def test_keys_rotate_and_those_that_are_known_go_on_while_the_issuer_is_away(
    here: Backend, issuer: TestIssuer
) -> None:
    old = issuer.signed(sub="old")
    assert (await asked(here, old)).status_code == 200
    issuer.add("r2")
    issuer.publish("r2")
    assert (await asked(here, issuer.signed("r2"))).status_code == 401  # it was asked just now
    later(here, foreign_keys.LEAST_SECONDS)
    assert (await asked(here, issuer.signed("r2"))).status_code == 200
    assert (await asked(here, issuer.signed("r1", sub="new"))).status_code == 401
    issuer.server.answers[KEYS] = reply(b"", 500)
    later(here, foreign_keys.FRESH_SECONDS)
    assert (await asked(here, issuer.signed("r2", sub="away"))).status_code == 200
    later(here, foreign_keys.STALE_SECONDS)
    answer = await asked(here, issuer.signed("r2", sub="gone"))
    assert (answer.status_code, answer.json()["code"]) == (503, "auth.issuer_unreachable")


@pytest.mark.asyncio(loop_scope="module")
async def test_an_issuer_that_tells_of_another_one_is_not_believed(here: Backend, issuer: TestIssuer) -> None:
    for told in ({"issuer": "https://else.example.com"}, {"issuer": issuer.name, "jwks_uri": "http://else.example/k"}):
        issuer.server.answers[CONFIGURATION] = reply(json.dumps({"jwks_uri": f"{issuer.name}{KEYS}", **told}).encode())
        later(here, foreign_keys.LEAST_SECONDS)
        assert (await asked(here, issuer.signed())).status_code == 503


@pytest.mark.asyncio(loop_scope="module")
async def test_where_nobody_is_made_only_the_known_are_let_in(migrated_url: str, issuer: TestIssuer) -> None:
    issuer.publish("r1")
    async with serving(migrated_url, document(issuer, create=False, user="claims.oid")) as backend:
        token = issuer.signed(oid="carol-7")
        answer = await asked(backend, token)
        assert (answer.status_code, answer.json()["code"]) == (403, "auth.foreign_user_unknown")
        alice = await backend.sign_up("alice")
        sql = "INSERT INTO rowgate.identities (user_id, provider, issuer, subject) VALUES ($1, 'id', $2, 'carol-7')"
        await backend.sql(sql, alice.id, issuer.name)
        assert (await asked(backend, token)).json()["id"] == alice.id
        assert (await backend.sql("SELECT count(*) FROM data.users"))[0][0] == 1


def test_what_cant_work_is_a_finding_with_its_place() -> None:
    said = {
        "issuer": "http://127.0.0.1:9000", "audience": "shop", "user": "claims.sub +", "grants": ["suport"],
        "create": True,
    }  # fmt: skip
    users = {"columns": [{"name": "city", "type": "text", "required": True}]}
    _, found = check_document(
        {"rowgate": 1, "roles": [{"name": "support"}], "users": users, "auth": {"issuers": [said, said]}}
    )
    places = {one.place.partition(":")[0] for one in found}
    assert {f"auth.issuers.0.{key}" for key in ("issuer", "user", "grants", "create")} <= places
    assert any("twice" in one.message for one in found)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"grants": ["support"]}, ["loses False"]),
        ({"grants": ["support", "billing", "root"]}, ["gains True"]),
        ({"audience": "other"}, ["may_gain True"]),
        ({"create": True}, ["gains True"]),
        ({"max_age": "2h"}, ["gains True"]),
        ({"issuer": "https://else.example.com"}, ["gains True", "loses False"]),
    ],
)
def test_a_change_of_an_issuer_says_who_gains(change: Any, told: list[str]) -> None:
    said = {"issuer": "https://id.example.com", "audience": "shop", "grants": ["support", "billing"]}
    old, new = (AuthDef.model_validate({"issuers": [one]}) for one in (said, {**said, **change}))
    assert [f"{one.effect} {one.wider}" for one in auth_effects(old, new)] == told
