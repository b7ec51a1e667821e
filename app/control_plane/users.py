"""Users, as admins manage them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.audit.writing import audit
from app.auth.accounts import (
    Account,
    EmailInvalid,
    EmailTaken,
    account,
    accounts,
    authority_version,
    change_address,
    create_user,
    normal_email,
    set_columns,
)
from app.auth.admin_access import VIEWER, Editor
from app.auth.managed_users import Action, act_on, delete_user, hold_user, set_roles
from app.auth.password_change import given, holder, set_password
from app.auth.passwords import PasswordRefused, UserPassword, check_new_password
from app.auth.role_names import RolesUnknown
from app.auth.sessions import end_own, living_sessions
from app.auth.sign_up_hooks import SignUpRefused, let_in
from app.control_plane.etags import IfMatch, etag, version_in
from app.control_plane.named import NotThere, identifier, known_roles
from app.control_plane.server import Server, ServerDep
from app.database.connection import Connection
from app.database.faults import WRITE_REFUSALS
from app.definitions.validation import object_validator
from app.errors import FieldError, RowgateError
from app.http.fixed_bodies import Body, JsonBody, ObjectBody, hold_caller
from app.http.fixed_routes import NO_NUL, Declared, FixedRouter, InputInvalid, answer, refuses

router = FixedRouter(tags=["users"])


class UserChanged(RowgateError):
    """The person was changed since the ETag was given."""

    status: ClassVar[int] = 412
    code: ClassVar[str] = "admin.user_changed"


_HELD = (NotThere, UserChanged, *WRITE_REFUSALS)


class UserAnswer(BaseModel):
    """A person as admins see one; a column of the backend's own goes before a fact of the same name."""

    model_config = ConfigDict(extra="allow")

    id: str
    email: str | None
    roles: list[str]
    created_at: datetime
    disabled: Any
    confirmed_at: Any
    last_sign_in_at: Any


class NewUserBody(Body):
    """A person: an address, perhaps a password, roles, and columns of `users`."""

    email: str
    password: UserPassword | None = None
    roles: list[str] = Field(default_factory=list, max_length=100)
    columns: dict[str, Any] = Field(default_factory=dict)


class SetPasswordBody(Body):
    """A user's password, as an admin sets it."""

    password: UserPassword


class RolesBody(Body):
    """All roles of a person."""

    roles: list[str]


class RolesAnswer(Declared):
    """All roles of a person."""

    roles: list[str]


class UserSessionAnswer(Declared):
    """A session of a person's that goes on: since when and until when, last refreshed when, and from where."""

    id: str
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    ip: str | None
    user_agent: str | None


def _shown(found: Account) -> dict[str, Any]:
    facts = {
        "disabled": found.disabled,
        "confirmed_at": found.confirmed_at,
        "last_sign_in_at": found.signed_in_at,
    }
    return {**facts, **found.columns, "roles": list(found.roles)}


def _columns(server: Server, given: dict[str, Any], *, new: bool) -> dict[str, object]:
    """Read columns, which stand in `columns` of the body of a new person, and by themselves in that of a change."""
    runtime = server.live.runtime
    fields = {column.name: column for column in runtime.project.users.columns}
    found, errors = object_validator(fields, runtime.keys).read(given)
    wrong = [one for one in errors if new or one.code != "input.required"]
    if wrong:
        place = ("body", "columns") if new else ("body",)
        listed = [FieldError((*place, *one.loc), one.code, one.message) for one in wrong]
        raise InputInvalid("The body is not what is wanted here.", errors=listed)
    return {name: found[name] for name in given}


def _least(server: Server) -> int:
    return server.live.runtime.project.auth.password.min_length


@router.get("/users", dependencies=[VIEWER], response_model=list[UserAnswer])
async def list_users(
    server: ServerDep,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    email: Annotated[str | None, Query(max_length=320, pattern=NO_NUL)] = None,
) -> Response:
    """List users, the newest first, or the one with an address."""
    async with server.pool.lease() as connection:
        return answer([_shown(found) for found in await accounts(connection, email, limit, offset)])


@router.post("/users", status_code=201, name="create_user", response_model=UserAnswer)
@refuses(RolesUnknown, EmailInvalid, EmailTaken, PasswordRefused, SignUpRefused, *WRITE_REFUSALS)
async def create(
    request: Request, server: ServerDep, admin: Editor, body: Annotated[NewUserBody, Depends(JsonBody(NewUserBody))]
) -> Response:
    """Make a person, whose address counts as confirmed."""
    roles, columns = known_roles(server, body.roles), _columns(server, body.columns, new=True)
    email, digest = normal_email(body.email), None
    if body.password is not None:
        check_new_password(body.password, about=[email], least=_least(server))
        digest = await server.auth.passwords.hash(body.password)
        await hold_caller(request)
    async with server.pool.lease() as connection, connection.transaction():
        who = await let_in(server.hooks, connection, email, columns)
        user_id = await create_user(connection, who, digest, columns, confirmed=True)
        await set_roles(connection, user_id, roles)
        await audit(connection, admin.actor, "user.create", user_id, {"roles": roles})
        return await _answer(connection, user_id, 201)


@router.get("/users/{user_id}", dependencies=[VIEWER], response_model=UserAnswer)
@refuses(NotThere)
async def get_user(server: ServerDep, user_id: str) -> Response:
    """Give one person, with an ETag that every change to the person changes."""
    async with server.pool.lease() as connection:
        return await _answer(connection, identifier(user_id, "user"))


