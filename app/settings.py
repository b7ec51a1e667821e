"""What the environment says, read once, checked at start, frozen."""

import os
import secrets
import sys
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, EmailStr, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from app.errors import RowgateError
from app.keys.strength import HOW, weakness
from app.origins import BadOrigin, read_origin

PREFIX = "ROWGATE_"
_SECRET_KEY_FILE = "secret_key"  # noqa: S105 - a file's name


class SettingsInvalid(RowgateError):
    """A setting is missing or cannot be used; the sentence names it and never shows its value."""

    status = 500
    code: ClassVar[str] = "settings.invalid"


def _split(value: object) -> object:
    """Take a list from the environment as words between commas."""
    if isinstance(value, str):
        return tuple(word for word in (part.strip() for part in value.split(",")) if word)
    return value


def _with_scheme(*schemes: str) -> AfterValidator:
    """Refuse a URL of another scheme, without showing the URL, which may hold a password."""
    sentence = f"should be a URL that starts with {' or '.join(f'{scheme}://' for scheme in schemes)}"

    def check(value: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(value.get_secret_value())
            _ = parts.port
        except ValueError:
            raise ValueError(sentence) from None
        if parts.scheme not in schemes or not value.get_secret_value().startswith(f"{parts.scheme}://"):
            raise ValueError(sentence)
        return value

    return AfterValidator(check)


def _origin(value: str) -> str:
    """Take an origin as a browser sends it, in whatever case it is written."""
    try:
        return read_origin(value.lower())
    except BadOrigin:
        raise ValueError("should hold origins such as https://app.example.com, without a path") from None


def _public_url(value: str) -> str:
    """Take an http or https URL without query or fragment; a slash at its end is dropped."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment or "@" in value:
        raise ValueError("should be a URL that starts with https:// or http:// and has no query")
    return value.rstrip("/")


def _not_guessable(value: SecretStr) -> SecretStr:
    """Refuse a key that could be guessed; an empty one means that none is set."""
    if value.get_secret_value() and (wrong := weakness(value.get_secret_value())):
        raise ValueError(wrong)
    return value


def _ascii(value: SecretStr) -> SecretStr:
    """Refuse a password that Postgres and we might not write alike."""
    if not value.get_secret_value().isascii() or not value.get_secret_value().isprintable():
        raise ValueError("should be of printable ASCII characters")
    return value


def _default_env(data: dict[str, object]) -> Literal["development", "production"]:
    return "production" if data.get("database_url") else "development"


def _default_log_format() -> Literal["text", "json"]:
    return "text" if sys.stderr.isatty() else "json"


class Settings(BaseSettings):
    """Every setting, each from `ROWGATE_` and its name in capitals, or from `.env`; the environment wins."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: Annotated[SecretStr, _with_scheme("postgresql", "postgres")] | None = None
    """None means an embedded Postgres in `data_dir`."""
    data_dir: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] = Path(".rowgate")
    env: Literal["development", "production"] = Field(default_factory=_default_env)
    secret_key: Annotated[SecretStr, AfterValidator(_not_guessable)] = SecretStr("")
    """At least 32 bytes that can't be guessed; the embedded database has its own, which `load_settings` fills in."""
    admin_email: EmailStr | None = None
    admin_password: SecretStr | None = None
    admin_second_factor: Literal["optional", "required"] = "optional"
    """Whether an admin without a second factor reaches nothing but the way to one."""
    serve_role: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] | None = None
    """The database's role that `rowgate serve` connects as, for `rowgate migrate` as another one."""
    serve_password: Annotated[SecretStr, AfterValidator(_ascii)] | None = None
    redis_url: Annotated[SecretStr, _with_scheme("redis", "rediss", "valkey", "valkeys")] | None = None
    cors_origins: Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_split)] = ()
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split)] = ()
    """The networks whose `X-Forwarded-For` is believed."""
    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    smtp_url: Annotated[SecretStr, _with_scheme("smtp", "smtps")] | None = None
    """The server that sends mail; off this machine never without TLS."""
    confirm_email: bool = Field(default_factory=lambda data: data.get("env") == "production")
    pool_size: Annotated[int, Field(ge=1, le=1000)] = 10
    """Connections to Postgres that one process opens at most."""
    log_format: Literal["text", "json"] = Field(default_factory=_default_log_format)
    publishable_key: Annotated[str, Field(pattern=r"^rgp_[A-Za-z0-9_-]{16,}$")] | None = None

    @model_validator(mode="after")
    def _pairs_are_whole(self) -> "Settings":
        if (self.admin_email is None) != (self.admin_password is None):
            raise ValueError("ROWGATE_ADMIN_EMAIL and ROWGATE_ADMIN_PASSWORD should be set together")
        return self

    @property
    def embedded(self) -> bool:
        """Whether the database is the embedded one in `data_dir`."""
        return self.database_url is None


