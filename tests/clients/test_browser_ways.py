"""A page in Chromium signs in from another origin by every way there is, and reads as who it is."""

import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp
import pytest
import pytest_asyncio

from tests.auth.issuers import issuing
from tests.auth.test_providers import CLIENT, NONCE, id_token
from tests.backend import PASSWORD, Backend, serving
from tests.clients.chromium import BROWSER, Page, page
from tests.clients.test_frontend import served
from tests.clients.test_oauth_js import listening_on, providing
from tests.clients.test_supabase_js import NODE, clients
from tests.databases import cloned
from tests.mail.conftest import code_of, last_mail

__all__ = ["clients"]
pytestmark = [
    pytest.mark.skipif(BROWSER is None or NODE is None, reason="Chromium or node is not installed"),
    pytest.mark.asyncio(loop_scope="module"),
]
HTML = """<!doctype html><meta charset="utf-8"><title>%(flow)s</title>
<script src="node_modules/@supabase/supabase-js/dist/umd/supabase.js"></script>
<script>
const auth = {flowType: '%(flow)s', experimental: {passkey: true}}
globalThis.client = supabase.createClient('%(url)s', '%(key)s', {auth})
</script>
"""
WHO = "globalThis.client && client.auth.getSession().then(r => r.data.session?.user.email ?? null)"
HOW = "client.functions.invoke('how', {method: 'GET'}).then(r => r.data ?? r.error.context.status)"
ROWS = "client.from('me').select('email').then(r => r.data?.map(one => one.email) ?? r.status)"
FLOWS = ["implicit", "pkce"]


@dataclass
class World:
    """A site, a server elsewhere, and a tab."""

    backend: Backend
    tab: Page
    origin: str
    link_from: str
    issuer: Any

    def at(self, flow: str) -> str:
        return f"{self.origin}/{flow}.html"

    async def begin(self, flow: str = "pkce") -> None:
        """Open the page as somebody whom the browser knows nothing of."""
        await self.tab.open(self.at(flow))
        await self.tab.comes_to("document.title", flow)
        await self.tab.run("localStorage.clear()")
        await self.tab.open(self.at(flow))
        await self.tab.comes_to("globalThis.client !== undefined && document.title", flow)

    async def call(self, call: str, **said: Any) -> Any:
        """Give the error of a call, or None; what it takes is JSON."""
        return await self.tab.run(f"client.auth.{call}({json.dumps(said)}).then(r => r.error && String(r.error))")

    async def signed_in(self, email: str, *methods: str, aal: str = "aal1") -> None:
        """Wait until somebody is, and see what both planes answer; then sign out."""
        await self.tab.comes_to(WHO, email)
        assert await self.tab.run("location.origin") == self.origin
        assert await self.tab.run("location.hash + location.search") == ""
        assert await self.tab.run(HOW) == {"aal": aal, "amr": list(methods)}
        assert [one.startswith(email or "anonymous:") for one in await self.tab.run(ROWS)] == [True]
        assert await self.tab.run("client.auth.signOut().then(r => r.error)") is None
        assert (await self.tab.run(WHO), await self.tab.run(HOW), await self.tab.run(ROWS)) == (None, 401, 401)


def document(origin: str, host: str, issuer: Any) -> dict[str, Any]:
    acme = {"name": "acme", "issuer": f"http://{host}", "client_id": "rowgate", "client_secret": "ACME_SECRET"}
    by_token = {"name": "by_token", "issuer": issuer.name, "client_id": CLIENT}
    how = {"aal": "=auth.aal", "amr": "=auth.amr"}
    return {
        "rowgate": 1,
        "project": {"http_allow": [host, issuer.server.host]},
        "auth": {
            "site_url": f"{origin}/implicit.html", "redirect_urls": [f"{origin}/**"], "anonymous": True,
            "passkeys": True, "providers": [acme, by_token],
        },
        "views": [{"name": "me", "table": "users", "columns": ["id", "email"], "filter": "row.id == auth.user.id"}],
        "endpoints": [{"name": "how", "method": "GET", "path": "/how", "access": "authenticated",
                       "steps": [{"do": "respond", "body": how}]}],
    }  # fmt: skip


