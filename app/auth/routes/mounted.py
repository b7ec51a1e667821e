"""Sign-up, sign-in, refresh, the own account and sign-out."""

from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.audit.writing import audit
from app.auth.accounts import (
    Account,
    EmailTaken,
    create_user,
    join,
    new_credentials,
    normal_email,
)
from app.auth.anonymous_users import METHOD, AnonymousOff, TooManyAnonymous, create_anonymous
from app.auth.api_keys import ApiKeyInvalid
from app.auth.auth_server import AuthServer, AuthServerDep
from app.auth.factors import SecondFactorNeeded
from app.auth.failures import TooManyFailures, attempt
from app.auth.foreign_keys import IssuerUnreachable
from app.auth.identify import CREDENTIAL_REFUSALS, identify_now
from app.auth.in_force import InForce, SignUpClosed
from app.auth.mails import Mailer
from app.auth.one_time import FlowCodeInvalid, OneTime, VerifierWrong
from app.auth.password_sign_in import (
    AccountDisabled,
    EmailNotConfirmed,
    SignInRefused,
    begin,
    stored_account,
    verify_noted,
)
from app.auth.passwords import PasswordRefused, UserPassword
from app.auth.providers import IdentityTaken, IdTokenRefused, ProviderUnknown
from app.auth.refresh_tokens import RefreshTokenInvalid, RefreshTokenReused, Reused
from app.auth.route_limits import RouteLimits
from app.auth.routes.admin_users import add_admin_routes
from app.auth.routes.answering import MailerDep, found_account, own_columns, session_answer
from app.auth.routes.asking import (
    MAIL_REFUSALS,
    Nothing,
    PkceFields,
    RedirectTo,
    begun,
    magiclink,
    otp,
    reauthenticate,
    recover,
    resend,
)
from app.auth.routes.browser_flow import (
    ProviderUrl,
    authorize,
    authorize_identity,
    callback,
    exchanged_code,
    posted_callback,
)
from app.auth.routes.by_provider import Unlinked, by_id_token, delete_identity
from app.auth.routes.changing import put_user
from app.auth.routes.client import Client, ClientDep
from app.auth.routes.factors import add_factor_routes
from app.auth.routes.grants import Grant, GrantBody, GrantUnsupported, IdTokenBody, PasswordBody, PkceBody, RefreshBody
from app.auth.routes.inviting import LinkedUser, generate_link, invite
from app.auth.routes.own_sessions import OwnSession, delete_session, get_sessions
from app.auth.routes.passkey_routes import add_passkey_routes
from app.auth.routes.published import Discovery, KeySet, jwks, openid_configuration
from app.auth.routes.shapes import (
    AuthHealth,
    AuthProblem,
    AuthSettings,
    SessionObject,
    SignInWays,
    UserObject,
    user_object,
)
from app.auth.routes.signed_in import SignedInAnyhow, SignInNeeded
from app.auth.routes.verifying import BACK, PAGE, HalfChanged, open_link, verify
from app.auth.sessions import end_sessions, open_session, refresh_session
from app.auth.sign_up_hooks import LetIn, SignUpRefused, let_in
from app.database.faults import WRITE_REFUSALS
from app.definitions.auth import SessionsDef
from app.errors import FieldError
from app.http.fixed_bodies import JsonBody, checked
from app.http.fixed_routes import FixedRouter, InputInvalid, answer, refuses
from app.settings import own_version


class RegisterBody(PkceFields):
    """What auth-js sends to sign up; `data` are columns of the person that may be set by oneself.

    An anonymous user has neither address nor password.
    """

    email: str | None = None
    password: UserPassword | None = None
    data: dict[str, Any] | None = None
    gotrue_meta_security: dict[str, object] | None = None


THERE: dict[int | str, dict[str, Any]] = {303: {"description": "The way to a provider, or back to the site."}}


