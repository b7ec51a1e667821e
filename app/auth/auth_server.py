"""What the routes of sign-in share in a process; those of the other rooms add to it what they need."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request

from app.auth.identify import AuthContext
from app.auth.mailing import Mailing
from app.auth.providers import Provider
from app.auth.sign_up_hooks import SignUpHooks
from app.database.pool import Pool
from app.definitions.column_types import Keys
from app.definitions.project import Project
from app.settings import Settings


class ServedDefinitions(Protocol):
    """The definitions that are served, as far as accounts depend on them."""

    @property
    def project(self) -> Project:
        """Give the whole backend, as said."""

    @property
    def keys(self) -> Keys:
        """Give what references hold."""

    @property
    def providers(self) -> Mapping[str, Provider]:
        """Give the providers that sign people in."""


class ServedNow(Protocol):
    """Where to ask for the definitions that are served now."""

    @property
    def runtime(self) -> ServedDefinitions:
        """Give them; raises a 503 while there are none."""

    async def refresh(self) -> None:
        """Serve what the database has now."""


@dataclass(frozen=True)
class AuthServer:
    """The settings, the database, who is who, the definitions, what mail is sent with, and who may get an account."""

    settings: Settings
    pool: Pool
    auth: AuthContext
    live: ServedNow
    mailing: Mailing
    hooks: SignUpHooks


async def server_of(request: Request) -> object:
    """Give the one value of what the process holds open: routes take as much of it as their room knows."""
    return request.app.state.server


AuthServerDep = Annotated[AuthServer, Depends(server_of)]
