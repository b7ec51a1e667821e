"""Signing in at a provider through the browser: there with a state that is this browser's own, and back with a code."""

import re
import secrets
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.auth.auth_server import AuthServer, AuthServerDep
from app.auth.code_exchange import ProviderRefused, authorization_url, hold_issuer, proven_by_code
from app.auth.factors import SecondFactorNeeded
from app.auth.flows import (
    LIFETIMES,
    Flow,
    FlowStateInvalid,
    LinkNeedsPkce,
    Question,
    is_flow_code,
    keep,
    spend,
    spend_code,
)
from app.auth.foreign_keys import ForeignKeys, IssuerUnreachable
from app.auth.in_force import InForce, InForceDep, RedirectUnlisted
from app.auth.mails import Mailer
from app.auth.one_time import FlowCodeInvalid, kept_challenge
from app.auth.password_sign_in import AccountDisabled
from app.auth.providers import IdentityTaken, IdTokenRefused, Proven, Provider, ProviderUnknown, link, person_of
from app.auth.refused_ways import noted
from app.auth.routes.answering import MailerDep, found_account, session_answer
from app.auth.routes.asking import RedirectTo
from app.auth.routes.by_provider import hold_open, provider_named, session_by_provider
from app.auth.routes.client import Client, ClientDep
from app.auth.routes.factors import hold_own_level
from app.auth.routes.gotrue_errors import error_members
from app.auth.routes.grants import FORM, read_form
from app.auth.routes.published import PublicUrlMissing
from app.auth.routes.shapes import SessionObject
from app.auth.routes.signed_in import SignedIn
from app.auth.routes.verifying import HalfChanged, exchanged
from app.auth.sessions import OpenedSession
from app.auth.sign_up_hooks import SignUpRefused
from app.database.connection import Connection
from app.errors import RowgateError
from app.http.fixed_bodies import UNREADABLE, Body
from app.http.fixed_routes import Declared, InputInvalid, answer, body_schema, refuses
from app.keys.derivation import derived

_COOKIE = "rowgate_flow"
_DRAWN = re.compile(r"[A-Za-z0-9_-]{43}")
_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_OWNER = """
SELECT aal FROM rowgate.sessions
WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > now() FOR SHARE
"""
_HAS_FACTOR = "SELECT EXISTS (SELECT FROM rowgate.factors WHERE user_id = $1 AND verified_at IS NOT NULL)"
# The codes of RFC 6749, 4.1.2.1, by the status of a refusal, as GoTrue has them.
_ERRORS = {400: "invalid_request", 401: "unauthorized_client", 403: "access_denied", 503: "temporarily_unavailable"}
_DENIED = frozenset({"signup_disabled", "user_banned"})
_Text = Annotated[str, Query(max_length=200)]
_Long = Annotated[str, Query(max_length=4096)]


class ProviderUrl(Declared):
    """Where a browser has to go to sign in at the provider."""

    url: str


@dataclass(frozen=True, slots=True)
class _Begin:
    """What a client says when it begins a flow, checked."""

    provider: Provider
    flow: Flow
    more: dict[str, str]


@refuses(InputInvalid, ProviderUnknown, RedirectUnlisted)
async def _begin(
    server: AuthServerDep,
    in_force: InForceDep,
    *,
    provider: Annotated[str, Query(max_length=63)] = "",
    redirect_to: RedirectTo = None,
    code_challenge: _Text = "",
    code_challenge_method: _Text = "",
    prompt: _Text = "",
    login_hint: _Text = "",
) -> _Begin | None:
    """Check it; None where no provider is named."""
    if not provider:
        return None
    found, to = provider_named(server, provider), in_force.redirect(redirect_to)
    if to is None:
        raise InputInvalid("Send a redirect_to that auth.redirect_urls lists: no site is set to end at.")
    if code_challenge and not _CHALLENGE.fullmatch(code_challenge):
        raise InputInvalid("A code challenge is of 43 to 128 letters, digits and .-_~.")
    if code_challenge_method.lower() not in {"", "s256", "plain"}:
        raise InputInvalid("The method of a code challenge is s256 or plain.")
    more = {name: value for name, value in (("prompt", prompt), ("login_hint", login_hint)) if value}
    flow = Flow(found.said.name, found.said.issuer, kept_challenge(code_challenge, code_challenge_method), to)
    return _Begin(found, flow, more)


_BeginDep = Annotated[_Begin | None, Depends(_begin)]


@refuses(ProviderUnknown, IssuerUnreachable, FlowStateInvalid, PublicUrlMissing)
async def authorize(request: Request, server: AuthServerDep, begin: _BeginDep, ticket: _Text = "") -> Response:
    """Send a browser to a provider, where somebody signs in; it comes back to `/callback`.

    A `ticket` is what an account that links an identity begins with.
    """
    keys, more = _keys(server), {} if begin is None else begin.more
    if ticket:
        async with server.pool.lease() as connection:
            flow = await spend(connection, "ticket", ticket)
        provider = _same_provider(server, flow)
    elif begin is not None:
        provider, flow = begin.provider, begin.flow
    else:
        raise ProviderUnknown("Name the provider.")
    metadata = await keys.metadata(flow.issuer)
    back, browser = _back(server), _browser(request, server) or secrets.token_urlsafe(32)
    async with server.pool.lease() as connection:
        state = await keep(connection, "state", flow, browser)
    asked = Question.of(_flow_key(server), back, state, browser)
    there = _to(authorization_url(keys, metadata, provider, asked, more))
    name, is_secure = _cookie(server)
    there.set_cookie(
        name, browser, max_age=LIFETIMES["state"], path="/", secure=is_secure, httponly=True, samesite="lax"
    )
    return there


