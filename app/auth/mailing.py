"""What a process sends mail with: the keys of links and codes, where links lead, and whether mail can go at all."""

from dataclasses import dataclass, field
from typing import ClassVar

from app.definitions.auth import AuthDef
from app.definitions.project import DefinitionInvalid, Project
from app.errors import Finding, RowgateError
from app.keys.derivation import derived
from app.secrets.sealing import SealingKey
from app.settings import Settings, SettingsInvalid

CONSOLE = "/console"  # where this server has the console, to which the links of admins lead
_DEVELOPMENT = "http://127.0.0.1:8000"


class MailUnavailable(RowgateError):
    """No server for mail is set, and in production nothing else could send it."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "mail.unavailable"


@dataclass(frozen=True, slots=True)
class Mailing:
    """`api_url` is where links lead, `is_shown` says that mail is shown to admins instead of being sent."""

    sealing: SealingKey
    api_url: str
    can_send: bool
    is_shown: bool
    code_key: bytes = field(repr=False)
    exchange_key: bytes = field(repr=False)

    @classmethod
    def of(cls, settings: Settings, sealing: SealingKey) -> "Mailing":
        """Make it of the settings."""
        secret, is_development = settings.secret_key.get_secret_value(), settings.env == "development"
        return cls(
            sealing, settings.public_url or _DEVELOPMENT, can_send_by(settings),
            is_development and settings.smtp_url is None, derived(secret, "codes of mails"),
            derived(secret, "codes of flows"),
        )  # fmt: skip

    @property
    def goes_out(self) -> bool:
        """Whether a server takes mail; otherwise it is shown here, or can't go."""
        return self.can_send and not self.is_shown

    def needed(self) -> None:
        """Raise MailUnavailable where a mail could go nowhere."""
        if not self.can_send:
            raise MailUnavailable("No mail can be sent here.", hint="Set ROWGATE_SMTP_URL.")


def can_send_by(settings: Settings) -> bool:
    """Say whether mail goes anywhere: to a server, or in development to who reads it here."""
    return settings.env == "development" or settings.smtp_url is not None


def refuse_unsendable(project: Project, *, can_send: bool) -> None:
    """Raise DefinitionInvalid where addresses are to be confirmed by mail, and no mail could go."""
    if project.auth.confirm_email and not can_send:
        hint = "set ROWGATE_SMTP_URL first, such as smtp://user:password@mail.example.com:587"
        raise DefinitionInvalid([Finding("auth.confirm_email", "no mail can be sent here to confirm an address", hint)])


def refuse_without_mail(settings: Settings, stored: AuthDef) -> None:
    """Raise SettingsInvalid where production asks people to confirm their address and has no way to write to them."""
    if settings.env != "production":
        return
    if settings.smtp_url is None and stored.confirm_email:
        raise SettingsInvalid(
            "ROWGATE_SMTP_URL is not set, and the stored definitions have new addresses confirmed by mail.",
            hint="Set it, such as smtp://user:password@mail.example.com:587, or apply one without confirm_email.",
        )
    if settings.smtp_url is None and settings.confirm_email:
        raise SettingsInvalid(
            "ROWGATE_SMTP_URL is not set, and new addresses have to be confirmed by mail.",
            hint="Set it, such as smtp://user:password@mail.example.com:587, or say ROWGATE_CONFIRM_EMAIL=false.",
        )
    if settings.smtp_url is not None and settings.public_url is None:
        raise SettingsInvalid(
            "ROWGATE_PUBLIC_URL is not set, and the links of mails lead there.",
            hint="Set it to the URL of this server, such as https://api.example.com.",
        )
