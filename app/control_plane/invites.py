"""Invitations of admins: made, listed and revoked by owners."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request, Response

from app.audit.writing import audit
from app.auth import admin_links, admins
from app.auth.accounts import EmailInvalid
from app.auth.admin_access import VIEWER, Owner, Role
from app.auth.admins import AdminExists
from app.auth.counted import MailLimited, count_mail_in
from app.auth.mail_templates import INVITED
from app.auth.mailing import CONSOLE
from app.control_plane.named import NotThere, identifier
from app.control_plane.server import ServerDep, mailer_to_admins
from app.http.fixed_bodies import Body, JsonBody
from app.http.fixed_routes import Declared, FixedRouter, answer, refuses

router = FixedRouter(tags=["admins"], prefix="/admins/invites")
PAGE = "invited"  # the console's, where an invitation is taken up


class NewInviteBody(Body):
    """The address that is invited, and the rank that its admin will have."""

    email: str
    role: Role


class InviteAnswer(Declared):
    """An invitation that can be taken up."""

    id: str
    email: str
    role: Role
    invited_by: str
    created_at: datetime
    expires_at: datetime


class MadeInvite(InviteAnswer):
    """A new invitation; its `link` is shown this once, and only where no server takes mail."""

    link: str | None


@router.get("", dependencies=[VIEWER], response_model=list[InviteAnswer])
async def list_invites(server: ServerDep) -> Response:
    """List the invitations that can be taken up."""
    async with server.pool.lease() as connection:
        return answer([InviteAnswer.from_row(one) for one in await admin_links.invites(connection)])


@router.post("", status_code=201, response_model=MadeInvite)
@refuses(AdminExists, EmailInvalid, MailLimited)
async def create_invite(
    server: ServerDep,
    request: Request,
    admin: Owner,
    body: Annotated[NewInviteBody, Depends(JsonBody(NewInviteBody))],
) -> Response:
    """Invite an admin by mail, for seven days; another invitation to the same address ends the one of before."""
    mailer = mailer_to_admins(server)
    async with server.pool.lease() as connection, connection.transaction():
        email = await admins.refuse_known(connection, body.email)
        if mailer.mailing.can_send:
            await count_mail_in(connection, email)
        token, row = await admin_links.invite(connection, email, body.role, actor=admin.actor)
        values = {"link": mailer.console_link(PAGE, token), "inviter": admin.actor.partition(":")[2], "role": body.role}
        holds = admin_links.LIFETIMES[admin_links.INVITE].total_seconds()
        await mailer.send_admin(connection, INVITED, email, values, holds)
        await audit(connection, admin.actor, "admin.invite", email, {"role": body.role})
    here = server.settings.public_url or str(request.base_url).rstrip("/")
    link = None if mailer.mailing.goes_out else f"{here}{CONSOLE}/{PAGE}#{token}"
    return answer(MadeInvite(**InviteAnswer.from_row(row).model_dump(), link=link), 201)


@router.delete("/{invite_id}", status_code=204)
@refuses(NotThere)
async def revoke_invite(server: ServerDep, admin: Owner, invite_id: str) -> Response:
    """End an invitation."""
    found = identifier(invite_id, "invitation")
    async with server.pool.lease() as connection, connection.transaction():
        row = await admin_links.revoke_invite(connection, found)
        if row is None:
            raise NotThere("invitation")
        await audit(connection, admin.actor, "admin.invite_revoke", row.email)
    return Response(status_code=204)
