"""Sends mail by SMTP; the only file that knows aiosmtplib."""

import asyncio
from dataclasses import dataclass, field
from email.message import EmailMessage
from ipaddress import ip_address
from typing import ClassVar
from urllib.parse import unquote, urlsplit

import aiosmtplib

from app.errors import RowgateError

SECONDS = 30.0  # for all of a sending
_PORTS = {"smtp": 587, "smtps": 465}
_FOR_GOOD = range(500, 600)


class MailNotSent(RowgateError):
    """The mail server didn't take a mail; `code` of the answer is in the log, and the mail is tried again."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "mail.not_sent"


class MailRefused(MailNotSent):
    """The mail server takes this mail at no time: nobody is there, or it refuses what it says."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is given to: its name and port, how TLS begins (None for without), and who we are there."""

    host: str
    port: int
    tls: str | None
    username: str | None
    password: str | None = field(repr=False)

    @classmethod
    def of(cls, url: str) -> "SmtpServer":
        """Read `smtp://user:password@host:port`, or `smtps://`; off this machine there is no way without TLS."""
        parts = urlsplit(url)
        host = parts.hostname or "localhost"
        plain = parts.scheme == "smtp" and _is_loopback(host)
        tls = None if plain else "at once" if parts.scheme == "smtps" else "after STARTTLS"
        username, password = (None if one is None else unquote(one) for one in (parts.username, parts.password))
        return cls(host, parts.port or _PORTS[parts.scheme], tls, username, password)

    async def send(self, message: EmailMessage) -> None:
        """Give it one mail; raises MailNotSent, or MailRefused where another try would come to the same."""
        client = aiosmtplib.SMTP(
            hostname=self.host, port=self.port, username=self.username, password=self.password,
            use_tls=self.tls == "at once", start_tls=self.tls == "after STARTTLS", timeout=SECONDS,
        )  # fmt: skip
        try:
            async with asyncio.timeout(SECONDS):
                await client.connect()
                await client.send_message(message)
        except aiosmtplib.SMTPAuthenticationError as error:
            raise MailNotSent(f"the mail server doesn't let us in ({error.code})") from None
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refusal(error.recipients[0].code) from None
        except aiosmtplib.SMTPResponseException as error:
            raise _refusal(error.code) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise MailNotSent(f"the mail server can't be asked ({type(error).__name__})") from None
        finally:
            client.close()  # at once: to take leave of a server that hangs would take as long again


def _refusal(code: int) -> MailNotSent:
    kind = MailRefused if code in _FOR_GOOD else MailNotSent
    return kind(f"the mail server answers {code}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
