"""How people sign in: what a document says of it under `auth:`."""

from typing import Literal

from pydantic import Field

from app.definitions.auth_issuers import IssuerDef
from app.definitions.auth_mail import MailDef
from app.definitions.auth_providers import ProviderDef
from app.definitions.names import Definition, Items, Name
from app.definitions.redirect_urls import RedirectUrl, SiteUrl

NO_AAL, AAL1, AAL2 = LEVELS = ("none", "aal1", "aal2")
"""How sure it is who calls: nobody has signed in, by one factor, by two (GoTrue's names, after NIST 800-63B)."""
BY_ADDRESS, BY_NOTHING = "email", "anonymous"
"""What `auth.provider` is where no provider and no issuer says who somebody is, and of an anonymous user."""
NO_ADDRESS = "anonymous:"
"""How what stands in the place of an anonymous user's address begins; no address can begin so."""
HOOKS = BEFORE, AFTER = ("before_sign_up", "after_sign_up")
"""The keys that name middleware which runs without an endpoint."""
MIN_PASSWORD = 8  # code points, as NIST 800-63B counts them; no document may ask for less


def is_anonymous(email: str | None) -> bool:
    """Say whether what stands in the column of addresses is that of an anonymous user."""
    return email is not None and email.startswith(NO_ADDRESS)


class PasswordDef(Definition):
    """What is asked of a person's password."""

    min_length: int = Field(default=MIN_PASSWORD, ge=MIN_PASSWORD, le=128)
    """The fewest characters of a new one."""
    current: bool = False
    """Whether a change of the password needs the present one."""


class SessionsDef(Definition):
    """How long a person's sessions last, and how many there are."""

    access_minutes: int = Field(default=15, ge=1, le=60)
    """How long an access token is good for, before the refresh token is asked for."""
    idle_days: int = Field(default=7, ge=1, le=365)
    """How long a session goes on without being refreshed."""
    absolute_days: int = Field(default=30, ge=1, le=365)
    """How long it goes on at most; a session that has begun keeps its end."""
    single: bool = False
    """Whether signing in ends the person's other sessions."""


class AuthDef(Definition):
    """How people get an account and sign in."""

    sign_up: Literal["open", "invited", "closed"] = "open"
    """Who gets an account: whoever signs up, who is invited, or only whom an admin makes one for."""
    confirm_email: bool | None = None
    """Whether a new address has to be confirmed; it goes before ROWGATE_CONFIRM_EMAIL."""
    site_url: SiteUrl | None = None
    """Where the links of mails end; without it ROWGATE_PUBLIC_URL."""
    redirect_urls: Items[RedirectUrl] = ()
    """Where else they may end: `*` stands for what holds no dot and no slash, `**` in a path for anything."""
    password: PasswordDef = PasswordDef()
    """What is asked of passwords."""
    mail: MailDef = MailDef()
    """The mails that are sent."""
    sessions: SessionsDef = SessionsDef()
    """How long people's sessions last."""
    anonymous: bool = False
    """Whether anybody may become a user without an address, for whom all that is `authenticated` is open."""
    issuers: Items[IssuerDef] = ()
    """Issuers whose access tokens are taken as they are."""
    providers: Items[ProviderDef] = ()
    """OpenID Connect providers by which people sign in."""
    passkeys: bool = False
    """Whether people may add passkeys and sign in by them; they are bound to the host of `site_url`."""
    second_factor: Literal["off", "optional", "required"] = "optional"
    """Whether people may have a second factor, or need one: without it a session then reaches nothing else."""
    before_sign_up: Name | None = None
    """A middleware that may refuse an address before an account gets it, by `input.email`, `.data` and `.provider`."""
    after_sign_up: Name | None = None
    """A middleware that runs where a row of `users` is made, in the same transaction, and sees the row as `user`."""
