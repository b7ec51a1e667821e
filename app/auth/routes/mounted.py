"""Sign-up, sign-in, refresh, the own account and sign-out."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response

from app.audit.writing import audit
from app.auth.accounts import (
    Account,
    EmailChangeRefused,
    EmailInvalid,
    EmailTaken,
    account,
    create_user,
    new_credentials,
    normal_email,
    set_columns,
)
from app.auth.anonymous_users import METHOD, AnonymousOff, TooManyAnonymous, create_anonymous, given_address
from app.auth.api_keys import ApiKeyInvalid
from app.auth.auth_server import AuthServer, AuthServerDep, ServedDefinitions
from app.auth.factors import SecondFactorNeeded
from app.auth.failures import TooManyFailures, attempt
from app.auth.identify import CREDENTIAL_REFUSALS, identify_now
from app.auth.identity import Identity
from app.auth.in_force import InForce, InForceDep, SignUpClosed
from app.auth.password_change import (
    NewPassword,
    PasswordMissing,
    PasswordWrong,
    chosen,
    given,
    holder,
    replace_password,
)
from app.auth.password_sign_in import (
    AccountDisabled,
    EmailNotConfirmed,
    SignInRefused,
    begin,
    stored_account,
    verify_noted,
)
from app.auth.passwords import PasswordRefused, SentPassword, UserPassword
from app.auth.refresh_tokens import RefreshTokenInvalid, RefreshTokenReused, Reused
from app.auth.route_limits import RouteLimits
from app.auth.routes.admin_users import add_admin_routes
from app.auth.routes.client import Client, ClientDep
from app.auth.routes.factors import add_factor_routes, hold_level
from app.auth.routes.grants import Grant, GrantBody, GrantUnsupported, PasswordBody, RefreshBody
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
    issued_session,
    new_id,
    user_object,
)
from app.auth.routes.signed_in import SignedIn, SignedInAnyhow, SignInNeeded
from app.auth.sessions import OpenedSession, end_sessions, open_session, refresh_session
from app.database.connection import Connection
from app.database.faults import WRITE_REFUSALS
from app.definitions.auth import SessionsDef
from app.definitions.validation import object_validator
from app.errors import FieldError
from app.http.fixed_bodies import Body, JsonBody, checked
from app.http.fixed_routes import FixedRouter, InputInvalid, answer, refuses


class RegisterBody(Body):
    """What auth-js sends to sign up; `data` are columns of the person that may be set by oneself.

    An anonymous user has neither address nor password.
    """

    email: str | None = None
    password: UserPassword | None = None
    data: dict[str, Any] | None = None
    gotrue_meta_security: dict[str, object] | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None


class UserBody(Body):
    """What auth-js sends to change the own account; `current_password` goes with a new password."""

    email: str | None = None
    data: dict[str, Any] | None = None
    password: UserPassword | None = None
    current_password: SentPassword | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None


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
    EmailInvalid, EmailTaken, PasswordRefused, SignUpClosed, AnonymousOff, TooManyAnonymous, *WRITE_REFUSALS
)  # fmt: skip
async def signup(
    server: AuthServerDep,
    client: ClientDep,
    in_force: InForceDep,
    body: Annotated[RegisterBody, Depends(JsonBody(RegisterBody))],
) -> Response:
    """Make an account; answers with a session where no confirmation of the address is asked for.

    Where it is, the answer for an address that is taken is the same as for a new one, so that nobody learns who has an
    account here.
    """
    if body.email is None and body.password is None:
        return await _anonymous(server, client, in_force, body)
    if body.email is None or body.password is None:
        lacking = "email" if body.email is None else "password"
        wrong = [FieldError(("body", lacking), "input.invalid", "Field required")]
        raise InputInvalid("The body is not what is wanted here.", errors=wrong)
    in_force.refuse_sign_up()
    columns = own_columns(server.live.runtime, body.data or {}, new=True)
    said, confirmed, least = in_force.said.sessions, not in_force.confirm_email, in_force.said.password.min_length
    email, digest = await new_credentials(server.auth.passwords, body.email, body.password, least)
    try:
        async with server.pool.lease() as connection, connection.transaction():
            user_id = await create_user(connection, email, digest, columns, confirmed=confirmed)
            await audit(connection, f"user:{user_id}", "sign_up", user_id)
            opened = await open_session(connection, user_id, *client, said) if confirmed else None
            found = await _found(connection, user_id)
    except EmailTaken:
        # Written for both, so that both take the same time.
        async with server.pool.lease() as connection:
            await audit(connection, "anonymous", "sign_up.email_taken", None)
        if confirmed:
            raise
        return answer(user_object(_lookalike(server.live.runtime, email, columns)))
    return answer(user_object(found) if opened is None else _session(server, said, found, opened))


async def _anonymous(server: AuthServer, client: Client, in_force: InForce, body: RegisterBody) -> Response:
    if not in_force.said.anonymous:
        raise AnonymousOff
    columns, said = own_columns(server.live.runtime, body.data or {}, new=True), in_force.said.sessions
    async with server.pool.lease() as connection, connection.transaction():
        user_id = await create_anonymous(connection, client.address, columns)
        await audit(connection, f"user:{user_id}", "sign_up.anonymous", user_id)
        opened = await open_session(connection, user_id, *client, said, method=METHOD)
        found = await _found(connection, user_id)
    return answer(_session(server, said, found, opened))


def _lookalike(served: ServedDefinitions, email: str, columns: Mapping[str, object]) -> Account:
    """Give what an account made just now would look like."""
    fields = {one.name: one for one in served.project.users.columns}
    defaults, _ = object_validator(fields, served.keys).read({})
    metadata = {name: columns.get(name, defaults.get(name)) for name in fields}
    return Account(new_id(), email, metadata, (), datetime.now(UTC), None, None, disabled=False)


@refuses(
    GrantUnsupported, InputInvalid, SignInRefused, EmailNotConfirmed, AccountDisabled, TooManyFailures,
    RefreshTokenInvalid, PasswordRefused,
)  # fmt: skip
async def token(
    server: AuthServerDep, client: ClientDep, in_force: InForceDep, grant: Annotated[Grant, Depends(GrantBody())]
) -> Response:
    """Give a session for a password or a refresh token; the OAuth2 form is taken too."""
    if grant.kind == "password":
        return await _by_password(server, client, in_force.said.sessions, checked(grant.fields, PasswordBody))
    if grant.kind == "refresh_token":
        return await _by_refresh_token(server, in_force.said.sessions, checked(grant.fields, RefreshBody))
    raise GrantUnsupported("The grant type is not served.", hint="Use password or refresh_token.")


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
        found = await _found(connection, opened.user_id)
    return answer(_session(server, said, found, opened))


async def _by_refresh_token(server: AuthServer, said: SessionsDef, body: RefreshBody) -> Response:
    async with server.pool.lease() as connection:
        async with connection.transaction():
            opened = await refresh_session(connection, body.refresh_token, server.auth.refresh_key, said)
            if isinstance(opened, Reused):
                await audit(connection, "anonymous", "refresh_token.reuse", opened.session_id)
        if isinstance(opened, Reused):
            raise RefreshTokenReused
        found = await _found(connection, opened.user_id)
    return answer(_session(server, said, found, opened))


async def get_user(server: AuthServerDep, identity: SignedInAnyhow) -> Response:
    """Give the own account."""
    async with server.pool.lease() as connection:
        return answer(user_object(await _found(connection, str(identity.user_id))))


@refuses(
    EmailInvalid, EmailTaken, EmailChangeRefused, PasswordRefused, PasswordWrong, TooManyFailures, SecondFactorNeeded,
    *WRITE_REFUSALS
)  # fmt: skip
async def put_user(
    server: AuthServerDep,
    client: ClientDep,
    identity: SignedIn,
    in_force: InForceDep,
    body: Annotated[UserBody, Depends(JsonBody(UserBody))],
) -> Response:
    """Change the columns that one may change oneself, the password, or the address."""
    user_id = str(identity.user_id)
    columns = own_columns(server.live.runtime, body.data or {}, new=False)
    if body.email is not None:
        columns["email"] = _changed_email(in_force, identity, body.email)
    if body.password is not None and "email" not in columns and identity.env["is_anonymous"]:
        raise InputInvalid("An anonymous user has no password.", hint="Send an email with it.")
    new = await _chosen(server, client, in_force, user_id, body)
    async with server.pool.lease() as connection, connection.transaction():
        if in_force.said.second_factor != "off" and ("email" in columns or new is not None):
            await hold_level(connection, identity)
        await set_columns(connection, user_id, columns)
        if "email" in columns and identity.env["is_anonymous"]:
            await given_address(connection, user_id)
        if new is not None:
            await replace_password(connection, new, keep=identity.session_id)
        done = [*sorted(columns), *(["password"] if new is not None else [])]
        await audit(connection, f"user:{user_id}", "user.change", user_id, {"changed": done})
        found = await _found(connection, user_id)
    return answer(user_object(found))


async def _chosen(
    server: AuthServer, client: Client, in_force: InForce, user_id: str, body: UserBody
) -> NewPassword | None:
    """Hash another password, if one was sent; a present one that was sent has to be right, asked for or not."""
    if body.password is None:
        return None
    async with server.pool.lease() as connection:
        of = await holder(connection, "user", user_id)
    if of is None:
        raise SignInNeeded
    passwords, said = server.auth.passwords, in_force.said.password
    if body.current_password is not None:
        return await chosen(
            server.pool, passwords, of, body.current_password, body.password, client.address, least=said.min_length
        )
    if said.current:
        raise PasswordMissing
    return await given(passwords, of, body.password, said.min_length)


def _changed_email(in_force: InForce, identity: Identity, text: str) -> str:
    email = normal_email(text)
    if in_force.confirm_email and email != identity.columns["email"]:
        raise EmailChangeRefused
    return email


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


async def get_settings(in_force: InForceDep) -> Response:
    """Say what sign-in offers."""
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
    return answer(AuthHealth(version=version("rowgate"), name="Rowgate", description="speaks the GoTrue dialect"))


def own_columns(served: ServedDefinitions, data: dict[str, object], *, new: bool) -> dict[str, object]:
    """Check columns that people may set themselves; raises InputInvalid with every one that isn't or doesn't fit.

    `new` asks for the required ones too.
    """
    fields = {one.name: one for one in served.project.users.columns if one.self_editable}
    found, errors = object_validator(fields, served.keys).read(data)
    wrong = [
        FieldError(("body", "data", *one.loc), one.code, one.message)
        for one in errors
        if new or one.code != "input.required" or one.loc[0] in data
    ]
    if wrong:
        raise InputInvalid("The data is not what a person may set.", errors=wrong)
    return {name: found[name] for name in data}


async def _found(connection: Connection, user_id: str) -> Account:
    found = await account(connection, user_id)
    if found is None:
        raise SignInNeeded
    return found


def _session(server: AuthServer, said: SessionsDef, found: Account, opened: OpenedSession) -> SessionObject:
    return issued_session(server.auth.tokens, said, found, opened)
