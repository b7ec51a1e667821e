"""Sign-up, sign-in, refresh, the own account and sign-out."""

from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request, Response

from app.audit.writing import audit
from app.auth.accounts import (
    Account,
    EmailChangeRefused,
    EmailTaken,
    account,
    create_user,
    new_credentials,
    new_password,
    normal_email,
    password_hash,
    replace_password,
    set_columns,
)
from app.auth.api_keys import ApiKeyInvalid
from app.auth.failures import attempt
from app.auth.identify import AuthContext, identify, identify_now
from app.auth.identity import Identity
from app.auth.password_sign_in import SignInRefused, begin, stored_account, verify_noted
from app.auth.refresh_tokens import RefreshTokenInvalid, Reused
from app.auth.route_limits import RouteLimits
from app.auth.routes.body import Body, BodyInvalid, checked, read, read_json
from app.auth.routes.shapes import new_id, session_object, user_object
from app.auth.sessions import OpenedSession, end_sessions, open_session, refresh_session
from app.definitions.validation import object_validator
from app.errors import FieldError, RowgateError
from app.http.challenge import challenge
from app.http.client_address import client_address
from app.http.json_answer import to_json
from app.http.json_body import check_texts
from app.http.read_body import read_body

FORM = "application/x-www-form-urlencoded"


class SignInNeeded(RowgateError):
    """The route is about the own account, and nobody is signed in."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "access.sign_in_required"

    def __init__(self) -> None:
        """Add the challenge of RFC 6750."""
        super().__init__("Sign in first.", headers=challenge())


class GrantUnsupported(RowgateError):
    """A grant type that isn't served."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "auth.grant_unsupported"


class RegisterBody(Body):
    """What auth-js sends to sign up; `data` are columns of the person that may be set by oneself."""

    email: str
    password: str
    data: dict[str, Any] | None = None
    gotrue_meta_security: dict[str, Any] | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None


class PasswordBody(Body):
    """What GoTrue's clients send to sign in; `data`, which the Python client sends along, changes nothing."""

    email: str
    password: str
    data: dict[str, Any] | None = None
    gotrue_meta_security: dict[str, Any] | None = None


class RefreshBody(Body):
    """What auth-js sends to refresh."""

    refresh_token: str


class UserBody(Body):
    """What auth-js sends to change the own account; `current_password` goes with a new password."""

    email: str | None = None
    data: dict[str, Any] | None = None
    password: str | None = None
    current_password: str | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None


