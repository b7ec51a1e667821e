"""API keys."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from app.audit.writing import audit
from app.auth.admin_access import VIEWER, Editor, hold_rank
from app.auth.api_keys import KeyGrant, create_key
from app.auth.routes.body import Body, BodyInvalid, read
from app.auth.routes.mounted import answer
from app.control_plane.named import NotThere, known_roles
from app.definitions.column_types import read_moment
from app.definitions.wrong import Wrong
from app.errors import FieldError

router = APIRouter()


class KeyBody(Body):
    """An API key: roles of the backend, or a role of admins, and when it ends."""

    name: str = Field(min_length=1, max_length=100)
    roles: list[str] = Field(default_factory=list, max_length=100)
    admin_role: Literal["owner", "editor", "viewer"] | None = None
    expires_at: str | None = None


_KEYS = "SELECT id, name, roles, admin_role, created_at, expires_at, revoked_at FROM rowgate.api_keys"


@router.get("/api-keys", dependencies=[VIEWER])
async def list_keys(request: Request) -> Response:
    """List API keys; the keys themselves are nowhere to be had."""
    async with request.app.state.pool.lease() as connection:
        return answer([dict(row) for row in await connection.fetch(f"{_KEYS} ORDER BY name")])


@router.get("/api-keys/{name}", dependencies=[VIEWER])
async def get_key(request: Request, name: str) -> Response:
    """Give what is known of a key that holds, or of the last one of this name."""
    async with request.app.state.pool.lease() as connection:
        row = await connection.fetchrow(
            f"{_KEYS} WHERE name = $1 ORDER BY revoked_at DESC NULLS FIRST, id DESC LIMIT 1", name
        )
    if row is None:
        raise NotThere("key")
    return answer(dict(row))


@router.post("/api-keys", status_code=201)
async def post_key(request: Request, admin: Editor) -> Response:
    """Make an API key, and show it this once; nobody makes one that may do more than they may."""
    body = await read(request, KeyBody)
    roles = known_roles(request, body.roles)
    await hold_rank(request, admin, body.admin_role, "A key can't have a higher role than yours.")
    grant = KeyGrant(body.name, tuple(roles), body.admin_role, _moment(body.expires_at))
    state = request.app.state
    async with state.pool.lease() as connection, connection.transaction():
        key, row = await create_key(connection, state.auth.keys, grant, actor=admin.actor)
    return answer({**row, "key": key}, 201)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found: datetime = read_moment(text)
    except Wrong as wrong:
        error = FieldError(("body", "expires_at"), "input.type", wrong.errors[0].message)
        raise BodyInvalid("The body is not what is wanted here.", errors=[error]) from None
    return found


@router.delete("/api-keys/{name}", status_code=204)
async def revoke_key(request: Request, admin: Editor, name: str) -> Response:
    """Revoke an API key; it ends with this. Nobody revokes one that may do more than they may."""
    pool = request.app.state.pool
    async with pool.lease() as connection:
        held = await connection.fetchrow(
            "SELECT id, admin_role FROM rowgate.api_keys WHERE name = $1 AND revoked_at IS NULL", name
        )
    if held is None:
        raise NotThere("key")
    await hold_rank(request, admin, held["admin_role"], "This key has a higher role than yours.")
    async with pool.lease() as connection, connection.transaction():
        # By its id, whose role never changes: another key may have come to have this name.
        found = await connection.fetchval(
            "UPDATE rowgate.api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id",
            held["id"],
        )
        if found is None:
            raise NotThere("key")
        await audit(connection, admin.actor, "api_key.revoke", name)
    return Response(status_code=204)
