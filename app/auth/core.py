"""The auth core as steps of custom sign-in use it."""

from dataclasses import dataclass

from app.auth.passwords import Passwords
from app.auth.tokens import AccessTokens
from app.database.pool import Pool


@dataclass(frozen=True, slots=True)
class Accounts:
    """What hashes, what signs, and where to count; `confirm_email` says that a new address has to be confirmed."""

    passwords: Passwords
    tokens: AccessTokens
    pool: Pool
    confirm_email: bool
