"""By what somebody has signed in: what rules see of it, what tokens tell, and what an owner is told."""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from app.auth import passkeys
from app.compiler.check import check_document
from app.definitions.auth import AuthDef
from app.definitions.project import parse_project
from app.review.auth_effects import auth_effects
from app.review.doubts import doubts
from tests.auth.conftest import bearer
from tests.auth.issuers import AUDIENCE, TestIssuer
from tests.auth.test_providers import document, id_token, sent
from tests.backend import PASSWORD, Backend, serving

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
SEEN = {name: f"=auth.{name}" for name in ("provider", "session_id", "aal", "amr", "is_anonymous", "claims")}


def said(issuer: TestIssuer) -> dict[str, Any]:
    whole = document(issuer, {"anonymous": True, "confirm_email": False})
    taken = {"issuer": issuer.name, "audience": AUDIENCE, "create": True, "aal2": "'mfa' in claims.amr"}
    enter = {"do": "issue_session", "user": "auth.user.id", "as": "made"}
    return {
        **whole,
        "auth": {**whole["auth"], "issuers": [taken]},
        "endpoints": [
            *whole["endpoints"],
            {"name": "seen", "method": "GET", "path": "/seen", "access": "public",
             "steps": [{"do": "respond", "body": SEEN}]},
            {"name": "sure", "method": "GET", "path": "/sure", "access": "authenticated",
             "steps": [{"do": "require", "that": "auth.aal == 'aal2' && auth.provider == 'acme'"}, {"do": "respond"}]},
            {"name": "enter", "method": "POST", "path": "/enter", "access": "authenticated",
             "steps": [enter, {"do": "respond", "body": "=made"}]},
        ],
        "tests": [
            {"name": "by_two", "as": {"sign_in": {"aal": "aal2", "provider": "acme"}}, "request": {"path": "/api/sure"},
             "expect": {"status": 200}},
            {"name": "by_one", "as": {"sign_in": {"provider": "acme"}}, "request": {"path": "/api/sure"},
             "expect": {"status": 403}},
        ],
    }  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module")
async def here(migrated_url: str, issuer: TestIssuer) -> AsyncIterator[Backend]:
    async with serving(migrated_url, said(issuer)) as backend:
        yield backend


def payload_of(token: str) -> Any:
    part = token.split(".")[1]
    return json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def seen(backend: Backend, token: str | None = None) -> Any:
    answer = await backend.client.get("/api/seen", headers={} if token is None else bearer(token))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.asyncio(loop_scope="module")
async def test_rules_see_by_what_somebody_has_signed_in(here: Backend, issuer: TestIssuer) -> None:
    nobody = await seen(here)
    assert (nobody["provider"], nobody["session_id"], nobody["aal"]) == (None, None, "none")
    alice = await here.sign_up("alice")
    by_address = await seen(here, alice.session["access_token"])
    assert (by_address["provider"], by_address["amr"]) == ("email", ["password"])
    assert by_address["session_id"] == payload_of(alice.session["access_token"])["session_id"]
    unnamed = (await here.client.post("/auth/v1/signup", json={})).json()
    assert (await seen(here, unnamed["access_token"]))["provider"] == "anonymous"
    carol = (await sent(here, id_token(issuer))).json()
    at_acme = await seen(here, carol["access_token"])
    assert (at_acme["provider"], at_acme["amr"], at_acme["aal"]) == ("acme", ["oauth"], "aal1")
    again = await here.client.post(
        "/auth/v1/token?grant_type=refresh_token", json={"refresh_token": carol["refresh_token"]}
    )
    assert (await seen(here, again.json()["access_token"]))["provider"] == "acme"


@pytest.mark.asyncio(loop_scope="module")
async def test_an_issuers_token_counts_as_two_factors_where_the_document_reads_that_of_it(
    here: Backend, issuer: TestIssuer
) -> None:
    for amr, aal in ((["pwd", "mfa"], "aal2"), (["pwd"], "aal1"), ("mfa", "aal1"), (..., "aal1"), (7, "aal1")):
        found = await seen(here, issuer.signed("r1", sub="dora", amr=amr))
        assert (found["aal"], found["provider"], found["session_id"]) == (aal, issuer.name, None), amr
        assert found["amr"] == [], "what an issuer calls its methods is told by auth.claims alone"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_simulated_caller_has_signed_in_as_it_is_said(here: Backend) -> None:
    admin, session = await here.admin(), "0198d2c4-0000-7000-8000-000000000001"
    by = {"aal": "aal2", "amr": ["totp"], "provider": "acme", "session_id": session, "claims": {"a": "b"}}
    alice = await here.sign_up("alice")
    callers: list[dict[str, Any]] = [{"roles": []}, {"user": alice.id}]
    for caller in callers:
        body = {"as": {**caller, "sign_in": by}, "path": "/api/seen"}
        answer = (await here.client.post("/admin/v1/simulate", json=body, headers=admin)).json()
        assert answer["body"] == {**by, "is_anonymous": False}
    plain = {"as": {"user": alice.id}, "path": "/api/sure"}
    assert (await here.client.post("/admin/v1/simulate", json=plain, headers=admin)).json()["status"] == 403


