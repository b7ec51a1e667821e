"""Sessions of people: begun, refreshed and ended."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.auth.refresh_tokens import Family, Reused, first_token, rotate
from app.database.connection import Connection
from app.definitions.auth import AAL1, SessionsDef

KEPT_DAYS = 90  # after a session's last day
MAX_SESSIONS = 100

_ALIVE = (
    "s.revoked_at IS NULL AND s.expires_at > now() AND s.refreshed_at > now() - make_interval(days => {idle})"
    " AND NOT EXISTS (SELECT FROM rowgate.accounts a WHERE a.user_id = s.user_id AND a.disabled_at IS NOT NULL)"
)
# The names of methods are GoTrue's: password, totp, recovery_code and so on.
_BY = (
    "jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('method', {}::text, 'provider', {}::text,"
    " 'timestamp', floor(extract(epoch FROM now()))::bigint)))"
)
_READ = "id, user_id, created_at, aal, amr::text AS amr"


def _family(said: SessionsDef) -> Family:
    return Family("rowgate.sessions", "rowgate.refresh_tokens", _ALIVE, said.idle_days)


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session of a user and its newest refresh token."""

    id: str
    user_id: str
    began: datetime
    aal: str
    amr: Sequence[Mapping[str, Any]]
    """By what somebody signed in, the newest first: `method`, perhaps `provider`, and `timestamp` in Unix seconds."""
    refresh_token: str = field(repr=False)


async def open_session(
    connection: Connection,
    user_id: str,
    user_agent: str | None,
    ip: str,
    said: SessionsDef,
    *,
    method: str = "password",
    aal: str = AAL1,
    provider: str | None = None,
) -> OpenedSession:
    """Begin a session by a method and perhaps a provider, which `amr` names.

    Beyond 100 the oldest ends, and with `single` every other. What is left of the person's ended ones goes: their
    tokens now, they themselves after a time in which it still counts from where somebody signed in.
    """
    made = await connection.fetchrow(
        "INSERT INTO rowgate.sessions (user_id, expires_at, user_agent, ip, amr, aal)"
        f" VALUES ($1, now() + make_interval(days => $4), $2, $3, {_BY.format('$5', '$7')}, $6) RETURNING {_READ}",
        user_id,
        None if user_agent is None else user_agent[:400],
        ip,
        said.absolute_days,
        method,
        aal,
        provider,
    )
    # Who signs in at the same time waits here, and then finds this session.
    await connection.execute("UPDATE rowgate.accounts SET last_sign_in_at = now() WHERE user_id = $1", user_id)
    await connection.execute(
        "UPDATE rowgate.sessions SET revoked_at = now() WHERE id IN (SELECT id FROM rowgate.sessions"
        " WHERE user_id = $1 AND revoked_at IS NULL AND id <> $2 ORDER BY created_at DESC, id DESC OFFSET $3)",
        user_id,
        made["id"],
        0 if said.single else MAX_SESSIONS - 1,
    )
    # A token that is being used is left for the next time: who uses it may wait for the session that has ended here.
    await connection.execute(
        "DELETE FROM rowgate.refresh_tokens WHERE digest IN (SELECT t.digest FROM rowgate.refresh_tokens t"
        " JOIN rowgate.sessions s ON s.id = t.session_id WHERE s.user_id = $1"
        " AND (s.revoked_at IS NOT NULL OR s.expires_at < now()) FOR UPDATE OF t SKIP LOCKED)",
        user_id,
    )
    await connection.execute(
        f"DELETE FROM rowgate.sessions WHERE user_id = $1 AND expires_at < now() - interval '{KEPT_DAYS} days'", user_id
    )
    return await _with_first_token(connection, said, made)


async def step_up(
    connection: Connection, session_id: str, user_agent: str | None, ip: str, said: SessionsDef, *, method: str
) -> OpenedSession | None:
    """Put a session by two factors in the place of one, inside a transaction; None where that has ended.

    It has another id, so that tokens of before gain nothing by it, and ends when the other would have.
    """
    made = await connection.fetchrow(
        "WITH before AS (UPDATE rowgate.sessions SET revoked_at = now()"
        " WHERE id = $1 AND revoked_at IS NULL AND expires_at > now() RETURNING *)"
        " INSERT INTO rowgate.sessions (user_id, expires_at, user_agent, ip, aal, amr)"
        f" SELECT user_id, expires_at, $2, $3, 'aal2', {_BY.format('$4', 'NULL')} || amr FROM before RETURNING {_READ}",
        session_id,
        None if user_agent is None else user_agent[:400],
        ip,
        method,
    )
    return None if made is None else await _with_first_token(connection, said, made)


async def end_weaker(connection: Connection, user_id: str, but: str) -> None:
    """End the sessions of a person by one factor: they were begun before there was a second."""
    await connection.execute(
        "UPDATE rowgate.sessions SET revoked_at = now()"
        " WHERE user_id = $1 AND id <> $2 AND aal <> 'aal2' AND revoked_at IS NULL",
        user_id,
        but,
    )


async def _with_first_token(connection: Connection, said: SessionsDef, made: Any) -> OpenedSession:
    return _opened(made, await first_token(connection, _family(said), made["id"]))


def _opened(row: Any, token: str) -> OpenedSession:
    return OpenedSession(row["id"], row["user_id"], row["created_at"], row["aal"], json.loads(row["amr"]), token)


async def refresh_session(connection: Connection, token: str, key: bytes, said: SessionsDef) -> OpenedSession | Reused:
    """Go on with a session by its refresh token, inside a transaction of its own; as `rotate` says."""
    rotated = await rotate(connection, _family(said), token, key)
    if isinstance(rotated, Reused):
        return rotated
    row = await connection.fetchrow(f"SELECT {_READ} FROM rowgate.sessions WHERE id = $1", rotated.session_id)
    return _opened(row, rotated.token)


async def end_sessions(
    connection: Connection, *, session_id: str | None = None, user_id: str | None = None, but: str | None = None
) -> None:
    """Revoke one session, or a user's, all or all but one."""
    await connection.execute(
        "UPDATE rowgate.sessions SET revoked_at = now() WHERE revoked_at IS NULL"
        " AND (id = $1::uuid OR user_id = $2::uuid) AND ($3::uuid IS NULL OR id <> $3)",
        session_id,
        user_id,
        but,
    )


async def living_sessions(connection: Connection, user_id: str, said: SessionsDef) -> Sequence[Any]:
    """Read a person's sessions that go on, the newest first."""
    return await connection.fetch(
        "SELECT s.id, s.created_at, s.refreshed_at, s.expires_at, s.user_agent, s.ip FROM rowgate.sessions s"
        f" WHERE s.user_id = $1 AND {_ALIVE.format(idle='$2')} ORDER BY s.created_at DESC, s.id DESC",
        user_id,
        said.idle_days,
    )


async def end_own(connection: Connection, user_id: str, session_id: str) -> bool:
    """End one of a person's sessions; says whether there was one that went on."""
    ended = await connection.fetchval(
        "UPDATE rowgate.sessions SET revoked_at = now() WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL"
        " RETURNING true",
        session_id,
        user_id,
    )
    return bool(ended)
