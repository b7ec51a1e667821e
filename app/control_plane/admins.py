"""Admins."""

from datetime import datetime
from typing import Annotated, ClassVar

from fastapi import Depends, Response

from app.audit.writing import audit
from app.auth import admins
from app.auth.accounts import EmailInvalid
from app.auth.admin_access import VIEWER, Owner, Role
from app.auth.admins import AdminExists, LastOwner
from app.auth.password_change import given, holder, set_password
from app.auth.passwords import AdminPassword, PasswordRefused
from app.control_plane.named import NotThere, identifier
from app.control_plane.server import ServerDep
from app.errors import RowgateError
from app.http.fixed_bodies import Body, JsonBody
from app.http.fixed_routes import Declared, FixedRouter, answer, refuses

router = FixedRouter(tags=["admins"])


class OwnPassword(RowgateError):
    """The own password is changed with the present one, on a route of its own."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "admin.own_password"

    def __init__(self) -> None:
        """Name the route."""
        hint = "PUT /admin/v1/password, with current_password."
        super().__init__("Your own password is changed with the present one.", hint=hint)


class AdminBody(Body):
    """An admin to be made."""

    email: str
    password: AdminPassword
    role: Role


class AdminPasswordBody(Body):
    """An admin's password, as an owner sets it."""

    password: AdminPassword


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
        return answer([AdminAnswer.from_row(one) for one in await admins.all_admins(connection)])


@router.post("/admins", status_code=201, response_model=NewAdmin)
@refuses(AdminExists, EmailInvalid, PasswordRefused)
async def create_admin(
    server: ServerDep, admin: Owner, body: Annotated[AdminBody, Depends(JsonBody(AdminBody))]
) -> Response:
    """Make an admin."""
    async with server.pool.lease() as connection, connection.transaction():
        made = await admins.create_admin(
            connection, server.auth.passwords, body.email, body.password, body.role, actor=admin.actor
        )
    return answer(NewAdmin.from_row(made), 201)


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
    return answer(ChangedAdmin.from_row(row))


@router.delete("/admins/{admin_id}", status_code=204)
@refuses(NotThere, LastOwner)
async def delete_admin(server: ServerDep, admin: Owner, admin_id: str) -> Response:
    """Delete an admin; the last owner stays."""
    found = identifier(admin_id, "admin")
    async with server.pool.lease() as connection, connection.transaction():
        if await admins.delete_admin(connection, found, actor=admin.actor) is None:
            raise NotThere("admin")
    return Response(status_code=204)


@router.put("/admins/{admin_id}/password", name="put_admin_password", status_code=204)
@refuses(NotThere, OwnPassword, PasswordRefused)
async def put_password(
    server: ServerDep,
    admin: Owner,
    admin_id: str,
    body: Annotated[AdminPasswordBody, Depends(JsonBody(AdminPasswordBody))],
) -> Response:
    """Give another admin a password, and end every session of theirs."""
    found = identifier(admin_id, "admin")
    if found == admin.id:
        raise OwnPassword
    async with server.pool.lease() as connection:
        of = await holder(connection, "admin", found)
    if of is None:
        raise NotThere("admin")
    new = await given(server.auth.passwords, of, body.password)
    async with server.pool.lease() as connection, connection.transaction():
        if not await set_password(connection, new):
            raise NotThere("admin")
        await audit(connection, admin.actor, "admin.password", of.email)
    return Response(status_code=204)
