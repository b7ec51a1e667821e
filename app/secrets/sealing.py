"""AES-256-GCM under keys that the one secret yields: what is sealed can be opened under its own name only."""

import secrets
from dataclasses import dataclass, field
from typing import Any, ClassVar

from app.errors import RowgateError
from app.keys.cipher import decrypted, encrypted
from app.keys.derivation import derived, key_id

NONCE_BYTES = 12  # 96 bits, as SP 800-38D recommends; random ones are safe for 2**32 messages of one key


class SecretUnreadable(RowgateError):
    """What is sealed in the database was changed there, or sealed by another key; nothing was sent."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "secrets.unreadable"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed text as the database keeps it: the id of its key, its nonce, and the ciphertext with its tag."""

    key_id: str
    nonce: bytes
    ciphertext: bytes

    @classmethod
    def of(cls, row: Any) -> "Sealed":
        """Read it from a row that has its three columns."""
        return cls(row["key_id"], row["nonce"], row["ciphertext"])


@dataclass(frozen=True, slots=True)
class SealingKey:
    """One key; its id tells it from others and nothing about it."""

    id: str
    _key: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: str) -> "SealingKey":
        """Derive the key from ROWGATE_SECRET_KEY."""
        return cls(key_id(secret, "sealing"), derived(secret, "sealing"))

    def seal(self, text: bytes, name: str) -> Sealed:
        """Seal a text under its name; the same text sealed twice shows nothing of that."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return Sealed(self.id, nonce, encrypted(self._key, nonce, text, self._bound(name)))

    def open(self, sealed: Sealed, name: str) -> bytes:
        """Give the text; raises SecretUnreadable where a bit, the name or the key is another one."""
        try:
            if sealed.key_id == self.id:
                return decrypted(self._key, sealed.nonce, sealed.ciphertext, self._bound(name))
        except ValueError:
            pass
        raise SecretUnreadable("A secret that this needs can't be read at the moment.")

    def _bound(self, name: str) -> bytes:
        return f"{self.id} {name}".encode()
