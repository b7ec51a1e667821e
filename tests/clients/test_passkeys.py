"""Passkeys: refusals first, then auth-js in Chromium, with the browser's own virtual authenticator."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import cbor2
import pytest

from tests.backend import PASSWORD, Backend, serving
from tests.clients.chromium import BROWSER, page
from tests.clients.test_frontend import served
from tests.clients.test_supabase_js import NODE, clients, listening

__all__ = ["clients"]
PATH = "/auth/v1/passkeys"
PAGE = """<!doctype html><meta charset="utf-8"><title>Passkeys</title>
<script src="node_modules/@supabase/supabase-js/dist/umd/supabase.js"></script>"""
LEVEL = "client.auth.mfa.getAuthenticatorAssuranceLevel().then(r => r.data.currentLevel)"


def document(site_url: str | None, *, passkeys: bool = True) -> dict[str, Any]:
    said: dict[str, Any] = {"passkeys": passkeys, **({"site_url": site_url} if site_url else {})}
    how = {"aal": "=auth.aal", "amr": "=auth.amr"}
    steps = [{"do": "respond", "body": how}]
    endpoint = {"name": "how", "method": "GET", "path": "/how", "access": "authenticated", "steps": steps}
    return {"rowgate": 1, "auth": said, "endpoints": [endpoint]}


async def told(backend: Backend, path: str, body: Any) -> tuple[int, str]:
    answer = await backend.client.post(f"{PATH}{path}", json=body)
    return answer.status_code, answer.json()["code"]


async def test_without_the_word_of_the_document_or_a_host_there_are_none(migrated_url: str) -> None:
    off = (422, "auth.passkeys_off")
    async with serving(migrated_url, document("https://app.example.com", passkeys=False)) as backend:
        assert await told(backend, "/authentication/options", {}) == off
        await backend.apply(document(None))
        assert await told(backend, "/authentication/options", {}) == off
        await backend.apply(document("https://app.example.com"))
        answer = await backend.client.post(f"{PATH}/authentication/options", json={})
        assert answer.json()["options"]["rpId"] == "app.example.com"


async def test_what_answers_no_challenge_is_refused(migrated_url: str) -> None:
    refused = (422, "auth.passkey_refused")
    async with serving(migrated_url, document("https://app.example.com")) as backend:
        assert await told(backend, "/registration/options", {}) == (401, "access.sign_in_required")
        alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
        asked = (await backend.client.post(f"{PATH}/authentication/options", json={})).json()
        to_add = (await alice.post(f"{PATH}/registration/options", {})).json()
        assert to_add["options"]["authenticatorSelection"]["userVerification"] == "required"
        junk: list[dict[str, Any]] = [
            {}, {"id": "x"}, {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {}},
            {"rawId": "\ud800"[:0] + "é"},
        ]  # fmt: skip
        for credential in junk:
            asked = (await backend.client.post(f"{PATH}/authentication/options", json={})).json()
            for challenge in (asked["challenge_id"], to_add["challenge_id"], "x"):
                body = {"challenge_id": challenge, "credential": credential}
                assert await told(backend, "/authentication/verify", body) == refused
                answer = await bob.post(f"{PATH}/registration/verify", body)
                assert (answer.status_code, answer.json()["code"]) == refused
        asked = (await backend.client.post(f"{PATH}/authentication/options", json={})).json()
        for challenge, why in [
            (asked["challenge_id"], "webauthn_verification_failed"),
            (asked["challenge_id"], "webauthn_challenge_not_found"),  # which the wrong answer used up
            (to_add["challenge_id"], "webauthn_challenge_not_found"), (bob.id, "webauthn_challenge_not_found"),
        ]:  # fmt: skip
            body = {"challenge_id": challenge, "credential": junk[2]}
            answer = await backend.client.post(f"{PATH}/authentication/verify", json=body)
            assert answer.json()["error_code"] == why
        assert await backend.sql("SELECT 1 FROM rowgate.passkeys") == []
        missing = await alice.call("DELETE", f"{PATH}/{alice.id}")
        assert (missing.status_code, missing.json()["code"]) == (404, "auth.passkey_not_found")


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize("key", [[1], "a", [], {}, None, {1: 2, 3: -7, -1: 9}], ids=repr)
async def test_a_key_of_any_shape_is_refused(migrated_url: str, key: object) -> None:
    """Of a credential that answers its challenge in all else, the key is read as a stranger sends it."""
    async with serving(migrated_url, document("https://app.example.com")) as backend:
        alice = await backend.sign_up("alice")
        asked = (await alice.post(f"{PATH}/registration/options", {})).json()
        challenge = asked["options"]["challenge"]
        said = {"type": "webauthn.create", "challenge": challenge, "origin": "https://app.example.com"}
        site, flags = hashlib.sha256(b"app.example.com").digest(), b"\x45"
        about = site + flags + bytes(4) + bytes(16) + b"\x00\x01a" + cbor2.dumps(key)
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": about})
        credential = {
            "id": "YQ", "rawId": "YQ", "type": "public-key",
            "response": {
                "clientDataJSON": base64url(json.dumps(said).encode()), "attestationObject": base64url(attested),
            },
        }  # fmt: skip
        body = {"challenge_id": asked["challenge_id"], "credential": credential}
        answer = await alice.post(f"{PATH}/registration/verify", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "auth.passkey_refused")


@pytest.mark.skipif(BROWSER is None or NODE is None, reason="Chromium or node is not installed")
async def test_a_page_adds_a_passkey_and_signs_in_by_it(migrated_url: str, tmp_path: Path, clients: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "node_modules").symlink_to(clients / "node_modules")
    (site / "index.html").write_text(PAGE)
    with served(site) as port:
        origin = f"http://localhost:{port}"
        async with (
            serving(migrated_url, document(origin), cors_origins=origin) as backend,
            listening(backend) as url,
            page(tmp_path / "browser") as tab,
        ):
            await backend.sign_up("alice")
            await backend.sign_up("bob")
            key = backend.app.server.auth.publishable_key
            await tab.open(f"{origin}/")
            await tab.comes_to("typeof supabase", "object")
            authenticator = await tab.hold_authenticator()
            options = {"auth": {"persistSession": False, "autoRefreshToken": False, "experimental": {"passkey": True}}}
            made = f"supabase.createClient({json.dumps(url)}, {json.dumps(key)}, {json.dumps(options)})"
            await tab.run(f"(globalThis.client = {made}, null)")
            by_password = f"client.auth.signInWithPassword({{email: 'alice@example.com', password: '{PASSWORD}'}})"
            assert await tab.run(f"{by_password}.then(r => r.error)") is None
            added = await tab.run("client.auth.registerPasskey().then(r => r.error ? String(r.error) : 'added')")
            assert added == "added"
            listed = "client.auth.passkey.list().then(r => r.data.map(one => one.friendly_name))"
            assert await tab.run(listed) == ["Passkey"]
            assert await tab.run(LEVEL) == "aal1"
            await tab.run("client.auth.signOut().then(() => null)")

            await tab.unlock(authenticator, verified=False)
            refused = await tab.run("client.auth.signInWithPasskey().then(r => r.error !== null)")
            assert refused is True
            await tab.unlock(authenticator, verified=True)
            entered = "client.auth.signInWithPasskey().then(r => r.error ? String(r.error) : r.data.user.email)"
            assert await tab.run(entered) == "alice@example.com"
            assert await tab.run(LEVEL) == "aal2"
            how = "client.functions.invoke('how', {method: 'GET'}).then(r => r.data)"
            assert await tab.run(how) == {"aal": "aal2", "amr": ["webauthn"]}

            # Whoever else's passkey it is, the one of before, or a disabled account's, opens nothing.
            await backend.sql("UPDATE rowgate.passkeys SET sign_count = sign_count + 100")
            assert await tab.run("client.auth.signInWithPasskey().then(r => r.error.code)") == (
                "webauthn_verification_failed"
            )
            await backend.sql("UPDATE rowgate.passkeys SET sign_count = 0")
            await backend.sql(
                "UPDATE rowgate.accounts SET disabled_at = now() WHERE user_id ="
                " (SELECT id FROM data.users WHERE email = 'alice@example.com')"
            )
            assert await tab.run("client.auth.signInWithPasskey().then(r => r.error.code)") == (
                "webauthn_verification_failed"
            )
            await backend.sql("UPDATE rowgate.accounts SET disabled_at = NULL")
            assert await tab.run(entered) == "alice@example.com"
            first = "client.auth.passkey.list().then(r => r.data[0].id)"
            renamed = f"{first}.then(passkeyId => client.auth.passkey.update({{passkeyId, friendlyName: 'Phone'}}))"
            assert await tab.run(f"{renamed}.then(r => r.data.friendly_name)") == "Phone"
            gone = f"{first}.then(passkeyId => client.auth.passkey.delete({{passkeyId}}))"
            assert await tab.run(f"{gone}.then(r => r.error)") is None
            assert await tab.run(entered) != "alice@example.com"
