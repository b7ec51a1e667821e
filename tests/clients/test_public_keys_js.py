"""supabase-js verifies an access token by the public keys that were published, and asks nobody."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.auth.test_signing_keys import look, rotate
from tests.backend import serving
from tests.clients.test_supabase_js import NODE, called, clients, listening

pytestmark = pytest.mark.skipif(NODE is None, reason="node isn't there")
__all__ = ["clients"]

# A token with other claims, and with the signature of the one that was given.
FORGED = """
auth.getSession().then(({data: {session}}) => {
  const [header, payload, signature] = session.access_token.split('.')
  const claims = {...JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))), email: 'bob@example.com'}
  return auth.getClaims([header, btoa(JSON.stringify(claims)).replace(/=+$/, ''), signature].join('.'))
})
"""
CALLS = [
    "auth.getClaims().then(r => ({data: [r.data.header.alg, r.data.claims.email], error: r.error}))",
    "auth.getClaims().then(r => ({data: [r.data.header.alg, r.data.claims.email], error: r.error}))",
    FORGED.strip(),
]


class Watched:
    """The application, and the paths that were asked for."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        await self.app(scope, receive, send)


async def test_get_claims_verifies_offline(migrated_url: str, clients: Path) -> None:
    async with serving(migrated_url, {"rowgate": 1}) as backend:
        await backend.sign_up("alice")
        await rotate(backend, at_once=True)
        await look(backend)
        watched: Any = Watched(backend.app)
        async with listening(replace(backend, app=watched)) as url:
            key = backend.app.server.auth.publishable_key
            first, second, forged = await called(url, key, CALLS, clients)
        assert first == second == {"data": ["ES256", "alice@example.com"], "error": None}
        assert forged["error"] == {"code": "invalid_jwt", "message": "Invalid JWT signature"}
        assert watched.paths == ["/auth/v1/token", "/auth/v1/.well-known/jwks.json"]
