"""Admins."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Response

from app.auth import admins
from app.auth.accounts import EmailInvalid
from app.auth.admin_access import VIEWER, Owner
from app.auth.admins import AdminExists, LastOwner, Role
from app.auth.passwords import AdminPassword, PasswordRefused
from app.control_plane.named import NotThere, identifier
from app.control_plane.server import ServerDep
from app.http.fixed_bodies import Body, JsonBody
from app.http.fixed_routes import Declared, FixedRouter, answer, refuses

router = FixedRouter(tags=["admins"])


class AdminBody(Body):
    """An admin to be made."""

    email: str
    password: AdminPassword
    role: Role


class AdminRoleBody(Body):
    """What changes of an admin."""

    role: Role | None = None
    disabled: bool | None = None


class NewAdmin(Declared):
    """An admin who was made."""

    id: str
    email: str
    role: Role


class ChangedAdmin(NewAdmin):
    """An admin who was changed."""

    disabled_at: datetime | None


class AdminAnswer(ChangedAdmin):
    """An admin."""

    created_at: datetime


@router.get("/admins", dependencies=[VIEWER], response_model=list[AdminAnswer])
async def list_admins(server: ServerDep) -> Response:
    """List admins."""
    async with server.pool.lease() as connection:
        return answer(await admins.all_admins(connection))


@router.post("/admins", status_code=201, response_model=NewAdmin)
@refuses(AdminExists, EmailInvalid, PasswordRefused)
async def create_admin(
    server: ServerDep, admin: Owner, body: Annotated[AdminBody, Depends(JsonBody(AdminBody))]
) -> Response:
    """Make an admin."""
    async with server.pool.lease() as connection, connection.transaction():
        admin_id = await admins.create_admin(
            connection, server.auth.passwords, body.email, body.password, body.role, actor=admin.actor
        )
    return answer(NewAdmin(id=admin_id, email=body.email, role=body.role), 201)


@router.patch("/admins/{admin_id}", response_model=ChangedAdmin)
@refuses(NotThere, LastOwner)
async def change_admin(
    server: ServerDep, admin: Owner, admin_id: str, body: Annotated[AdminRoleBody, Depends(JsonBody(AdminRoleBody))]
) -> Response:
    """Change an admin's role, or disable the account; the last owner stays one."""
    found = identifier(admin_id, "admin")
    async with server.pool.lease() as connection, connection.transaction():
        row = await admins.change_admin(connection, found, body.role, body.disabled, actor=admin.actor)
    if row is None:
        raise NotThere("admin")
    return answer(row)


@router.delete("/admins/{admin_id}", status_code=204)
@refuses(NotThere, LastOwner)
async def delete_admin(server: ServerDep, admin: Owner, admin_id: str) -> Response:
    """Delete an admin; the last owner stays."""
    found = identifier(admin_id, "admin")
    async with server.pool.lease() as connection, connection.transaction():
        if not await admins.delete_admin(connection, found, actor=admin.actor):
            raise NotThere("admin")
    return Response(status_code=204)
