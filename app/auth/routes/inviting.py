"""What an editor's key does about people by mail: inviting somebody, and a link without a mail."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Request, Response
from pydantic import AliasChoices, Field

from app.audit.writing import audit
from app.auth.accounts import EmailInvalid, EmailTaken, create_user, id_of_address, new_credentials, normal_email
from app.auth.admin_access import Editor
from app.auth.auth_server import AuthServer, AuthServerDep
from app.auth.counted import MailLimited
from app.auth.in_force import RedirectUnlisted, SignUpClosed
from app.auth.mailing import MailUnavailable
from app.auth.mails import Mailer
from app.auth.one_time import LinkInvalid, OneTime
from app.auth.passwords import PasswordRefused, UserPassword
from app.auth.routes.answering import MailerDep, found_account, own_columns
from app.auth.routes.asking import RedirectTo, begun
from app.auth.routes.shapes import UserObject, user_object
from app.auth.sign_up_hooks import SignUpRefused, let_in
from app.database.connection import Connection
from app.database.faults import WRITE_REFUSALS
from app.http.fixed_bodies import Body, JsonBody, hold_caller
from app.http.fixed_routes import answer, refuses

_WHO = """
SELECT u.id, a.email_confirmed_at IS NOT NULL AS confirmed FROM data.users u
LEFT JOIN rowgate.accounts a ON a.user_id = u.id WHERE lower(u.email) = lower($1)
"""


class InviteBody(Body):
    """What auth-js sends to invite somebody."""

    email: str
    data: dict[str, Any] | None = None


class LinkBody(Body):
    """What auth-js sends for a link that it mails itself."""

    type: Literal["signup", "invite", "magiclink", "recovery", "email_change_current", "email_change_new"]
    email: str
    new_email: str | None = None
    password: UserPassword | None = None
    data: dict[str, Any] | None = None
    redirect_to: str | None = Field(default=None, validation_alias=AliasChoices("redirect_to", "redirectTo"))
    """Where the link ends; auth-js spells it so too, beside the query's, which is what it means."""


class LinkedUser(UserObject):
    """A user with a link, and the code that stands for it."""

    action_link: str
    email_otp: str
    hashed_token: str
    redirect_to: str
    verification_type: str


@refuses(
    EmailInvalid, EmailTaken, SignUpClosed, SignUpRefused, MailLimited, MailUnavailable, RedirectUnlisted,
    *WRITE_REFUSALS,
)  # fmt: skip
async def invite(
    server: AuthServerDep,
    mailer: MailerDep,
    admin: Editor,
    body: Annotated[InviteBody, Depends(JsonBody(InviteBody))],
    redirect_to: RedirectTo = None,
) -> Response:
    """Make an account without a password, and mail its owner a link; an invitation may be sent again."""
    mailer.in_force.refuse_sign_up(by_chain=True)
    email, to = await begun(server, mailer, body.email, redirect_to)
    async with server.pool.lease() as connection, connection.transaction():
        user_id = await _invited(connection, server, email, body.data or {})
        await mailer.send_link(connection, OneTime("invite", user_id, email, redirect_to=to, columns=body.data))
        await audit(connection, admin.actor, "user.invite", user_id)
        return answer(user_object(await found_account(connection, user_id)))


async def _invited(connection: Connection, server: AuthServer, email: str, data: dict[str, Any]) -> str:
    """Make the account of who is invited, or give the one that nobody has confirmed.

    Raises EmailTaken or SignUpRefused.
    """
    columns = own_columns(server, data, new=False)
    who = await let_in(server.hooks, connection, email, columns)
    there = await connection.fetchrow(_WHO, email)
    if there is None:
        return await create_user(connection, who, None, own_columns(server, data, new=True), confirmed=False)
    if there["confirmed"]:
        raise EmailTaken("There is an account with this address.")
    return str(there["id"])


@refuses(
    EmailInvalid, EmailTaken, SignUpClosed, SignUpRefused, PasswordRefused, LinkInvalid, RedirectUnlisted,
    *WRITE_REFUSALS,
)  # fmt: skip
async def generate_link(
    request: Request,
    server: AuthServerDep,
    mailer: MailerDep,
    admin: Editor,
    body: Annotated[LinkBody, Depends(JsonBody(LinkBody))],
    redirect_to: RedirectTo = None,
) -> Response:
    """Give a link and a code instead of mailing them."""
    email, to = normal_email(body.email), mailer.in_force.redirect(redirect_to or body.redirect_to)
    digest = None
    if body.password is not None:
        least = mailer.in_force.said.password.min_length
        email, digest = await new_credentials(server.auth.passwords, email, body.password, least)
        await hold_caller(request)
    async with server.pool.lease() as connection, connection.transaction():
        of = await _meant(connection, server, mailer, body, OneTime("recovery", None, email, redirect_to=to), digest)
        drawn = await mailer.drawn(connection, of)
        await audit(connection, admin.actor, "user.link", of.user_id, {"type": body.type})
        shown = user_object(await found_account(connection, str(of.user_id)))
    linked = LinkedUser(
        **shown.model_dump(), action_link=mailer.link(of, drawn), email_otp=drawn.code, hashed_token=drawn.link,
        redirect_to=to or "", verification_type=body.type,
    )  # fmt: skip
    return answer(linked)


async def _meant(
    connection: Connection, server: AuthServer, mailer: Mailer, body: LinkBody, of: OneTime, digest: str | None
) -> OneTime:
    """Give what the link is to stand for, with an account made for it where its kind makes one."""
    if body.type in {"signup", "invite"}:
        mailer.in_force.refuse_sign_up(by_chain=True)
        user_id = await _invited(connection, server, of.email, body.data or {})
        if body.type == "invite":
            return OneTime("invite", user_id, of.email, redirect_to=of.redirect_to, columns=body.data)
        return OneTime(
            "confirmation", user_id, of.email, redirect_to=of.redirect_to, password_hash=digest, columns=body.data or {}
        )
    known = await id_of_address(connection, of.email)
    if known is None:
        raise LinkInvalid
    if body.type in {"magiclink", "recovery"}:
        return OneTime("magic_link" if body.type == "magiclink" else "recovery", known, of.email,
                       redirect_to=of.redirect_to)  # fmt: skip
    new = normal_email(body.new_email or "")
    await let_in(server.hooks, connection, new, {})
    to_whom = of.email if body.type == "email_change_current" else new
    return OneTime("email_change", known, to_whom, new, redirect_to=of.redirect_to)
