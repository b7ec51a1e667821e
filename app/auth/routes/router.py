"""Sign-up, sign-in, refresh, the own account and sign-out."""

from typing import Any, ClassVar
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response

from app.auth.accounts import (
    Account,
    SignInRefused,
    account,
    change_password,
    check_password,
    normal_email,
    set_columns,
    sign_up,
)
from app.auth.audit import audit
from app.auth.identify import AuthContext, identify
from app.auth.identity import Identity
from app.auth.route_limits import RouteLimits
from app.auth.routes.body import Body, BodyInvalid, checked, read, read_json
from app.auth.routes.shapes import session_object, user_object
from app.auth.sessions import OpenedSession, RefreshTokenInvalid, end_sessions, open_session, refresh_session
from app.client_address import client_address
from app.definitions.validation import object_validator
from app.errors import FieldError, RowgateError
from app.json_answer import to_json
from app.rate_limits import Limiter, parse_limit
from app.read_body import read_body

ACCOUNT_FAILURES = parse_limit("5/15 minutes")
ADDRESS_FAILURES = parse_limit("20/minute")
FORM = "application/x-www-form-urlencoded"


class SignInNeeded(RowgateError):
    """The route is about the own account, and nobody is signed in."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "access.sign_in_required"

    def __init__(self) -> None:
        """Add the challenge of RFC 6750."""
        super().__init__("Sign in first.", headers={"WWW-Authenticate": 'Bearer realm="rowgate"'})


class GrantUnsupported(RowgateError):
    """A grant type that isn't served."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "auth.grant_unsupported"


class TooManyFailures(RowgateError):
    """Too many wrong passwords for one account from one address."""

    status: ClassVar[int] = 429
    code: ClassVar[str] = "auth.too_many_failures"


class SignUpBody(Body):
    """What auth-js sends to sign up; `data` are columns of the person that may be set by oneself."""

    email: str
    password: str
    data: dict[str, Any] | None = None
    gotrue_meta_security: dict[str, Any] | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None


class PasswordBody(Body):
    """What auth-js sends to sign in."""

    email: str
    password: str
    gotrue_meta_security: dict[str, Any] | None = None


class RefreshBody(Body):
    """What auth-js sends to refresh."""

    refresh_token: str


class UserBody(Body):
    """What auth-js sends to change the own account; `current_password` goes with a new password."""

    data: dict[str, Any] | None = None
    password: str | None = None
    current_password: str | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None


def answer(value: Any, status: int = 200) -> Response:
    """Answer with JSON that nobody caches."""
    return Response(to_json(value), status, {"Cache-Control": "no-store"}, media_type="application/json")


def auth_router(limits: RouteLimits) -> APIRouter:
    """Give the routes of /auth/v1."""
    router = APIRouter(prefix="/auth/v1", include_in_schema=False)
    router.add_api_route("/signup", limits.at_most("300/minute")(signup), methods=["POST"])
    router.add_api_route("/token", limits.at_most("600/minute")(token), methods=["POST"])
    router.add_api_route("/user", get_user, methods=["GET"])
    router.add_api_route("/user", limits.at_most("60/minute")(put_user), methods=["PUT"])
    router.add_api_route("/logout", logout, methods=["POST"])
    router.add_api_route("/settings", get_settings, methods=["GET"])
    router.add_api_route("/health", health, methods=["GET"])
    return router


async def signup(request: Request) -> Response:
    """Make an account; answers with a session where no confirmation of the address is asked for."""
    body = await read(request, SignUpBody)
    state = request.app.state
    columns = own_columns(state, body.data or {})
    confirmed = not state.settings.confirm_email
    async with state.pool.lease() as connection, connection.transaction():
        user_id = await sign_up(connection, state.passwords, body.email, body.password, columns, confirmed=confirmed)
        await audit(connection, f"user:{user_id}", "sign_up", user_id)
        found = await _found(connection, user_id)
        if not confirmed:
            return answer(user_object(found))
        opened = await open_session(connection, user_id, *_client(request))
    return answer(_session(state.auth, found, opened))


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
    form = dict(pairs)
    if len(form) != len(pairs):
        raise BodyInvalid("A field stands twice.")
    kind = form.pop("grant_type", None) or kind or "password"
    renamed = {"username": "email"}
    known = {"username", "email", "password", "refresh_token"}
    return kind, {renamed.get(name, name): value for name, value in form.items() if name in known}