def auth_router(limits: RouteLimits) -> APIRouter:
    """Give the routes of /auth/v1."""
    router = FixedRouter(prefix="/auth/v1", problem=AuthProblem, tags=["auth"], dependencies=[Depends(_check_apikey)])
    post, get = partial(router.add_api_route, methods=["POST"]), partial(router.add_api_route, methods=["GET"])
    put = partial(router.add_api_route, methods=["PUT"])

    def at_most(limit: str, name: str) -> dict[str, object]:
        return {"name": name, "dependencies": [limits.at_most(limit, f"auth.{name}")]}

    post("/signup", signup, response_model=SessionObject | UserObject, **at_most("300/minute", "sign_up"))
    post("/token", token, response_model=SessionObject, **at_most("600/minute", "sign_in"))
    get("/user", get_user, response_model=UserObject)
    put("/user", put_user, response_model=UserObject, **at_most("60/minute", "put_user"))
    mailed: dict[str, Any] = {"response_model": Nothing}
    post("/otp", otp, **mailed, **at_most("300/minute", "otp"))
    post("/magiclink", magiclink, **mailed, **at_most("300/minute", "magic_link"))
    post("/recover", recover, **mailed, **at_most("300/minute", "recover"))
    post("/resend", resend, **mailed, **at_most("300/minute", "resend"))
    post("/reauthenticate", reauthenticate, **mailed, **at_most("60/minute", "reauthenticate"))
    get("/reauthenticate", reauthenticate, **mailed, **at_most("60/minute", "get_reauthenticate"))
    get("/verify", open_link, response_class=HTMLResponse, responses=BACK, **at_most("600/minute", "open_link"))
    head = partial(router.add_api_route, methods=["HEAD"], include_in_schema=False)
    head("/verify", open_link, response_class=HTMLResponse, **at_most("600/minute", "look_at_link"))
    used = SessionObject | HalfChanged
    post("/verify", verify, response_model=used, responses=BACK | PAGE, **at_most("600/minute", "verify"))
    post("/invite", invite, response_model=UserObject, name="invite")
    post("/admin/generate_link", generate_link, response_model=LinkedUser, name="generate_link")
    there: dict[str, Any] = {
        "responses": THERE, "status_code": 303, "response_model": None, "response_class": RedirectResponse,
    }  # fmt: skip
    get("/authorize", authorize, **there, **at_most("300/minute", "authorize"))
    get("/callback", callback, **there, **at_most("300/minute", "callback"))
    post("/callback", posted_callback, **there, **at_most("300/minute", "posted_callback"))
    get("/user/identities/authorize", authorize_identity, response_model=ProviderUrl, responses=THERE)
    router.add_api_route("/user/identities/{identity_id}", delete_identity, methods=["DELETE"], response_model=Unlinked)
    post("/logout", logout, status_code=204, name="sign_out")
    get("/sessions", get_sessions, response_model=list[OwnSession])
    router.add_api_route("/sessions/{session_id}", delete_session, methods=["DELETE"], status_code=204)
    add_factor_routes(router, at_most)
    add_passkey_routes(router, at_most)
    add_admin_routes(router)
    get("/settings", get_settings, response_model=AuthSettings)
    get("/health", health, response_model=AuthHealth)
    get("/.well-known/jwks.json", jwks, response_model=KeySet)
    get("/.well-known/openid-configuration", openid_configuration, response_model=Discovery)
    return router


@refuses(*CREDENTIAL_REFUSALS)
async def _check_apikey(request: Request, server: AuthServerDep) -> None:
    """Refuse an apikey header that is there but bad, also where none is needed; asks the database nothing."""
    given = request.headers.getlist("apikey")
    if len(given) > 1:
        raise ApiKeyInvalid
    if given:
        identify_now(None, given[0], context=server.auth)


