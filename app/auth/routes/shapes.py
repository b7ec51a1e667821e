"""What GoTrue's clients read: users, sessions and errors with its members."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict

from app.auth.access_claims import PROVIDER, app_metadata, shown_email, told_of, user_metadata
from app.auth.accounts import Account, Linked
from app.auth.sessions import OpenedSession
from app.auth.tokens import AccessTokens
from app.definitions.auth import SessionsDef, is_anonymous
from app.http.fixed_routes import Declared, ProblemDocument


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


class IdentityData(Declared):
    """What the way in knows of somebody."""

    sub: str
    email: str
    email_verified: bool
    phone_verified: bool


class IdentityObject(Declared):
    """A way in that somebody has: the address, with a password, or a provider's identity."""

    identity_id: str
    id: str
    user_id: str
    identity_data: IdentityData
    provider: str
    email: str
    created_at: datetime
    updated_at: datetime
    last_sign_in_at: datetime | None


class FactorObject(Declared):
    """A second factor; one that is verified is in force."""

    id: str
    friendly_name: str
    factor_type: str
    status: Literal["verified", "unverified"]
    created_at: datetime
    updated_at: datetime


class FactorId(Declared):
    """The factor that is gone."""

    id: str


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
    identities: list[IdentityObject]
    created_at: datetime
    updated_at: datetime
    is_anonymous: bool
    factors: list[FactorObject]
    new_email: str | None = None
    invited_at: datetime | None = None


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

    version: str
    name: str
    description: str


def user_object(account: Account) -> UserObject:
    """Give a user as GoTrue's clients read one."""
    updated_at = account.signed_in_at or account.created_at
    return UserObject(
        id=account.id,
        aud="authenticated",
        role="authenticated",
        email=shown_email(account.email),
        phone="",
        email_confirmed_at=account.confirmed_at,
        confirmed_at=account.confirmed_at,
        last_sign_in_at=account.signed_in_at,
        app_metadata=AppMetadata(**app_metadata(account.roles, account.providers)),
        user_metadata=user_metadata(account.columns),
        identities=[*_own(account, updated_at), *(_linked(account, one) for one in account.identities)],
        created_at=account.created_at,
        updated_at=updated_at,
        is_anonymous=is_anonymous(account.email),
        factors=[FactorObject(**one) for one in account.factors],
        new_email=account.new_email,
        invited_at=account.invited_at,
    )


def _own(account: Account, updated_at: datetime) -> list[IdentityObject]:
    """Give the address as a way in, if it is one."""
    return [_identity(account, account.email, updated_at)] if account.by_address and account.email else []


def _linked(account: Account, one: Linked) -> IdentityObject:
    """Give a way in by a provider."""
    email = one.email or ""
    return IdentityObject(
        identity_id=one.id,
        id=one.subject,
        user_id=account.id,
        identity_data=IdentityData(
            sub=one.subject, email=email, email_verified=one.email is not None, phone_verified=False
        ),
        provider=one.provider,
        email=email,
        created_at=one.created_at,
        updated_at=one.last_sign_in_at or one.created_at,
        last_sign_in_at=one.last_sign_in_at,
    )


def _identity(account: Account, email: str, updated_at: datetime) -> IdentityObject:
    """Give the address as a way in; clients take a user without any way for an address that is taken."""
    verified = account.confirmed_at is not None
    return IdentityObject(
        identity_id=account.id,
        id=account.id,
        user_id=account.id,
        identity_data=IdentityData(sub=account.id, email=email, email_verified=verified, phone_verified=False),
        provider=PROVIDER,
        email=email,
        created_at=account.created_at,
        updated_at=updated_at,
        last_sign_in_at=account.signed_in_at,
    )


def issued_session(tokens: AccessTokens, said: SessionsDef, account: Account, opened: OpenedSession) -> SessionObject:
    """Give a session with its user, and an access token that was just signed."""
    told = told_of(account.columns, account.roles, opened, account.providers)
    issued = tokens.issue(opened.user_id, opened.id, told, 60 * said.access_minutes)
    return SessionObject(
        access_token=issued.token,
        expires_in=issued.expires_in,
        expires_at=issued.expires_at,
        refresh_token=opened.refresh_token,
        user=user_object(account),
    )
