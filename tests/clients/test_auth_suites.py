"""What the published suites of the auth clients ask of a server, by the same calls, with the clients unmodified.

The suites themselves stand in supabase/supabase-js (packages/core/auth-js/test, e2e-tests/tests/auth) and
supabase/supabase-py (src/auth/tests); no package of theirs holds them. What of them is not asked here, and why:
docs/frontend.md.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.backend import Backend, serving
from tests.clients.test_auth_admin import editor
from tests.clients.test_supabase_js import NODE, clients, listening

__all__ = ["clients"]
pytestmark = pytest.mark.skipif(NODE is None, reason="node and npm are not installed")
TO = "http://localhost:9999/welcome"
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "auth": {"anonymous": True, "site_url": TO, "redirect_urls": ["http://localhost:9999/**"]},
    "roles": [{"name": "publisher"}, {"name": "support"}],
    "users": {"columns": [{"name": name, "type": "text", "self_editable": True} for name in ("hello", "info")]},
    "views": [{"name": "me", "table": "users", "columns": ["id", "email"], "filter": "row.id == auth.user.id"}],
    "endpoints": [
        {"name": "whoami", "method": "GET", "path": "/whoami", "access": "authenticated",
         "steps": [{"do": "respond", "body": {"email": "=auth.user.email"}}]},
    ],
}  # fmt: skip
PARTS = {
    "open": DOCUMENT["auth"],
    "confirming": {**DOCUMENT["auth"], "confirm_email": True},
    "closed": {**DOCUMENT["auth"], "sign_up": "invited", "anonymous": False},
}


async def asked(url: str, backend: Backend, admin_key: str, part: str, folder: Path) -> list[tuple[str, str | None]]:
    key = backend.app.server.auth.publishable_key
    said = {"url": url, "key": key, "adminKey": admin_key, "part": part, "to": TO}
    pipe = asyncio.subprocess.PIPE
    node = await asyncio.create_subprocess_exec(str(NODE), "auth_calls.mjs", cwd=folder, stdin=pipe, stdout=pipe)
    output, _ = await asyncio.wait_for(node.communicate(json.dumps(said).encode()), timeout=120)
    assert node.returncode == 0
    results: list[tuple[str, str | None]] = json.loads(output)
    return results


async def test_auth_js_finds_what_its_suites_ask_for(migrated_url: str, clients: Path) -> None:
    async with serving(migrated_url, DOCUMENT) as backend, listening(backend) as url:
        admin_key = await editor(backend)
        wrong = []
        for part, auth in PARTS.items():
            await backend.apply({**DOCUMENT, "auth": auth})
            await backend.app.server.live.refresh()
            results = await asked(url, backend, admin_key, part, clients)
            assert results
            wrong += [f"{name}\n{why}" for name, why in results if why is not None]
        assert not wrong, "\n\n".join(wrong)
