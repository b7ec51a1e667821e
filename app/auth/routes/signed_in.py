"""Who calls a route about the own account, read afresh."""

from functools import partial
from typing import Annotated, ClassVar

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer

from app.auth.auth_server import AuthServerDep
from app.auth.factors import SecondFactorNeeded, hold_required
from app.auth.identify import CREDENTIAL_REFUSALS, SessionEnded, identify
from app.auth.identity import Identity
from app.auth.one_time import hold_person
from app.database.connection import Connection
from app.errors import RowgateError
from app.http.challenge import challenge
from app.http.fixed_bodies import confirm_behind_body
from app.http.fixed_routes import refuses

BEARER = OAuth2PasswordBearer("/auth/v1/token?grant_type=password", scheme_name="bearer", auto_error=False)
APIKEY = APIKeyHeader(name="apikey", scheme_name="apikey", auto_error=False)
_HOLD = """
SELECT id FROM rowgate.sessions
WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > now() FOR SHARE
"""


class SignInNeeded(RowgateError):
    """The route is about the own account, and nobody is signed in."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "access.sign_in_required"

    def __init__(self) -> None:
        """Add the challenge of RFC 6750."""
        super().__init__("Sign in first.", headers=challenge())


@refuses(SignInNeeded, *CREDENTIAL_REFUSALS)
async def signed_in(
    request: Request,
    server: AuthServerDep,
    _bearer: Annotated[str | None, Depends(BEARER)],
    _apikey: Annotated[str | None, Depends(APIKEY)],
) -> Identity:
    """Give the user who calls, read afresh; an API key is nobody's account, and another issuer's token no session."""
    authorization = request.headers.getlist("authorization")
    if len(authorization) > 1:
        raise SignInNeeded
    schemes = server.live.runtime.project.project.auth_schemes
    bearer = authorization[0] if authorization else None
    read = partial(identify, bearer, request.headers.get("apikey"), context=server.auth, schemes=schemes)
    identity = await read()
    if identity.session_id is None:
        raise SignInNeeded

    async def again() -> object:
        return _relied_on(await read())

    confirm_behind_body(request, _relied_on(identity), again)
    return identity


def _relied_on(identity: Identity) -> object:
    """Give what the routes go by; that another session of the person began or ended, or a column changed, is none."""
    return identity.user_id, identity.session_id, identity.aal, identity.env["is_anonymous"], identity.columns["email"]


@refuses(SecondFactorNeeded)
async def _signed_in_enough(server: AuthServerDep, identity: Annotated[Identity, Depends(signed_in)]) -> Identity:
    """Refuse a session by one factor where the document wants two; it takes the definitions as they are now."""
    await server.live.refresh()
    hold_required(server.live.runtime.project.auth, identity)
    return identity


SignedInAnyhow = Annotated[Identity, Depends(signed_in)]
"""Whoever has a session: for what leads to a second factor, and for signing out."""
SignedIn = Annotated[Identity, Depends(_signed_in_enough)]


async def hold_session(connection: Connection, identity: Identity) -> None:
    """Let nobody end the caller's session before a transaction ends; raises SessionEnded where somebody has."""
    user_id = str(identity.user_id)
    await hold_person(connection, user_id)  # first, as who deletes or disables somebody has it
    if await connection.fetchval(_HOLD, identity.session_id, user_id) is None:
        raise SessionEnded
