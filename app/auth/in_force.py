"""How people sign in now: what the document says, and the settings where it says nothing; one value for all routes."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import Depends

from app.auth.auth_server import AuthServerDep
from app.definitions.auth import AuthDef
from app.definitions.redirect_urls import redirect_pattern
from app.errors import RowgateError
from app.settings import Settings


class SignUpClosed(RowgateError):
    """Accounts aren't made this way: the document says `sign_up: invited` or `closed`."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "auth.sign_up_closed"

    def __init__(self) -> None:
        """Say who makes accounts."""
        super().__init__("Nobody signs up here by themselves.", hint="Ask an admin for an account.")


class RedirectUnlisted(RowgateError):
    """A sign-in is to end where the document lists nothing; nobody is sent there."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "auth.redirect_unlisted"

    def __init__(self) -> None:
        """Say where it is listed."""
        super().__init__("A sign-in can't end there.", hint="List it in auth.redirect_urls.")


@dataclass(frozen=True, slots=True)
class InForce:
    """`said` is the document's `auth`; where a setting stands in for a key, the property of its name gives what holds.

    A key of the document that no setting stands in for is read of `said`.
    """

    said: AuthDef
    settings: Settings

    @property
    def confirm_email(self) -> bool:
        """Say whether a new address has to be confirmed."""
        return self.settings.confirm_email if self.said.confirm_email is None else self.said.confirm_email

    @property
    def site_url(self) -> str | None:
        """Give where the links of mails end."""
        return self.said.site_url or self.settings.public_url

    def redirect(self, said: str | None) -> str | None:
        """Give where a sign-in ends: where it is said, else the site; raises RedirectUnlisted for what isn't listed."""
        if not said:
            return self.site_url
        site = () if self.site_url is None else (self.site_url, f"{self.site_url}/**")
        if not any(redirect_pattern(one).matches(said) for one in (*site, *self.said.redirect_urls)):
            raise RedirectUnlisted
        return said

    def refuse_sign_up(self, *, by_chain: bool = False) -> None:
        """Raise SignUpClosed unless accounts are made so; a chain is the admin's own way of inviting."""
        if self.said.sign_up not in ({"open", "invited"} if by_chain else {"open"}):
            raise SignUpClosed


async def _in_force(server: AuthServerDep) -> InForce:
    # Asked of the database: a key that has just been taken back on another instance holds no request longer.
    await server.live.refresh()
    return InForce(server.live.runtime.project.auth, server.settings)


InForceDep = Annotated[InForce, Depends(_in_force)]
