"""Secrets in the database: sealed, each with the hosts that it may be sent to; no route ever gives one back."""

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from app.database.connection import Connection, DatabaseRow
from app.errors import RowgateError
from app.secrets.sealing import Sealed, SealingKey, SecretUnreadable

_SHOWN = "name, hosts, description, version, created_at, updated_at"
_TITLES = f"SELECT {_SHOWN} FROM rowgate.secrets"
_SEALED = "name, hosts, key_id, nonce, ciphertext"
_FOREIGN = """
SELECT (SELECT count(*) FROM rowgate.secrets WHERE key_id <> $1)
    + (SELECT count(*) FROM rowgate.outbox WHERE key_id <> $1)
    + (SELECT count(*) FROM rowgate.first_answers WHERE key_id <> $1 AND created_at > now() - interval '24 hours')
"""
_log = logging.getLogger("rowgate.secrets")


class SecretExists(RowgateError):
    """There is a secret of this name."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "secrets.exists"


class SecretMissing(RowgateError):
    """A step names a secret that isn't there; nothing was sent."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "secrets.missing"


class SecretsKeyWrong(RowgateError):
    """Secrets in the database are sealed by another ROWGATE_SECRET_KEY than the one that is set."""

    code: ClassVar[str] = "secrets.wrong_key"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as it is used: its text, and the hosts that it may be sent to."""

    value: str = field(repr=False)
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SecretSaid:
    """A secret as an admin says it."""

    name: str
    value: str = field(repr=False)
    hosts: tuple[str, ...]
    description: str | None = None


async def check_key(connection: Connection, key: SealingKey) -> None:
    """Raise SecretsKeyWrong if anything was sealed by another key; nothing is written."""
    foreign = await connection.fetchval(_FOREIGN, key.id)
    if foreign:
        raise SecretsKeyWrong(
            f"{foreign} secrets, waiting calls or kept answers were sealed by another ROWGATE_SECRET_KEY.",
            hint="Set the key that sealed them, or carry them over with `rowgate rotate-secrets`.",
        )


async def create_secret(connection: Connection, key: SealingKey, said: SecretSaid) -> DatabaseRow:
    """Keep a new secret and give its row without the value; raises SecretExists."""
    row: DatabaseRow | None = await connection.fetchrow(
        "INSERT INTO rowgate.secrets (name, hosts, description, key_id, nonce, ciphertext)"
        f" VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING {_SHOWN}",
        *_columns(key, said),
    )
    if row is None:
        raise SecretExists("There is a secret of this name.", hint="PUT or PATCH changes it.")
    return row


async def change_secret(connection: Connection, key: SealingKey, said: SecretSaid) -> DatabaseRow:
    """Replace a secret that is there, and give its row without the value."""
    row: DatabaseRow = await connection.fetchrow(
        "UPDATE rowgate.secrets SET hosts = $2, description = $3, key_id = $4, nonce = $5, ciphertext = $6,"
        f" version = version + 1, updated_at = now() WHERE name = $1 RETURNING {_SHOWN}",
        *_columns(key, said),
    )
    return row


def _columns(key: SealingKey, said: SecretSaid) -> tuple[object, ...]:
    """Give what is kept of a secret: its name, hosts and description, and its text, sealed."""
    sealed = key.seal(said.value.encode(), bound_name(said.name, said.hosts))
    return said.name, list(said.hosts), said.description, sealed.key_id, sealed.nonce, sealed.ciphertext


async def load_secrets(connection: Connection, key: SealingKey, names: Collection[str]) -> Mapping[str, Secret]:
    """Open secrets by name; raises SecretMissing or SecretUnreadable, and then there is none of them."""
    rows = await connection.fetch(f"SELECT {_SEALED} FROM rowgate.secrets WHERE name = ANY($1)", sorted(names))
    found = {row["name"]: _opened(row, key) for row in rows}
    if missing := sorted(set(names) - found.keys()):
        _log.error("a step needs secrets that aren't there: %s", ", ".join(missing))
        raise SecretMissing("A secret that this needs isn't there.")
    return found


def bound_name(name: str, hosts: Collection[str]) -> str:
    """Give what a secret is sealed under: its name and its hosts, so that neither can be changed behind our back."""
    return json.dumps(["secret", name, sorted(hosts)])


def _opened(row: Any, key: SealingKey) -> Secret:
    hosts = tuple(row["hosts"])
    try:
        text = key.open(Sealed.of(row), bound_name(row["name"], hosts))
    except SecretUnreadable:
        _log.error("the secret %s can't be opened: it was changed in the database", row["name"])
        raise
    return Secret(text.decode(), hosts)


async def all_titles(connection: Connection) -> list[DatabaseRow]:
    """List what is known of each secret, without its value."""
    return await connection.fetch(f"{_TITLES} ORDER BY name")


async def title_of(connection: Connection, name: str, *, hold: bool = False) -> DatabaseRow | None:
    """Give what is known of a secret, without its value; `hold` locks it until the transaction ends."""
    found: DatabaseRow | None = await connection.fetchrow(
        f"{_TITLES} WHERE name = $1{' FOR UPDATE' if hold else ''}", name
    )
    return found


async def drop_secret(connection: Connection, name: str) -> None:
    """Forget a secret."""
    await connection.execute("DELETE FROM rowgate.secrets WHERE name = $1", name)
