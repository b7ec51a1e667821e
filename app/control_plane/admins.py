"""Admins."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from fastapi import Depends, Request, Response

from app.audit.writing import audit
from app.auth import admin_sessions, admins, factors
from app.auth.accounts import EmailInvalid
from app.auth.admin_access import OWNER, VIEWER, Admin, Owner, Role
from app.auth.admins import AdminExists, LastOwner
from app.auth.mail_templates import FACTOR_CHANGED, PASSWORD_CHANGED
from app.auth.password_change import given, holder, set_password
from app.auth.passwords import AdminPassword, PasswordRefused
from app.control_plane.history import Before, Limit
from app.control_plane.named import NotThere, identifier
from app.control_plane.server import ServerDep, mailer_to_admins
from app.control_plane.users import UserSessionAnswer
from app.database.connection import Connection
from app.errors import RowgateError
from app.http.fixed_bodies import Body, JsonBody, hold_caller
from app.http.fixed_routes import Declared, FixedRouter, answer, refuses
from app.store.people_rows import AdminRow

router = FixedRouter(tags=["admins"])


class OwnPassword(RowgateError):
    """The own password is changed with the present one, on a route of its own."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "admin.own_password"

    def __init__(self) -> None:
        """Name the route."""
        hint = "PUT /admin/v1/password, with current_password."
        super().__init__("Your own password is changed with the present one.", hint=hint)


class OwnFactor(RowgateError):
    """The own second factor is taken away with the present password, on a route of its own."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "admin.own_factor"

    def __init__(self) -> None:
        """Name the route."""
        hint = "POST /admin/v1/account/factors/{id}/remove, with current_password."
        super().__init__("Your own second factor is taken away with your password.", hint=hint)


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
    """An admin; `second_factor` says whether there is one in force."""

    created_at: datetime
    second_factor: bool


class AdminSessionAnswer(UserSessionAnswer):
    """A session of an admin that goes on; `current` is the one that asks."""

    current: bool


class SignInAnswer(Declared):
    """A sign-in, or a refused one with why: a wrong `password` or a wrong `code`; `id` is the audit log's."""

    id: int
    at: datetime
    refused: Literal["password", "code"] | None
    ip: str | None
    user_agent: str | None
    session_id: str | None


async def shown_sessions(connection: Connection, admin_id: str, current: str | None) -> list[AdminSessionAnswer]:
    """Read an admin's sessions that go on."""
    return [
        AdminSessionAnswer(
            id=one.id, created_at=one.created_at, refreshed_at=one.refreshed_at, expires_at=one.expires_at, ip=one.ip,
            user_agent=one.user_agent, current=one.id == current,
        )
        for one in await admin_sessions.living(connection, admin_id)
    ]  # fmt: skip


async def shown_sign_ins(connection: Connection, admin_id: str, limit: int, before: int | None) -> list[SignInAnswer]:
    """Read how an admin signed in, and what was refused."""
    return [
        SignInAnswer(
            id=one.id, at=one.at, refused=one.detail.get("why"), ip=one.detail.get("ip"),
            user_agent=one.detail.get("user_agent"), session_id=one.detail.get("session"),
        )
        for one in await admin_sessions.sign_ins(connection, admin_id, limit, before)
    ]  # fmt: skip


@router.get("/admins", dependencies=[VIEWER], response_model=list[AdminAnswer])
async def list_admins(server: ServerDep) -> Response:
    """List admins."""
    async with server.pool.lease() as connection:
        by_two = await admins.with_factor(connection)
        return answer([
            AdminAnswer(**ChangedAdmin.from_row(one).model_dump(), created_at=one.created_at,
                        second_factor=one.id in by_two)
            for one in await admins.all_admins(connection)
        ])  # fmt: skip


@router.post("/admins", status_code=201, response_model=NewAdmin)
@refuses(AdminExists, EmailInvalid, PasswordRefused)
async def create_admin(
    request: Request, server: ServerDep, admin: Owner, body: Annotated[AdminBody, Depends(JsonBody(AdminBody))]
) -> Response:
    """Make an admin."""
    email, digest = await admins.new_credentials(server.auth.passwords, body.email, body.password)
    await hold_caller(request)
    async with server.pool.lease() as connection, connection.transaction():
        made = await admins.add_admin(connection, email, digest, body.role, actor=admin.actor)
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
    request: Request,
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
    await hold_caller(request)
    async with server.pool.lease() as connection, connection.transaction():
        if not await set_password(connection, new):
            raise NotThere("admin")
        await mailer_to_admins(server).send_admin(connection, PASSWORD_CHANGED, of.email)
        await audit(connection, admin.actor, "admin.password", of.email)
    return Response(status_code=204)


@router.delete("/admins/{admin_id}/factors", status_code=204)
@refuses(NotThere, OwnFactor)
async def reset_factors(server: ServerDep, admin: Owner, admin_id: str) -> Response:
    """Take another admin's second factors and recovery codes away, and end every session of theirs."""
    async with server.pool.lease() as connection, connection.transaction():
        of = await _other(connection, admin, admin_id, OwnFactor)
        await factors.unenroll_all(connection, of.id, "admin")
        await admin_sessions.end_sessions(connection, of.id)
        told = {"change": "an owner took every second factor away"}
        await mailer_to_admins(server).send_admin(connection, FACTOR_CHANGED, of.email, told)
        await audit(connection, admin.actor, "admin.factor_reset", of.email)
    return Response(status_code=204)


async def _other(connection: Connection, admin: Admin, admin_id: str, own: type[RowgateError]) -> AdminRow:
    """Read another admin, held; raises NotThere, or `own` for who asks."""
    found = identifier(admin_id, "admin")
    if found == admin.id:
        raise own()  # type: ignore[call-arg]  # it says its own sentence
    row = await admins.admin_by_id(connection, found, hold=True)
    if row is None:
        raise NotThere("admin")
    return row


@router.get("/admins/{admin_id}/sessions", response_model=list[AdminSessionAnswer])
@refuses(NotThere)
async def list_sessions(server: ServerDep, admin: Owner, admin_id: str) -> Response:
    """List an admin's sessions that go on, the newest first."""
    async with server.pool.lease() as connection:
        of = await _there(connection, admin_id)
        return answer(await shown_sessions(connection, of.id, admin.session_id))


@router.delete("/admins/{admin_id}/sessions", status_code=204)
@refuses(NotThere)
async def end_sessions(server: ServerDep, admin: Owner, admin_id: str) -> Response:
    """End every session of an admin."""
    async with server.pool.lease() as connection, connection.transaction():
        of = await _there(connection, admin_id)
        await admin_sessions.end_sessions(connection, of.id)
        await audit(connection, admin.actor, "admin.sessions_end", of.email)
    return Response(status_code=204)


@router.get("/admins/{admin_id}/sign-ins", dependencies=[OWNER], response_model=list[SignInAnswer])
@refuses(NotThere)
async def list_sign_ins(server: ServerDep, admin_id: str, limit: Limit = 100, before: Before = None) -> Response:
    """List from the audit log how an admin signed in, and what was refused, the newest first."""
    async with server.pool.lease() as connection:
        of = await _there(connection, admin_id)
        return answer(await shown_sign_ins(connection, of.id, limit, before))


async def _there(connection: Connection, admin_id: str) -> AdminRow:
    row = await admins.admin_by_id(connection, identifier(admin_id, "admin"))
    if row is None:
        raise NotThere("admin")
    return row
