"""Users, as admins manage them."""

from typing import Annotated, Any, ClassVar, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from app.audit.writing import audit
from app.auth.accounts import (
    Account,
    account,
    accounts,
    authority_version,
    create_user,
    normal_email,
    set_columns,
)
from app.auth.admin_access import VIEWER, Editor
from app.auth.passwords import check_new_password
from app.auth.routes.body import Body, BodyInvalid, read, read_json
from app.auth.routes.mounted import answer
from app.auth.sessions import end_sessions
from app.control_plane.named import NotThere, identifier, known_roles
from app.definitions.validation import object_validator
from app.errors import FieldError, RowgateError

router = APIRouter()


class UserChanged(RowgateError):
    """The person was changed since the ETag was given."""

    status: ClassVar[int] = 412
    code: ClassVar[str] = "admin.user_changed"


def _shown(found: Account) -> dict[str, Any]:
    """Give a person as admins see one; a column of the backend's own goes before a fact of the same name."""
    facts = {
        "disabled": found.disabled,
        "confirmed_at": found.confirmed_at,
        "last_sign_in_at": found.signed_in_at,
    }
    return {**facts, **found.columns, "roles": list(found.roles)}


def _columns(request: Request, given: dict[str, Any], *, new: bool) -> dict[str, Any]:
    runtime = request.app.state.live.runtime
    fields = {column.name: column for column in runtime.project.users.columns}
    found, errors = object_validator(fields, runtime.bigints).read(given)
    wrong = [one for one in errors if new or one.code != "input.required"]
    if wrong:
        listed = [FieldError(("body", *one.loc), one.code, one.message) for one in wrong]
        raise BodyInvalid("The body is not what is wanted here.", errors=listed)
    return {name: found[name] for name in given}


@router.get("/users", dependencies=[VIEWER])
async def list_users(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    email: Annotated[str | None, Query(max_length=320)] = None,
) -> Response:
    """List users, the newest first, or the one with an address."""
    async with request.app.state.pool.lease() as connection:
        return answer([_shown(found) for found in await accounts(connection, email, limit, offset)])


class NewUserBody(Body):
    """A person: an address, perhaps a password, roles, and columns of `users`."""

    email: str
    password: str | None = None
    roles: list[str] = Field(default_factory=list, max_length=100)
    columns: dict[str, Any] = Field(default_factory=dict)


@router.post("/users", status_code=201)
async def create(request: Request, admin: Editor) -> Response:
    """Make a person, whose address counts as confirmed."""
    body = await read(request, NewUserBody)
    roles, columns = known_roles(request, body.roles), _columns(request, body.columns, new=True)
    email, digest, state = normal_email(body.email), None, request.app.state
    if body.password is not None:
        check_new_password(body.password, about=[email])
        digest = await state.passwords.hash(body.password)
    async with state.pool.lease() as connection, connection.transaction():
        user_id = await create_user(connection, email, digest, columns, confirmed=True)
        await _set_roles(connection, user_id, roles)
        await audit(connection, admin.actor, "user.create", user_id, {"roles": roles})
        return await _answer(connection, user_id, 201)


@router.get("/users/{user_id}", dependencies=[VIEWER])
async def get_user(request: Request, user_id: str) -> Response:
    """Give one person, with an ETag that every change to the person changes."""
    async with request.app.state.pool.lease() as connection:
        return await _answer(connection, identifier(user_id, "user"))


async def _answer(connection: Any, user_id: str, status: int = 200) -> Response:
    found = await account(connection, user_id)
    if found is None:
        raise NotThere("user")
    response = answer(_shown(found), status)
    response.headers["ETag"] = f'"{await authority_version(connection, user_id)}"'
    return response


async def _hold(request: Request, connection: Any, user_id: str) -> None:
    """Lock a person until the transaction ends; raises NotThere, or UserChanged where If-Match names another version.

    A lock that leaves the key alone: a sign-in, which refers to the row, needs not wait, and so can't be waited for.
    """
    if await connection.fetchval("SELECT id FROM data.users WHERE id = $1 FOR NO KEY UPDATE", user_id) is None:
        raise NotThere("user")
    wanted = request.headers.get("if-match", "*").strip().removeprefix("W/").strip('"')
    if wanted not in {"*", str(await authority_version(connection, user_id))}:
        raise UserChanged("Somebody has changed this person meanwhile.", hint="Read it again, and send its new ETag.")


@router.patch("/users/{user_id}")
async def change_user(request: Request, admin: Editor, user_id: str) -> Response:
    """Change columns of a person, and `email`."""
    given = await read_json(request)
    if not isinstance(given, dict):
        raise BodyInvalid("The body has to be a JSON object.")
    email = given.pop("email", None)
    columns = _columns(request, given, new=False)
    if email is not None:
        columns["email"] = normal_email(str(email))
    user = identifier(user_id, "user")
    async with request.app.state.pool.lease() as connection, connection.transaction():
        await _hold(request, connection, user)
        await set_columns(connection, user, columns)
        await audit(connection, admin.actor, "user.change", user, {"columns": sorted(columns)})
        return await _answer(connection, user)


@router.delete("/users/{user_id}", status_code=204)
async def delete_user(request: Request, admin: Editor, user_id: str) -> Response:
    """Delete a person, with what goes along by the definitions of the tables."""
    user = identifier(user_id, "user")
    async with request.app.state.pool.lease() as connection, connection.transaction():
        await _hold(request, connection, user)
        await connection.execute("DELETE FROM data.users WHERE id = $1", user)
        await audit(connection, admin.actor, "user.delete", user)
    return Response(status_code=204)


class RolesBody(Body):
    """All roles of a person."""

    roles: list[str]


@router.put("/users/{user_id}/roles")
async def put_roles(request: Request, admin: Editor, user_id: str) -> Response:
    """Give a person these roles and no others; it holds from the next request on."""
    body = await read(request, RolesBody)
    roles, user = known_roles(request, body.roles), identifier(user_id, "user")
    async with request.app.state.pool.lease() as connection, connection.transaction():
        await _hold(request, connection, user)
        await _set_roles(connection, user, roles)
        await audit(connection, admin.actor, "user.roles", user, {"roles": roles})
    return answer({"roles": roles})


async def _set_roles(connection: Any, user_id: str, roles: list[str]) -> None:
    await connection.execute("DELETE FROM rowgate.user_roles WHERE user_id = $1 AND role <> ALL($2)", user_id, roles)
    await connection.execute(
        "INSERT INTO rowgate.user_roles SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING", user_id, roles
    )


@router.post("/users/{user_id}/{action}", status_code=204)
async def act_on_user(
    request: Request, admin: Editor, user_id: str, action: Literal["disable", "enable", "confirm", "sign-out"]
) -> Response:
    """Disable or enable a person, confirm the address, or end all sessions."""
    user = identifier(user_id, "user")
    settings = {
        "disable": "disabled_at = coalesce(rowgate.accounts.disabled_at, now())",
        "enable": "disabled_at = NULL",
        "confirm": "email_confirmed_at = coalesce(rowgate.accounts.email_confirmed_at, now())",
    }
    async with request.app.state.pool.lease() as connection, connection.transaction():
        await _hold(request, connection, user)
        if action in settings:
            await connection.execute("INSERT INTO rowgate.accounts (user_id) VALUES ($1) ON CONFLICT DO NOTHING", user)
            await connection.execute(f"UPDATE rowgate.accounts SET {settings[action]} WHERE user_id = $1", user)
        if action in {"disable", "sign-out"}:
            await end_sessions(connection, user_id=user)
        await audit(connection, admin.actor, f"user.{action}", user)
    return Response(status_code=204)
