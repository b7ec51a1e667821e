"""The sessions that somebody has: where one is signed in, and ending one of them."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from fastapi import Response

from app.audit.writing import audit
from app.auth.auth_server import AuthServerDep
from app.auth.in_force import InForceDep
from app.auth.routes.signed_in import SignedIn
from app.auth.sessions import end_own, living_sessions
from app.errors import RowgateError
from app.http.fixed_routes import Declared, answer, refuses


class SessionNotThere(RowgateError):
    """There is no such session of one's own that goes on."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "auth.session_not_found"


class OwnSession(Declared):
    """A session that goes on: since when and until when, last refreshed when, and from where it was begun."""

    id: str
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    user_agent: str | None
    ip: str | None
    current: bool


async def get_sessions(server: AuthServerDep, identity: SignedIn, in_force: InForceDep) -> Response:
    """List the own sessions that go on, the newest first; `current` is the one that asks."""
    async with server.pool.lease() as connection:
        rows = await living_sessions(connection, str(identity.user_id), in_force.said.sessions)
    return answer([OwnSession(**row, current=row["id"] == identity.session_id) for row in rows])


@refuses(SessionNotThere)
async def delete_session(server: AuthServerDep, identity: SignedIn, session_id: str) -> Response:
    """End one of the own sessions; its tokens end with it."""
    user_id = str(identity.user_id)
    async with server.pool.lease() as connection, connection.transaction():
        if not (_is_id(session_id) and await end_own(connection, user_id, session_id)):
            raise SessionNotThere("There is no such session.")
        await audit(connection, f"user:{user_id}", "sign_out", session_id, {"scope": "one"})
    return Response(status_code=204)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
