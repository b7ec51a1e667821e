"""Admins."""

from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from app.audit.writing import audit
from app.auth import admins
from app.auth.admin_access import VIEWER, Admin, Owner
from app.auth.routes.body import Body, read
from app.auth.routes.mounted import answer
from app.control_plane.named import NotThere, identifier

router = APIRouter()


class AdminBody(Body):
    """An admin to be made."""

    email: str
    password: str
    role: Literal["owner", "editor", "viewer"]


class AdminRoleBody(Body):
    """What changes of an admin."""

    role: Literal["owner", "editor", "viewer"] | None = None
    disabled: bool | None = None


_ADMINS = "SELECT id, email, role, created_at, disabled_at FROM rowgate.admins"


@router.get("/admins", dependencies=[VIEWER])
async def list_admins(request: Request) -> Response:
    """List admins."""
    async with request.app.state.pool.lease() as connection:
        return answer([dict(row) for row in await connection.fetch(f"{_ADMINS} ORDER BY email")])


@router.post("/admins", status_code=201)
async def create_admin(request: Request, admin: Owner) -> Response:
    """Make an admin."""
    body = await read(request, AdminBody)
    state = request.app.state
    async with state.pool.lease() as connection, connection.transaction():
        admin_id = await admins.create_admin(
            connection, state.passwords, body.email, body.password, body.role, actor=admin.actor
        )
    return answer({"id": admin_id, "email": body.email, "role": body.role}, 201)


@router.patch("/admins/{admin_id}")
async def change_admin(request: Request, admin: Owner, admin_id: str) -> Response:
    """Change an admin's role, or disable the account; the last owner stays one."""
    body = await read(request, AdminRoleBody)
    return await _change_admin(
        request,
        admin,
        admin_id,
        "admin.change",
        "UPDATE rowgate.admins SET role = coalesce($2, role), disabled_at = CASE"
        " WHEN $3::boolean IS NULL THEN disabled_at WHEN $3 THEN coalesce(disabled_at, now()) END WHERE id = $1",
        (body.role, body.disabled),
    )


async def _change_admin(
    request: Request, admin: Admin, admin_id: str, action: str, sql: str, parameters: tuple[Any, ...]
) -> Response:
    found = identifier(admin_id, "admin")
    async with request.app.state.pool.lease() as connection, connection.transaction():
        await connection.execute("LOCK TABLE rowgate.admins IN SHARE ROW EXCLUSIVE MODE")
        row = await connection.fetchrow(f"{sql} RETURNING id, email, role, disabled_at", found, *parameters)
        if row is None:
            raise NotThere("admin")
        await admins.keep_an_owner(connection)
        detail = {"role": row["role"], "disabled": row["disabled_at"] is not None}
        await audit(connection, admin.actor, action, row["email"], detail)
    return answer(dict(row))


@router.delete("/admins/{admin_id}", status_code=204)
async def delete_admin(request: Request, admin: Owner, admin_id: str) -> Response:
    """Delete an admin; the last owner stays."""
    await _change_admin(request, admin, admin_id, "admin.delete", "DELETE FROM rowgate.admins WHERE id = $1", ())
    return Response(status_code=204)
