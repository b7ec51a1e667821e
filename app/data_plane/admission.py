"""The access level against the identity, and the two refusals."""

from typing import ClassVar

from app.auth.identity import Identity
from app.compiler.runtime import AccessLevel
from app.errors import RowgateError
from app.http.challenge import challenge


class SignInRequired(RowgateError):
    """Nobody is signed in, and this is not public."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "access.sign_in_required"

    def __init__(self) -> None:
        """Add the challenge of RFC 6750."""
        super().__init__("Sign in first.", hint="Send an access token as a bearer.", headers=challenge())


class RoleMissing(RowgateError):
    """The caller holds none of the roles."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "access.role_missing"

    def __init__(self) -> None:
        """Name no role: which there are is the admins' business."""
        super().__init__("Your account may not do this.", headers=challenge("insufficient_scope"))


class AnonymousUser(RowgateError):
    """The caller is an anonymous user, and this is for accounts with an address."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "access.anonymous_user"

    def __init__(self) -> None:
        """Say how one becomes another."""
        hint = "Give the account an address: PUT /auth/v1/user."
        wanted = challenge("insufficient_scope")
        super().__init__("This takes an account with an address.", hint=hint, headers=wanted)


def admit(access: AccessLevel, identity: Identity) -> None:
    """Raise SignInRequired when nobody is there, RoleMissing or AnonymousUser when it is the wrong one."""
    if refusal := _refusal(access, identity):
        raise refusal


def is_admitted(access: AccessLevel, identity: Identity) -> bool:
    """Say whether `admit` would let somebody in."""
    return _refusal(access, identity) is None


def _refusal(access: AccessLevel, identity: Identity) -> type[SignInRequired | RoleMissing | AnonymousUser] | None:
    if access.public:
        return None
    if identity.is_anonymous:
        return SignInRequired
    if access.permanent:
        return AnonymousUser if identity.env["is_anonymous"] else None
    return RoleMissing if access.roles and identity.roles.isdisjoint(access.roles) else None


def standing(identity: Identity) -> tuple[bool, bool, frozenset[str]]:
    """Give all of a caller that decides who is let in: whoever stands alike may do alike.

    That is whether it is nobody, whether it is more than an anonymous user, and the roles.
    """
    return identity.is_anonymous, not identity.env["is_anonymous"], identity.roles
