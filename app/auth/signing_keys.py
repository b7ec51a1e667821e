"""The keys that access tokens are signed with: sealed in the database, followed by each process, and rotated."""

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.audit.writing import audit
from app.auth.tokens import AccessTokens, Algorithm, Keyring, SigningKey, drawn_key
from app.database.connection import Connection, DatabaseRow
from app.keys.derivation import derived
from app.secrets.rotation import signing_key_name
from app.secrets.sealing import Sealed, SealingKey, SecretUnreadable

PUBLISHED_SECONDS = 300  # before a key signs: as long as its readers may keep what was published
OVERLAP_SECONDS = 3600  # that a key is accepted after it signed last: no access token lives for longer

_KEYS = """
SELECT kid, algorithm, key_id, nonce, ciphertext, signs_from <= now() AS signs,
    ceil(extract(epoch FROM accepted_until))::bigint AS until
FROM rowgate.signing_keys WHERE accepted_until IS NULL OR accepted_until > now() ORDER BY signs_from DESC, kid
"""
_WAITING_OR_OVER = "DELETE FROM rowgate.signing_keys WHERE signs_from > now() OR accepted_until <= now()"
_FIRST = """
INSERT INTO rowgate.signing_keys (kid, algorithm, signs_from)
SELECT $1, 'HS256', 'epoch' WHERE NOT EXISTS (SELECT FROM rowgate.signing_keys)
"""
_OUTLIVED = """
UPDATE rowgate.signing_keys
SET accepted_until = least(accepted_until, now() + make_interval(secs => $1))
"""
_ADD = """
INSERT INTO rowgate.signing_keys (kid, algorithm, signs_from, key_id, nonce, ciphertext)
VALUES ($1, $2, now() + make_interval(secs => $3), $4, $5, $6) RETURNING signs_from
"""
_log = logging.getLogger("rowgate.auth")


def derived_key(secret: str) -> SigningKey:
    """Give the key that signs where no other was made."""
    return SigningKey("k1", derived(secret, "access tokens"))


async def load_keyring(connection: Connection, first: SigningKey, sealing: SealingKey) -> Keyring:
    """Read the keys in force; raises SecretUnreadable for one that was changed in the database."""
    return _keyring(await connection.fetch(_KEYS), first, sealing)


def _keyring(rows: list[DatabaseRow], first: SigningKey, sealing: SealingKey) -> Keyring:
    current = next((row for row in rows if row["signs"]), None)
    if current is None:
        return Keyring(first, tuple(_opened(row, first, sealing) for row in rows))
    others = tuple(_opened(row, first, sealing) for row in rows if row is not current)
    return Keyring(_opened(current, first, sealing), others)


def _opened(row: Any, first: SigningKey, sealing: SealingKey) -> SigningKey:
    if row["ciphertext"] is None:
        return SigningKey(first.kid, first.secret, row["until"])
    return SigningKey(
        row["kid"], sealing.open(Sealed.of(row), signing_key_name(row["kid"])), row["until"], row["algorithm"]
    )


class SigningKeys:
    """Brings the keys of a process to those of the database, whenever that is looked at."""

    def __init__(self, tokens: AccessTokens, first: SigningKey, sealing: SealingKey) -> None:
        """Take what signs, the key of a database without any, and what opens the others."""
        self._tokens = tokens
        self._first = first
        self._sealing = sealing
        self._seen: object = None

    async def follow(self, connection: Connection) -> None:
        """Put the keys of the database in force; those that can't be opened are logged, and the ones before go on."""
        rows = await connection.fetch(_KEYS)
        seen = [(row["kid"], row["signs"], row["until"]) for row in rows]
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._tokens.replace_keys(_keyring(rows, self._first, self._sealing))
        except SecretUnreadable:
            _log.exception("a key that access tokens are signed with can't be opened, and those before it go on")


@dataclass(frozen=True, slots=True)
class Rotation:
    """A new key: its name, and from when it signs."""

    kid: str
    signs_from: datetime = field(compare=False)


async def rotate_keys(connection: Connection, secret: str, algorithm: Algorithm, *, at_once: bool) -> Rotation:
    """Make a new key, inside a transaction of its own.

    It is published and accepted now, and signs when everybody has had the time to read it; the ones before it are
    accepted until their tokens are over. `at_once` is for a key that leaked: the new one signs now, and the others,
    with all that they signed, are accepted no more. A key that hasn't signed yet is replaced.
    """
    sealing, made = SealingKey.of(secret), drawn_key(algorithm)
    sealed = sealing.seal(made.secret, signing_key_name(made.kid))
    wait = 0 if at_once else PUBLISHED_SECONDS
    async with connection.transaction():
        await connection.execute("LOCK TABLE rowgate.signing_keys IN SHARE ROW EXCLUSIVE MODE")
        await connection.execute(_WAITING_OR_OVER)
        await connection.execute(_FIRST, derived_key(secret).kid)
        if at_once:
            await connection.execute("DELETE FROM rowgate.signing_keys")
        else:
            await connection.execute(_OUTLIVED, wait + OVERLAP_SECONDS)
        row = (made.kid, algorithm, wait, sealed.key_id, sealed.nonce, sealed.ciphertext)
        signs_from = await connection.fetchval(_ADD, *row)
        await audit(connection, "command", "signing_key.rotate", made.kid, {"algorithm": algorithm, "at_once": at_once})
        await connection.execute("SELECT pg_notify('rowgate', '')")
    return Rotation(made.kid, signs_from)