@pytest.fixture(scope="module")
def database(embedded_server: Any, migrated_template: str) -> Iterator[str]:
    yield from cloned(embedded_server, migrated_template)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: str, clients: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    site = tmp_path_factory.mktemp("site")
    (site / "node_modules").symlink_to(clients / "node_modules")
    async with AsyncExitStack() as stack:
        host, issuer = await stack.enter_async_context(providing()), await stack.enter_async_context(issuing())
        origin = f"http://localhost:{stack.enter_context(served(site))}"
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        more = {"public_url": url, "cors_origins": origin}
        backend = await stack.enter_async_context(serving(database, document(origin, host, issuer), **more))
        await stack.enter_async_context(listening_on(listener, backend))
        secret = {"name": "ACME_SECRET", "value": "a secret of ours", "hosts": [host]}
        made = await backend.client.post("/admin/v1/secrets", json=secret, headers=await backend.admin())
        assert made.status_code == 201
        for flow in FLOWS:
            told = {"flow": flow, "url": url, "key": backend.app.server.auth.publishable_key}
            (site / f"{flow}.html").write_text(HTML % told)
        tab = await stack.enter_async_context(page(tmp_path_factory.mktemp("browser")))
        yield World(backend, tab, origin, url, issuer)


async def test_by_a_password(world: World) -> None:
    await world.begin()
    both = {"email": "ann@example.com", "password": PASSWORD}
    assert await world.call("signUp", **both) is None
    await world.signed_in("ann@example.com", "password")
    assert "Invalid login credentials" in await world.call("signInWithPassword", **{**both, "password": "x"})
    assert await world.call("signInWithPassword", **both) is None
    await world.signed_in("ann@example.com", "password")


@pytest.mark.parametrize("flow", FLOWS)
async def test_by_a_mailed_link(world: World, flow: str) -> None:
    email = f"link.{flow}@example.com"
    await world.backend.sign_up(f"link.{flow}")
    await world.begin(flow)
    assert await world.call("signInWithOtp", email=email, options={"emailRedirectTo": world.at(flow)}) is None
    link = next(
        word for word in (await last_mail(world.backend, email))["text"].split() if word.startswith(world.link_from)
    )
    await world.tab.open(link)
    if flow == "implicit":
        await world.tab.comes_to("document.querySelector('form button')?.textContent", "Sign in")
        await world.tab.run("document.querySelector('form button').click()")
    await world.signed_in(email, "magiclink")


async def test_a_link_gives_nothing_to_a_browser_that_didnt_ask(world: World) -> None:
    email = "elsewhere@example.com"
    await world.backend.sign_up("elsewhere")
    await world.begin()
    assert await world.call("signInWithOtp", email=email, options={"emailRedirectTo": world.at("pkce")}) is None
    await world.tab.run("localStorage.clear()")
    link = next(
        word for word in (await last_mail(world.backend, email))["text"].split() if word.startswith(world.link_from)
    )
    await world.tab.open(link)
    await world.tab.comes_to("document.title + (new URLSearchParams(location.search).get('code') !== null)", "pkcetrue")
    assert await world.tab.run(WHO) is None


async def test_by_a_mailed_code(world: World) -> None:
    email = "code@example.com"
    await world.backend.sign_up("code")
    await world.begin()
    assert await world.call("signInWithOtp", email=email) is None
    token = code_of(await last_mail(world.backend, email))
    assert "expired or is invalid" in await world.call("verifyOtp", email=email, token="x", type="email")
    assert await world.call("verifyOtp", email=email, token=token, type="email") is None
    await world.signed_in(email, "otp")


