"""A document that asks for confirmed addresses is refused by every command that would put it in force without mail."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.auth.mailing import refuse_without_mail
from app.cli.command import app as commands
from app.definitions.auth import AuthDef
from app.definitions.project import DefinitionInvalid
from app.main import create_app
from app.settings import SettingsInvalid, load_settings
from tests.backend import SECRET_KEY, serving

NOBODY = "postgresql://nobody@127.0.0.1:1/none"  # what is refused by what it says needs no database


@pytest.mark.parametrize("command", [["apply"], ["plan"], ["serve", "--config"]])
def test_no_command_asks_for_mail_that_cant_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    said = {"ROWGATE_DATABASE_URL": NOBODY, "ROWGATE_SECRET_KEY": SECRET_KEY, "ROWGATE_CONFIRM_EMAIL": "false"}
    for name, value in {**said, "ROWGATE_ENV": "production"}.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "shop.yaml"
    path.write_text(json.dumps({"rowgate": 1, "auth": {"confirm_email": True}}))
    refused = CliRunner().invoke(commands, [*command, str(path)])
    assert isinstance(refused.exception, DefinitionInvalid), refused.output
    (error,) = refused.exception.errors
    assert error.loc == ("auth.confirm_email",)
    assert "ROWGATE_SMTP_URL" in str(error.hint)


@pytest.mark.parametrize("told", [{"ROWGATE_SMTP_URL": "smtps://mail.example.com"}, {"ROWGATE_ENV": "development"}])
def test_where_mail_goes_such_a_document_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: dict[str, str]
) -> None:
    said = {"ROWGATE_DATABASE_URL": NOBODY, "ROWGATE_SECRET_KEY": SECRET_KEY, "ROWGATE_ENV": "production"}
    for name, value in {**said, **told}.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "shop.yaml"
    path.write_text(json.dumps({"rowgate": 1, "auth": {"confirm_email": True}}))
    tried = CliRunner().invoke(commands, ["plan", str(path)])
    assert tried.exception is not None  # it went on to the database, which isn't there
    assert not isinstance(tried.exception, DefinitionInvalid)


def test_a_server_that_has_such_a_document_refuses_to_start_without_mail() -> None:
    said = {"database_url": NOBODY, "secret_key": SECRET_KEY, "confirm_email": False}
    stored = AuthDef(confirm_email=True)
    settings = load_settings(**said, env="production")
    with pytest.raises(SettingsInvalid, match="ROWGATE_SMTP_URL is not set, and the stored definitions"):
        refuse_without_mail(settings, stored)
    refuse_without_mail(settings, AuthDef())
    refuse_without_mail(load_settings(**said, env="development"), stored)


async def test_the_start_asks_what_is_stored(migrated_url: str) -> None:
    async with serving(migrated_url, {"rowgate": 1, "auth": {"confirm_email": True}}):
        pass
    settings = load_settings(database_url=migrated_url, secret_key=SECRET_KEY, confirm_email=False, env="production")
    app = create_app(settings, migrated_url)
    with pytest.raises(SettingsInvalid, match="stored definitions"):
        async with app.fastapi.router.lifespan_context(app.fastapi):
            pass
