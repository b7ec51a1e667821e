"""Users as admins change them, each inside a transaction in which the person is held."""

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import func
from sqlmodel import col

from app.auth.accounts import authority_version, roles_of
from app.auth.sessions import end_sessions
from app.database.connection import Connection
from app.store.by_model import added, changed, first, removed
from app.store.people_rows import AccountRow, UserRoleRow, UserRow

Action = Literal["disable", "enable", "confirm", "sign-out"]
_CHANGES: dict[Action, dict[str, Any]] = {
    "disable": {"disabled_at": func.coalesce(AccountRow.disabled_at, func.now())},
    "enable": {"disabled_at": None},
    "confirm": {"email_confirmed_at": func.coalesce(AccountRow.email_confirmed_at, func.now())},
}


async def id_of(connection: Connection, email: str) -> str | None:
    """Give the id of the person who has an address."""
    person = await first(connection, UserRow, func.lower(UserRow.email) == func.lower(email))
    return None if person is None else person.id


async def hold_user(connection: Connection, user_id: str) -> int | None:
    """Lock a person until the transaction ends, and give the version; None where there is none.

    A lock that leaves the key alone: a sign-in, which refers to the row, needs not wait, and so can't be waited for.
    """
    if await first(connection, UserRow, col(UserRow.id) == user_id, hold=True) is None:
        return None
    return await authority_version(connection, user_id)


async def delete_user(connection: Connection, user_id: str) -> None:
    """Delete a person, with what goes along by the definitions of the tables."""
    await removed(connection, UserRow, col(UserRow.id) == user_id)


async def set_roles(connection: Connection, user_id: str, roles: Sequence[str]) -> None:
    """Give a person these roles, which have been checked, and no others."""
    held = await roles_of(connection, user_id)
    for role in set(held) - set(roles):
        await removed(connection, UserRoleRow, col(UserRoleRow.user_id) == user_id, col(UserRoleRow.role) == role)
    for role in set(roles) - set(held):
        await added(connection, UserRoleRow, user_id=user_id, role=role)


async def act_on(connection: Connection, user_id: str, action: Action) -> None:
    """Disable or enable a person, confirm the address, or end all sessions."""
    if (values := _CHANGES.get(action)) is not None:
        whose = col(AccountRow.user_id) == user_id
        if await first(connection, AccountRow, whose) is None:
            await added(connection, AccountRow, user_id=user_id)
        await changed(connection, AccountRow, whose, **values)
    if action in {"disable", "sign-out"}:
        await end_sessions(connection, user_id=user_id)
