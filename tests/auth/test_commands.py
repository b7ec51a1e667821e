"""Admins and keys that the command line makes: refusals first."""

import asyncio

import pytest

from app.auth.admins import AdminExists
from app.auth.managed_keys import KeyExists
from app.auth.passwords import PasswordRefused
from app.auth.role_names import RolesUnknown
from app.changes.standing_start import Start
from app.cli import serving
from app.cli.create_admin import make_admin
from app.cli.create_key import make_key
from app.cli.frontend_keys import asked, stored, told
from app.cli.server_client import RemoteServer, Reply
from tests.auth.conftest import admin_sign_in, bearer
from tests.backend import ADMIN_PASSWORD, Backend


async def test_a_key_with_an_unknown_role_or_a_taken_name_is_not_made(backend: Backend) -> None:
    settings = backend.app.settings
    with pytest.raises(RolesUnknown):
        await make_key(settings, backend.url, "worker", ["nothing"], None)
    assert await backend.sql("SELECT 1 FROM rowgate.api_keys") == []
    await make_key(settings, backend.url, "worker", ["support"], None)
    with pytest.raises(KeyExists):
        await make_key(settings, backend.url, "worker", [], None)


async def test_a_key_of_the_command_line_counts_on_the_server_and_is_written_down(backend: Backend) -> None:
    key = await make_key(backend.app.settings, backend.url, "worker", ["support"], "viewer")
    assert (await backend.client.get("/api/desk", headers=bearer(key))).status_code == 200
    assert (await backend.client.get("/admin/v1/users", headers=bearer(key))).status_code == 200
    rows = await backend.sql("SELECT actor, action FROM rowgate.audit ORDER BY id DESC LIMIT 1")
    assert tuple(rows[0]) == ("command", "api_key.create")


async def test_an_admin_of_the_command_line_has_a_good_password_and_an_own_address(backend: Backend) -> None:
    with pytest.raises(PasswordRefused):
        await make_admin(backend.url, "root@example.com", "too short", "owner")
    assert await backend.sql("SELECT 1 FROM rowgate.admins") == []
    await make_admin(backend.url, "Root@example.com", ADMIN_PASSWORD, "owner")
    with pytest.raises(AdminExists):
        await make_admin(backend.url, "root@example.com", ADMIN_PASSWORD, "viewer")
    assert (await admin_sign_in(backend, "root@example.com", ADMIN_PASSWORD)).status_code == 200


async def test_the_publishable_key_is_shown_at_the_start_by_command_and_to_any_admin(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, publishable = backend.app.settings, backend.app.server.auth.publishable_key
    start = await serving._prepare(
        settings, backend.url, Start(None, None, (), allow_wider=False, allow_rollback=False)
    )
    assert start.startswith(f"The publishable key, for frontends: {publishable}\n")
    assert told(await stored(settings, backend.url)).endswith(f"{publishable}\nThere are no API keys.")
    viewer = await make_key(settings, backend.url, "reader", ["support", "billing"], "viewer")
    await make_key(settings, backend.url, "gone", [], None)
    await backend.sql("UPDATE rowgate.api_keys SET revoked_at = now() WHERE name = 'gone'")
    shown = await backend.client.get("/admin/v1/settings", headers=bearer(viewer))
    assert shown.json() == {"publishable_key": publishable, "public_url": None, "confirm_email": False}
    found = await stored(settings, backend.url)
    assert [one["name"] for one in found["api_keys"]] == ["reader"]
    assert told(found).splitlines()[2:] == ["- reader: admin role viewer and roles support, billing"]
    loop = asyncio.get_running_loop()

    def ask(server: RemoteServer, method: str, path: str) -> Reply:
        call = backend.client.request(method, f"/admin/v1{path}", headers=bearer(server.key))
        return Reply({}, asyncio.run_coroutine_threadsafe(call, loop).result(20).content)

    monkeypatch.setattr(RemoteServer, "ask", ask)
    assert await asyncio.to_thread(asked, RemoteServer("http://x", viewer)) == found
