"""Who opens a session, as far as it is kept."""

from typing import Annotated, NamedTuple

from fastapi import Depends, Request

from app.auth.auth_server import AuthServerDep
from app.http.client_address import client_address


class Client(NamedTuple):
    """The program that asks, and from where."""

    user_agent: str | None
    address: str


async def _client(request: Request, server: AuthServerDep) -> Client:
    return Client(request.headers.get("user-agent"), client_address(request.scope, server.settings.trusted_proxies))


ClientDep = Annotated[Client, Depends(_client)]
