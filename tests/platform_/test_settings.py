"""Claims about the settings: what is refused, and that no refusal shows a secret."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import SettingsInvalid, keep_secret_key, load_settings

KEY = "9f2c41d07be85a36c1d94ef7028b6a53"
URL = "postgresql://app:hunter2secret@db/app"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.upper().startswith("ROWGATE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POOL_SIZE", "hunter2secret"),
        ("POOL_SIZE", "0"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,hunter2secret"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("CORS_ORIGINS", "https://a.example/hunter2secret"),
        ("CORS_ORIGINS", "a.example"),
        ("ENV", "hunter2secret"),
        ("LOG_FORMAT", "xml"),
        ("CONFIRM_EMAIL", "hunter2secret"),
        ("SECRET_KEY", "hunter2secret"),
        ("SECRET_KEY", "ü" * 15),
        ("DATABASE_URL", "mysql://app:hunter2secret@db/app"),
        ("DATABASE_URL", "postgresql:app:hunter2secret"),
        ("DATABASE_URL", "postgresql://app:pass@db:hunter2secret/app"),
        ("REDIS_URL", "http://:hunter2secret@cache"),
        ("PUBLIC_URL", "https://a:hunter2secret@b.example"),
        ("PUBLIC_URL", "example.com"),
        ("PUBLISHABLE_KEY", "hunter2secret"),
        ("ADMIN_EMAIL", "hunter2secret"),
        ("ADMIN_SECOND_FACTOR", "hunter2secret"),
        ("SERVE_ROLE", "Hunter2secret; DROP"),
        ("SERVE_PASSWORD", "hunter2secret\u00fc"),
    ],
)
def test_a_bad_value_stops_the_start_by_its_name_and_is_not_shown(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWGATE_ADMIN_PASSWORD", "hunter2secret")
    if name != "ADMIN_EMAIL":
        monkeypatch.setenv("ROWGATE_ADMIN_EMAIL", "owner@example.com")
    monkeypatch.setenv(f"ROWGATE_{name}", value)
    with pytest.raises(SettingsInvalid) as refused:
        load_settings()
    assert f"ROWGATE_{name}: " in refused.value.detail
    assert "hunter2secret" not in repr(refused.value) + str(refused.value.hint)
    assert refused.value.__cause__ is None
    assert "\n" not in refused.value.detail


def test_every_bad_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWGATE_POOL_SIZE", "x")
    monkeypatch.setenv("ROWGATE_ENV", "x")
    with pytest.raises(SettingsInvalid, match=r"ROWGATE_ENV: .*ROWGATE_POOL_SIZE: "):
        load_settings()


def test_a_database_by_url_needs_a_secret_key() -> None:
    with pytest.raises(SettingsInvalid, match="ROWGATE_SECRET_KEY is not set"):
        load_settings(database_url=URL)


@pytest.mark.parametrize("alone", [{"admin_email": "a@example.com"}, {"admin_password": "hunter2secret"}])
def test_half_an_admin_is_refused(alone: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid, match="should be set together") as refused:
        load_settings(**alone)
    assert "hunter2secret" not in refused.value.detail


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_settings()
    (tmp_path / ".rowgate/secret_key").chmod(0o640)
    with pytest.raises(SettingsInvalid, match="can be read by others"):
        load_settings()


def test_a_key_file_cut_short_is_refused(tmp_path: Path) -> None:
    load_settings()
    (tmp_path / ".rowgate/secret_key").write_text("short")
    with pytest.raises(SettingsInvalid, match="at least 32 bytes"):
        load_settings()


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".rowgate").write_text("")
    with pytest.raises(SettingsInvalid, match="cannot be kept"):
        load_settings()


def test_a_file_of_settings_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"ROWGATE_ADMIN_PASSWORD=\xff\xfe")
    with pytest.raises(SettingsInvalid, match=r"\.env cannot be read"):
        load_settings()


def test_settings_are_frozen() -> None:
    settings = load_settings(secret_key=KEY)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, "pool_size", 3)  # noqa: B010 - mypy knows that an assignment is refused


def test_secrets_are_not_printed() -> None:
    given = {"admin_email": "a@example.com", "admin_password": "hunter2secret"}
    settings = load_settings(database_url=URL, secret_key=KEY, redis_url="redis://:hunter2secret@r", **given)
    assert "hunter2secret" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert KEY not in repr(settings)
    by_mail = load_settings(database_url=URL, secret_key=KEY, smtp_url="smtps://shop:hunter2secret@mail.example.com")
    assert "hunter2secret" not in repr(by_mail) + str(by_mail) + by_mail.model_dump_json()


def test_mail_goes_by_its_own_protocols_alone() -> None:
    for wrong in ("https://mail.example.com", "mail.example.com:587"):
        with pytest.raises(SettingsInvalid, match="ROWGATE_SMTP_URL"):
            load_settings(database_url=URL, secret_key=KEY, smtp_url=wrong)


def test_the_embedded_default_makes_its_key_once_for_its_owner_only(tmp_path: Path) -> None:
    first = load_settings()
    kept = tmp_path / ".rowgate/secret_key"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert len(first.secret_key.get_secret_value()) >= 32
    assert load_settings().secret_key == first.secret_key
    assert [path.name for path in kept.parent.iterdir()] == ["secret_key"]


def test_first_starts_at_the_same_time_agree_on_one_key() -> None:
    with ThreadPoolExecutor(8) as threads:
        keys = {s.secret_key.get_secret_value() for s in threads.map(lambda _: load_settings(), range(8))}
    assert len(keys) == 1


def test_defaults_follow_the_database() -> None:
    embedded, elsewhere = load_settings(), load_settings(database_url=URL, secret_key=KEY)
    assert (embedded.embedded, embedded.env, embedded.confirm_email) == (True, "development", False)
    assert (elsewhere.embedded, elsewhere.env, elsewhere.confirm_email) == (False, "production", True)
    assert embedded.cors_origins == embedded.trusted_proxies == ()


def test_lists_stand_between_commas_and_proxies_are_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWGATE_TRUSTED_PROXIES", "10.0.0.0/8, ::1")
    monkeypatch.setenv("ROWGATE_CORS_ORIGINS", "https://A.example, http://localhost:3000")
    settings = load_settings()
    assert [ip_address(a) in settings.trusted_proxies[0] for a in ("10.9.9.9", "11.0.0.0")] == [True, False]
    assert ip_address("::1") in settings.trusted_proxies[1]
    assert settings.cors_origins == ("https://a.example", "http://localhost:3000")


def test_the_environment_wins_over_the_file_and_empty_means_unset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("ROWGATE_POOL_SIZE=7\nROWGATE_LOG_FORMAT=text\nOTHER=1\n")
    monkeypatch.setenv("ROWGATE_LOG_FORMAT", "json")
    monkeypatch.setenv("ROWGATE_REDIS_URL", "")
    settings = load_settings()
    assert (settings.pool_size, settings.log_format, settings.redis_url) == (7, "json", None)


def test_the_file_that_compose_is_told_by_leaves_the_local_server_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = load_settings().secret_key
    example = (Path(__file__).parents[2] / ".env.example").read_text()
    values = {"ROWGATE_CONFIRM_EMAIL": "false", "ROWGATE_ADMIN_EMAIL": "root@example.com"}
    names = re.findall(r"^(\w+)=$", example, re.MULTILINE)
    assert set(values) < set(names)
    (tmp_path / ".env").write_text("".join(f"{name}={values.get(name, KEY)}\n" for name in names))
    settings = load_settings()
    assert (settings.embedded, settings.secret_key, settings.admin_email) == (True, own, "root@example.com")
    assert load_settings(database_url=URL).secret_key.get_secret_value() == KEY
    monkeypatch.setenv("ROWGATE_SECRET_KEY", KEY[::-1])
    assert load_settings().secret_key.get_secret_value() == KEY[::-1]


def test_the_embedded_database_goes_on_under_the_key_that_it_was_made_under(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"ROWGATE_SECRET_KEY={KEY}\n")
    assert load_settings().secret_key.get_secret_value() == KEY
    (tmp_path / ".env").write_text(f"ROWGATE_SECRET_KEY={KEY[::-1]}\n")
    settings = load_settings()
    assert settings.secret_key.get_secret_value() == KEY
    keep_secret_key(load_settings(secret_key=KEY[::-1]))
    assert load_settings().secret_key.get_secret_value() == KEY[::-1]
    assert [path.name for path in (tmp_path / ".rowgate").iterdir()] == ["secret_key"]


def test_the_public_url_loses_its_last_slash() -> None:
    assert load_settings(public_url="https://api.example.com/").public_url == "https://api.example.com"


def test_the_data_directory_is_where_the_start_was_wherever_one_goes_then(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ROWGATE_DATA_DIR", "here/data")
    assert load_settings().data_dir == tmp_path / "here" / "data"
    monkeypatch.setenv("ROWGATE_DATA_DIR", "~/data")
    assert load_settings().data_dir == Path.home() / "data"
