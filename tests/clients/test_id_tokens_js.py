"""supabase-js signs in by a provider's ID token, links one to an account, and unlinks it."""

import json
from pathlib import Path

import pytest

from tests.auth.issuers import issuing
from tests.auth.test_providers import NONCE, document, id_token
from tests.backend import serving
from tests.clients.test_supabase_js import NODE, called, clients, listening

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")
__all__ = ["clients"]


async def test_an_id_token_signs_in_is_linked_and_unlinked(migrated_url: str, clients: Path) -> None:
    async with issuing() as issuer, serving(migrated_url, document(issuer)) as backend, listening(backend) as url:
        alice = await backend.sign_up("alice")
        own, other = (
            json.dumps({"provider": "acme", "token": id_token(issuer, name), "nonce": NONCE}) for name in ("a", "b")
        )
        calls = [
            f"auth.linkIdentity({own}).then(r => ({{data: r.data.user?.id, error: r.error}}))",
            "auth.getUserIdentities().then(r => ({data: r.data.identities.map(one => one.provider), error: r.error}))",
            "auth.getUserIdentities().then(r => auth.unlinkIdentity(r.data.identities[1]))",
            f"auth.signInWithIdToken({other}).then(r => ({{data: r.data.user, error: r.error}}))",
            "auth.getClaims().then(r => ({data: r.data.claims.amr[0].method}))",
            f"auth.signInWithIdToken({{...{other}, nonce: 'else'}})",
        ]
        results = await called(url, backend.app.server.auth.publishable_key, calls, clients)
        linked, listed, unlinked, signed_in, method, refused = results
        assert (linked["data"], linked["error"]) == (alice.id, None)
        assert (listed["data"], unlinked["error"]) == (["email", "acme"], None)
        assert (signed_in["data"]["email"], signed_in["error"]) == ("b@example.com", None)
        assert signed_in["data"]["app_metadata"]["providers"] == ["acme"]
        assert method["data"] == "oauth"
        assert refused["error"]["code"] == "bad_jwt"
