"""API keys: opaque, shown once, kept as their SHA-256, and told apart from inventions without asking the database."""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from app.auth.identity import Identity, key_identity
from app.database.clock import DatabaseClock
from app.database.pool import Pool
from app.errors import RowgateError
from app.http.challenge import challenge

PREFIX = "rgk_"
MAX_KEYS = 2_000
_SHAPE = re.compile(r"rgk_([A-Za-z0-9_-]{43})([A-Za-z0-9_-]{11})")
_LOAD = """
SELECT k.id, k.roles, k.admin_role, k.name, k.expires_at, v.version
FROM rowgate.api_keys k JOIN rowgate.authority v ON v.subject_id = k.id
WHERE k.digest = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
"""


class ApiKeyInvalid(RowgateError):
    """A 401 for what is no API key of ours, or one that was revoked or has expired."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "auth.api_key_invalid"

    def __init__(self) -> None:
        """Add the challenge of RFC 6750."""
        super().__init__("The API key is not valid.", headers=challenge("invalid_token"))


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key as it was read."""

    identity: Identity
    name: str
    admin_role: str | None
    expires_at: datetime | None

    def holds(self, clock: DatabaseClock) -> bool:
        """Say whether its time isn't over."""
        return self.expires_at is None or self.expires_at > clock.now()


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key: `key` is shown once, `digest` is kept."""

    key: str = field(repr=False)
    digest: bytes


class ApiKeys:
    """Makes keys, and remembers those that were used."""

    def __init__(self, pool: Pool, secret: bytes, clock: DatabaseClock) -> None:
        """Take the secret that marks our keys, and the clock they end by; a key that lacks the mark costs no query."""
        self._pool = pool
        self._secret = secret
        self._clock = clock
        self._states: OrderedDict[bytes, KeyState] = OrderedDict()

    def new(self) -> NewKey:
        """Draw a key of 256 random bits."""
        body = secrets.token_urlsafe(32)
        key = f"{PREFIX}{body}{self._mark(body)}"
        return NewKey(key, _digest(key))

    def _mark(self, body: str) -> str:
        return urlsafe_b64encode(hmac.digest(self._secret, body.encode(), "sha256"))[:11].decode()

    def digest_of(self, key: str) -> bytes:
        """Give the digest to look a key up by; raises ApiKeyInvalid for one that we didn't make."""
        shape = _SHAPE.fullmatch(key)
        if shape is None or not hmac.compare_digest(self._mark(shape[1]), shape[2]):
            raise ApiKeyInvalid
        return _digest(key)

    def known(self, digest: bytes) -> KeyState | None:
        """Give what is remembered of a key."""
        state = self._states.get(digest)
        return state if state is not None and state.holds(self._clock) else None

    async def load(self, digest: bytes) -> KeyState:
        """Read a key afresh; raises ApiKeyInvalid."""
        async with self._pool.lease() as connection:
            row = await connection.fetchrow(_LOAD, digest)
        if row is None:
            self._states.pop(digest, None)
            raise ApiKeyInvalid
        state = _state_of(row)
        self._states[digest] = state
        while len(self._states) > MAX_KEYS:
            self._states.popitem(last=False)
        return state

    def forget(self, key_id: str) -> None:
        """Forget a key, so that the next request reads it."""
        for digest, state in list(self._states.items()):
            if state.identity.key_id == key_id:
                del self._states[digest]


def _state_of(row: Any) -> KeyState:
    identity = key_identity(row["id"], roles=row["roles"], version=row["version"])
    return KeyState(identity, row["name"], row["admin_role"], row["expires_at"])


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("ascii")).digest()
