"""What binds a row of the audit log to the one before it: an HMAC under a key that the database never sees."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.keys.derivation import derived, key_id

# What changes the backend is one chain, in the order of its commits. What people do has several, so that one who signs
# in waits for nobody: whoever writes takes one that is free.
CHANGES = 0
EVENTS = range(1, 9)
CHAINS = (CHANGES, *EVENTS)

# All that a row says; `at` counts microseconds since 1970, `detail` is the text that Postgres shows of it.
COLUMNS = ("chain", "seq", "id", "at", "actor", "action", "target", "detail", "key_id")


@dataclass(frozen=True, slots=True)
class AuditKey:
    """The key of a chain, for as long as ROWGATE_SECRET_KEY stays the same; its id tells it from others."""

    id: str
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: str) -> "AuditKey":
        """Derive it from ROWGATE_SECRET_KEY."""
        return cls(key_id(secret, "audit"), derived(secret, "audit"))

    def mac(self, row: Mapping[str, Any], before: bytes) -> bytes:
        """Give the code of a row behind the row whose code is `before` (RFC 2104)."""
        told = json.dumps([*(row[column] for column in COLUMNS), before.hex()], separators=(",", ":"))
        return hmac.digest(self.secret, told.encode(), "sha256")


def head(counts: Mapping[int, int], macs: Mapping[int, bytes]) -> str:
    """Name the end of the log: how many rows each chain has, and a digest of their last codes."""
    digest = hashlib.sha256(b"".join(macs[chain] if counts[chain] else b"" for chain in CHAINS)).hexdigest()
    return f"{'.'.join(str(counts[chain]) for chain in CHAINS)}-{digest[:32]}"