@refuses(ProviderUnknown, LinkNeedsPkce, SecondFactorNeeded, PublicUrlMissing)
async def authorize_identity(
    server: AuthServerDep,
    identity: SignedIn,
    in_force: InForceDep,
    begin: _BeginDep,
    *,
    skip_http_redirect: bool = False,
) -> Response:
    """Begin to link an identity to the account that is signed in; the address that this gives is opened once.

    It is linked when the code is exchanged, by whoever holds the verifier: an address that is passed on links nothing.
    """
    if begin is None:
        raise ProviderUnknown("Name the provider.")
    if begin.flow.challenge is None:
        raise LinkNeedsPkce
    flow = replace(begin.flow, user_id=str(identity.user_id), session_id=str(identity.session_id))
    async with server.pool.lease() as connection:
        await hold_own_level(connection, in_force, identity)
        ticket = await keep(connection, "ticket", flow)
    url = _back(server).removesuffix("callback") + f"authorize?{urlencode({'ticket': ticket})}"
    return answer(ProviderUrl(url=url)) if skip_http_redirect else _to(url)


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a provider has the browser bring back."""

    state: str
    code: str
    error: str
    description: str
    issuer: str | None


@refuses(InputInvalid)
async def _answered(
    *,
    state: _Text = "",
    code: _Long = "",
    error: _Text = "",
    error_description: _Long = "",
    iss: Annotated[str | None, Query(max_length=500)] = None,
) -> _Answered:
    return _Answered(state, code, error, error_description, iss)


@refuses(FlowStateInvalid, RedirectUnlisted)
async def callback(
    request: Request,
    server: AuthServerDep,
    client: ClientDep,
    mailer: MailerDep,
    said: Annotated[_Answered, Depends(_answered)],
) -> Response:
    """Take what a provider says, and send the browser on to where its sign-in ends, with a code or a session."""
    browser, in_force = _browser(request, server) or "", mailer.in_force
    try:
        async with server.pool.lease() as connection:
            flow = await spend(connection, "state", said.state, browser)
    except FlowStateInvalid as refusal:
        return _refused(in_force.site_url, refusal, request)
    in_force.redirect(flow.redirect_to)  # it may be listed no longer
    try:
        async with noted(server.pool, client.address, RowgateError, by=flow.provider):
            person = await _proven(server, flow, said, browser)
            return await _arrived(server, client, mailer, flow, person)
    except RowgateError as refusal:
        return _refused(flow.redirect_to, refusal, request)


async def _proven(server: AuthServer, flow: Flow, said: _Answered, browser: str) -> Proven:
    keys, provider = _keys(server), _same_provider(server, flow)
    hold_issuer(await keys.metadata(flow.issuer), flow.issuer, said.issuer)
    if said.error or not said.code:
        raise ProviderRefused(said.error, said.description)
    asked = Question.of(_flow_key(server), _back(server), said.state, browser)
    return await proven_by_code(keys, server.pool, provider, said.code, asked, server.auth.clock.seconds())


async def _arrived(server: AuthServer, client: Client, mailer: Mailer, flow: Flow, said: Proven) -> Response:
    """Find, join or make the person; the session stands in the fragment, or waits for the exchange of a code."""
    async with server.pool.lease() as connection, connection.transaction():
        user_id, is_joined = flow.user_id, False
        if user_id is None:
            may = mailer.in_force.refuse_sign_up
            user_id, is_joined = await person_of(connection, server.hooks, said, may_be_made=may)
        await hold_open(connection, user_id)
        if flow.challenge is not None:
            if is_joined:
                await mailer.notify_user(connection, "identity_linked", user_id, provider=flow.provider)
            after = replace(flow, user_id=user_id, subject=said.subject, email=said.email)
            return _to(flow.redirect_to, query={"code": await keep(connection, "code", after)})
        opened = await session_by_provider(connection, client, mailer, said, user_id, is_linked=is_joined)
        found = session_answer(server, await found_account(connection, user_id), opened)
    fragment = {
        "access_token": found.access_token, "expires_at": str(found.expires_at), "expires_in": str(found.expires_in),
        "refresh_token": found.refresh_token, "token_type": found.token_type,
    }  # fmt: skip
    return _to(flow.redirect_to, fragment=fragment)


@refuses(
    FlowCodeInvalid, ProviderUnknown, IdTokenRefused, IdentityTaken, AccountDisabled, SecondFactorNeeded, SignUpRefused
)
async def exchanged_code(
    server: AuthServer, client: Client, mailer: MailerDep, code: str, verifier: str
) -> SessionObject | HalfChanged:
    """Give the session of a flow for its code and its verifier, whether a mail's link began it or a provider."""
    if not is_flow_code(code):
        return await exchanged(server, client, mailer, code, verifier)
    async with server.pool.lease() as connection, connection.transaction():
        opened = await _opened(connection, server, client, mailer, await spend_code(connection, code, verifier))
        return session_answer(server, await found_account(connection, opened.user_id), opened)


