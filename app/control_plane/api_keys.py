"""API keys."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request, Response
from pydantic import Field

from app.auth.admin_access import VIEWER, AdminRoleMissing, Editor, Role, hold_rank
from app.auth.managed_keys import KeyExists, KeyGrant, all_keys, create_key, key_named, key_that_holds, revoke_key
from app.auth.role_names import RolesUnknown
from app.control_plane.named import NotThere, known_roles
from app.control_plane.server import ServerDep
from app.definitions.column_types import read_moment
from app.definitions.wrong import Wrong
from app.errors import FieldError
from app.http.fixed_bodies import Body, JsonBody
from app.http.fixed_routes import Declared, FixedRouter, InputInvalid, NameInPath, answer, refuses

router = FixedRouter(tags=["api keys"])


class KeyBody(Body):
    """An API key: roles of the backend, or a role of admins, and when it ends."""

    name: str = Field(min_length=1, max_length=100)
    roles: list[str] = Field(default_factory=list, max_length=100)
    admin_role: Role | None = None
    expires_at: str | None = None


class KeyFacts(Declared):
    """What is known of an API key."""

    id: str
    name: str
    roles: list[str]
    admin_role: Role | None
    created_at: datetime
    expires_at: datetime | None


class KeyAnswer(KeyFacts):
    """What is known of an API key, and whether it was revoked."""

    revoked_at: datetime | None


class NewKeyAnswer(KeyFacts):
    """A new API key, which is shown this once."""

    key: str


@router.get("/api-keys", dependencies=[VIEWER], response_model=list[KeyAnswer])
async def list_keys(server: ServerDep) -> Response:
    """List API keys; the keys themselves are nowhere to be had."""
    async with server.pool.lease() as connection:
        return answer([KeyAnswer.from_row(one) for one in await all_keys(connection)])


@router.get("/api-keys/{name}", dependencies=[VIEWER], response_model=KeyAnswer)
@refuses(NotThere)
async def get_key(server: ServerDep, name: NameInPath) -> Response:
    """Give what is known of a key that holds, or of the last one of this name."""
    async with server.pool.lease() as connection:
        found = await key_named(connection, name)
    if found is None:
        raise NotThere("key")
    return answer(KeyAnswer.from_row(found))


@router.post("/api-keys", status_code=201, response_model=NewKeyAnswer)
@refuses(KeyExists, RolesUnknown)
async def post_key(
    request: Request, server: ServerDep, admin: Editor, body: Annotated[KeyBody, Depends(JsonBody(KeyBody))]
) -> Response:
    """Make an API key, and show it this once; nobody makes one that may do more than they may."""
    roles = known_roles(server, body.roles)
    await hold_rank(request, server.pool, admin, body.admin_role, "A key can't have a higher role than yours.")
    grant = KeyGrant(body.name, tuple(roles), body.admin_role, _moment(body.expires_at))
    async with server.pool.lease() as connection, connection.transaction():
        key, row = await create_key(connection, server.auth.keys, grant, actor=admin.actor)
    return answer(NewKeyAnswer(**KeyFacts.from_row(row).model_dump(), key=key), 201)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found: datetime = read_moment(text)
    except Wrong as wrong:
        error = FieldError(("body", "expires_at"), "input.type", wrong.errors[0].message)
        raise InputInvalid("The body is not what is wanted here.", errors=[error]) from None
    return found


@router.delete("/api-keys/{name}", status_code=204)
@refuses(NotThere, AdminRoleMissing)
async def delete_key(request: Request, server: ServerDep, admin: Editor, name: NameInPath) -> Response:
    """Revoke an API key; it ends with this. Nobody revokes one that may do more than they may."""
    async with server.pool.lease() as connection:
        held = await key_that_holds(connection, name)
    if held is None:
        raise NotThere("key")
    await hold_rank(request, server.pool, admin, held.admin_role, "This key has a higher role than yours.")
    async with server.pool.lease() as connection, connection.transaction():
        # By its id, whose role never changes: another key may have come to have this name.
        if not await revoke_key(connection, held, actor=admin.actor):
            raise NotThere("key")
    return Response(status_code=204)
