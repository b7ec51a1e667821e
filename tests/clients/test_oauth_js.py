"""supabase-js signs in by signInWithOAuth, in both flows, at a real OpenID Connect provider, and links an identity."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from app.http.protocol import BoundedHttpProtocol
from tests.auth.conftest import DOCUMENT
from tests.backend import Backend, serving
from tests.clients.test_supabase_js import NODE, clients

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")
__all__ = ["clients"]
TO = "https://app.example.com/done"


@asynccontextmanager
async def listening_on(listener: socket.socket, backend: Backend) -> AsyncIterator[None]:
    """Serve on an address that was known before: the provider sends browsers back to it."""
    config = uvicorn.Config(
        backend.app, http=BoundedHttpProtocol, lifespan="off", ws="none", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    serve = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serve


async def run(folder: Path, **said: Any) -> Any:
    node = await asyncio.create_subprocess_exec(
        str(NODE), "oauth.mjs", cwd=folder, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(node.communicate(json.dumps(said).encode()), timeout=60)
    return json.loads(output)


@asynccontextmanager
async def providing() -> AsyncIterator[str]:
    """Run the provider as a process of its own, and give its host and port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    carol = json.dumps({"sub": "carol", "email": "carol@example.com", "email_verified": True})
    command = [sys.executable, "-m", "oidc_provider_mock", "--host", "127.0.0.1", "--port", str(port)]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, "--user-claims", carol, stdout=quiet, stderr=quiet)
    try:
        async with httpx.AsyncClient() as client, asyncio.timeout(60):
            while True:
                with suppress(httpx.TransportError):
                    await client.get(f"http://127.0.0.1:{port}/.well-known/openid-configuration")
                    break
                await asyncio.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def test_sign_in_with_oauth_and_link_identity_work_unmodified(migrated_url: str, clients: Path) -> None:
    async with providing() as host:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            acme = {"name": "acme", "issuer": f"http://{host}", "client_id": "rowgate", "client_secret": "ACME_SECRET"}
            auth = {"site_url": TO, "providers": [acme]}
            document = {**DOCUMENT, "project": {"http_allow": [host]}, "auth": auth}
            async with serving(migrated_url, document, public_url=url) as backend, listening_on(listener, backend):
                root = await backend.admin()
                secret = {"name": "ACME_SECRET", "value": "a secret of ours", "hosts": [host]}
                assert (await backend.client.post("/admin/v1/secrets", json=secret, headers=root)).status_code == 201
                said = {
                    "url": url,
                    "key": backend.app.server.auth.publishable_key,
                    "provider": "acme",
                    "redirectTo": TO,
                }
                implicit = await run(clients, **said, flowType="implicit", subjects=["carol", None])
                pkce = await run(clients, **said, flowType="pkce", subjects=["carol", None, "carol"])
    # This provider forgets the state when somebody declines; then nobody knows which sign-in that was.
    declined = {"error": "invalid_request", "code": "bad_oauth_state"}
    signed_in = {"email": "carol@example.com"}
    assert implicit == [signed_in, declined]
    assert pkce == [signed_in, declined, signed_in, {"linked": 2}]
