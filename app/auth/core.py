"""The auth core as steps of custom sign-in use it."""

from collections.abc import Callable
from dataclasses import dataclass

from app.auth.in_force import InForce
from app.auth.mails import Mailer
from app.auth.passwords import Passwords
from app.auth.sign_up_hooks import SignUpHooks
from app.auth.tokens import AccessTokens
from app.database.pool import Pool


@dataclass(frozen=True, slots=True)
class Accounts:
    """What hashes, what signs, where to count, and what asks and mails by the definitions that are served."""

    passwords: Passwords
    tokens: AccessTokens
    pool: Pool
    mailer: Callable[[], Mailer]
    hooks: SignUpHooks

    def in_force(self) -> InForce:
        """Give how people sign in by the definitions that are served."""
        return self.mailer().in_force
