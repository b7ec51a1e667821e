"""Secrets as admins keep, list and forget them; no route ever gives a value back."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import asyncpg
from sqlalchemy import func
from sqlmodel import col

from app.database.connection import Connection
from app.errors import RowgateError
from app.secrets.sealed import bound_name
from app.secrets.sealing import SealingKey
from app.store.by_model import Which, added, changed, first, found, removed
from app.store.rows import SecretRow


class SecretExists(RowgateError):
    """There is a secret of this name."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "secrets.exists"


@dataclass(frozen=True, slots=True)
class SecretSaid:
    """A secret as an admin says it."""

    name: str
    value: str = field(repr=False)
    hosts: tuple[str, ...]
    description: str | None = None


async def create_secret(connection: Connection, key: SealingKey, said: SecretSaid) -> SecretRow:
    """Keep a new secret; raises SecretExists."""
    try:
        return await added(connection, SecretRow, name=said.name, **_sealed(key, said))
    except asyncpg.UniqueViolationError:
        raise SecretExists("There is a secret of this name.", hint="PUT or PATCH changes it.") from None


async def change_secret(connection: Connection, key: SealingKey, said: SecretSaid) -> SecretRow:
    """Replace a secret that is there, and that is held."""
    raised = {"version": col(SecretRow.version) + 1, "updated_at": func.now()}
    (row,) = await changed(connection, SecretRow, _is(said.name), **_sealed(key, said), **raised)
    return row


async def all_secrets(connection: Connection) -> list[SecretRow]:
    """List secrets, sealed as they are."""
    return await found(connection, SecretRow, order=[col(SecretRow.name)])


async def secret_named(connection: Connection, name: str, *, hold: bool = False) -> SecretRow | None:
    """Give a secret, sealed as it is; `hold` locks it until the transaction ends."""
    return await first(connection, SecretRow, _is(name), hold=hold)


async def drop_secret(connection: Connection, name: str) -> None:
    """Forget a secret."""
    await removed(connection, SecretRow, _is(name))


def _is(name: str) -> Which:
    return col(SecretRow.name) == name


def _sealed(key: SealingKey, said: SecretSaid) -> dict[str, Any]:
    """Give what is kept of a secret beside its name: its hosts and description, and its text, sealed."""
    sealed = key.seal(said.value.encode(), bound_name(said.name, said.hosts))
    kept = {"key_id": sealed.key_id, "nonce": sealed.nonce, "ciphertext": sealed.ciphertext}
    return {"hosts": list(said.hosts), "description": said.description, **kept}
