"""Refresh tokens: opaque, kept as their SHA-256, good for one use; who lost the answer is given the same one again."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import ClassVar

from app.database.connection import Connection
from app.errors import RowgateError
from app.http.challenge import challenge
from app.keys.cipher import decrypted, encrypted

GRACE_SECONDS = 10
_TOKEN_BYTES = 32
_NONCE_BYTES = 12
_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")
_WIPED_AT_ONCE = 10


class RefreshTokenInvalid(RowgateError):
    """A 401 for a string that can't be a refresh token of ours."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "auth.refresh_token_invalid"

    def __init__(self) -> None:
        """Add the challenge of RFC 6750."""
        super().__init__("The refresh token is not valid.", hint="Sign in again.", headers=challenge("invalid_token"))


class RefreshTokenReused(RefreshTokenInvalid):
    """The token was used before, and its session has ended with that."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A new token: `token` goes to the client, `digest` (32 bytes) to the database."""

    token: str = field(repr=False)
    digest: bytes


def new_refresh_token() -> RefreshToken:
    """Draw 256 random bits; that many need no slow hash and no salt."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    return RefreshToken(token, _sha256(token))


def refresh_token_digest(token: str) -> bytes:
    """Give the digest to look a presented token up by; raise RefreshTokenInvalid for what can't be one."""
    if not _SHAPE.fullmatch(token):
        raise RefreshTokenInvalid
    return _sha256(token)


def _sha256(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()


@dataclass(frozen=True, slots=True)
class Family:
    """Where the sessions of one kind of people and their tokens are.

    `alive` says of a session `s` that it goes on, where `{idle}` is how many days it may rest.
    """

    sessions: str
    tokens: str
    alive: str
    idle_days: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """The token that follows the one that was presented."""

    session_id: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reused:
    """A refresh token came that had been used before: somebody else has it, and the whole session was revoked."""

    session_id: str


async def first_token(connection: Connection, family: Family, session_id: str) -> str:
    """Give a new session its first token."""
    made = new_refresh_token()
    await connection.execute(
        f"INSERT INTO {family.tokens} (digest, session_id) VALUES ($1, $2)", made.digest, session_id
    )
    return made.token


async def rotate(connection: Connection, family: Family, token: str, key: bytes) -> Rotated | Reused:
    """Take a token for its successor, inside a transaction of its own, which the caller commits whatever is given.

    A used one gives the same successor for ten seconds more, by the database's clock, while that is unused: the answer
    was lost. Any other use of it is another's (RFC 9700, 4.14.2), also within the ten seconds once its successor was
    used, which shows that the answer wasn't lost. Raises RefreshTokenInvalid for a token of no living session.
    """
    digest, made = refresh_token_digest(token), new_refresh_token()
    # Of many at once one takes the token; the others wait until it has committed, and find it used. Of its family no
    # other has a successor that could be given.
    session_id = await connection.fetchval(
        f"WITH used AS (UPDATE {family.tokens} SET used_at = clock_timestamp(), successor = $2"
        " WHERE digest = $1 AND used_at IS NULL RETURNING session_id),"
        f" alive AS (UPDATE {family.sessions} s SET refreshed_at = now() FROM used"
        f" WHERE s.id = used.session_id AND {family.alive.format(idle='$4')} RETURNING s.id),"
        f" before AS (UPDATE {family.tokens} SET successor = NULL"
        " WHERE session_id IN (SELECT id FROM alive) AND digest <> $1 AND successor IS NOT NULL)"
        f" INSERT INTO {family.tokens} (digest, session_id) SELECT $3, id FROM alive RETURNING session_id",
        digest,
        _sealed(made.token, token, key),
        made.digest,
        family.idle_days,
    )
    if session_id is None:
        return await _used(connection, family, token, key)
    # Each use wipes some of those, in whatever session, whose ten seconds are over.
    await connection.execute(
        f"UPDATE {family.tokens} SET successor = NULL WHERE digest IN (SELECT digest FROM {family.tokens}"
        f" WHERE successor IS NOT NULL AND used_at < now() - interval '{GRACE_SECONDS} seconds'"
        f" ORDER BY used_at LIMIT {_WIPED_AT_ONCE} FOR UPDATE SKIP LOCKED)"
    )
    return Rotated(session_id, made.token)


async def _used(connection: Connection, family: Family, token: str, key: bytes) -> Rotated | Reused:
    """Give what follows a token that was used, or end its session."""
    found = await connection.fetchrow(
        f"SELECT t.session_id, t.used_at > clock_timestamp() - interval '{GRACE_SECONDS} seconds' AS fresh, t.successor"
        f" FROM {family.tokens} t JOIN {family.sessions} s ON s.id = t.session_id"
        f" WHERE t.digest = $1 AND {family.alive.format(idle='$2')}",
        refresh_token_digest(token),
        family.idle_days,
    )
    if found is None:
        raise RefreshTokenInvalid
    if found["fresh"] and found["successor"] is not None:
        return Rotated(found["session_id"], _unsealed(found["successor"], token, key))
    ended = await connection.fetchval(
        f"UPDATE {family.sessions} SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id",
        found["session_id"],
    )
    if ended is None:
        raise RefreshTokenInvalid
    return Reused(ended)


def _key_of(token: str, key: bytes) -> bytes:
    """Give the key of one token: who has the database and the key, but not that token, can't read its successor."""
    return hmac.digest(key, token.encode("ascii"), "sha256")


def _sealed(successor: str, token: str, key: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + encrypted(_key_of(token, key), nonce, successor.encode("ascii"), _sha256(token))


def _unsealed(sealed: bytes, token: str, key: bytes) -> str:
    """Give the successor; raises RefreshTokenInvalid where a bit, the row or the server's key is another one."""
    nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return decrypted(_key_of(token, key), nonce, ciphertext, _sha256(token)).decode("ascii")
    except ValueError:
        raise RefreshTokenInvalid from None