@cache
def own_version() -> str:
    """Give Rowgate's version, which is read once: it is looked for in the files of the packages."""
    return version("rowgate")


def load_settings(**given: Any) -> Settings:
    """Read the environment and `.env`; what is given by name wins. Raises `SettingsInvalid` with one safe sentence."""
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise SettingsInvalid(_sentence(error)) from None
    except SettingsError:
        raise SettingsInvalid("The settings cannot be read: a value is not in the form its setting has.") from None
    except (OSError, UnicodeDecodeError):
        raise SettingsInvalid("The file .env cannot be read as UTF-8 text.") from None
    said = settings.secret_key.get_secret_value()
    if said and (not settings.embedded or _said_outright(given)):
        return settings
    if not settings.embedded:
        raise SettingsInvalid(
            "ROWGATE_SECRET_KEY is not set, and with ROWGATE_DATABASE_URL it has to be.",
            hint=f"{HOW.capitalize()}.",
        )
    return settings.model_copy(update={"secret_key": SecretStr(_kept_secret_key(settings.data_dir, said))})


def _said_outright(given: Collection[str]) -> bool:
    """Say whether the key comes from elsewhere than `.env`: that file may be compose's, whose server is another one."""
    name = f"{PREFIX}SECRET_KEY"
    return "secret_key" in given or any(value for said, value in os.environ.items() if said.upper() == name)


def _sentence(error: ValidationError) -> str:
    """Say which settings are wrong and how, from names and rules only."""
    problems = []
    for problem in error.errors(include_input=False, include_context=False, include_url=False):
        if problem["type"] == "default_factory_not_called":
            continue
        message = problem["msg"].removeprefix("Value error, ")
        if problem["loc"]:
            message = f"{PREFIX}{str(problem['loc'][0]).upper()}: {message[0].lower()}{message[1:]}"
        problems.append(message)
    return f"The settings are refused: {'; '.join(dict.fromkeys(problems))}."


def _kept_secret_key(data_dir: Path, said: str) -> str:
    """Give the key that is kept in the data directory: from the first start on that of `.env`, or one that is made.

    Two first starts agree on one.
    """
    path = data_dir / _SECRET_KEY_FILE
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _keep_first(path, said or secrets.token_urlsafe(48))
        if path.stat().st_mode & 0o077:
            raise SettingsInvalid(f"The secret key {path} can be read by others.", hint=f"chmod 600 '{path}'")
        key = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = cast("str", getattr(error, "strerror", None) or "not text")
        raise SettingsInvalid(f"The secret key in the data directory {data_dir} cannot be kept: {reason}.") from None
    if wrong := weakness(key):
        raise SettingsInvalid(f"The secret key {path} {wrong}.")
    return key


def keep_secret_key(settings: Settings) -> None:
    """Let the embedded database's own key be the one that is set: nothing is sealed by the one before any more."""
    draft = _drafted(settings.data_dir / _SECRET_KEY_FILE, settings.secret_key.get_secret_value())
    draft.rename(settings.data_dir / _SECRET_KEY_FILE)


def _keep_first(path: Path, key: str) -> None:
    """Write a key whole, then give it its name unless another was faster, so that nobody ever reads half of one."""
    draft = _drafted(path, key)
    try:
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()


def _drafted(path: Path, key: str) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{key}\n")
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        draft.unlink()
        raise
    return draft
