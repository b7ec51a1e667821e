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


def admit(access: AccessLevel, identity: Identity) -> None:
    """Raise SignInRequired when nobody is there, RoleMissing when it is the wrong one."""
    if not is_admitted(access, identity):
        raise SignInRequired if identity.is_anonymous else RoleMissing


def is_admitted(access: AccessLevel, identity: Identity) -> bool:
    """Say whether `admit` would let somebody in."""
    return access.public or not (identity.is_anonymous or (access.roles and not identity.has_any_role(access.roles)))