async def _by_password(request: Request, body: PasswordBody) -> Response:
    state = request.app.state
    failures = Failures(request, body.email)
    await failures.refuse_if_spent()
    async with state.pool.lease() as connection:
        # Outside a transaction: what a refusal writes to the audit log stays.
        try:
            found = await check_password(connection, state.passwords, body.email, body.password)
        except SignInRefused:
            await failures.count()
            raise
        async with connection.transaction():
            opened = await open_session(connection, found.id, *_client(request))
            await audit(connection, f"user:{found.id}", "sign_in", None)
    return answer(_session(state.auth, found, opened))


class Failures:
    """Wrong passwords, counted for an account together with an address, and for the address.

    A stranger's failures so never lock an account's owner out.
    """

    def __init__(self, request: Request, email: str) -> None:
        """Take who tries, and for which account."""
        state = request.app.state
        try:
            account_key = normal_email(email)
        except RowgateError:
            account_key = "?"
        address = client_address(request.scope, state.settings.trusted_proxies)
        self._limiter: Limiter = state.limiter
        self._counted = (
            (ACCOUNT_FAILURES, "sign_in.account", f"{account_key}|{address}"),
            (ADDRESS_FAILURES, "sign_in.address", address),
        )

    async def refuse_if_spent(self) -> None:
        """Raise TooManyFailures where there were too many; raises StoreUnavailable rather than not to know."""
        for limit, scope, key in self._counted:
            if await self._limiter.is_spent(limit, scope, key):
                headers = {"Retry-After": str(limit.period)}
                raise TooManyFailures("Too many wrong passwords.", hint="Wait, then try again.", headers=headers)

    async def count(self) -> None:
        """Count one."""
        for limit, scope, key in self._counted:
            await self._limiter.hit(limit, scope, key)


async def _by_refresh_token(request: Request, body: RefreshBody) -> Response:
    state = request.app.state
    async with state.pool.lease() as connection:
        async with connection.transaction():
            opened = await refresh_session(connection, body.refresh_token)
            if opened is None:
                await audit(connection, "anonymous", "refresh_token.reuse", None)
        if opened is None:
            raise RefreshTokenInvalid
        found = await _found(connection, opened.user_id)
    return answer(_session(state.auth, found, opened))


async def get_user(request: Request) -> Response:
    """Give the own account."""
    identity = await _signed_in(request)
    async with request.app.state.pool.lease() as connection:
        return answer(user_object(await _found(connection, str(identity.user_id))))


async def put_user(request: Request) -> Response:
    """Change the columns that one may change oneself, or the password."""
    identity = await _signed_in(request)
    body = await read(request, UserBody)
    state = request.app.state
    user_id = str(identity.user_id)
    columns = own_columns(state, body.data or {})
    async with state.pool.lease() as connection, connection.transaction():
        await set_columns(connection, user_id, columns)
        if body.password is not None:
            await change_password(
                connection, state.passwords, user_id, str(identity.session_id), body.current_password, body.password
            )
            await audit(connection, f"user:{user_id}", "password.change", None)
        found = await _found(connection, user_id)
    return answer(user_object(found))


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
    confirms = request.app.state.settings.confirm_email
    return answer({"external": {"email": True}, "disable_signup": False, "mailer_autoconfirm": not confirms})


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


def own_columns(state: Any, data: dict[str, Any]) -> dict[str, Any]:
    """Check columns that people may set themselves; raises BodyInvalid with every one that isn't or doesn't fit."""
    runtime = state.live.runtime
    fields = {one.name: one for one in runtime.project.users.columns if one.self_editable}
    found, errors = object_validator(fields, runtime.bigints).read({**data})
    wrong = [
        FieldError(("body", "data", *one.loc), one.code, one.message)
        for one in errors
        if one.code != "input.required" or one.loc[0] in data
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
