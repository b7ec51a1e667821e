"""A new master key: everything sealed by the old one is sealed by the new one, in one transaction."""

from typing import Any

from app.auth.audit import audit
from app.outward.outbox import reseal_outbox
from app.outward.sealing import SealingKey
from app.outward.secrets import reseal


async def rotate(connection: Any, old: SealingKey, new: SealingKey) -> int:
    """Give how many were carried over; raises SecretUnreadable where `old` isn't their key, and changes nothing."""
    async with connection.transaction():
        count = await reseal(connection, old, new) + await reseal_outbox(connection, old, new)
        await audit(connection, "command", "secret.rotate", None, {"key_id": new.id, "count": count})
    return count
