"""Users as admins change them, each inside a transaction in which the person is held."""

from collections.abc import Sequence
from typing import Literal

from app.auth.accounts import authority_version, roles_of
from app.auth.sessions import end_sessions
from app.database.connection import Connection

Action = Literal["disable", "enable", "confirm", "sign-out"]
_CHANGES: dict[Action, str] = {
    "disable": "disabled_at = coalesce(accounts.disabled_at, now())",
    "enable": "disabled_at = NULL",
    "confirm": "email_confirmed_at = coalesce(accounts.email_confirmed_at, now())",
}


async def id_of(connection: Connection, email: str) -> str | None:
    """Give the id of the person who has an address."""
    found: str | None = await connection.fetchval("SELECT id FROM data.users WHERE lower(email) = lower($1)", email)
    return found


async def hold_user(connection: Connection, user_id: str) -> int | None:
    """Lock a person until the transaction ends, and give the version; None where there is none.

    A lock that leaves the key alone: a sign-in, which refers to the row, needs not wait, and so can't be waited for.
    """
    if await connection.fetchval("SELECT id FROM data.users WHERE id = $1 FOR NO KEY UPDATE", user_id) is None:
        return None
    return await authority_version(connection, user_id)


async def delete_user(connection: Connection, user_id: str) -> None:
    """Delete a person, with what goes along by the definitions of the tables."""
    await connection.execute("DELETE FROM data.users WHERE id = $1", user_id)


async def set_roles(connection: Connection, user_id: str, roles: Sequence[str]) -> None:
    """Give a person these roles, which have been checked, and no others."""
    held = await roles_of(connection, user_id)
    for role in set(held) - set(roles):
        await connection.execute("DELETE FROM rowgate.user_roles WHERE user_id = $1 AND role = $2", user_id, role)
    for role in set(roles) - set(held):
        await connection.execute("INSERT INTO rowgate.user_roles (user_id, role) VALUES ($1, $2)", user_id, role)


async def act_on(connection: Connection, user_id: str, action: Action) -> None:
    """Disable or enable a person, confirm the address, or end all sessions."""
    if (change := _CHANGES.get(action)) is not None:
        await connection.execute(
            "INSERT INTO rowgate.accounts (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING", user_id
        )
        await connection.execute(f"UPDATE rowgate.accounts SET {change} WHERE user_id = $1", user_id)
    if action in {"disable", "sign-out"}:
        await end_sessions(connection, user_id=user_id)
