"""A new master key: everything sealed by the old one is sealed by the new one, in one transaction."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from app.audit.hash_chain import EVENTS, AuditKey
from app.audit.writing import append, audit
from app.database.connection import Connection
from app.secrets.sealed import bound_name
from app.secrets.sealing import Sealed, SealingKey, SecretUnreadable


@dataclass(frozen=True, slots=True)
class _SealedTable:
    """A table with sealed rows: its key, the columns that the names of its texts are made of, and how."""

    table: str
    key: str
    columns: str
    name: Callable[[Any], str]


def answer_name(id_: bytes) -> str:
    """Give what a first answer is sealed under."""
    return f"answer {id_.hex()}"


def letter_name(letter_id: str) -> str:
    """Give what a waiting call is sealed under."""
    return f"outbox {letter_id}"


def mail_name(mail_id: str) -> str:
    """Give what a waiting mail is sealed under."""
    return f"mail {mail_id}"


def factor_name(id_: str) -> str:
    """Give what the secret of a second factor is sealed under."""
    return f"factor {id_}"


def audit_key_name(id_: str) -> str:
    """Give what a key of the audit log is sealed under."""
    return f"audit key {id_}"


def signing_key_name(kid: str) -> str:
    """Give what a key that signs access tokens is sealed under."""
    return f"signing key {kid}"


_KEPT = (
    _SealedTable("rowgate.secrets", "name", "name, hosts", lambda row: bound_name(row["name"], row["hosts"])),
    _SealedTable("rowgate.outbox", "id", "id", lambda row: letter_name(row["id"])),
    _SealedTable("rowgate.first_answers", "id", "id", lambda row: answer_name(row["id"])),
    _SealedTable("rowgate.mail", "id", "id", lambda row: mail_name(row["id"])),
    _SealedTable("rowgate.factors", "id", "id", lambda row: factor_name(row["id"])),
    _SealedTable("rowgate.admin_factors", "id", "id", lambda row: factor_name(row["id"])),
    _SealedTable("rowgate.signing_keys", "kid", "kid", lambda row: signing_key_name(row["kid"])),
)
_AUDIT_KEYS = _SealedTable("rowgate.audit_keys", "id", "id", lambda row: audit_key_name(row["id"]))


_SEAL_KEY = """
INSERT INTO rowgate.audit_keys (id, key_id, nonce, ciphertext) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
_BEGUN = "SELECT chain FROM rowgate.audit_heads WHERE seq > 0 AND chain = ANY($1)"


async def rotate(connection: Connection, old_secret: str, new_secret: str) -> int:
    """Give how many were carried over; raises SecretUnreadable where `old` isn't their key, and changes nothing.

    The key that the audit log was chained under is kept, sealed by the new one. A row under the new key at the end of
    each chain binds all before it: who knows the old secret can't write it anew.
    """
    old, new = SealingKey.of(old_secret), SealingKey.of(new_secret)
    async with connection.transaction():
        count = 0
        for kept in _KEPT:
            count += await _reseal(connection, kept, old, new)
        await _reseal(connection, _AUDIT_KEYS, old, new)
        chained = AuditKey.of(old_secret)
        sealed = new.seal(chained.secret, audit_key_name(chained.id))
        await connection.execute(_SEAL_KEY, chained.id, sealed.key_id, sealed.nonce, sealed.ciphertext)
        await audit(connection, "command", "secret.rotate", None, {"key_id": new.id, "count": count})
        for row in await connection.fetch(_BEGUN, list(EVENTS)):
            await append(connection, row["chain"], "command", "audit.rotate", None, {"key_id": new.id})
    return count


async def audit_keys(connection: Connection, secret: str) -> dict[str, AuditKey]:
    """Give every key that the audit log can be verified under, by its id; one that can't be opened is left out."""
    sealing, now = SealingKey.of(secret), AuditKey.of(secret)
    keys = {now.id: now}
    for row in await connection.fetch("SELECT id, key_id, nonce, ciphertext FROM rowgate.audit_keys"):
        with suppress(SecretUnreadable):
            keys[row["id"]] = AuditKey(row["id"], sealing.open(Sealed.of(row), audit_key_name(row["id"])))
    return keys


async def _reseal(connection: Connection, kept: _SealedTable, old: SealingKey, new: SealingKey) -> int:
    rows = await connection.fetch(
        f"SELECT {kept.columns}, key_id, nonce, ciphertext FROM {kept.table} WHERE key_id <> $1 FOR UPDATE", new.id
    )
    for row in rows:
        sealed = new.seal(old.open(Sealed.of(row), kept.name(row)), kept.name(row))
        await connection.execute(
            f"UPDATE {kept.table} SET key_id = $2, nonce = $3, ciphertext = $4 WHERE {kept.key} = $1",
            row[kept.key],
            sealed.key_id,
            sealed.nonce,
            sealed.ciphertext,
        )
    return len(rows)