@pytest.mark.parametrize("flow", FLOWS)
async def test_at_a_provider(world: World, flow: str) -> None:
    await world.begin(flow)
    asked = {"provider": "acme", "options": {"redirectTo": world.at(flow)}}
    await world.tab.run(f"void client.auth.signInWithOAuth({json.dumps(asked)})")
    await world.tab.comes_to("document.querySelector('[name=sub][placeholder]') !== null", wanted=True)
    await world.tab.run("document.querySelector('[name=sub][placeholder]').value = 'carol'")
    await world.tab.run("document.querySelector('form button').click()")
    await world.signed_in("carol@example.com", "oauth")


async def test_by_an_id_token(world: World) -> None:
    await world.begin()
    said = {"provider": "by_token", "token": id_token(world.issuer, "dora"), "nonce": NONCE}
    assert await world.call("signInWithIdToken", **{**said, "nonce": "else"}) is not None
    assert await world.call("signInWithIdToken", **said) is None
    await world.signed_in("dora@example.com", "oauth")


async def test_anonymously(world: World) -> None:
    await world.begin()
    assert await world.call("signInAnonymously") is None
    await world.signed_in("", "anonymous")


async def test_by_a_second_step(world: World) -> None:
    both = {"email": "two@example.com", "password": PASSWORD}
    await world.backend.sign_up("two")
    await world.begin()
    assert await world.call("signInWithPassword", **both) is None
    made = await world.tab.run("client.auth.mfa.enroll({factorType: 'totp'}).then(r => r.data)")
    for ahead in (0, 1):
        if ahead:
            assert await world.call("signInWithPassword", **both) is None
            assert (await world.tab.run(HOW))["aal"] == "aal1"
        (row,) = await world.backend.sql("SELECT floor(extract(epoch FROM clock_timestamp()))::bigint / 30 AS step")
        code = pyotp.TOTP(made["totp"]["secret"]).generate_otp(row["step"] + ahead)
        assert await world.call("mfa.challengeAndVerify", factorId=made["id"], code=code) is None
        if not ahead:
            assert (await world.tab.run(HOW))["aal"] == "aal2"
    await world.signed_in("two@example.com", "totp", "password", aal="aal2")


async def test_by_a_passkey(world: World) -> None:
    await world.backend.sign_up("key")
    await world.begin()
    await world.tab.hold_authenticator()
    assert await world.call("signInWithPassword", email="key@example.com", password=PASSWORD) is None
    added = "client.auth.registerPasskey().then(r => r.error && String(r.error))"
    assert await world.tab.run(added) is None
    await world.tab.run("client.auth.signOut().then(() => null)")
    assert await world.tab.run("client.auth.signInWithPasskey().then(r => r.error && String(r.error))") is None
    await world.signed_in("key@example.com", "webauthn", aal="aal2")


async def test_a_page_that_isnt_allowed_reads_nothing_and_gets_nobody_back(world: World) -> None:
    await world.tab.open(world.at("pkce").replace("localhost", "127.0.0.1"))
    await world.tab.comes_to("globalThis.client !== undefined && document.title", "pkce")
    for call, said in (
        ("signInWithPassword", {"email": "ann@example.com", "password": PASSWORD}),
        ("signUp", {"email": "eve@example.com", "password": PASSWORD}),
        ("signInWithOtp", {"email": "ann@example.com"}),
        ("signInAnonymously", {}),
    ):
        assert "Failed to fetch" in await world.call(call, **said)
    assert await world.backend.sql("SELECT FROM data.users WHERE email = 'eve@example.com'") == []
    asked = {"provider": "acme", "options": {"redirectTo": "http://127.0.0.1:9/"}}
    await world.tab.run(f"void client.auth.signInWithOAuth({json.dumps(asked)})")
    await world.tab.comes_to("location.origin + location.pathname", f"{world.link_from}/auth/v1/authorize")
    assert "validation_failed" in await world.tab.run("document.body.textContent")
