"""People as GoTrue's `auth.admin.*` manages them, with an editor's API key in the place of a service key."""

import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from app.audit.writing import audit
from app.auth import factors
from app.auth.accounts import (
    EmailInvalid,
    EmailTaken,
    account,
    accounts,
    change_address,
    create_user,
    normal_email,
    set_columns,
)
from app.auth.admin_access import Admin, Editor
from app.auth.auth_server import AuthServer, AuthServerDep
from app.auth.in_force import InForceDep
from app.auth.managed_users import act_on, delete_user, hold_user, set_roles
from app.auth.password_change import NewPassword, given, holder, set_password
from app.auth.passwords import PasswordRefused, SentPassword, check_new_password, known_hash
from app.auth.role_names import RolesUnknown, check_roles
from app.auth.routes.answering import MailerDep
from app.auth.routes.factors import read_factor_id
from app.auth.routes.shapes import FactorId, FactorObject, UserObject, user_object
from app.auth.sign_up_hooks import SignUpRefused, let_in
from app.database.connection import Connection
from app.database.faults import WRITE_REFUSALS
from app.definitions.column_types import read_uuid
from app.definitions.validation import object_validator
from app.definitions.wrong import Wrong
from app.errors import FieldError, RowgateError
from app.http.fixed_bodies import Body, JsonBody, hold_caller
from app.http.fixed_routes import Declared, FixedRouter, InputInvalid, answer, refuses

PER_PAGE = 50
_HOURS = re.compile(r"([0-9]{1,9})h")
_FOR_GOOD = 10 * 365 * 24  # hours from which on a ban is one for good


class UserNotFound(RowgateError):
    """There is no such user."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "auth.user_not_found"

    def __init__(self) -> None:
        """Say so."""
        super().__init__("There is no such user.")


class AdminUserBody(Body):
    """What the clients send of a person; `user_metadata` are columns of `users`, the roles stand in `app_metadata`."""

    id: str | None = None
    email: str | None = None
    password: SentPassword | None = None
    password_hash: str | None = None
    email_confirm: bool | None = None
    user_metadata: dict[str, Any] | None = None
    app_metadata: dict[str, Any] | None = None
    ban_duration: str | None = None
    role: str | None = None
    phone: str | None = None
    phone_confirm: bool | None = None


class DeleteBody(Body):
    """Whether a person should be kept and only hidden, which nobody is here."""

    should_soft_delete: bool = False


class UsersPage(Declared):
    """A page of people, the newest first; the headers say how many there are."""

    users: list[UserObject]
    aud: str


class NothingObject(Declared):
    """What was asked for is done, and there is nothing to tell."""


def add_admin_routes(router: FixedRouter) -> None:
    """Add the routes."""
    path = "/admin/users"
    add: Callable[..., None] = partial(_add, router)
    add("GET", path, admin_list_users, UsersPage)
    add("POST", path, admin_create_user, UserObject)
    add("GET", f"{path}/{{user_id}}", admin_get_user, UserObject)
    add("PUT", f"{path}/{{user_id}}", admin_update_user, UserObject)
    add("DELETE", f"{path}/{{user_id}}", admin_delete_user, NothingObject)
    add("GET", f"{path}/{{user_id}}/factors", admin_list_factors, list[FactorObject])
    add("DELETE", f"{path}/{{user_id}}/factors/{{factor_id}}", admin_delete_factor, FactorId)


def _add(router: APIRouter, method: str, path: str, endpoint: Callable[..., Any], model: Any) -> None:
    router.add_api_route(path, endpoint, methods=[method], response_model=model)


async def admin_list_users(
    server: AuthServerDep,
    _admin: Editor,
    page: Annotated[str, Query(pattern=r"^[0-9]{0,9}$")] = "",
    per_page: Annotated[str, Query(pattern=r"^[0-9]{0,4}$")] = "",
) -> Response:
    """Give a page of people; `Link` says which is the next and which the last."""
    number, size = max(1, int(page or 1)), min(1000, int(per_page or PER_PAGE) or PER_PAGE)
    async with server.pool.lease() as connection:
        total = await connection.fetchval("SELECT count(*) FROM data.users")
        found = await accounts(connection, None, size, (number - 1) * size)
    last = max(1, -(-total // size))
    links = [*([("next", number + 1)] if number < last else []), ("last", last)]
    headers = {
        "X-Total-Count": str(total),
        "Link": ", ".join(f'</auth/v1/admin/users?{_page(at, size)}>; rel="{rel}"' for rel, at in links),
    }
    return answer(UsersPage(users=[user_object(one) for one in found], aud="authenticated"), 200, headers)


def _page(number: int, size: int) -> str:
    return urlencode({"page": number, "per_page": size})


@refuses(UserNotFound)
async def admin_get_user(server: AuthServerDep, _admin: Editor, user_id: str) -> Response:
    """Give one person."""
    async with server.pool.lease() as connection:
        return await _answer(connection, _id(user_id))


@refuses(EmailInvalid, EmailTaken, PasswordRefused, RolesUnknown, SignUpRefused, *WRITE_REFUSALS)
async def admin_create_user(
    request: Request,
    server: AuthServerDep,
    admin: Editor,
    in_force: InForceDep,
    body: Annotated[AdminUserBody, Depends(JsonBody(AdminUserBody))],
) -> Response:
    """Make a person; whether the address counts as confirmed, `email_confirm` says, or that nobody's has to be."""
    if body.email is None:
        raise EmailInvalid
    _check(body)
    columns, roles = _columns(server, body, new=True), _roles(server, body)
    if body.id is not None:
        columns["id"] = _field_id(body.id)
    email, digest = normal_email(body.email), _hash(body)
    if body.password is not None:
        check_new_password(body.password, about=[email], least=in_force.said.password.min_length)
        digest = await server.auth.passwords.hash(body.password)
        await hold_caller(request)
    confirmed = not in_force.confirm_email if body.email_confirm is None else body.email_confirm
    async with server.pool.lease() as connection, connection.transaction():
        who = await let_in(server.hooks, connection, email, columns)
        user_id = await create_user(connection, who, digest, columns, confirmed=confirmed)
        await set_roles(connection, user_id, roles or [])
        await _ban(connection, user_id, body)
        await audit(connection, admin.actor, "user.create", user_id, {"roles": roles or []})
        return await _answer(connection, user_id)


