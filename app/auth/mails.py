"""Writes the mails of sign-in, each in the transaction of what it tells about."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from app.auth.access_claims import shown_email
from app.auth.in_force import InForce
from app.auth.mail_templates import rendered
from app.auth.mailing import CONSOLE, Mailing
from app.auth.one_time import Drawn, OneTime, draw
from app.database.connection import Connection
from app.definitions.auth_mail import TemplateDef, seconds
from app.definitions.project import Project
from app.outward.mail_box import Mail, add_mail
from app.settings import Settings

_NOTICE_SECONDS = 86400
# A mail that shows who one is holds a code alone.
_NO_LINK = {"reauthentication": "code"}


def mailer_by(mailing: Mailing, settings: Settings, project: Project) -> "Mailer":
    """Give what writes mails by what is served."""
    return Mailer(mailing, InForce(project.auth, settings), project.project.name or "Rowgate")


@dataclass(frozen=True, slots=True)
class Mailer:
    """What mails are sent with, how people sign in by the document, and what the backend is called."""

    mailing: Mailing
    in_force: InForce
    project: str

    async def send_link(
        self, connection: Connection, of: OneTime, *, template: str | None = None, to: str | None = None
    ) -> Drawn:
        """Draw a link and a code and mail them, to nobody where the address has no account."""
        drawn = await self.drawn(connection, of)
        values = {
            "link": self.link(of, drawn), "code": drawn.code, "token_hash": drawn.link,
            "redirect_to": of.redirect_to or "", "new_email": of.new_email or "",
        }  # fmt: skip
        await self._send(
            connection, template or of.kind, to or of.email, values, self._lifetime(of), to_nobody=of.user_id is None
        )
        return drawn

    async def drawn(self, connection: Connection, of: OneTime) -> Drawn:
        """Draw a link and a code, and send nothing."""
        code = seconds(self.in_force.said.mail.lifetimes.code)
        return await draw(connection, self.mailing, of, self._lifetime(of), code)

    async def notify(self, connection: Connection, template: str, email: str | None, **values: str) -> None:
        """Tell an owner what has happened; who has no address isn't told, and a mail that can't go isn't written."""
        if self.mailing.can_send and email is not None and shown_email(email):
            await self._send(connection, template, email, values, _NOTICE_SECONDS, to_nobody=False)

    async def notify_user(self, connection: Connection, template: str, user_id: str, **values: str) -> None:
        """Tell a person what has happened to the account, inside the transaction in which it did."""
        email = await connection.fetchval("SELECT email FROM data.users WHERE id = $1", user_id)
        await self.notify(connection, template, email, **values)

    async def send_admin(
        self, connection: Connection, kind: str, to: str, values: Mapping[str, str] | None = None,
        lifetime: float = _NOTICE_SECONDS, *, to_nobody: bool = False,
    ) -> None:  # fmt: skip
        """Write a mail to an admin, in words that no document says; one that can't go isn't written."""
        if self.mailing.can_send:
            own = TemplateDef()
            await self._send(connection, kind, to, values or {}, lifetime, to_nobody=to_nobody, said=own)

    def console_link(self, page: str, token: str) -> str:
        """Give where a link of an admin leads; the token stands behind the #, which no browser sends."""
        return f"{self.mailing.api_url}{CONSOLE}/{page}#{token}"

    def link(self, of: OneTime, drawn: Drawn) -> str:
        """Give where a mail's link leads: this server, by the URL that is set for it."""
        return f"{self.mailing.api_url}/auth/v1/verify?{urlencode({'token': drawn.link, 'type': of.type})}"

    def _lifetime(self, of: OneTime) -> int:
        lifetimes = self.in_force.said.mail.lifetimes
        return seconds(getattr(lifetimes, _NO_LINK.get(of.kind, of.kind)))

    async def _send(
        self, connection: Connection, template: str, to: str, values: Mapping[str, str], lifetime: float, *,
        to_nobody: bool, said: TemplateDef | None = None,
    ) -> None:  # fmt: skip
        said = said or getattr(self.in_force.said.mail.templates, template)
        shared = {"email": to, "project": self.project, "site_url": self.in_force.site_url or ""}
        told = rendered(template, said, {**shared, **values})
        mail = Mail(self._sender(), to, told.subject, told.text, told.html)
        await add_mail(connection, self.mailing.sealing, template, mail, lifetime, to_nobody=to_nobody)

    def _sender(self) -> str:
        host = urlsplit(self.in_force.site_url or self.mailing.api_url).hostname or "localhost"
        return self.in_force.said.mail.from_ or f"no-reply@{host}"
