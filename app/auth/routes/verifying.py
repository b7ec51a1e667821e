"""Links and codes as they come back: a page with a button, a session, the code of a flow. Looking spends nothing."""

from contextlib import suppress
from dataclasses import dataclass
from html import escape
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlencode, urlsplit

from fastapi import Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.auth.accounts import EmailInvalid, EmailTaken, normal_email
from app.auth.auth_server import AuthServer, AuthServerDep
from app.auth.confirming import change_email, confirm, session_by
from app.auth.counted import CodeLimited, count_try
from app.auth.in_force import InForce, InForceDep, RedirectUnlisted
from app.auth.mails import Mailer
from app.auth.one_time import (
    TYPES,
    FlowCodeInvalid,
    LinkInvalid,
    OneTime,
    VerifierWrong,
    exchange_code,
    look,
    look_by_exchange,
    spend_code,
    spend_exchange,
    spend_link,
    tried,
)
from app.auth.password_sign_in import AccountDisabled
from app.auth.refused_ways import noted
from app.auth.routes.answering import (
    MailerDep,
    found_account,
    mailer_of,
    own_columns,
    session_answer,
)
from app.auth.routes.client import Client, ClientDep
from app.auth.routes.grants import FORM, read_form
from app.auth.routes.shapes import SessionObject
from app.auth.sign_up_hooks import SignUpRefused
from app.database.connection import Connection
from app.errors import RowgateError
from app.http.fixed_bodies import UNREADABLE, Body, checked, read_json
from app.http.fixed_routes import Declared, InputInvalid, answer, body_schema, refuses

Type = Literal["signup", "invite", "magiclink", "recovery", "email_change", "email"]
_HALF = "Confirmation link accepted. Please proceed to confirm link sent to the other email"
_BUTTONS = {
    "signup": "Confirm my address", "invite": "Accept the invitation", "recovery": "Choose another password",
    "email_change": "Confirm the change",
}  # fmt: skip
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>{title}</title></head>
<body><main><h1>{title}</h1>{body}</main></body></html>
"""
_FORM = '<form method="post" action="/auth/v1/verify">{fields}<button type="submit">{button}</button></form>'
# What the routes answer beside sessions and refusals, as OpenAPI has it.
BACK: dict[int | str, dict[str, Any]] = {303: {"description": "The way back to the site."}}
PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}
VERIFY_REFUSALS = (EmailInvalid, LinkInvalid, CodeLimited, AccountDisabled, EmailTaken, SignUpRefused, RedirectUnlisted)


# The refusals that a browser takes back to the site, as GoTrue calls them.
_TOLD: dict[type[RowgateError], str] = {
    LinkInvalid: "otp_expired",
    AccountDisabled: "user_banned",
    EmailTaken: "email_exists",
    SignUpRefused: "sign_up_refused",
}


class RedeemBody(Body):
    """What auth-js sends: a code with the address that it was sent to, or the token of a link."""

    type: Type
    email: str | None = None
    token: str | None = None
    token_hash: str | None = None
    redirect_to: str | None = None
    gotrue_meta_security: dict[str, object] | None = None


class RedeemForm(Body):
    """What the button of a link's page sends: the link's token, or the code of a flow of another device."""

    type: Type | None = None
    token: str | None = None
    code: str | None = None
    redirect_to: str | None = None


class HalfChanged(Declared):
    """One address of a change is confirmed, and the other one has to be."""

    msg: str
    code: str


@refuses(*UNREADABLE, InputInvalid)
@dataclass(frozen=True, slots=True)
class RedeemBodies:
    """A dependency that reads what a client sends, or the button of a page."""

    required: ClassVar[bool] = True

    async def __call__(self, request: Request) -> RedeemBody | RedeemForm:
        """Read it, by its content type."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != FORM:
            return checked(await read_json(request), RedeemBody)
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise InputInvalid("The button of another page can't be meant here.")
        return checked(await read_form(request), RedeemForm)

    @property
    def content(self) -> dict[str, Any]:
        """Give what is taken, by media type, as OpenAPI has it."""
        return {"application/json": {"schema": body_schema(RedeemBody)}, FORM: {"schema": body_schema(RedeemForm)}}