async def _opened(
    connection: Connection, server: AuthServer, client: Client, mailer: Mailer, flow: Flow
) -> OpenedSession:
    user_id = str(flow.user_id)
    said = Proven(_same_provider(server, flow), str(flow.subject), flow.email, {})
    if flow.session_id is not None:
        await _hold_owner(connection, mailer.in_force, flow)
        await link(connection, server.hooks, said, user_id)
    return await session_by_provider(connection, client, mailer, said, user_id, is_linked=flow.session_id is not None)


async def _hold_owner(connection: Connection, in_force: InForce, flow: Flow) -> None:
    """Refuse to link where the session that asked has ended, or is by one factor and the account has a second."""
    aal = await connection.fetchval(_OWNER, flow.session_id, flow.user_id)
    if aal is None:
        raise FlowCodeInvalid("The session that began this has ended.", hint="Sign in, and begin again.")
    if in_force.said.second_factor != "off" and aal != "aal2" and await connection.fetchval(_HAS_FACTOR, flow.user_id):
        raise SecondFactorNeeded


class CallbackForm(Body):
    """What a provider's page posts, of which more may stand there."""

    state: str = ""
    code: str = ""
    error: str = ""
    error_description: str = ""
    iss: str | None = None


@refuses(*UNREADABLE, InputInvalid)
@dataclass(frozen=True, slots=True)
class PostedAnswer:
    """A dependency that reads what a provider answers by `response_mode=form_post`."""

    required: ClassVar[bool] = True

    async def __call__(self, request: Request) -> dict[str, str]:
        """Read what is known of it."""
        return {name: value for name, value in (await read_form(request)).items() if name in CallbackForm.model_fields}

    @property
    def content(self) -> dict[str, Any]:
        """Give what is taken, as OpenAPI has it."""
        return {FORM: {"schema": body_schema(CallbackForm)}}


async def posted_callback(
    server: AuthServerDep, posted: Annotated[dict[str, str], Depends(PostedAnswer())]
) -> Response:
    """Take what a provider's page posts back to where the browser shows its cookie: it sends none with such a post."""
    return _to(_back(server), query=posted)


def _keys(server: AuthServer) -> ForeignKeys:
    keys = server.auth.foreign.keys
    if keys is None:
        raise ProviderUnknown("No provider signs people in here.")
    return keys


def _same_provider(server: AuthServer, flow: Flow) -> Provider:
    """Give the provider that a flow began at; one of another issuer has taken nothing but its name."""
    provider = provider_named(server, flow.provider)
    if provider.said.issuer != flow.issuer:
        raise ProviderUnknown("This provider is another one now.")
    return provider


def _back(server: AuthServer) -> str:
    if server.settings.public_url is None and server.settings.env != "development":
        raise PublicUrlMissing("This server doesn't know its own address.", hint="Set ROWGATE_PUBLIC_URL.")
    return f"{server.mailing.api_url}/auth/v1/callback"


def _flow_key(server: AuthServer) -> bytes:
    return derived(server.settings.secret_key.get_secret_value(), "sign-ins at providers")


def _cookie(server: AuthServer) -> tuple[str, bool]:
    """Give the name of the cookie, and whether it is for https alone: only there no other host can set it."""
    is_secure = server.mailing.api_url.startswith("https:")
    return (f"__Host-{_COOKIE}" if is_secure else _COOKIE), is_secure


def _browser(request: Request, server: AuthServer) -> str | None:
    """Give what tells the browser from others; several sign-ins that it has under way share it."""
    found = request.cookies.get(_cookie(server)[0], "")
    return found if _DRAWN.fullmatch(found) else None


def _refused(to: str | None, refusal: RowgateError, request: Request) -> Response:
    """Tell a refusal where the sign-in ends, in the query and in the fragment, as GoTrue does."""
    if to is None:
        raise refusal
    members = error_members(refusal, request.url.path, refusal.detail)
    code, said = members["error_code"], _ERRORS.get(refusal.status, "server_error")
    if isinstance(refusal, ProviderRefused):
        said = refusal.error
    elif code in _DENIED:
        said = "access_denied"
    told = {"error": said, "error_code": code, "error_description": str(members["msg"])}
    return _to(to, query=told, fragment=told)


def _to(url: str, *, query: dict[str, str] | None = None, fragment: dict[str, str] | None = None) -> Response:
    base = url.partition("#")[0]
    if query:
        base += ("&" if "?" in base else "?") + urlencode(query)
    whole = f"{base}#{urlencode(fragment)}" if fragment else base
    return RedirectResponse(whole, 303, {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"})
