"""API keys."""

from datetime import datetime
from typing import ClassVar, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from app.auth.admin_access import VIEWER, AdminRoleMissing, Editor
from app.auth.admins import ROLES
from app.auth.audit import audit
from app.auth.routes.body import Body, BodyInvalid, read
from app.auth.routes.router import answer
from app.control_plane.named import NotThere, known_roles
from app.definitions.inputs import ParamDef
from app.definitions.validation import Wrong
from app.definitions.validation import reader as value_reader
from app.errors import FieldError, RowgateError

router = APIRouter()


class KeyExists(RowgateError):
    """There is a key of this name."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "admin.key_exists"


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
async def create_key(request: Request, admin: Editor) -> Response:
    """Make an API key, and show it this once; nobody makes one that may do more than they may."""
    body = await read(request, KeyBody)
    roles = known_roles(request, body.roles)
    if body.admin_role is not None and ROLES.index(body.admin_role) > ROLES.index(admin.role):
        raise AdminRoleMissing("A key can't have a higher role than yours.")
    expires_at = _moment(body.expires_at)
    state = request.app.state
    made = state.auth.keys.new()
    async with state.pool.lease() as connection, connection.transaction():
        row = await connection.fetchrow(
            "INSERT INTO rowgate.api_keys (name, digest, roles, admin_role, expires_at) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING"
            " RETURNING id, name, roles, admin_role, created_at, expires_at",
            body.name, made.digest, roles, body.admin_role, expires_at,
        )  # fmt: skip
        if row is None:
            raise KeyExists("There is a key of this name.")
        await audit(connection, admin.actor, "api_key.create", body.name, {"roles": roles, "admin": body.admin_role})
    return answer({**dict(row), "key": made.key}, 201)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found: datetime = value_reader(ParamDef(type="timestamp"))(text)
    except Wrong as wrong:
        error = FieldError(("body", "expires_at"), "input.type", wrong.errors[0].message)
        raise BodyInvalid("The body is not what is wanted here.", errors=[error]) from None
    return found


@router.delete("/api-keys/{name}", status_code=204)
async def revoke_key(request: Request, admin: Editor, name: str) -> Response:
    """Revoke an API key; it ends with this."""
    async with request.app.state.pool.lease() as connection, connection.transaction():
        found = await connection.fetchval(
            "UPDATE rowgate.api_keys SET revoked_at = now() WHERE name = $1 AND revoked_at IS NULL RETURNING id", name
        )
        if found is None:
            raise NotThere("key")
        await audit(connection, admin.actor, "api_key.revoke", name)
    return Response(status_code=204)