async def _opener(request: Request, client: ClientDep) -> Client | None:
    """Give who opens a link; None for who only looks whether it is there."""
    return None if request.method == "HEAD" else client


@refuses(LinkInvalid, AccountDisabled, EmailTaken, SignUpRefused, RedirectUnlisted)
async def open_link(
    server: AuthServerDep,
    client: Annotated[Client | None, Depends(_opener)],
    in_force: InForceDep,
    *,
    token: Annotated[str, Query(max_length=200)] = "",
    token_hash: Annotated[str, Query(max_length=200)] = "",
    type: Type | None = None,  # noqa: A002 - what GoTrue calls it
    code: Annotated[str, Query(max_length=200)] = "",
    redirect_to: Annotated[str | None, Query(max_length=2048)] = None,
) -> Response:
    """Open a link of a mail: a page with a button, or of a PKCE flow the way back with its code. It spends nothing.

    Where the document says so a GET uses the link, and a HEAD never does.

    With the `code` of a flow that was begun on another device, the button confirms the address and gives no session.
    """
    said = in_force.redirect(redirect_to) if redirect_to else None
    link = token or token_hash
    async with server.pool.lease() as connection:
        of = await (look_by_exchange(connection, code) if code else look(connection, link))
    if of is None or (not code and of.kind not in TYPES.get(type or "", ())):
        return _refused(said or in_force.site_url, LinkInvalid())
    to = said or of.redirect_to
    if code:
        return _page(of, {"code": code}, to)
    if of.challenge is not None and of.kind != "email_change" and to is not None:
        return _to(to, query={"code": exchange_code(server.mailing, link)})
    if in_force.said.mail.links == "direct" and client is not None:
        return await _by_link(server, client, in_force, RedeemForm(type=type, token=link, redirect_to=redirect_to))
    return _page(of, {"token": link, "type": type or of.type, **({"redirect_to": said} if said else {})}, to)


@refuses(*VERIFY_REFUSALS)
async def verify(
    server: AuthServerDep,
    client: ClientDep,
    in_force: InForceDep,
    body: Annotated[RedeemBody | RedeemForm, Depends(RedeemBodies())],
) -> Response:
    """Use a link or a code: a session, or of a page's button the way back with one."""
    if isinstance(body, RedeemForm):
        return await _by_link(server, client, in_force, body)
    mailer, kinds = mailer_of(server, in_force), TYPES[body.type]
    in_force.redirect(body.redirect_to)
    link = body.token_hash or (body.token if body.email is None else None)
    if link is not None:
        async with server.pool.lease() as connection, connection.transaction():
            of = await spend_link(connection, link, kinds)
            return answer(await redeemed(connection, server, client, mailer, of))
    if body.email is None or body.token is None:
        raise InputInvalid("Send an email with its token, or a token_hash.")
    email = normal_email(body.email)
    await count_try(server.pool, email, client.address)
    refused = noted(server.pool, client.address, LinkInvalid, AccountDisabled, by="code")
    async with refused, server.pool.lease() as connection:
        await tried(connection, email, kinds)  # committed before the code is looked at
        async with connection.transaction():
            of = await spend_code(connection, server.mailing, email, kinds, body.token)
            return answer(await redeemed(connection, server, client, mailer, of))


async def redeemed(
    connection: Connection, server: AuthServer, client: Client, mailer: Mailer, of: OneTime
) -> SessionObject | HalfChanged:
    """Put in force what was confirmed, and open the session, inside the transaction that spent it."""
    if of.kind == "email_change":
        if not await change_email(connection, server.hooks, mailer, of):
            return HalfChanged(msg=_HALF, code="200")
    else:
        await _confirmed(connection, server, of, with_session=True)
    opened = await session_by(connection, of, *client, mailer.in_force.said.sessions)
    return session_answer(server, await found_account(connection, opened.user_id), opened)


