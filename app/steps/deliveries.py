"""Deliveries of webhooks that were carried out: one that comes again has no second effect, over all instances.

An id is kept in the transaction that carried its delivery out: what was refused or rolled back may come again.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from app.database.clearing import clear_few
from app.database.connection import Connection
from app.errors import RowgateError

_LOCK = "SELECT pg_try_advisory_xact_lock($1)"
_FIND = "SELECT true FROM rowgate.deliveries WHERE id = $1 AND created_at > now() - interval '30 days'"
_KEEP = """
INSERT INTO rowgate.deliveries AS kept (id) VALUES ($1)
ON CONFLICT (id) DO UPDATE SET created_at = now()
WHERE kept.created_at <= now() - interval '30 days' RETURNING true
"""
# Each that is kept takes some with it whose time is over, so that nothing else has to.
_FORGET = clear_few("rowgate.deliveries", "created_at <= now() - interval '30 days'", most=10)


class DeliveryRunning(RowgateError):
    """The same delivery is being carried out by another request."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "step.delivery_running"

    def __init__(self) -> None:
        """Ask for another try in a second."""
        super().__init__("This delivery is being carried out.", headers={"Retry-After": "1"})


@dataclass(frozen=True, slots=True)
class InboundDelivery:
    """A delivery by the SHA-256 of what it was sent to and what names it."""

    id: bytes

    @classmethod
    def of(cls, owner: str, secret: str, named: str) -> "InboundDelivery":
        """Give the delivery to an endpoint, signed by a secret, of this name."""
        return cls(hashlib.sha256(json.dumps(["delivery", owner, secret, named]).encode()).digest())

    async def came_before(self, connection: Connection) -> bool:
        """Say whether it was carried out; from here on only this transaction does so. Raises DeliveryRunning."""
        # Two statements: what the one before committed is seen only by a statement that begins once the lock is held.
        if not await connection.fetchval(_LOCK, int.from_bytes(self.id[:8], signed=True)):
            raise DeliveryRunning
        return bool(await connection.fetchval(_FIND, self.id))

    async def keep(self, connection: Connection) -> Any:
        """Keep it as carried out, by the transaction that did so; raises DeliveryRunning if another was faster."""
        if not await connection.fetchval(_KEEP, self.id):
            # A chain that called out has let the lock go meanwhile.
            raise DeliveryRunning
        await connection.execute(_FORGET)
