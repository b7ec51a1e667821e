"""A server's process: what it does once it can serve."""

import pytest

from app.cli import collecting, serving
from app.main import create_app
from app.settings import load_settings
from tests.backend import SECRET_KEY


async def test_what_lives_as_long_as_the_server_is_not_looked_through_for_cycles(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    did: list[object] = []
    monkeypatch.setattr("gc.collect", lambda: did.append("collect"))
    monkeypatch.setattr("gc.freeze", lambda: did.append("freeze"))
    monkeypatch.setattr("gc.set_threshold", lambda *most: did.append(most))
    settings = load_settings(database_url=migrated_url, secret_key=SECRET_KEY, confirm_email=False)
    app = serving._alone(create_app(settings, migrated_url))
    assert did == []
    async with app.fastapi.router.lifespan_context(app.fastapi):
        assert did == ["collect", "freeze", collecting.WHILE_SERVING]