@pytest.mark.asyncio(loop_scope="module")
async def test_a_chains_session_tells_the_ways_in_that_its_person_has(here: Backend, issuer: TestIssuer) -> None:
    carol = (await sent(here, id_token(issuer))).json()
    made = await here.client.post("/api/enter", headers=bearer(carol["access_token"]))
    told = payload_of(made.json()["access_token"])["app_metadata"]
    assert told == {"provider": "acme", "providers": ["acme"], "roles": []}


@pytest.mark.asyncio(loop_scope="module")
async def test_an_owner_is_told_of_a_way_in_that_goes(here: Backend, issuer: TestIssuer) -> None:
    alice = await here.sign_up("alice")
    linked = await sent(here, id_token(issuer), by=alice.session, link_identity=True)
    (identity,) = linked.json()["user"]["identities"][-1:]
    path = f"/auth/v1/user/identities/{identity['identity_id']}"
    assert (await here.client.delete(path, headers=bearer(linked.json()["access_token"]))).status_code == 200
    found = (await here.client.get("/admin/v1/mail", headers=await here.admin())).json()
    (mail,) = [one for one in found if one["kind"] == "identity_unlinked"]
    assert (mail["to"], "by acme as you any more" in mail["text"]) == ("alice@example.com", True)


@pytest.mark.asyncio(loop_scope="module")
async def test_the_address_of_before_is_told_of_a_change_that_nobody_has_to_confirm(here: Backend) -> None:
    alice = await here.sign_up("alice")
    changed = await alice.call("PUT", "/auth/v1/user", json={"email": "eve@example.com"})
    assert changed.json()["email"] == "eve@example.com"
    unnamed = (await here.client.post("/auth/v1/signup", json={})).json()
    named = {"email": "ann@example.com", "password": PASSWORD}
    given = await here.client.put("/auth/v1/user", json=named, headers=bearer(unnamed["access_token"]))
    assert (given.status_code, given.json()["is_anonymous"]) == (200, False)
    found = (await here.client.get("/admin/v1/mail", headers=await here.admin())).json()
    told = [(one["to"], "eve@example.com" in one["text"]) for one in found if one["kind"] == "email_changed"]
    assert told == [("alice@example.com", True)]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_passkey_is_held_behind_its_account_as_by_everybody_else(here: Backend) -> None:
    alice, pool = await here.sign_up("alice"), here.app.server.pool
    await here.sql(
        "INSERT INTO rowgate.passkeys (user_id, credential_id, public_key, sign_count, name)"
        " VALUES ($1, 'abc', 'key', 0, 'one')",
        alice.id,
    )
    site = passkeys.site_of("here", "https://app.example.com", ())
    async with pool.lease() as holding, pool.lease() as looking:

        async def use() -> None:
            async with pool.lease() as connection, connection.transaction():
                await passkeys.use(connection, site, b"challenge", {"rawId": "YWJj"})

        async with holding.transaction():
            await holding.execute("SELECT FROM rowgate.accounts WHERE user_id = $1 FOR UPDATE", alice.id)
            using = asyncio.create_task(use())
            for _ in range(500):
                if await looking.fetchval(WAITING):
                    break
                await asyncio.sleep(0.02)
            # Whoever holds the account may take its passkeys away: nobody has them.
            async with looking.transaction():
                await looking.fetch("SELECT FROM rowgate.passkeys FOR UPDATE NOWAIT")
        with pytest.raises(passkeys.PasskeyRefused):
            await using


def test_a_wrong_sign_in_of_a_test_and_a_wrong_aal2_are_findings() -> None:
    taken = {"issuer": "https://id.example.com", "audience": "a", "aal2": "1 + 1"}
    assert [one.place for one in check_document({"rowgate": 1, "auth": {"issuers": [taken]}})[1]]
    caller = {"key": True, "sign_in": {"aal": "aal2"}}
    key = {"name": "t", "as": caller, "request": {"path": "/api/x"}, "expect": {"status": 200}}
    findings = check_document({"rowgate": 1, "tests": [key]})[1]
    assert any("neither id, columns nor sign_in" in str(one) for one in findings)


def test_what_an_issuer_may_call_two_factors_is_an_effect() -> None:
    plain = {"issuer": "https://id.example.com", "audience": "a"}
    old, new = (AuthDef.model_validate({"issuers": (one,)}) for one in (plain, {**plain, "aal2": "true"}))
    assert [(one.key, one.wider) for one in auth_effects(old, new)] == [("issuers", True)]


@pytest.mark.parametrize(("rule", "codes"), [("auth.user.nick == 'boss'", 1), ("auth.user.id == item.id", 0)])
def test_a_rule_that_trusts_what_a_provider_tells_is_a_doubt(rule: str, codes: int) -> None:
    acme = {"name": "acme", "issuer": "https://id.example.com", "client_id": "a", "columns": {"nick": "claims.name"}}
    view = {"name": "people", "table": "users", "columns": ["id"], "filter": rule.replace("item.", "row.")}
    users = {"columns": [{"name": "nick", "type": "text"}]}
    project, findings = parse_project({"rowgate": 1, "users": users, "views": [view], "auth": {"providers": [acme]}})
    assert project is not None, findings
    found = [one for one in doubts(project) if one.code == "access.claim_trusted"]
    assert [one.place for one in found] == ["auth.providers/0.columns/nick"] * codes
