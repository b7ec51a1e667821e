"""Mail that waits to be sent or was given up, and as development shows it, where there is no server that sends any."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from fastapi import Query, Response

from app.audit.writing import audit
from app.auth.admin_access import VIEWER, Editor
from app.auth.mail_templates import ADMINS_MAILS
from app.control_plane.named import NotThere, identifier
from app.control_plane.server import ServerDep
from app.errors import RowgateError
from app.http.fixed_routes import Declared, FixedRouter, answer, refuses
from app.outward.mail_box import readable_mail
from app.outward.waiting import mail_listed, retry_mail

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


class WaitingMail(Declared):
    """A mail that waits to be sent, or was given up; whom it goes to and what it says is nowhere to be had."""

    id: str
    kind: str
    created_at: datetime
    attempts: int
    next_at: datetime
    expires_at: datetime
    last_error: str | None
    dead_at: datetime | None


@router.get("/mail/queue", dependencies=[VIEWER], response_model=list[WaitingMail])
async def list_mail_queue(
    server: ServerDep,
    state: Literal["waiting", "dead"] = "waiting",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """List mail that waits, or that was given up within a day, the oldest first; nothing of what it says."""
    async with server.pool.lease() as connection:
        found = await mail_listed(connection, dead=state == "dead", limit=limit)
        return answer([WaitingMail.from_row(one) for one in found])


@router.post("/mail/{mail_id}/retry", status_code=204)
@refuses(NotThere)
async def retry_waiting_mail(server: ServerDep, admin: Editor, mail_id: str) -> Response:
    """Have mail that waits for another try sent now; what was given up is wiped, and has to be asked for again."""
    found = identifier(mail_id, "mail")
    async with server.pool.lease() as connection, connection.transaction():
        mail = await retry_mail(connection, found)
        if not mail:
            raise NotThere("mail")
        await audit(connection, admin.actor, "mail.retry", found, {"kind": mail[0].kind})
    return Response(status_code=204)


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
