"""From the Authorization and apikey headers to an identity."""

import functools
import hmac
from collections.abc import Collection
from dataclasses import dataclass, field

from app.auth.api_keys import PREFIX, ApiKeyInvalid, ApiKeys
from app.auth.foreign_tokens import ForeignCaller, ForeignTokens, ForeignUserUnknown
from app.auth.identity import ANONYMOUS, Identity, foreign_identity
from app.auth.passwords import Passwords
from app.auth.sign_up_hooks import SignUpRefused
from app.auth.signing_keys import SigningKeys
from app.auth.tokens import AccessClaims, AccessTokens, TokenExpired, TokenInvalid
from app.auth.users import UserCache, UserState
from app.database.clock import DatabaseClock
from app.secrets.sealing import SealingKey

PUBLISHABLE_PREFIX = "rgp_"
SCHEMES = ("Bearer",)
CREDENTIAL_REFUSALS = (ApiKeyInvalid, TokenInvalid, TokenExpired, ForeignUserUnknown, SignUpRefused)


class SessionEnded(TokenInvalid):
    """The token is ours, and its session has ended, or its account isn't there any more."""


@dataclass(slots=True)
class AuthContext:
    """What identifying needs, opened once for each process; `no_admin` says whether the first is to be made yet.

    `clock` is what tokens, sessions and keys end by: the database's, the same in every process.
    """

    clock: DatabaseClock
    users: UserCache
    keys: ApiKeys
    tokens: AccessTokens
    signing: SigningKeys
    foreign: ForeignTokens
    admin_tokens: AccessTokens
    passwords: Passwords
    publishable_key: str
    setup_token: str
    sealing: SealingKey
    """What the secrets of second factors are sealed under."""
    refresh_key: bytes = field(repr=False)
    """What the successors of refresh tokens are sealed under."""
    no_admin: bool
    admins_need_two: bool
    """Whether an admin without a second factor reaches nothing but the way to one."""

    async def reload(self, identity: Identity) -> None:
        """Read the caller afresh, whose authority has changed or may have."""
        if identity.user_id is not None:
            self.foreign.forget(identity.user_id)
            await self.users.reload(identity.user_id)
        elif identity.key_id is not None:
            self.keys.forget(identity.key_id)

    def is_foreign(self, token: str) -> bool:
        """Say whether a token is none of ours and may be one of an issuer's."""
        return not self.tokens.is_ours(token) and self.foreign.is_foreign(token)

    def close(self) -> None:
        """End the threads that hash passwords."""
        self.passwords.close()


def identify_now(
    authorization: str | None, apikey: str | None, *, context: AuthContext, schemes: Collection[str] = SCHEMES
) -> Identity | None:
    """Give the identity if it is known without asking the database, else None.

    Raises a 401 for a credential that is there but bad, also where none is needed (RFC 6750, 3.1).
    """
    if authorization is None and apikey is None:
        return ANONYMOUS
    known = None if authorization is None or apikey is not None else context.tokens.sent_before(authorization, schemes)
    if known is not None:
        return _by_claims(known, context)
    credential = _credential(authorization, apikey, context, schemes)
    if credential is None:
        return ANONYMOUS
    if credential.startswith(PREFIX):
        state = context.keys.known(context.keys.digest_of(credential))
        return None if state is None else state.identity
    if not context.tokens.is_read:  # `identify` has that done, while others are served
        return None
    if context.is_foreign(credential):
        caller = context.foreign.known(credential)
        user = None if caller is None else context.users.known(caller.user_id)
        return None if caller is None or user is None else _by_foreign(caller, user)
    claims = context.tokens.verify(credential)
    if authorization is not None and apikey is None:
        context.tokens.remember_sent(authorization, schemes, credential)
    return _by_claims(claims, context)


def _by_claims(claims: AccessClaims, context: AuthContext) -> Identity | None:
    user = context.users.known(claims.user_id)
    return None if user is None else user.identity(claims.session_id, context.clock.seconds())


async def identify(
    authorization: str | None, apikey: str | None, *, context: AuthContext, schemes: Collection[str] = SCHEMES
) -> Identity:
    """Give the identity, read from the database: what is only remembered never refuses somebody."""
    credential = _credential(authorization, apikey, context, schemes)
    if credential is None:
        return ANONYMOUS
    if credential.startswith(PREFIX):
        return (await context.keys.load(context.keys.digest_of(credential))).identity
    await context.tokens.read()
    if context.is_foreign(credential):
        return await _identify_foreign(credential, context)
    claims = context.tokens.verify(credential)
    user = await context.users.reload(claims.user_id)
    identity = None if user is None else user.identity(claims.session_id, context.clock.seconds())
    if identity is None:
        raise SessionEnded
    return identity


async def _identify_foreign(credential: str, context: AuthContext) -> Identity:
    caller = await context.foreign.read(credential)
    user = await context.users.reload(caller.user_id)
    identity = None if user is None else _by_foreign(caller, user)
    if identity is None:
        raise SessionEnded
    return identity


def _by_foreign(caller: ForeignCaller, user: UserState) -> Identity | None:
    return None if user.disabled else foreign_identity(user.anyone, caller.roles, caller.by)


def _credential(
    authorization: str | None, apikey: str | None, context: AuthContext, schemes: Collection[str]
) -> str | None:
    """Give the credential that counts: the bearer's, else the apikey header's; None for nobody."""
    if apikey is not None and _is_publishable(apikey, context):
        apikey = None
    if apikey is not None and not apikey.startswith(PREFIX):
        raise ApiKeyInvalid
    if authorization is None:
        return apikey
    scheme, _, token = authorization.partition(" ")
    token = token.strip(" ")
    if scheme.lower() not in _lowered(tuple(schemes)) or not token or not token.isascii():
        raise TokenInvalid
    if apikey is not None:
        context.keys.digest_of(apikey)
    return apikey if _is_publishable(token, context) else token


@functools.cache
def _lowered(schemes: tuple[str, ...]) -> frozenset[str]:
    return frozenset(scheme.lower() for scheme in schemes)


def _is_publishable(text: str, context: AuthContext) -> bool:
    """Say whether it is the publishable key, which identifies nobody; raises for another one of that form."""
    if not text.startswith(PUBLISHABLE_PREFIX):
        return False
    if not text.isascii() or not hmac.compare_digest(text, context.publishable_key):
        raise ApiKeyInvalid
    return True