@refuses(UserNotFound, EmailInvalid, EmailTaken, PasswordRefused, RolesUnknown, SignUpRefused, *WRITE_REFUSALS)
async def admin_update_user(
    request: Request,
    server: AuthServerDep,
    admin: Editor,
    in_force: InForceDep,
    user_id: str,
    body: Annotated[AdminUserBody, Depends(JsonBody(AdminUserBody))],
) -> Response:
    """Change what the body names of a person; another password ends every session."""
    user = _id(user_id)
    _check(body)
    columns, roles = _columns(server, body, new=False), _roles(server, body)
    email = None if body.email is None else normal_email(body.email)
    new = await _new_password(server, user, body, in_force.said.password.min_length)
    await hold_caller(request)
    async with server.pool.lease() as connection, connection.transaction():
        if await hold_user(connection, user) is None:
            raise UserNotFound
        await set_columns(connection, user, columns)
        if email is not None:
            await change_address(connection, server.hooks, user, email, columns)
        if roles is not None:
            await set_roles(connection, user, roles)
        if new is not None:
            await set_password(connection, new)
        if body.email_confirm:
            await act_on(connection, user, "confirm")
        await _ban(connection, user, body)
        await _note(connection, admin, user, body)
        return await _answer(connection, user)


@refuses(UserNotFound, *WRITE_REFUSALS)
async def admin_delete_user(
    server: AuthServerDep, admin: Editor, user_id: str, body: Annotated[DeleteBody, Depends(JsonBody(DeleteBody))]
) -> Response:
    """Delete a person, with what goes along by the definitions of the tables."""
    if body.should_soft_delete:
        raise _wrong("should_soft_delete", "Nobody is kept who was deleted; `ban_duration` disables a person.")
    user = _id(user_id)
    async with server.pool.lease() as connection, connection.transaction():
        if await hold_user(connection, user) is None:
            raise UserNotFound
        await delete_user(connection, user)
        await audit(connection, admin.actor, "user.delete", user)
    return answer(NothingObject())


@refuses(UserNotFound)
async def admin_list_factors(server: AuthServerDep, _admin: Editor, user_id: str) -> Response:
    """List the second factors of a person."""
    async with server.pool.lease() as connection:
        found = await account(connection, _id(user_id))
    if found is None:
        raise UserNotFound
    return answer([FactorObject(**one) for one in found.factors])


