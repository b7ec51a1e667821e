"""What GoTrue's clients read: users, sessions and errors with its members."""

import secrets
import time
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict

from app.auth.accounts import Account
from app.auth.tokens import IssuedToken
from app.errors import RowgateError
from app.http.fixed_routes import Declared, ProblemDocument

_BASE = frozenset({"id", "email", "created_at"})


class AuthProblem(ProblemDocument):
    """A refusal with what GoTrue's clients read as well, and on the token route what OAuth2's do (RFC 6749, 5.2)."""

    model_config = ConfigDict(title="AuthProblem")

    error_code: str
    msg: str
    weak_password: dict[str, list[str]] | None = None
    error: str | None = None
    error_description: str | None = None


class AppMetadata(Declared):
    """How somebody signs in, and the roles."""

    provider: str
    providers: list[str]
    roles: list[str]


class UserObject(Declared):
    """A user; the columns that admins added are the `user_metadata`, the roles stand in `app_metadata`."""

    id: str
    aud: str
    role: str
    email: str
    phone: str
    email_confirmed_at: datetime | None
    confirmed_at: datetime | None
    last_sign_in_at: datetime | None
    app_metadata: AppMetadata
    user_metadata: Mapping[str, Any]
    identities: list[Any]
    created_at: datetime
    updated_at: datetime
    is_anonymous: bool


class SessionObject(Declared):
    """A session with its user; `expires_in` is in seconds, `expires_at` in seconds since 1970."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - no secret
    expires_in: int
    expires_at: int
    refresh_token: str
    user: UserObject


class SignInWays(Declared):
    """By what people sign in."""

    email: bool
    phone: bool
    anonymous_users: bool


class AuthSettings(Declared):
    """What sign-in offers."""

    external: SignInWays
    disable_signup: bool
    mailer_autoconfirm: bool
    phone_autoconfirm: bool
    sms_provider: str
    saml_enabled: bool


class AuthHealth(Declared):
    """That the routes are there."""

    name: str
    description: str


class KeySet(Declared):
    """Public keys (RFC 7517)."""

    keys: list[Any]


def user_object(account: Account) -> UserObject:
    """Give a user as GoTrue's clients read one."""
    return UserObject(
        id=account.id,
        aud="authenticated",
        role="authenticated",
        email=account.email,
        phone="",
        email_confirmed_at=account.confirmed_at,
        confirmed_at=account.confirmed_at,
        last_sign_in_at=account.signed_in_at,
        app_metadata=AppMetadata(provider="email", providers=["email"], roles=list(account.roles)),
        user_metadata={name: value for name, value in sorted(account.columns.items()) if name not in _BASE},
        identities=[],
        created_at=account.created_at,
        updated_at=account.signed_in_at or account.created_at,
        is_anonymous=False,
    )


def session_object(account: Account, issued: IssuedToken, refresh_token: str) -> SessionObject:
    """Give a session with its user."""
    return SessionObject(
        access_token=issued.token,
        expires_in=max(0, issued.expires_at - int(time.time())),
        expires_at=issued.expires_at,
        refresh_token=refresh_token,
        user=user_object(account),
    )


def error_members(error: RowgateError, path: str) -> dict[str, Any]:
    """Give the members of an error that GoTrue's clients read, and on the token route those of RFC 6749, 5.2."""
    code = _ERROR_CODES.get(error.code, error.code.rpartition(".")[2])
    members: dict[str, Any] = {"error_code": code, "msg": error.detail}
    if code == "weak_password":
        reasons = [_WEAK_BECAUSE.get(one.code, "characters") for one in error.errors]
        members["weak_password"] = {"reasons": reasons}
    if path.endswith("/token"):
        members |= {"error": _OAUTH2.get(error.code, "invalid_request"), "error_description": error.detail}
    return members


_ERROR_CODES = {
    "access.sign_in_required": "no_authorization",
    "auth.account_disabled": "user_banned",
    "auth.api_key_invalid": "bad_jwt",
    "auth.credentials_invalid": "invalid_credentials",
    "auth.email_invalid": "email_address_invalid",
    "auth.email_not_confirmed": "email_not_confirmed",
    "auth.email_taken": "user_already_exists",
    "auth.grant_unsupported": "validation_failed",
    "auth.password_refused": "weak_password",
    "auth.password_wrong": "current_password_mismatch",
    "auth.rate_limited": "over_request_rate_limit",
    "auth.refresh_token_invalid": "refresh_token_not_found",
    "auth.token_expired": "bad_jwt",
    "auth.token_invalid": "bad_jwt",
    "auth.too_many_failures": "over_request_rate_limit",
    "input.bad_json": "bad_json",
    "input.invalid": "validation_failed",
}

_WEAK_BECAUSE = {
    "password.too_short": "length",
    "password.too_long": "length",
    "password.common": "pwned",
    "password.personal": "pwned",
}

_OAUTH2 = {
    "auth.account_disabled": "invalid_grant",
    "auth.credentials_invalid": "invalid_grant",
    "auth.email_not_confirmed": "invalid_grant",
    "auth.grant_unsupported": "unsupported_grant_type",
    "auth.refresh_token_invalid": "invalid_grant",
}


def new_id() -> str:
    """Draw an id like those that the database draws for users (RFC 9562, 5.7)."""
    drawn = int.from_bytes(int(time.time() * 1000).to_bytes(6) + secrets.token_bytes(10))
    return str(uuid.UUID(int=drawn & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62))
