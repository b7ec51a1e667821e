"""Sessions and their refresh tokens: opaque, shown once, kept only as their SHA-256, rotated at each use."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Any, ClassVar

from app.errors import RowgateError

_TOKEN_BYTES = 32
_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")


class RefreshTokenInvalid(RowgateError):
    """A 401 for a string that can't be a refresh token of ours."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "auth.refresh_token_invalid"

    def __init__(self) -> None:
        """Add the challenge of RFC 6750."""
        super().__init__(
            "The refresh token is not valid.",
            hint="Sign in again.",
            headers={"WWW-Authenticate": 'Bearer realm="rowgate", error="invalid_token"'},
        )


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


IDLE_DAYS = 7
ABSOLUTE_DAYS = 30
KEPT_DAYS = 90  # after a session's last day
GRACE_SECONDS = 10
MAX_SESSIONS = 100


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session of a user and its newest refresh token."""

    id: str
    user_id: str
    refresh_token: str = field(repr=False)


async def open_session(connection: Any, user_id: str, user_agent: str | None, ip: str) -> OpenedSession:
    """Begin a session; beyond 100 of them, the person's oldest ends.

    What is left of the person's ended ones goes: their tokens now, they themselves after a time in which it still
    counts from where somebody signed in.
    """
    session_id = await connection.fetchval(
        "INSERT INTO rowgate.sessions (user_id, expires_at, user_agent, ip)"
        f" VALUES ($1, now() + interval '{ABSOLUTE_DAYS} days', $2, $3) RETURNING id",
        user_id,
        None if user_agent is None else user_agent[:400],
        ip,
    )
    await connection.execute("UPDATE rowgate.accounts SET last_sign_in_at = now() WHERE user_id = $1", user_id)
    await connection.execute(
        "UPDATE rowgate.sessions SET revoked_at = now() WHERE id IN (SELECT id FROM rowgate.sessions"
        f" WHERE user_id = $1 AND revoked_at IS NULL ORDER BY created_at DESC, id DESC OFFSET {MAX_SESSIONS})",
        user_id,
    )
    await connection.execute(
        "DELETE FROM rowgate.refresh_tokens t USING rowgate.sessions s WHERE s.id = t.session_id AND s.user_id = $1"
        " AND (s.revoked_at IS NOT NULL OR s.expires_at < now())",
        user_id,
    )
    await connection.execute(
        f"DELETE FROM rowgate.sessions WHERE user_id = $1 AND expires_at < now() - interval '{KEPT_DAYS} days'", user_id
    )
    return OpenedSession(session_id, user_id, await _add_token(connection, session_id))


async def _add_token(connection: Any, session_id: str) -> str:
    made = new_refresh_token()
    await connection.execute(
        "INSERT INTO rowgate.refresh_tokens (digest, session_id) VALUES ($1, $2)", made.digest, session_id
    )
    return made.token


@dataclass(frozen=True, slots=True)
class Reused:
    """A refresh token came that had been used before: somebody else has it, and the whole session was revoked."""

    session_id: str


async def refresh_session(connection: Any, token: str) -> OpenedSession | Reused:
    """Rotate a refresh token, inside a transaction of its own.

    Gives Reused where the token was used before and its grace is over (RFC 9700, 4.14.2): the caller commits and
    refuses. Raises RefreshTokenInvalid for any other that doesn't count.
    """
    digest = refresh_token_digest(token)
    # One statement takes the token: of two at once, the second finds it used.
    taken = await connection.fetchval(
        "UPDATE rowgate.refresh_tokens SET used_at = now() WHERE digest = $1 AND used_at IS NULL RETURNING session_id",
        digest,
    )
    if taken is None:
        row = await connection.fetchrow(
            f"SELECT session_id, used_at > now() - interval '{GRACE_SECONDS} seconds' AS fresh"
            " FROM rowgate.refresh_tokens WHERE digest = $1",
            digest,
        )
        if row is None:
            raise RefreshTokenInvalid
        if not row["fresh"]:
            await end_sessions(connection, session_id=row["session_id"])
            return Reused(row["session_id"])
        taken = row["session_id"]
    user_id = await connection.fetchval(
        "UPDATE rowgate.sessions s SET refreshed_at = now() WHERE s.id = $1 AND s.revoked_at IS NULL"
        f" AND s.expires_at > now() AND s.refreshed_at > now() - interval '{IDLE_DAYS} days'"
        " AND NOT EXISTS (SELECT FROM rowgate.accounts a WHERE a.user_id = s.user_id AND a.disabled_at IS NOT NULL)"
        " RETURNING s.user_id",
        taken,
    )
    if user_id is None:
        raise RefreshTokenInvalid
    return OpenedSession(taken, user_id, await _add_token(connection, taken))


async def end_sessions(
    connection: Any, *, session_id: str | None = None, user_id: str | None = None, but: str | None = None
) -> None:
    """Revoke one session, or a user's, all or all but one."""
    await connection.execute(
        "UPDATE rowgate.sessions SET revoked_at = now() WHERE revoked_at IS NULL"
        " AND (id = $1::uuid OR user_id = $2::uuid) AND ($3::uuid IS NULL OR id <> $3)",
        session_id,
        user_id,
        but,
    )
