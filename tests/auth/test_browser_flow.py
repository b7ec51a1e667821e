"""Signing in at a provider through the browser: what is refused and where it is told, then who is signed in."""

import asyncio
import hashlib
import json
import logging
from base64 import b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
import pytest_asyncio

from app.auth.code_exchange import takes_basic
from app.auth.foreign_keys import Metadata
from app.cli.documents import apply_to
from app.definitions.auth import AuthDef
from app.definitions.project import DefinitionInvalid, parse_project
from app.review.auth_effects import auth_effects
from app.secrets.provider_secrets import refuse_secretless
from tests.auth.issuers import KEYS, TestIssuer, issuing
from tests.auth.test_providers import CLIENT, document
from tests.backend import Backend, Person, calling, serving
from tests.outward.upstream import Asked, reply

SITE = "https://app.example.com"
TO = f"{SITE}/done?page=1"
SECRET = "p%s/ word that is nowhere shown"
VERIFIER = "v" * 64
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "s256"}


def said(issuer: TestIssuer, **more: Any) -> dict[str, Any]:
    auth = {"site_url": SITE, "redirect_urls": [f"{SITE}/**", "http://localhost:5173/**"]}
    return document(issuer, auth, client_secret="ACME_SECRET", **more)


def begun_with(issuer: TestIssuer, **more: Any) -> dict[str, Any]:
    whole = said(issuer, **more)
    return {**whole, "auth": {**whole["auth"], "providers": document(issuer, **more)["auth"]["providers"]}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def issuer() -> AsyncIterator[TestIssuer]:
    async with issuing() as one:
        one.told = {f"{name}_endpoint": f"{one.name}/{name}" for name in ("authorization", "token")}
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def here(migrated_url: str, issuer: TestIssuer) -> AsyncIterator[Backend]:
    for name in ("authorization_response_iss_parameter_supported", "token_endpoint_auth_methods_supported"):
        issuer.told.pop(name, None)
    issuer.publish("r1")
    async with serving(migrated_url, said(issuer)) as backend:
        root = await backend.admin()
        kept = {"name": "ACME_SECRET", "value": SECRET, "hosts": [issuer.server.host]}
        assert (await backend.client.post("/admin/v1/secrets", json=kept, headers=root)).status_code == 201
        yield backend


async def begin(client: httpx.AsyncClient, **more: Any) -> dict[str, str]:
    """Begin in the browser of a client, and give what the provider is asked."""
    query = {"provider": "acme", "redirect_to": TO, **more}
    answer = await client.get("/auth/v1/authorize", params={k: v for k, v in query.items() if v is not ...})
    assert answer.status_code == 303, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def gives(issuer: TestIssuer, asked: dict[str, str], subject: str = "carol", **more: Any) -> None:
    """Have the provider give an ID token for its code, if the verifier is the one that it was told of."""
    header = more.pop("header", None)
    claims = {"aud": CLIENT, "nonce": asked["nonce"], "email": f"{subject}@example.com", "email_verified": True}
    token = issuer.signed(header=header, sub=subject, **{**claims, **more})

    async def token_endpoint(request: Asked, writer: asyncio.StreamWriter) -> None:
        form = dict(parse_qsl(request.body.decode()))
        hashed = hashlib.sha256(form["code_verifier"].encode()).digest()
        fits = urlsafe_b64encode(hashed).rstrip(b"=").decode() == asked["code_challenge"]
        good = fits and form["redirect_uri"] == asked["redirect_uri"] and form["code"] == "from-acme"
        writer.write(reply(json.dumps({"id_token": token} if good else {"error": "invalid_grant"}).encode()))

    issuer.server.answers["/token"] = token_endpoint


async def come_back(client: httpx.AsyncClient, asked: dict[str, str], **more: Any) -> httpx.Response:
    query = {"code": "from-acme", "state": asked["state"], **more}
    return await client.get("/auth/v1/callback", params={k: v for k, v in query.items() if v is not ...})


def told(answer: httpx.Response) -> dict[str, str]:
    """Give what the place that a sign-in ends at is told in its fragment; it is one of those that are listed."""
    assert answer.status_code == 303, answer.text
    parts = urlsplit(answer.headers["location"])
    assert parts._replace(query="", fragment="").geturl() in {SITE, f"{SITE}/done"}
    assert answer.headers["referrer-policy"] == "no-referrer"
    return dict(parse_qsl(parts.fragment))


def forget_keys(backend: Backend) -> None:
    keys = backend.app.server.auth.foreign.keys
    assert keys is not None
    keys.keep_only([])


def code_of(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith(f"{TO}&code=flow."), answer.headers["location"]
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


async def exchange(client: httpx.AsyncClient, code: str, verifier: str = VERIFIER) -> httpx.Response:
    return await client.post("/auth/v1/token?grant_type=pkce", json={"auth_code": code, "code_verifier": verifier})


@pytest.mark.asyncio(loop_scope="module")
async def test_nobody_is_sent_anywhere_by_what_isnt_known_or_listed(here: Backend, issuer: TestIssuer) -> None:
    for query, code in (
        ({"provider": "other"}, "auth.provider_unknown"),
        ({"provider": ...}, "auth.provider_unknown"),
        ({"redirect_to": "https://else.example.com/"}, "auth.redirect_unlisted"),
        ({"redirect_to": f"{SITE}@else.example.com/"}, "auth.redirect_unlisted"),
        ({"code_challenge": "short"}, "input.invalid"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "md5"}, "input.invalid"),
        ({"provider": ..., "ticket": "t" * 43}, "auth.flow_state_invalid"),
    ):
        wanted = {"provider": "acme", "redirect_to": TO, **query}
        params: Any = {k: v for k, v in wanted.items() if v is not ...}
        answer = await here.client.get("/auth/v1/authorize", params=params)
        assert (answer.status_code in {400, 422}, answer.json()["code"]) == (True, code), query
    asked = await begin(here.client)
    whole = said(issuer)
    await here.apply({**whole, "auth": {**whole["auth"], "site_url": "https://b.example.com", "redirect_urls": []}})
    gives(issuer, asked)
    refused = await come_back(here.client, asked)
    assert (refused.status_code, refused.json()["code"]) == (400, "auth.redirect_unlisted")
    assert (await here.sql("SELECT count(*) FROM data.users"))[0][0] == 0


WRONG: dict[str, dict[str, Any]] = {
    "another nonce": {"nonce": "else"},
    "no nonce": {"nonce": ...},
    "another issuer": {"iss": "https://else.example.com"},
    "another audience": {"aud": "else"},
    "over": {"exp": 1},
    "alg none": {"header": {"alg": "none"}},
    "a key that isn't published": {"header": {"kid": "e1"}},
}


@pytest.mark.asyncio(loop_scope="module")
async def test_what_a_provider_says_wrongly_signs_nobody_in_and_is_told_where_it_ends(
    here: Backend, issuer: TestIssuer
) -> None:
    for wrong, claims in WRONG.items():
        asked = await begin(here.client, **PKCE)
        gives(issuer, asked, **claims)
        answer = await come_back(here.client, asked)
        assert told(answer)["error_code"] == "bad_jwt", wrong
        assert dict(parse_qsl(urlsplit(answer.headers["location"]).query)) == {"page": "1", **told(answer)}
    for body in (reply(b'{"error": "invalid_grant"}', 400), reply(b"{}"), reply(b'{"id_token": 1}'), reply(b"<p>", 200),
                 reply(b"", 302, Location="https://app.example.com/")):  # fmt: skip
        asked = await begin(here.client)
        issuer.server.answers["/token"] = body
        assert told(await come_back(here.client, asked)) == {
            "error": "server_error", "error_code": "unexpected_failure",
            "error_description": "Unable to exchange external code",
        }  # fmt: skip
    asked = await begin(here.client)
    said_no = {"code": ..., "error": "access_denied", "error_description": "She said no"}
    assert told(await come_back(here.client, asked, **said_no)) == {
        "error": "access_denied", "error_code": "bad_oauth_callback", "error_description": "She said no",
    }  # fmt: skip
    asked = await begin(here.client)
    gives(issuer, asked)
    assert told(await come_back(here.client, asked, iss="https://else.example.com"))["error_code"] == "bad_jwt"
    assert (await here.sql("SELECT count(*) FROM data.users"))[0][0] == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_a_provider_that_never_answers_is_given_up(here: Backend, issuer: TestIssuer) -> None:
    asked = await begin(here.client)
    released = asyncio.Event()

    async def hang(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
        await released.wait()

    issuer.server.answers["/token"] = hang
    assert told(await come_back(here.client, asked))["error"] == "server_error"
    released.set()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_state_is_of_one_browser_and_good_once(here: Backend, issuer: TestIssuer) -> None:
    first, second = await begin(here.client), await begin(here.client)
    async with calling(here.app) as elsewhere:
        theirs = await begin(elsewhere)
        bad = {"error": "invalid_request", "error_code": "bad_oauth_state"}
        for client, state in ((elsewhere, first), (here.client, theirs), (here.client, {"state": "s" * 43})):
            gives(issuer, first)
            assert bad.items() <= told(await come_back(client, state)).items()
    gives(issuer, second)
    # Mixed up: the state is this browser's, and the answer was asked for with another.
    assert told(await come_back(here.client, first))["error_code"] == "unexpected_failure"
    answers = await asyncio.gather(*(come_back(here.client, second) for _ in range(5)))
    assert sorted("access_token" in told(one) for one in answers) == [False] * 4 + [True]
    assert told(await come_back(here.client, second))["error_code"] == "bad_oauth_state"
    late = await begin(here.client)
    await here.sql("UPDATE rowgate.sign_in_flows SET expires_at = now()")
    assert told(await come_back(here.client, late))["error_code"] == "bad_oauth_state"
    for secret in (second["state"], late["state"], late["nonce"]):
        rows = await here.sql("SELECT f::text FROM rowgate.sign_in_flows f")
        assert rows
        assert not any(secret in row[0] for row in rows)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_cookie_is_this_hosts_alone_over_https(migrated_url: str, issuer: TestIssuer) -> None:
    issuer.publish("r1")
    async with serving(migrated_url, begun_with(issuer), public_url="https://api.example.com") as backend:
        answer = await backend.client.get("/auth/v1/authorize", params={"provider": "acme", "redirect_to": TO})
        name, *parts = [one.strip().lower() for one in answer.headers["set-cookie"].split(";")]
        assert name.startswith("__host-rowgate_flow=")
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= set(parts)
        assert not any(one.startswith("domain") for one in parts)
        asked = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
        assert asked["redirect_uri"] == "https://api.example.com/auth/v1/callback"
        posted = await backend.client.post("/auth/v1/callback", data={"state": "s", "code": "c", "session_state": "x"})
        assert posted.headers["location"] == "https://api.example.com/auth/v1/callback?state=s&code=c"


@pytest.mark.asyncio(loop_scope="module")
async def test_the_implicit_flow_ends_with_a_session_in_the_fragment(
    here: Backend, issuer: TestIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asked = await begin(here.client, prompt="login", scope="everything")
    assert (asked["scope"], asked["response_type"], asked["client_id"], asked["prompt"]) == (
        "openid email profile", "code", CLIENT, "login",
    )  # fmt: skip
    gives(issuer, asked, name="Carol")
    session = told(await come_back(here.client, asked))
    assert set(session) == {"access_token", "expires_at", "expires_in", "refresh_token", "token_type"}
    me = await Person(here.client, "", session).get("/auth/v1/user")
    assert (me.json()["email"], me.json()["user_metadata"]["display_name"]) == ("carol@example.com", "Carol")
    asked_for = issuer.server.asked[-1] if issuer.server.asked[-1].path == "/token" else issuer.server.asked[-2]
    pair = b64decode(asked_for.headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == f"{CLIENT}:p%25s%2F%20word%20that%20is%20nowhere%20shown"
    assert b"client_secret" not in asked_for.body
    used = await here.sql("SELECT detail::text FROM rowgate.audit WHERE action = 'secret.use'")
    assert [("auth/providers/acme" in row[0], SECRET in row[0]) for row in used] == [(True, False)]
    ours = " ".join(one.getMessage() for one in caplog.records if not one.name.startswith("httpx"))
    for hidden in (SECRET, pair, session["access_token"], asked["state"], "from-acme"):
        assert hidden not in ours
    again = await begin(here.client)
    issuer.add("r3")
    issuer.publish("r3")  # its keys are others now; the one that is named is looked up
    forget_keys(here)
    gives(issuer, again, header={"kid": "r1"})
    assert told(await come_back(here.client, again))["error_code"] == "bad_jwt"


@pytest.mark.asyncio(loop_scope="module")
async def test_the_pkce_flow_gives_a_code_for_its_verifier_once(here: Backend, issuer: TestIssuer) -> None:
    asked = await begin(here.client, **PKCE)
    gives(issuer, asked)
    code = code_of(await come_back(here.client, asked))
    wrong = await exchange(here.client, code, "else")
    assert (wrong.status_code, wrong.json()["error_code"]) == (400, "bad_code_verifier")
    answers = await asyncio.gather(*(exchange(here.client, code) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [200, 400, 400, 400]
    (session,) = [one.json() for one in answers if one.status_code == 200]
    assert session["user"]["app_metadata"]["providers"] == ["acme"]
    used = await exchange(here.client, code)
    assert (used.status_code, used.json()["error_code"]) == (400, "flow_state_not_found")
    again = await begin(here.client, **PKCE)
    gives(issuer, again)
    late = code_of(await come_back(here.client, again))
    await here.sql("UPDATE rowgate.accounts SET disabled_at = now()")
    assert (await exchange(here.client, late)).json()["error_code"] == "user_banned"
    banned = await begin(here.client, **PKCE)
    gives(issuer, banned)
    assert told(await come_back(here.client, banned))["error_code"] == "user_banned"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_code_of_an_identity_that_was_unlinked_meanwhile_signs_nobody_in(
    here: Backend, issuer: TestIssuer
) -> None:
    alice = await here.sign_up("alice")
    await here.apply(said(issuer, trust_email=True))
    asked = await begin(here.client, **PKCE)
    gives(issuer, asked, "mine", email="alice@example.com")
    code = code_of(await come_back(here.client, asked))
    (identity,) = await here.sql("SELECT id, user_id FROM rowgate.identities")
    assert identity["user_id"] == alice.id
    gone = await alice.call("DELETE", f"/auth/v1/user/identities/{identity['id']}")
    assert gone.status_code == 200, gone.text
    refused = await exchange(here.client, code)
    assert (refused.status_code, refused.json()["code"]) == (400, "auth.id_token_refused")
    assert len(await here.sql("SELECT FROM rowgate.sessions")) == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_who_may_come_is_the_same_as_by_an_id_token(here: Backend, issuer: TestIssuer) -> None:
    alice = await here.sign_up("alice")
    asked = await begin(here.client)
    gives(issuer, asked, "a1", email="alice@example.com", email_verified=False)
    other = await Person(here.client, "", told(await come_back(here.client, asked))).get("/auth/v1/user")
    assert other.json()["id"] != alice.id
    assert other.json()["email"] == ""
    whole = said(issuer, trust_email=True)
    await here.apply({**whole, "auth": {**whole["auth"], "sign_up": "closed"}})
    asked = await begin(here.client)
    gives(issuer, asked, "a2", email="alice@example.com")
    joined = await Person(here.client, "", told(await come_back(here.client, asked))).get("/auth/v1/user")
    assert joined.json()["id"] == alice.id
    asked = await begin(here.client)
    gives(issuer, asked, "dave")
    closed = told(await come_back(here.client, asked))
    assert (closed["error"], closed["error_code"]) == ("access_denied", "signup_disabled")


@pytest.mark.asyncio(loop_scope="module")
async def test_an_identity_is_linked_by_whoever_asked_and_by_nobody_who_opens_the_address(
    here: Backend, issuer: TestIssuer
) -> None:
    alice = await here.sign_up("alice")
    path, query = "/auth/v1/user/identities/authorize", {"provider": "acme", "redirect_to": TO, **PKCE}
    assert (await here.client.get(path, params=query)).status_code == 401
    implicit = await alice.get(path, params={"provider": "acme", "redirect_to": TO})
    assert (implicit.status_code, implicit.json()["code"]) == (400, "auth.link_needs_pkce")

    async def code_for(subject: str) -> str:
        url = (await alice.get(path, params={**query, "skip_http_redirect": "true"})).json()["url"]
        url = url.removeprefix("http://127.0.0.1:8000")
        async with calling(here.app) as browser:
            there = await browser.get(url)
            assert (await browser.get(url)).json()["code"] == "auth.flow_state_invalid"
            asked = dict(parse_qsl(urlsplit(there.headers["location"]).query))
            gives(issuer, asked, subject)
            return code_of(await come_back(browser, asked))

    code = await code_for("mine")
    assert await here.sql("SELECT FROM rowgate.identities") == []  # nothing is linked without the verifier
    linked = (await exchange(here.client, code)).json()["user"]
    assert (linked["id"], linked["app_metadata"]["providers"]) == (alice.id, ["email", "acme"])
    assert (await exchange(here.client, await code_for("mine"))).json()["error_code"] == "identity_already_exists"
    with_factor, ended = await code_for("other"), await code_for("another")
    await here.sql(
        "INSERT INTO rowgate.factors (user_id, kind, name, key_id, nonce, ciphertext, verified_at)"
        " VALUES ($1, 'totp', 'phone', 'k', 'n', 'c', now())",
        alice.id,
    )
    assert (await exchange(here.client, with_factor)).json()["error_code"] == "insufficient_aal"
    assert (await alice.get(path, params=query)).json()["error_code"] == "insufficient_aal"
    await here.sql("UPDATE rowgate.sessions SET revoked_at = now() WHERE user_id = $1", alice.id)
    assert (await exchange(here.client, ended)).json()["error_code"] == "flow_state_not_found"


@pytest.mark.parametrize(
    ("ways", "takes"),
    [
        (None, True), ("client_secret_post", True), (5, True), ([], False), (["client_secret_post"], False),
        ([None, "client_secret_basic"], True),
    ],
)  # fmt: skip
def test_whatever_a_provider_says_of_its_ways_is_read(ways: Any, takes: bool) -> None:
    keys, member = "https://id.example.com/keys", "token_endpoint_auth_methods_supported"
    assert takes_basic(Metadata(keys, {member: ways})) is takes
    assert takes_basic(Metadata(keys, {}))


@pytest.mark.asyncio(loop_scope="module")
async def test_a_secret_goes_only_where_it_may_and_has_to_be_there(here: Backend, issuer: TestIssuer) -> None:
    issuer.told["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    issuer.publish("r1")
    asked = await begin(here.client)
    gives(issuer, asked)
    assert "access_token" in told(await come_back(here.client, asked))
    sent = [dict(parse_qsl(one.body.decode())) for one in issuer.server.asked if one.path == "/token"][-1]
    assert (sent["client_id"], sent["client_secret"]) == (CLIENT, SECRET)
    await here.sql("DELETE FROM rowgate.secrets")
    asked = await begin(here.client)
    assert told(await come_back(here.client, asked))["error"] == "temporarily_unavailable"
    root = await here.admin()
    elsewhere = {"name": "ACME_SECRET", "value": SECRET, "hosts": ["else.example.com"]}
    await here.client.post("/admin/v1/secrets", json=elsewhere, headers=root)
    count = len(issuer.server.asked)
    asked = await begin(here.client)
    assert told(await come_back(here.client, asked))["error"] == "server_error"
    assert len(issuer.server.asked) == count
    project, _ = parse_project(said(issuer, name="acme2"))
    assert project is not None
    pool = here.app.server.pool
    async with pool.lease() as connection:
        await refuse_secretless(connection, project)
    await here.sql("DELETE FROM rowgate.secrets")
    with pytest.raises(DefinitionInvalid) as refused:
        async with pool.lease() as connection:
            await refuse_secretless(connection, project)
    with pytest.raises(DefinitionInvalid, match="have a problem"):
        await apply_to(here.url, project, dry_run=True)
    assert [one.place for one in refused.value.findings] == ["auth.providers.0.client_secret"]
    planned = await here.client.post("/admin/v1/config/plan", json=said(issuer), headers=root)
    assert (planned.status_code, planned.json()["errors"][0]["loc"]) == (
        422, ["auth.providers.0.client_secret"],
    )  # fmt: skip


@pytest.mark.asyncio(loop_scope="module")
async def test_a_provider_that_tells_no_place_is_a_503(here: Backend, issuer: TestIssuer) -> None:
    before = dict(issuer.told)
    for place in ("ftp://else", "http://else.example.com/", None):
        issuer.told["authorization_endpoint"] = place
        issuer.publish("r1")
        forget_keys(here)
        answer = await here.client.get("/auth/v1/authorize", params={"provider": "acme", "redirect_to": TO})
        assert (answer.status_code, answer.json()["code"]) == (503, "auth.issuer_unreachable"), place
    issuer.told = before
    issuer.server.answers[KEYS] = reply(b"", 500)


@pytest.mark.parametrize("scopes", [["email"], ["openid", "openid"], ["openid", "a b"], ["openid", ""]])
def test_scopes_that_no_provider_could_read_are_findings(scopes: list[str]) -> None:
    one = {"name": "acme", "issuer": "https://id.example.com", "client_id": "c", "scopes": scopes}
    _, findings = parse_project({"rowgate": 1, "auth": {"providers": [one]}})
    assert [finding.place for finding in findings] == ["auth.providers/acme.scopes"]


@pytest.mark.parametrize(
    ("change", "effects"),
    [
        ({"client_secret": "B"}, ["may_gain signing in through the browser"]),
        ({"scopes": ["openid", "phone"]}, ["may_gain what it tells", "loses what it tells"]),
    ],
)
def test_a_change_of_what_a_provider_is_asked_is_told(change: Any, effects: list[str]) -> None:
    one = {"name": "acme", "issuer": "https://id.example.com", "client_id": "c", "client_secret": "A"}
    old, new = (AuthDef.model_validate({"providers": [said]}) for said in (one, {**one, **change}))
    assert [f"{effect.effect} {effect.what}" for effect in auth_effects(old, new)] == effects