@refuses(
    EmailTaken, PasswordRefused, SignUpClosed, SignUpRefused, AnonymousOff, TooManyAnonymous, *MAIL_REFUSALS,
    *WRITE_REFUSALS,
)  # fmt: skip
async def signup(
    server: AuthServerDep,
    client: ClientDep,
    mailer: MailerDep,
    body: Annotated[RegisterBody, Depends(JsonBody(RegisterBody))],
    redirect_to: RedirectTo = None,
) -> Response:
    """Make an account; answers with a session where no confirmation of the address is asked for.

    Where it is, the answer for an address that is taken is the same as for a new one, so that nobody learns who has an
    account here. A password and data for an address that nobody has confirmed wait for their own mail.
    """
    in_force = mailer.in_force
    if body.email is None and body.password is None:
        return await _anonymous(server, client, in_force, body)
    if body.email is None or body.password is None:
        lacking = "email" if body.email is None else "password"
        wrong = [FieldError(("body", lacking), "input.invalid", "Field required")]
        raise InputInvalid("The body is not what is wanted here.", errors=wrong)
    in_force.refuse_sign_up()
    columns = own_columns(server, body.data or {}, new=True)
    to, least = in_force.redirect(redirect_to), in_force.said.password.min_length
    async with server.pool.lease() as connection:
        who = await let_in(server.hooks, connection, normal_email(body.email), columns)
    email, digest = await new_credentials(server.auth.passwords, body.email, body.password, least)
    attempt_ = OneTime("confirmation", None, email, None, body.challenge, to, digest, body.data or {})
    if in_force.confirm_email:
        await begun(server, mailer, email, redirect_to)
        return answer(user_object(await _to_be_confirmed(server, mailer, who, attempt_, columns)))
    try:
        async with server.pool.lease() as connection, connection.transaction():
            user_id = await create_user(connection, who, digest, columns, confirmed=True)
            await audit(connection, f"user:{user_id}", "sign_up", user_id)
            opened = await open_session(connection, user_id, *client, in_force.said.sessions)
            return answer(session_answer(server, await found_account(connection, user_id), opened))
    except EmailTaken:
        async with server.pool.lease() as connection:
            await audit(connection, "anonymous", "sign_up.email_taken", None)
        raise


async def _to_be_confirmed(
    server: AuthServer, mailer: Mailer, who: LetIn, of: OneTime, columns: dict[str, object]
) -> Account:
    """Make an account and mail its link, or for an address that is taken do the same work; gives what is answered.

    A taken address that nobody has confirmed gets a link for this attempt as well.
    """
    async with server.pool.lease() as connection, connection.transaction():
        joined = await join(connection, who, of.password_hash, columns)
        await mailer.send_link(connection, replace(of, user_id=joined.user_id if joined.waits else None))
        if joined.is_new:
            await audit(connection, f"user:{joined.user_id}", "sign_up", joined.user_id)
        else:
            await audit(connection, "anonymous", "sign_up.email_taken", None)
        return joined.looks


async def _anonymous(server: AuthServer, client: Client, in_force: InForce, body: RegisterBody) -> Response:
    if not in_force.said.anonymous:
        raise AnonymousOff
    columns, said = own_columns(server, body.data or {}, new=True), in_force.said.sessions
    async with server.pool.lease() as connection, connection.transaction():
        user_id = await create_anonymous(connection, server.hooks, client.address, columns)
        await audit(connection, f"user:{user_id}", "sign_up.anonymous", user_id)
        opened = await open_session(connection, user_id, *client, said, method=METHOD)
        found = await found_account(connection, user_id)
    return answer(session_answer(server, found, opened))


