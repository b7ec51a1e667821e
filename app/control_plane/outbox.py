"""Calls that wait for their delivery, and those that were given up, as admins see them."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query, Response

from app.audit.writing import audit
from app.auth.admin_access import VIEWER, Editor
from app.control_plane.named import NotThere, identifier
from app.control_plane.server import Server, ServerDep
from app.database.connection import Connection
from app.http.fixed_routes import Declared, FixedRouter, answer, refuses
from app.outward.waiting import drop, listed, retry
from app.store.rows import OutboxRow

router = FixedRouter(tags=["outbox"])


class CallAnswer(Declared):
    """A call that waits for its delivery, or was given up; what it carries is nowhere to be had."""

    id: str
    created_at: datetime
    step: str
    method: str
    host: str
    attempts: int
    next_at: datetime
    last_error: str | None
    dead_at: datetime | None


@router.get("/outbox", dependencies=[VIEWER], response_model=list[CallAnswer])
async def list_outbox(
    server: ServerDep,
    state: Literal["waiting", "dead"] = "waiting",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """List calls that wait, or that are dead, the oldest first; what they carry is nowhere to be had."""
    async with server.pool.lease() as connection:
        calls = await listed(connection, dead=state == "dead", limit=limit)
        return answer([CallAnswer.from_row(one) for one in calls])


@router.post("/outbox/{call_id}/retry", status_code=204)
@refuses(NotThere)
async def retry_call(server: ServerDep, admin: Editor, call_id: str) -> Response:
    """Try a call again from the beginning, now."""
    return await _act(server, admin.actor, call_id, "outbox.retry", retry)


@router.delete("/outbox/{call_id}", status_code=204)
@refuses(NotThere)
async def delete_call(server: ServerDep, admin: Editor, call_id: str) -> Response:
    """Give a call up for good."""
    return await _act(server, admin.actor, call_id, "outbox.delete", drop)


async def _act(
    server: Server, actor: str, call_id: str, action: str, act: Callable[[Connection, str], Awaitable[list[OutboxRow]]]
) -> Response:
    found = identifier(call_id, "call")
    async with server.pool.lease() as connection, connection.transaction():
        calls = await act(connection, found)
        if not calls:
            raise NotThere("call")
        await audit(connection, actor, action, found, {"step": calls[0].step})
    return Response(status_code=204)