def answer(value: Any, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(to_json(value), status, media_type="application/json")


def auth_router(limits: RouteLimits) -> APIRouter:
    """Give the routes of /auth/v1."""
    router = APIRouter(prefix="/auth/v1", include_in_schema=False, dependencies=[Depends(_check_apikey)])
    router.add_api_route("/signup", limits.at_most("300/minute")(signup), methods=["POST"])
    router.add_api_route("/token", limits.at_most("600/minute")(token), methods=["POST"])
    router.add_api_route("/user", get_user, methods=["GET"])
    router.add_api_route("/user", limits.at_most("60/minute")(put_user), methods=["PUT"])
    router.add_api_route("/logout", logout, methods=["POST"])
    router.add_api_route("/settings", get_settings, methods=["GET"])
    router.add_api_route("/health", health, methods=["GET"])
    router.add_api_route("/.well-known/jwks.json", jwks, methods=["GET"])
    return router


async def _check_apikey(request: Request) -> None:
    """Refuse an apikey header that is there but bad, also where none is needed; asks the database nothing."""
    given = request.headers.getlist("apikey")
    if len(given) > 1:
        raise ApiKeyInvalid
    if given:
        identify_now(None, given[0], context=request.app.state.auth)


async def signup(request: Request) -> Response:
    """Make an account; answers with a session where no confirmation of the address is asked for.

    Where it is, the answer for an address that is taken is the same as for a new one, so that nobody learns who has an
    account here.
    """
    body = await read(request, RegisterBody)
    state = request.app.state
    columns = own_columns(state, body.data or {}, new=True)
    confirmed = not state.settings.confirm_email
    email, digest = await new_credentials(state.passwords, body.email, body.password)
    try:
        async with state.pool.lease() as connection, connection.transaction():
            user_id = await create_user(connection, email, digest, columns, confirmed=confirmed)
            await audit(connection, f"user:{user_id}", "sign_up", user_id)
            opened = await open_session(connection, user_id, *_client(request)) if confirmed else None
            found = await _found(connection, user_id)
    except EmailTaken:
        # Written for both, so that both take the same time.
        async with state.pool.lease() as connection:
            await audit(connection, "anonymous", "sign_up.email_taken", None)
        if confirmed:
            raise
        return answer(user_object(_lookalike(state, email, columns)))
    return answer(user_object(found) if opened is None else _session(state.auth, found, opened))


def _lookalike(state: Any, email: str, columns: dict[str, Any]) -> Account:
    """Give what an account made just now would look like."""
    users = state.live.runtime.project.users
    fields = {one.name: one for one in users.columns}
    defaults, _ = object_validator(fields, state.live.runtime.bigints).read({})
    metadata = {name: columns.get(name, defaults.get(name)) for name in fields}
    return Account(new_id(), email, metadata, (), datetime.now(UTC), None, None, disabled=False)


async def token(request: Request) -> Response:
    """Give a session for a password or a refresh token; the OAuth2 form is taken too."""
    kind, fields = await _grant(request)
    if kind == "password":
        return await _by_password(request, checked(fields, PasswordBody))
    if kind == "refresh_token":
        return await _by_refresh_token(request, checked(fields, RefreshBody))
    raise GrantUnsupported("The grant type is not served.", hint="Use password or refresh_token.")


async def _grant(request: Request) -> tuple[str | None, dict[str, Any]]:
    kind = request.query_params.get("grant_type")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM:
        value = await read_json(request)
        if not isinstance(value, dict):
            raise BodyInvalid("The body has to be a JSON object.")
        return kind, value
    raw = await read_body(request.receive, request.scope["headers"], limit=8192, media_types={FORM})
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict")
    except (ValueError, UnicodeDecodeError):
        raise BodyInvalid("The body is no form.") from None
    check_texts([value for _, value in pairs])
    form = dict(pairs)
    if len(form) != len(pairs):
        raise BodyInvalid("A field stands twice.")
    kind = form.pop("grant_type", None) or kind or "password"
    renamed = {"username": "email"}
    known = {"username", "email", "password", "refresh_token"}
    return kind, {renamed.get(name, name): value for name, value in form.items() if name in known}


async def _by_password(request: Request, body: PasswordBody) -> Response:
    state = request.app.state
    user_agent, address = _client(request)
    tried = attempt(state.pool, "user", body.email, address)
    await tried.begin()
    async with state.pool.lease() as connection:
        stored = await stored_account(connection, body.email)
    try:
        # No connection is held while a password is hashed: a flood of sign-ins must not starve the other requests.
        verified = await verify_noted(state.pool, state.passwords, stored, body.password, address)
    except SignInRefused:
        await tried.failed()
        raise
    await tried.succeeded()
    async with state.pool.lease() as connection, connection.transaction():
        opened = await begin(connection, verified, user_agent, address)
        await audit(connection, f"user:{opened.user_id}", "sign_in", None)
        found = await _found(connection, opened.user_id)
    return answer(_session(state.auth, found, opened))


async def _by_refresh_token(request: Request, body: RefreshBody) -> Response:
    state = request.app.state
    async with state.pool.lease() as connection:
        async with connection.transaction():
            opened = await refresh_session(connection, body.refresh_token, state.auth.refresh_key)
            if isinstance(opened, Reused):
                await audit(connection, "anonymous", "refresh_token.reuse", opened.session_id)
        if isinstance(opened, Reused):
            raise RefreshTokenInvalid
        found = await _found(connection, opened.user_id)
    return answer(_session(state.auth, found, opened))


async def get_user(request: Request) -> Response:
    """Give the own account."""
    identity = await _signed_in(request)
    async with request.app.state.pool.lease() as connection:
        return answer(user_object(await _found(connection, str(identity.user_id))))


async def put_user(request: Request) -> Response:
    """Change the columns that one may change oneself, the password, or the address."""
    identity = await _signed_in(request)
    body = await read(request, UserBody)
    state = request.app.state
    user_id = str(identity.user_id)
    columns = own_columns(state, body.data or {}, new=False)
    if body.email is not None:
        columns["email"] = _changed_email(state, identity, body.email)
    new = None
    if body.password is not None:
        async with state.pool.lease() as connection:
            before = await password_hash(connection, user_id)
        email = str(identity.columns["email"])
        new = await new_password(state.passwords, email, before, body.current_password, body.password)
    async with state.pool.lease() as connection, connection.transaction():
        await set_columns(connection, user_id, columns)
        if new is not None:
            await replace_password(connection, user_id, new, keep=identity.session_id)
        done = [*sorted(columns), *(["password"] if new is not None else [])]
        await audit(connection, f"user:{user_id}", "user.change", user_id, {"changed": done})
        found = await _found(connection, user_id)
    return answer(user_object(found))


def _changed_email(state: Any, identity: Identity, text: str) -> str:
    email = normal_email(text)
    if state.settings.confirm_email and email != identity.columns["email"]:
        raise EmailChangeRefused
    return email


async def logout(request: Request) -> Response:
    """End this session, all of them, or the others."""
    identity = await _signed_in(request)
    scope = request.query_params.get("scope", "global")
    if scope not in {"global", "local", "others"}:
        raise BodyInvalid("The scope is global, local or others.")
    user_id, session_id = str(identity.user_id), str(identity.session_id)
    async with request.app.state.pool.lease() as connection, connection.transaction():
        if scope == "local":
            await end_sessions(connection, session_id=session_id)
        else:
            await end_sessions(connection, user_id=user_id, but=session_id if scope == "others" else None)
        await audit(connection, f"user:{user_id}", "sign_out", None, {"scope": scope})
    return Response(status_code=204)


async def get_settings(request: Request) -> Response:
    """Say what sign-in offers."""
    offered = {
        "external": {"email": True, "phone": False, "anonymous_users": False},
        "disable_signup": False,
        "mailer_autoconfirm": not request.app.state.settings.confirm_email,
        "phone_autoconfirm": False,
        "sms_provider": "",
        "saml_enabled": False,
    }
    return answer(offered)


async def jwks() -> Response:
    """Publish the public keys that tokens are verified with: none, since they are signed with a shared secret."""
    return answer({"keys": []})


async def health() -> Response:
    """Say that the routes are there."""
    return answer({"name": "Rowgate", "description": "speaks the GoTrue dialect"})


async def _signed_in(request: Request) -> Identity:
    """Give the user who calls, read afresh; an API key is nobody's account."""
    authorization = request.headers.getlist("authorization")
    if len(authorization) > 1:
        raise SignInNeeded
    state = request.app.state
    schemes = state.live.runtime.project.project.auth_schemes
    bearer = authorization[0] if authorization else None
    identity = await identify(bearer, request.headers.get("apikey"), context=state.auth, schemes=schemes)
    if identity.user_id is None:
        raise SignInNeeded
    return identity


def own_columns(state: Any, data: dict[str, Any], *, new: bool) -> dict[str, Any]:
    """Check columns that people may set themselves; raises BodyInvalid with every one that isn't or doesn't fit.

    `new` asks for the required ones too.
    """
    runtime = state.live.runtime
    fields = {one.name: one for one in runtime.project.users.columns if one.self_editable}
    found, errors = object_validator(fields, runtime.bigints).read(data)
    wrong = [
        FieldError(("body", "data", *one.loc), one.code, one.message)
        for one in errors
        if new or one.code != "input.required" or one.loc[0] in data
    ]
    if wrong:
        raise BodyInvalid("The data is not what a person may set.", errors=wrong)
    return {name: found[name] for name in data}


async def _found(connection: Any, user_id: str) -> Account:
    found = await account(connection, user_id)
    if found is None:
        raise SignInNeeded
    return found


def _session(context: AuthContext, found: Account, opened: OpenedSession) -> dict[str, Any]:
    return session_object(found, context.tokens.issue(opened.user_id, opened.id), opened.refresh_token)


def _client(request: Request) -> tuple[str | None, str]:
    trusted = request.app.state.settings.trusted_proxies
    return request.headers.get("user-agent"), client_address(request.scope, trusted)