async def _confirmed(connection: Connection, server: AuthServer, of: OneTime, *, with_session: bool) -> None:
    given: dict[str, object] | None = {}
    if of.kind == "confirmation" and of.columns is None:  # a chain's, which has set what the account has
        given = None
    elif of.kind in {"confirmation", "invite"}:
        with suppress(InputInvalid):  # columns may be others now than when it was given
            given = own_columns(server, dict(of.columns or {}), new=False)
    columns = server.live.runtime.project.users.columns
    await confirm(connection, of, columns, given, with_session=with_session)


async def _by_link(server: AuthServer, client: Client, in_force: InForce, form: RedeemForm) -> Response:
    """Use a link for who pressed its button; what is refused goes back as the dialect says it."""
    said = in_force.redirect(form.redirect_to) if form.redirect_to else None
    mailer = mailer_of(server, in_force)
    to = said or in_force.site_url
    try:
        async with server.pool.lease() as connection, connection.transaction():
            if form.code is not None:
                return await _elsewhere(connection, server, form.code, said)
            of = await spend_link(connection, form.token or "", TYPES.get(form.type or "", ()))
            to = said or of.redirect_to
            if to is None:  # nowhere to give a session to
                if of.kind == "email_change":
                    await change_email(connection, server.hooks, mailer, of)
                else:
                    await _confirmed(connection, server, of, with_session=False)
                return _done()
            found = await redeemed(connection, server, client, mailer, of)
    except tuple(_TOLD) as refusal:
        return _refused(to, refusal)
    if isinstance(found, HalfChanged):
        return _to(to, fragment={"message": found.msg})
    fragment = {
        "access_token": found.access_token, "expires_at": str(found.expires_at), "expires_in": str(found.expires_in),
        "refresh_token": found.refresh_token, "token_type": found.token_type, "type": form.type or of.type,
    }  # fmt: skip
    return _to(to, fragment=fragment)


async def _elsewhere(connection: Connection, server: AuthServer, code: str, said: str | None) -> Response:
    """Confirm the address of a flow that was begun on another device: without its verifier there is no session."""
    of = await look_by_exchange(connection, code)
    if of is None or of.kind not in {"confirmation", "invite"}:
        raise LinkInvalid
    await _confirmed(connection, server, of, with_session=False)
    await connection.execute("DELETE FROM rowgate.one_time_tokens WHERE id = $1", of.id)
    to = said or of.redirect_to
    return _done() if to is None else _to(to, fragment={"message": "Your address is confirmed. Sign in."})


@refuses(FlowCodeInvalid, VerifierWrong, AccountDisabled)
async def exchanged(
    server: AuthServerDep, client: ClientDep, mailer: MailerDep, code: str, verifier: str
) -> SessionObject | HalfChanged:
    """Give the session of a flow for its code and its verifier; only now its link is used."""
    async with server.pool.lease() as connection, connection.transaction():
        of = await spend_exchange(connection, code, verifier)
        return await redeemed(connection, server, client, mailer, of)


def _to(url: str, *, query: dict[str, str] | None = None, fragment: dict[str, str] | None = None) -> Response:
    base = url.partition("#")[0]
    if query:
        base += ("&" if "?" in base else "?") + urlencode(query)
    whole = f"{base}#{urlencode(fragment)}" if fragment else base
    return RedirectResponse(whole, 303, {"Referrer-Policy": "no-referrer"})


def _refused(to: str | None, refusal: RowgateError) -> Response:
    if to is None:
        raise refusal
    told = {"error": "access_denied", "error_code": _TOLD[type(refusal)], "error_description": refusal.detail}
    return _to(to, fragment=told)


def _page(of: OneTime, fields: dict[str, str], to: str | None) -> Response:
    button = _BUTTONS.get(of.type, "Sign in")
    inputs = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items()
    )
    return _html(button, _FORM.format(fields=inputs, button=button), to)


def _done() -> Response:
    return _html("Done", "<p>You can close this page, and sign in.</p>", None)


def _html(title: str, body: str, to: str | None) -> Response:
    # A browser holds the way back after the button to the same rule as the button itself.
    target = "" if to is None else " " + _source(to)
    policy = f"default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'{target}"
    headers = {
        "Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
    }  # fmt: skip
    return HTMLResponse(_PAGE.format(title=escape(title), body=body), 200, headers)


def _source(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} else f"{parts.scheme}:"
