"""A new master key: everything sealed by the old one is sealed by the new one, in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.auth.audit import audit
from app.outward.outbox import letter_name
from app.outward.sealing import Sealed, SealingKey
from app.outward.secrets import bound_name


@dataclass(frozen=True, slots=True)
class _Kept:
    """A table with sealed rows: its key, the columns that the names of its texts are made of, and how."""

    table: str
    key: str
    columns: str
    name: Callable[[Any], str]


def answer_name(id_: bytes) -> str:
    """Give what a first answer is sealed under."""
    return f"answer {id_.hex()}"


_KEPT = (
    _Kept("rowgate.secrets", "name", "name, hosts", lambda row: bound_name(row["name"], row["hosts"])),
    _Kept("rowgate.outbox", "id", "id", lambda row: letter_name(row["id"])),
    _Kept("rowgate.first_answers", "id", "id", lambda row: answer_name(row["id"])),
)


async def rotate(connection: Any, old: SealingKey, new: SealingKey) -> int:
    """Give how many were carried over; raises SecretUnreadable where `old` isn't their key, and changes nothing."""
    async with connection.transaction():
        count = 0
        for kept in _KEPT:
            count += await _reseal(connection, kept, old, new)
        await audit(connection, "command", "secret.rotate", None, {"key_id": new.id, "count": count})
    return count


async def _reseal(connection: Any, kept: _Kept, old: SealingKey, new: SealingKey) -> int:
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
