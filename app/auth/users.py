"""The cache of users: who somebody is, which roles they hold, and which of their sessions live."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.auth.identity import Identity, user_identity
from app.database import Pool

MAX_USERS = 20_000
_OWN = frozenset({"rowgate_roles", "rowgate_version", "rowgate_disabled", "rowgate_sessions", "rowgate_ends"})

_LOAD = """
SELECT u.*, a.disabled_at IS NOT NULL AS rowgate_disabled,
    ARRAY(SELECT r.role FROM rowgate.user_roles r WHERE r.user_id = u.id ORDER BY r.role) AS rowgate_roles,
    (SELECT v.version FROM rowgate.authority v WHERE v.subject_id = u.id) AS rowgate_version,
    ARRAY(SELECT s.id::text FROM rowgate.sessions s
        WHERE s.user_id = u.id AND s.revoked_at IS NULL AND s.expires_at > now() ORDER BY s.id) AS rowgate_sessions,
    ARRAY(SELECT s.expires_at FROM rowgate.sessions s
        WHERE s.user_id = u.id AND s.revoked_at IS NULL AND s.expires_at > now() ORDER BY s.id) AS rowgate_ends
FROM data.users u LEFT JOIN rowgate.accounts a ON a.user_id = u.id
WHERE u.id = $1
"""


@dataclass(frozen=True, slots=True)
class UserState:
    """A user at one authority version; `sessions` maps each living session to its identity and its end."""

    id: str
    version: int
    disabled: bool
    columns: dict[str, Any]
    roles: tuple[str, ...]
    sessions: dict[str, tuple[Identity, datetime]]

    def identity(self, session_id: str) -> Identity | None:
        """Give the identity of a session, or None if it doesn't live."""
        found = self.sessions.get(session_id)
        if found is None or self.disabled or found[1] <= datetime.now(UTC):
            return None
        return found[0]


class UserCache:
    """Bounded; what it holds is confirmed by each request's first statement, so it is never a reason to trust."""

    def __init__(self, pool: Pool, size: int = MAX_USERS) -> None:
        """Begin empty."""
        self._pool = pool
        self._size = size
        self._states: OrderedDict[str, UserState] = OrderedDict()
        self._loading: dict[str, asyncio.Task[UserState | None]] = {}

    def known(self, user_id: str) -> UserState | None:
        """Give what is remembered of a user."""
        return self._states.get(user_id)

    async def load(self, user_id: str) -> UserState | None:
        """Read a user afresh, once for all who ask at the same time; None if there is none."""
        task = self._loading.get(user_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._load(user_id))
            self._loading[user_id] = task
            task.add_done_callback(lambda _: self._loading.pop(user_id, None))
        return await asyncio.shield(task)

    async def _load(self, user_id: str) -> UserState | None:
        async with self._pool.lease() as connection:
            row = await connection.fetchrow(_LOAD, user_id)
        if row is None:
            self._states.pop(user_id, None)
            return None
        state = state_of(row)
        self._states[user_id] = state
        self._states.move_to_end(user_id)
        while len(self._states) > self._size:
            self._states.popitem(last=False)
        return state

    def forget(self, user_id: str) -> None:
        """Forget a user, so that the next request reads it."""
        self._states.pop(user_id, None)


def state_of(row: Any) -> UserState:
    """Make the state of a row of `_LOAD`."""
    columns = {name: value for name, value in row.items() if name not in _OWN}
    version = row["rowgate_version"] or 0
    roles = tuple(row["rowgate_roles"])
    sessions = {
        session: (user_identity(row["id"], session_id=session, roles=roles, columns=columns, version=version), ends)
        for session, ends in zip(row["rowgate_sessions"], row["rowgate_ends"], strict=True)
    }
    return UserState(row["id"], version, row["rowgate_disabled"], columns, roles, sessions)
