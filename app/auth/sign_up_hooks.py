"""What a document asks before an account gets an address, and does where one is made: the one way to make either."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

from app.database.connection import Connection
from app.definitions.auth import BY_ADDRESS, NO_ADDRESS
from app.errors import RowgateError


class SignUpRefused(RowgateError):
    """The document's `before_sign_up` or `after_sign_up` refuses the address or the account."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "auth.sign_up_refused"


class SignUpHooks(Protocol):
    """The document's middleware about accounts; one that isn't said does nothing."""

    async def before(self, connection: Connection, said: Mapping[str, Any]) -> None:
        """Ask about an `email`, with `data` and `provider`; raises SignUpRefused."""

    async def after(self, connection: Connection, user_id: str, email: str | None) -> None:
        """Do what is due for a new row of users, in the transaction that makes it; raises SignUpRefused."""

    @property
    def does_more(self) -> bool:
        """Say whether anything is due for a new row."""


class NoHooks:
    """Those of a process that makes nobody."""

    does_more = False

    async def before(self, connection: Connection, said: Mapping[str, Any]) -> None:
        """Ask nothing."""

    async def after(self, connection: Connection, user_id: str, email: str | None) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class LetIn:
    """An address that an account may get, as `before_sign_up` has been asked: `let_in` makes it, and nothing else does.

    `email` is None where a provider or an issuer gives none, `stored` what comes into the column.
    """

    email: str | None
    stored: str | None
    hooks: SignUpHooks

    @property
    def without_address(self) -> "LetIn":
        """Give it for an account that gets no address, since somebody has it."""
        return replace(self, email=None, stored=None)

    @property
    def tried_out(self) -> "LetIn":
        """Give it for an account that is made and undone beside the one that has the address."""
        return replace(self, stored=_no_address())


async def let_in(
    hooks: SignUpHooks, connection: Connection, email: str | None, data: Mapping[str, Any], provider: str = BY_ADDRESS
) -> LetIn:
    """Ask the document whether an account may get this address; raises SignUpRefused.

    Nobody has been looked for yet, so that an address is answered alike whether or not it is known. `data` are the
    columns of `users` that were given, checked.
    """
    await hooks.before(connection, {"email": email, "data": data, "provider": provider})
    return LetIn(email, email, hooks)


def anonymous(hooks: SignUpHooks) -> LetIn:
    """Give what stands in the place of an anonymous user's address, of which nobody is asked."""
    stored = _no_address()
    return LetIn(stored, stored, hooks)


def _no_address() -> str:
    return f"{NO_ADDRESS}{uuid.uuid4()}"
