"""API keys: opaque, shown once, kept as their SHA-256, and told apart from inventions without asking the database."""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

from app.audit.writing import audit
from app.auth.identity import Identity, key_identity
from app.database.connection import Connection
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


class KeyExists(RowgateError):
    """There is a key of this name."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "admin.key_exists"


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

    @property
    def holds(self) -> bool:
        """Say whether its time isn't over."""
        return self.expires_at is None or self.expires_at > datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """What a new key may do, and until when; the roles have been checked."""

    name: str
    roles: tuple[str, ...] = ()
    admin_role: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key: `key` is shown once, `digest` is kept."""

    key: str = field(repr=False)
    digest: bytes


class ApiKeys:
    """Makes keys, and remembers those that were used."""

    def __init__(self, pool: Pool, secret: bytes) -> None:
        """Take the secret that marks our keys; a key that lacks the mark costs no query."""
        self._pool = pool
        self._secret = secret
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
        return state if state is not None and state.holds else None

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


async def create_key(
    connection: Connection, keys: ApiKeys, grant: KeyGrant, *, actor: str
) -> tuple[str, dict[str, Any]]:
    """Make a key, inside a transaction: gives the key, which is shown this once, and its row; raises KeyExists."""
    made = keys.new()
    row = await connection.fetchrow(
        "INSERT INTO rowgate.api_keys (name, digest, roles, admin_role, expires_at) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING"
        " RETURNING id, name, roles, admin_role, created_at, expires_at",
        grant.name,
        made.digest,
        list(grant.roles),
        grant.admin_role,
        grant.expires_at,
    )
    if row is None:
        raise KeyExists("There is a key of this name.", hint="Revoke it, or choose another name.")
    detail = {"roles": list(grant.roles), "admin": grant.admin_role}
    await audit(connection, actor, "api_key.create", grant.name, detail)
    return made.key, dict(row)


def _state_of(row: Any) -> KeyState:
    identity = key_identity(row["id"], roles=row["roles"], version=row["version"])
    return KeyState(identity, row["name"], row["admin_role"], row["expires_at"])


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("ascii")).digest()


_FACTS = "SELECT id, name, roles, admin_role, created_at, expires_at, revoked_at FROM rowgate.api_keys"


async def all_keys(connection: Connection) -> list[dict[str, Any]]:
    """List what is known of each key."""
    return [dict(row) for row in await connection.fetch(f"{_FACTS} ORDER BY name")]


async def key_named(connection: Connection, name: str) -> dict[str, Any] | None:
    """Give what is known of the key that holds, or of the last one of this name."""
    row = await connection.fetchrow(
        f"{_FACTS} WHERE name = $1 ORDER BY revoked_at DESC NULLS FIRST, id DESC LIMIT 1", name
    )
    return None if row is None else dict(row)


async def key_that_holds(connection: Connection, name: str) -> dict[str, Any] | None:
    """Give what is known of the key of this name that wasn't revoked."""
    row = await connection.fetchrow(f"{_FACTS} WHERE name = $1 AND revoked_at IS NULL", name)
    return None if row is None else dict(row)


async def revoke_key(connection: Connection, key_id: str, name: str, *, actor: str) -> bool:
    """End a key, inside a transaction; says whether it still held."""
    found = await connection.fetchval(
        "UPDATE rowgate.api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id", key_id
    )
    if found is not None:
        await audit(connection, actor, "api_key.revoke", name)
    return found is not None