@refuses(factors.FactorNotFound)
async def admin_delete_factor(
    server: AuthServerDep, admin: Editor, mailer: MailerDep, user_id: str, factor_id: str
) -> Response:
    """Take a factor away from a person who has lost it, and end every session."""
    user, factor = read_factor_id(user_id), read_factor_id(factor_id)
    async with server.pool.lease() as connection, connection.transaction():
        if await factors.unenroll(connection, user, factor, by_two=True):
            await mailer.notify_user(connection, "factor_changed", user, change=factors.TAKEN_AWAY)
        await act_on(connection, user, "sign-out")
        await audit(connection, admin.actor, "user.factor", user, {"factor": factor})
    return answer(FactorId(id=factor))


async def _answer(connection: Connection, user_id: str) -> Response:
    found = await account(connection, user_id)
    if found is None:
        raise UserNotFound
    return answer(user_object(found))


def _id(text: str) -> str:
    try:
        return str(read_uuid(text))
    except Wrong:
        raise UserNotFound from None


def _field_id(text: str) -> str:
    try:
        return str(read_uuid(text))
    except Wrong:
        raise _wrong("id", "A UUID is wanted.") from None


def _wrong(field: str, sentence: str) -> InputInvalid:
    return InputInvalid(sentence, errors=[FieldError(("body", field), "input.invalid", sentence)])


def _check(body: AdminUserBody) -> None:
    """Refuse what the dialect knows and nobody has here."""
    if body.phone or body.phone_confirm:
        raise _wrong("phone", "People have no telephone number here.")
    if body.role not in (None, "", "authenticated"):
        raise _wrong("role", "Send roles as app_metadata.roles.")
    if body.password is not None and body.password_hash is not None:
        raise _wrong("password_hash", "Send a password or the hash of one.")
    if other := sorted(set(body.app_metadata or {}) - {"roles", "provider", "providers"}):
        raise _wrong("app_metadata", f"Only roles can be set there, and not {', '.join(other)[:200]}.")


def _roles(server: AuthServer, body: AdminUserBody) -> list[str] | None:
    said = (body.app_metadata or {}).get("roles")
    if said is None:
        return None
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise _wrong("app_metadata", "The roles are a list of texts.")
    return check_roles(server.live.runtime.project, said)


def _columns(server: AuthServer, body: AdminUserBody, *, new: bool) -> dict[str, object]:
    served, said = server.live.runtime, body.user_metadata or {}
    fields = {column.name: column for column in served.project.users.columns}
    found, errors = object_validator(fields, served.keys).read(said)
    wrong = [one for one in errors if new or one.code != "input.required"]
    if wrong:
        listed = [FieldError(("body", "user_metadata", *one.loc), one.code, one.message) for one in wrong]
        raise InputInvalid("The user_metadata are not columns of users.", errors=listed)
    return {name: found[name] for name in said}


def _hash(body: AdminUserBody) -> str | None:
    digest = None if body.password_hash is None else known_hash(body.password_hash)
    if digest is None and body.password_hash is not None:
        raise _wrong("password_hash", "The hash is of no kind that is known, cut, or costs too much to check.")
    return digest


async def _new_password(server: AuthServer, user: str, body: AdminUserBody, least: int) -> NewPassword | None:
    if body.password is None and body.password_hash is None:
        return None
    async with server.pool.lease() as connection:
        of = await holder(connection, "user", user)
    if of is None:
        raise UserNotFound
    if body.password is not None:
        return await given(server.auth.passwords, of, body.password, least)
    return NewPassword(of, str(_hash(body)))


async def _ban(connection: Connection, user: str, body: AdminUserBody) -> None:
    """Disable or enable a person; nobody is disabled for a while."""
    if body.ban_duration is None:
        return
    hours = _HOURS.fullmatch(body.ban_duration)
    if body.ban_duration != "none" and (hours is None or int(hours[1]) < _FOR_GOOD):
        raise _wrong("ban_duration", f"Send none, or {_FOR_GOOD}h or more: who is disabled is so until enabled.")
    await act_on(connection, user, "enable" if hours is None else "disable")


async def _note(connection: Connection, admin: Admin, user: str, body: AdminUserBody) -> None:
    """Have it in the audit log as the routes of the admin API do, by what was changed."""
    changed = sorted(name for name, value in body.model_dump().items() if value is not None)
    await audit(connection, admin.actor, "user.change", user, {"columns": changed})
