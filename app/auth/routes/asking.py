"""Asking for a mail with a link and a code: every answer about an address is the same, whether or not it is known."""

from contextlib import suppress
from typing import Annotated, Any, Literal, NamedTuple

import asyncpg
from fastapi import Depends, Query, Response
from pydantic import BeforeValidator

from app.audit.writing import audit
from app.auth.access_claims import shown_email
from app.auth.accounts import EmailInvalid, JoinedAccount, id_of_address, join, normal_email
from app.auth.auth_server import AuthServer, AuthServerDep
from app.auth.counted import MailLimited, count_mail
from app.auth.in_force import RedirectUnlisted
from app.auth.mailing import MailUnavailable
from app.auth.mails import Mailer
from app.auth.one_time import Kind, OneTime, kept_challenge
from app.auth.routes.answering import MailerDep, own_columns
from app.auth.routes.signed_in import SignedIn
from app.auth.sign_up_hooks import LetIn, SignUpRefused, let_in
from app.database.connection import Connection
from app.database.faults import WRITE_REFUSALS
from app.http.fixed_bodies import Body, JsonBody
from app.http.fixed_routes import Declared, InputInvalid, answer, refuses

MAIL_REFUSALS = (EmailInvalid, MailLimited, MailUnavailable, RedirectUnlisted)
RedirectTo = Annotated[str | None, Query(max_length=2048)]
_LAST = """
SELECT user_id, email, new_email, challenge, redirect_to, password_hash, columns::text AS columns
FROM rowgate.one_time_tokens WHERE user_id = $1 AND kind = 'confirmation' AND expires_at > now()
ORDER BY id DESC LIMIT 1
"""
_HALVES = """
SELECT DISTINCT ON (email) user_id, email, new_email, challenge, redirect_to, columns::text AS columns
FROM rowgate.one_time_tokens WHERE user_id = $1 AND kind = 'email_change' AND expires_at > now() ORDER BY email, id DESC
"""


def _in_small_letters(method: object) -> object:
    return method.lower() if isinstance(method, str) else method


class PkceFields(Body):
    """What auth-js sends along wherever a flow may begin: the challenge of PKCE (RFC 7636)."""

    code_challenge: str | None = None
    code_challenge_method: Annotated[Literal["s256", "plain"], BeforeValidator(_in_small_letters)] | None = None

    @property
    def challenge(self) -> str | None:
        """Give the challenge as it is kept."""
        return kept_challenge(self.code_challenge, self.code_challenge_method)


class FlowBody(PkceFields):
    """What a client sends to begin a flow with an address."""

    email: str
    gotrue_meta_security: dict[str, object] | None = None


class OtpBody(FlowBody):
    """What auth-js sends for a code or a link that signs in; `data` is for who has no account yet."""

    create_user: bool = True
    data: dict[str, Any] | None = None


class ResendBody(FlowBody):
    """What auth-js sends for another copy of a mail."""

    type: Literal["signup", "email_change"]


class Nothing(Declared):
    """An answer that says nothing."""


@refuses(*MAIL_REFUSALS, *WRITE_REFUSALS)
async def otp(
    server: AuthServerDep, mailer: MailerDep, body: Annotated[OtpBody, Depends(JsonBody(OtpBody))],
    redirect_to: RedirectTo = None,
) -> Response:  # fmt: skip
    """Mail a code and a link that sign in; who has no account gets one, where people sign up by themselves."""
    return await _sign_in_by_mail(server, mailer, body, redirect_to, "code")


@refuses(*MAIL_REFUSALS, *WRITE_REFUSALS)
async def magiclink(
    server: AuthServerDep, mailer: MailerDep, body: Annotated[OtpBody, Depends(JsonBody(OtpBody))],
    redirect_to: RedirectTo = None,
) -> Response:  # fmt: skip
    """Mail a link and a code that sign in, as `/otp` does."""
    return await _sign_in_by_mail(server, mailer, body, redirect_to, "magic_link")


async def _sign_in_by_mail(
    server: AuthServer, mailer: Mailer, body: OtpBody, redirect_to: str | None, template: str
) -> Response:
    email, to = await begun(server, mailer, body.email, redirect_to)
    kept = (body.challenge, to)
    async with server.pool.lease() as connection, connection.transaction():
        newcomer = await _newcomer(connection, server, mailer, email, body)
        joined = None if newcomer is None else await _joined(connection, newcomer)
        user_id = await id_of_address(connection, email) if joined is None else joined.user_id
        if newcomer is not None and joined is not None and joined.is_new:
            of = OneTime("confirmation", user_id, email, None, *kept, columns=newcomer.data)
            await mailer.send_link(connection, of)
            await audit(connection, "anonymous", "sign_up", user_id)
        else:
            await mailer.send_link(connection, OneTime("magic_link", user_id, email, None, *kept), template=template)
            await audit(connection, "anonymous", "sign_in.mailed", user_id)
    return answer(Nothing())


