"""Calls that wait for their delivery, and those that were given up, as admins see them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from app.audit.writing import audit
from app.auth.admin_access import VIEWER, Editor
from app.auth.routes.mounted import answer
from app.control_plane.named import NotThere, identifier
from app.outward.outbox import SHOWN

router = APIRouter()


@router.get("/outbox", dependencies=[VIEWER])
async def list_outbox(
    request: Request,
    state: Literal["waiting", "dead"] = "waiting",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """List calls that wait, or that are dead, the oldest first; what they carry is nowhere to be had."""
    async with request.app.state.pool.lease() as connection:
        rows = await connection.fetch(
            f"SELECT {SHOWN} FROM rowgate.outbox WHERE (dead_at IS NOT NULL) = $1 ORDER BY created_at, id LIMIT $2",
            state == "dead",
            limit,
        )
    return answer([dict(row) for row in rows])


@router.post("/outbox/{call_id}/retry", status_code=204)
async def retry(request: Request, admin: Editor, call_id: str) -> Response:
    """Try a call again from the beginning, now."""
    await _act(
        request, admin.actor, call_id, "outbox.retry",
        "UPDATE rowgate.outbox SET attempts = 0, next_at = now(), dead_at = NULL WHERE id = $1 RETURNING step",
    )  # fmt: skip
    return Response(status_code=204)


@router.delete("/outbox/{call_id}", status_code=204)
async def drop(request: Request, admin: Editor, call_id: str) -> Response:
    """Give a call up for good."""
    sql = "DELETE FROM rowgate.outbox WHERE id = $1 RETURNING step"
    await _act(request, admin.actor, call_id, "outbox.delete", sql)
    return Response(status_code=204)


async def _act(request: Request, actor: str, call_id: str, action: str, sql: str) -> None:
    found = identifier(call_id, "call")
    async with request.app.state.pool.lease() as connection, connection.transaction():
        step = await connection.fetchval(sql, found)
        if step is None:
            raise NotThere("call")
        await audit(connection, actor, action, found, {"step": step})