@refuses(
    GrantUnsupported, InputInvalid, SignInRefused, EmailNotConfirmed, AccountDisabled, TooManyFailures,
    RefreshTokenInvalid, PasswordRefused, FlowCodeInvalid, VerifierWrong, ProviderUnknown, IdTokenRefused,
    IdentityTaken, IssuerUnreachable, SignUpClosed, SignUpRefused, SignInNeeded, SecondFactorNeeded,
    *CREDENTIAL_REFUSALS, *WRITE_REFUSALS,
)  # fmt: skip
async def token(
    request: Request,
    server: AuthServerDep,
    client: ClientDep,
    mailer: MailerDep,
    grant: Annotated[Grant, Depends(GrantBody())],
) -> Response:
    """Give a session for a password, a refresh token, the code of a flow or a provider's ID token.

    The OAuth2 form is taken too.
    """
    if grant.kind == "password":
        return await _by_password(server, client, mailer.in_force.said.sessions, checked(grant.fields, PasswordBody))
    if grant.kind == "refresh_token":
        return await _by_refresh_token(server, mailer.in_force.said.sessions, checked(grant.fields, RefreshBody))
    if grant.kind == "pkce":
        flow = checked(grant.fields, PkceBody)
        return answer(await exchanged_code(server, client, mailer, flow.auth_code, flow.code_verifier))
    if grant.kind == "id_token":
        opened = await by_id_token(request, server, client, mailer, checked(grant.fields, IdTokenBody))
        async with server.pool.lease() as connection:
            found = await found_account(connection, opened.user_id)
        return answer(session_answer(server, found, opened))
    raise GrantUnsupported("The grant type is not served.", hint="Use password, refresh_token, pkce or id_token.")


async def _by_password(server: AuthServer, client: Client, said: SessionsDef, body: PasswordBody) -> Response:
    pool, passwords = server.pool, server.auth.passwords
    async with attempt(pool, "user", body.email, client.address).counting(SignInRefused):
        async with pool.lease() as connection:
            stored = await stored_account(connection, body.email)
        # No connection is held while a password is hashed: a flood of sign-ins must not starve the other requests.
        verified = await verify_noted(pool, passwords, stored, body.password, client.address)
    async with pool.lease() as connection, connection.transaction():
        opened = await begin(connection, verified, *client, said)
        await audit(connection, f"user:{opened.user_id}", "sign_in", None)
        found = await found_account(connection, opened.user_id)
    return answer(session_answer(server, found, opened))


async def _by_refresh_token(server: AuthServer, said: SessionsDef, body: RefreshBody) -> Response:
    async with server.pool.lease() as connection:
        async with connection.transaction():
            opened = await refresh_session(connection, body.refresh_token, server.auth.refresh_key, said)
            if isinstance(opened, Reused):
                await audit(connection, "anonymous", "refresh_token.reuse", opened.session_id)
        if isinstance(opened, Reused):
            raise RefreshTokenReused
        found = await found_account(connection, opened.user_id)
    return answer(session_answer(server, found, opened))


async def get_user(server: AuthServerDep, identity: SignedInAnyhow) -> Response:
    """Give the own account."""
    async with server.pool.lease() as connection:
        return answer(user_object(await found_account(connection, str(identity.user_id))))


async def logout(
    server: AuthServerDep, identity: SignedInAnyhow, scope: Literal["global", "local", "others"] = "global"
) -> Response:
    """End this session, all of them, or the others."""
    user_id, session_id = str(identity.user_id), str(identity.session_id)
    async with server.pool.lease() as connection, connection.transaction():
        if scope == "local":
            await end_sessions(connection, session_id=session_id)
        else:
            await end_sessions(connection, user_id=user_id, but=session_id if scope == "others" else None)
        await audit(connection, f"user:{user_id}", "sign_out", None, {"scope": scope})
    return Response(status_code=204)


async def get_settings(server: AuthServerDep) -> Response:
    """Say what sign-in offers, by what is served now: anybody may ask for it as often as they like."""
    in_force = InForce(server.live.runtime.project.auth, server.settings)
    offered = AuthSettings(
        external=SignInWays(email=True, phone=False, anonymous_users=in_force.said.anonymous),
        disable_signup=in_force.said.sign_up != "open",
        mailer_autoconfirm=not in_force.confirm_email,
        phone_autoconfirm=False,
        sms_provider="",
        saml_enabled=False,
    )
    return answer(offered)


async def health() -> Response:
    """Say that the routes are there."""
    return answer(AuthHealth(version=own_version(), name="Rowgate", description="speaks the GoTrue dialect"))