class _Newcomer(NamedTuple):
    """Whom an account may be made for: the address, the columns as they were sent, and checked."""

    who: LetIn
    data: dict[str, Any]
    columns: dict[str, object]


async def _newcomer(
    connection: Connection, server: AuthServer, mailer: Mailer, email: str, body: OtpBody
) -> _Newcomer | None:
    """Give it, where an account may be made of this: of a known address nobody is told that not, and of no other."""
    if not body.create_user or mailer.in_force.said.sign_up != "open":
        return None
    data = body.data or {}
    with suppress(InputInvalid, SignUpRefused):
        columns = own_columns(server, data, new=True)
        return _Newcomer(await let_in(server.hooks, connection, email, columns), data, columns)
    return None


async def _joined(connection: Connection, new: _Newcomer) -> JoinedAccount | None:
    """Make the account, or do the same for an address that has one.

    None where it may not be made, or a value that has to be unique is taken, maybe by the same person: nobody is told.
    """
    with suppress(SignUpRefused, asyncpg.UniqueViolationError):
        return await join(connection, new.who, None, new.columns)
    return None


async def begun(server: AuthServer, mailer: Mailer, email: str, redirect_to: str | None) -> tuple[str, str | None]:
    """Begin a mail: give the normal address and where its link ends, the mail counted for the address."""
    address, to = normal_email(email), mailer.in_force.redirect(redirect_to)
    mailer.mailing.needed()
    await count_mail(server.pool, address)
    return address, to


@refuses(*MAIL_REFUSALS)
async def recover(
    server: AuthServerDep, mailer: MailerDep, body: Annotated[FlowBody, Depends(JsonBody(FlowBody))],
    redirect_to: RedirectTo = None,
) -> Response:  # fmt: skip
    """Mail a link and a code to who has forgotten the password; nothing ends before one of them is used."""
    email, to = await begun(server, mailer, body.email, redirect_to)
    async with server.pool.lease() as connection, connection.transaction():
        user_id = await id_of_address(connection, email)
        await mailer.send_link(connection, OneTime("recovery", user_id, email, None, body.challenge, to))
        await audit(connection, "anonymous", "recovery.mailed", user_id)
    return answer(Nothing())


@refuses(*MAIL_REFUSALS)
async def resend(
    server: AuthServerDep, mailer: MailerDep, body: Annotated[ResendBody, Depends(JsonBody(ResendBody))],
    redirect_to: RedirectTo = None,
) -> Response:  # fmt: skip
    """Mail the link and the code of a sign-up or of a change of address once more."""
    email, _ = await begun(server, mailer, body.email, redirect_to)
    async with server.pool.lease() as connection, connection.transaction():
        user_id = await id_of_address(connection, email)
        kind: Kind = "confirmation" if body.type == "signup" else "email_change"
        for of in await _again(connection, user_id, kind) or [OneTime(kind, None, email)]:
            await mailer.send_link(connection, of)
        await audit(connection, "anonymous", "mail.resent", user_id)
    return answer(Nothing())


async def _again(connection: Connection, user_id: str | None, kind: Kind) -> list[OneTime]:
    """Give what waits for an account to be confirmed, with what was given for it."""
    rows: list[Any] = await connection.fetch(_LAST if kind == "confirmation" else _HALVES, user_id)
    return [OneTime.again(kind, row) for row in rows]


@refuses(MailLimited, MailUnavailable, InputInvalid)
async def reauthenticate(server: AuthServerDep, mailer: MailerDep, identity: SignedIn) -> Response:
    """Mail a code to who is signed in, by which a change of the password shows whose it is."""
    email, user_id = shown_email(identity.columns["email"]), str(identity.user_id)
    if not email:
        raise InputInvalid("There is no address that a code could be mailed to.", hint="Give one: PUT /auth/v1/user.")
    await begun(server, mailer, email, None)
    async with server.pool.lease() as connection, connection.transaction():
        await mailer.send_link(connection, OneTime("reauthentication", user_id, email))
        await audit(connection, f"user:{user_id}", "reauthentication.mailed", user_id)
    return answer(Nothing())
