"""Admins and keys that the command line makes: refusals first."""

import pytest

from app.auth.admins import AdminExists
from app.auth.api_keys import KeyExists
from app.auth.passwords import PasswordRefused
from app.cli.create_admin import make_admin
from app.cli.create_key import make_key
from app.control_plane.named import RolesUnknown
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
