"""What an admin does by a link of a mail: taking up an invitation, and choosing another password that was forgotten."""

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Response

from app.audit.writing import audit
from app.auth import admins
from app.auth.accounts import EmailInvalid, normal_email
from app.auth.admin_links import LIFETIMES, RECOVERY, look, spend, way_back
from app.auth.admin_sessions import CodeNeeded, held, note_refused, shown_factor
from app.auth.admins import AdminExists
from app.auth.counted import MailLimited, count_mail
from app.auth.factors import FactorCodeWrong, has_verified
from app.auth.failures import TooManyFailures
from app.auth.mail_templates import FORGOTTEN, PASSWORD_CHANGED
from app.auth.mailing import MailUnavailable
from app.auth.one_time import LinkInvalid
from app.auth.password_change import Holder, given, set_password
from app.auth.passwords import AdminPassword, PasswordRefused
from app.auth.route_limits import RouteLimits
from app.auth.routes.client import ClientDep
from app.control_plane.admins import NewAdmin
from app.control_plane.server import ServerDep, mailer_to_admins
from app.control_plane.sign_in import Code, count_code
from app.http.fixed_bodies import Body, JsonBody
from app.http.fixed_routes import FixedRouter, answer, refuses


class AcceptBody(Body):
    """The token of an invitation's link, and the password that its admin chooses."""

    token: str
    password: AdminPassword


class ForgottenBody(Body):
    """The address of who has forgotten the password."""

    email: str


class ForgottenPasswordBody(AcceptBody):
    """The token of a mail's link, and the new password; `code` is for who has a second factor."""

    code: Code | None = None


def by_link_router(limits: RouteLimits) -> FixedRouter:
    """Give the routes."""
    router = FixedRouter(tags=["sign-in"])
    post = partial(router.add_api_route, methods=["POST"])

    def at_most(limit: str, name: str) -> dict[str, Any]:
        return {"name": name, "dependencies": [limits.at_most(limit, f"admin.{name}")]}

    accept = "/admins/invites/accept"
    post(accept, accept_invite, status_code=201, response_model=NewAdmin, **at_most("20/minute", "accept_invite"))
    post("/recover", recover, status_code=204, **at_most("20/minute", "recover"))
    post("/recover/redeem", redeem, status_code=204, **at_most("20/minute", "redeem"))
    return router


@refuses(LinkInvalid, AdminExists, PasswordRefused)
async def accept_invite(server: ServerDep, body: Annotated[AcceptBody, Depends(JsonBody(AcceptBody))]) -> Response:
    """Take up an invitation, once: it makes the admin, who then signs in."""
    async with server.pool.lease() as connection, connection.transaction():
        made = await admins.take_up(connection, server.auth.passwords, body.token, body.password)
    server.auth.no_admin = False
    return answer(NewAdmin.from_row(made), 201)


@refuses(EmailInvalid, MailLimited, MailUnavailable)
async def recover(server: ServerDep, body: Annotated[ForgottenBody, Depends(JsonBody(ForgottenBody))]) -> Response:
    """Mail an admin a link to another password; the answer is the same for an address that is none's."""
    email, mailer = normal_email(body.email), mailer_to_admins(server)
    mailer.mailing.needed()
    await count_mail(server.pool, email)
    async with server.pool.lease() as connection, connection.transaction():
        known = await admins.held_by_address(connection, email)
        token = await way_back(connection, email, None if known is None else known.id)
        link, holds = mailer.console_link("recover", token), LIFETIMES[RECOVERY].total_seconds()
        await mailer.send_admin(connection, FORGOTTEN, email, {"link": link}, holds, to_nobody=known is None)
        await audit(connection, "anonymous", "admin.recovery_mailed", None if known is None else known.email)
    return Response(status_code=204)


@refuses(LinkInvalid, PasswordRefused, CodeNeeded, FactorCodeWrong, TooManyFailures)
async def redeem(
    server: ServerDep,
    client: ClientDep,
    body: Annotated[ForgottenPasswordBody, Depends(JsonBody(ForgottenPasswordBody))],
) -> Response:
    """Choose another password by a mail's link, once: every session ends, and who has a second factor shows it, too.

    A link whose code is missing or wrong can be used again.
    """
    async with server.pool.lease() as connection:
        link = await look(connection, RECOVERY, body.token)
        admin_id = str(link.admin_id)
        if body.code is None and await has_verified(connection, admin_id, "admin"):
            raise CodeNeeded
    new = await given(server.auth.passwords, Holder("admin", admin_id, link.email, None), body.password)
    async with server.pool.lease() as connection:
        await count_code(connection, admin_id, body.code)
        stored = await admins.stored_admin(connection, link.email)
        try:
            async with connection.transaction():
                if await held(connection, admin_id) is None:
                    raise LinkInvalid
                await spend(connection, RECOVERY, body.token)
                await shown_factor(connection, server.auth.sealing, admin_id, body.code)
                await set_password(connection, new)
                await mailer_to_admins(server).send_admin(connection, PASSWORD_CHANGED, link.email)
                await audit(connection, f"admin:{link.email}", "admin.recover", link.email)
        except FactorCodeWrong:
            await note_refused(connection, stored, client, "code")
            raise
    return Response(status_code=204)