async def _answer(connection: Connection, user_id: str, status: int = 200) -> Response:
    found = await account(connection, user_id)
    if found is None:
        raise NotThere("user")
    return answer(_shown(found), status, etag(await authority_version(connection, user_id)))


@asynccontextmanager
async def _held(server: Server, user_id: str, if_match: str | None) -> AsyncIterator[Connection]:
    """Hold a person for a transaction; raises NotThere, or UserChanged where If-Match names another version."""
    async with server.pool.lease() as connection, connection.transaction():
        version = await hold_user(connection, user_id)
        if version is None:
            raise NotThere("user")
        if version_in(if_match) not in {"*", str(version)}:
            hint = "Read it again, and send its new ETag."
            raise UserChanged("Somebody has changed this person meanwhile.", hint=hint)
        yield connection


@router.patch("/users/{user_id}", response_model=UserAnswer)
@refuses(*_HELD, EmailInvalid, EmailTaken, SignUpRefused)
async def change_user(
    server: ServerDep,
    admin: Editor,
    user_id: str,
    body: Annotated[ObjectBody, Depends(JsonBody(ObjectBody))],
    if_match: IfMatch = None,
) -> Response:
    """Change columns of a person, and `email`."""
    given = dict(body.root)
    email = given.pop("email", None)
    columns = _columns(server, given, new=False)
    address = None if email is None else normal_email(str(email))
    user = identifier(user_id, "user")
    async with _held(server, user, if_match) as connection:
        await set_columns(connection, user, columns)
        if address is not None:
            await change_address(connection, server.hooks, user, address, columns)
        changed = sorted([*columns, *(["email"] if address is not None else [])])
        await audit(connection, admin.actor, "user.change", user, {"columns": changed})
        return await _answer(connection, user)


@router.delete("/users/{user_id}", status_code=204)
@refuses(*_HELD)
async def remove_user(server: ServerDep, admin: Editor, user_id: str, if_match: IfMatch = None) -> Response:
    """Delete a person, with what goes along by the definitions of the tables."""
    user = identifier(user_id, "user")
    async with _held(server, user, if_match) as connection:
        await delete_user(connection, user)
        await audit(connection, admin.actor, "user.delete", user)
    return Response(status_code=204)


@router.put("/users/{user_id}/roles", name="put_user_roles", response_model=RolesAnswer)
@refuses(*_HELD, RolesUnknown)
async def put_roles(
    server: ServerDep,
    admin: Editor,
    user_id: str,
    body: Annotated[RolesBody, Depends(JsonBody(RolesBody))],
    if_match: IfMatch = None,
) -> Response:
    """Give a person these roles and no others; it holds from the next request on."""
    roles, user = known_roles(server, body.roles), identifier(user_id, "user")
    async with _held(server, user, if_match) as connection:
        await set_roles(connection, user, roles)
        await audit(connection, admin.actor, "user.roles", user, {"roles": roles})
    return answer(RolesAnswer(roles=roles))


@router.put("/users/{user_id}/password", name="put_user_password", status_code=204)
@refuses(*_HELD, PasswordRefused)
async def put_password(
    request: Request,
    server: ServerDep,
    admin: Editor,
    user_id: str,
    body: Annotated[SetPasswordBody, Depends(JsonBody(SetPasswordBody))],
    if_match: IfMatch = None,
) -> Response:
    """Give a person another password, and end every session."""
    user = identifier(user_id, "user")
    async with server.pool.lease() as connection:
        of = await holder(connection, "user", user)
    if of is None:
        raise NotThere("user")
    new = await given(server.auth.passwords, of, body.password, _least(server))
    await hold_caller(request)
    async with _held(server, user, if_match) as connection:
        await set_password(connection, new)
        await audit(connection, admin.actor, "user.password", user)
    return Response(status_code=204)


@router.get("/users/{user_id}/sessions", dependencies=[VIEWER], response_model=list[UserSessionAnswer])
@refuses(NotThere)
async def list_user_sessions(server: ServerDep, user_id: str) -> Response:
    """List a person's sessions that go on, the newest first."""
    user = identifier(user_id, "user")
    async with server.pool.lease() as connection:
        if await account(connection, user) is None:
            raise NotThere("user")
        rows = await living_sessions(connection, user, server.live.runtime.project.auth.sessions)
    return answer([UserSessionAnswer(**row) for row in rows])


@router.delete("/users/{user_id}/sessions/{session_id}", status_code=204)
@refuses(NotThere)
async def end_user_session(server: ServerDep, admin: Editor, user_id: str, session_id: str) -> Response:
    """End one of a person's sessions; its tokens end with it."""
    user, session = identifier(user_id, "user"), identifier(session_id, "session")
    async with server.pool.lease() as connection, connection.transaction():
        if not await end_own(connection, user, session):
            raise NotThere("session")
        await audit(connection, admin.actor, "user.session_end", user, {"session": session})
    return Response(status_code=204)


@router.post("/users/{user_id}/{action}", status_code=204)
@refuses(*_HELD)
async def act_on_user(
    server: ServerDep, admin: Editor, user_id: str, action: Action, if_match: IfMatch = None
) -> Response:
    """Disable or enable a person, confirm the address, or end all sessions."""
    user = identifier(user_id, "user")
    async with _held(server, user, if_match) as connection:
        await act_on(connection, user, action)
        await audit(connection, admin.actor, f"user.{action}", user)
    return Response(status_code=204)
