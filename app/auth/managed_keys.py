"""API keys as admins make, list and revoke them."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import asyncpg
from sqlalchemy import func
from sqlmodel import col

from app.audit.writing import audit
from app.auth.admin_links import revoke_invites_by
from app.auth.api_keys import ApiKeys
from app.database.connection import Connection
from app.errors import RowgateError
from app.store.by_model import added, changed, first, found
from app.store.people_rows import ApiKeyRow

_HOLDS = col(ApiKeyRow.revoked_at).is_(None)


class KeyExists(RowgateError):
    """There is a key of this name."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "admin.key_exists"


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """What a new key may do, and until when; the roles have been checked."""

    name: str
    roles: tuple[str, ...] = ()
    admin_role: str | None = None
    expires_at: datetime | None = None


async def create_key(connection: Connection, keys: ApiKeys, grant: KeyGrant, *, actor: str) -> tuple[str, ApiKeyRow]:
    """Make a key, inside a transaction: gives the key, which is shown this once, and its row; raises KeyExists."""
    made = keys.new()
    try:
        row = await added(
            connection, ApiKeyRow, name=grant.name, digest=made.digest, roles=list(grant.roles),
            admin_role=grant.admin_role, expires_at=grant.expires_at,
        )  # fmt: skip
    except asyncpg.UniqueViolationError:
        raise KeyExists("There is a key of this name.", hint="Revoke it, or choose another name.") from None
    detail = {"roles": list(grant.roles), "admin": grant.admin_role}
    await audit(connection, actor, "api_key.create", grant.name, detail)
    return made.key, row


async def all_keys(connection: Connection) -> list[ApiKeyRow]:
    """List keys."""
    return await found(connection, ApiKeyRow, order=[col(ApiKeyRow.name)])


async def key_named(connection: Connection, name: str) -> ApiKeyRow | None:
    """Give the key that holds, or the last one of this name."""
    newest = [col(ApiKeyRow.revoked_at).desc().nulls_first(), col(ApiKeyRow.id).desc()]
    return await first(connection, ApiKeyRow, col(ApiKeyRow.name) == name, order=newest)


async def key_that_holds(connection: Connection, name: str) -> ApiKeyRow | None:
    """Give the key of this name that wasn't revoked."""
    return await first(connection, ApiKeyRow, col(ApiKeyRow.name) == name, _HOLDS)


async def revoke_key(connection: Connection, key: ApiKeyRow, *, actor: str) -> bool:
    """End a key, and what it invited, inside a transaction; says whether it still held."""
    ended = await changed(connection, ApiKeyRow, col(ApiKeyRow.id) == key.id, _HOLDS, revoked_at=func.now())
    if ended:
        await revoke_invites_by(connection, f"key:{key.name}")
        await audit(connection, actor, "api_key.revoke", key.name)
    return bool(ended)
