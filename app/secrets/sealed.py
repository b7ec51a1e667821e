"""Secrets in the database: sealed, each with the hosts that it may be sent to; no route ever gives one back."""

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from app.database.connection import Connection
from app.errors import RowgateError
from app.secrets.sealing import Sealed, SealingKey, SecretUnreadable

_SEALED = "name, hosts, key_id, nonce, ciphertext"
_FOREIGN = """
SELECT (SELECT count(*) FROM rowgate.secrets WHERE key_id <> $1)
    + (SELECT count(*) FROM rowgate.outbox WHERE key_id <> $1)
    + (SELECT count(*) FROM rowgate.mail WHERE key_id <> $1)
    + (SELECT count(*) FROM rowgate.first_answers WHERE key_id <> $1 AND created_at > now() - interval '24 hours')
    + (SELECT count(*) FROM rowgate.factors WHERE key_id <> $1)
    + (SELECT count(*) FROM rowgate.signing_keys WHERE key_id <> $1)
"""
_log = logging.getLogger("rowgate.secrets")


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


async def check_key(connection: Connection, key: SealingKey) -> None:
    """Raise SecretsKeyWrong if anything was sealed by another key; nothing is written."""
    foreign = await connection.fetchval(_FOREIGN, key.id)
    if foreign:
        raise SecretsKeyWrong(
            f"{foreign} secrets, keys, waiting calls or kept answers were sealed by another ROWGATE_SECRET_KEY.",
            hint="Set the key that sealed them, or carry them over with `rowgate rotate-secrets`.",
        )


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
