"""Mail as development shows it, where there is no server that sends any."""

from datetime import datetime
from typing import ClassVar

from fastapi import Response

from app.auth.admin_access import Editor
from app.auth.mail_templates import ADMINS_MAILS
from app.control_plane.server import ServerDep
from app.errors import RowgateError
from app.http.fixed_routes import Declared, FixedRouter, answer, refuses
from app.outward.mail_box import readable_mail

router = FixedRouter(tags=["mail"])


class MailNotShown(RowgateError):
    """Mail is sent here, and shown to nobody but who gets it."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "mail.not_shown"


class MailAnswer(Declared):
    """A mail as it would be sent."""

    id: str
    at: datetime
    kind: str
    sender: str
    to: str
    subject: str
    text: str
    html: str | None


@router.get("/mail", response_model=list[MailAnswer])
@refuses(MailNotShown)
async def list_mail(server: ServerDep, admin: Editor) -> Response:
    """List the newest hundred mails of development, which go nowhere else; those to admins are for owners alone."""
    if not server.mailing.is_shown:
        raise MailNotShown("Mail is shown in development, and only without ROWGATE_SMTP_URL.")
    async with server.pool.lease() as connection:
        found = await readable_mail(connection)
    return answer([
        MailAnswer(
            id=one.id, at=one.created_at, kind=one.kind, sender=mail.sender, to=mail.recipient, subject=mail.subject,
            text=mail.text, html=mail.html,
        )
        for one in found
        if (admin.role == "owner" or one.kind not in ADMINS_MAILS) and (mail := one.opened(server.sealing_key))
    ])  # fmt: skip
