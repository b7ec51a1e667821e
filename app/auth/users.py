"""The cache of users: who somebody is, which roles they hold, and which of their sessions live."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.auth.identity import Identity, SignIn, signed_in_by, user_identity
from app.database.pool import Pool
from app.definitions.auth import BY_ADDRESS, BY_NOTHING

MAX_USERS = 20_000
_OWN = "rowgate_"  # no column of an admin's begins so

_LOAD = """
SELECT u.*, a.disabled_at IS NOT NULL AS rowgate_disabled,
    ARRAY(SELECT r.role FROM rowgate.user_roles r WHERE r.user_id = u.id ORDER BY r.role) AS rowgate_roles,
    (SELECT v.version FROM rowgate.authority v WHERE v.subject_id = u.id) AS rowgate_version,
    (SELECT l.revision FROM rowgate.live l) AS rowgate_revision,
    ARRAY(SELECT s.id::text FROM rowgate.sessions s
        WHERE s.user_id = u.id AND s.revoked_at IS NULL AND s.expires_at > now() ORDER BY s.id) AS rowgate_sessions,
    ARRAY(SELECT s.aal || ' ' || s.amr::text FROM rowgate.sessions s
        WHERE s.user_id = u.id AND s.revoked_at IS NULL AND s.expires_at > now() ORDER BY s.id) AS rowgate_levels,
    ARRAY(SELECT s.expires_at FROM rowgate.sessions s
        WHERE s.user_id = u.id AND s.revoked_at IS NULL AND s.expires_at > now() ORDER BY s.id) AS rowgate_ends
FROM data.users u LEFT JOIN rowgate.accounts a ON a.user_id = u.id
WHERE u.id = $1
"""


@dataclass(frozen=True, slots=True)
class UserState:
    """A user at one authority version; `sessions` maps each living session to its end, in Unix seconds."""

    id: str
    version: int
    disabled: bool
    columns: Mapping[str, Any]
    roles: tuple[str, ...]
    sessions: Mapping[str, float]
    levels: Mapping[str, str]
    """Of each of them how sure it is who signed in, and by what, as the database has it."""
    anyone: Identity
    """The identity of whatever session; what it holds of columns and roles is shared by those of all sessions."""
    _identities: dict[str, Identity] = field(default_factory=dict, repr=False, compare=False)

    def identity(self, session_id: str, now: float) -> Identity | None:
        """Give the identity of a session, or None if it doesn't live at this time, in Unix seconds."""
        ends = self.sessions.get(session_id)
        if ends is None or self.disabled or ends <= now:
            return None
        known = self._identities.get(session_id)
        if known is None:
            aal, _, amr = self.levels[session_id].partition(" ")
            known = signed_in_by(self.anyone, sign_in_of(session_id, aal, json.loads(amr)))
            self._identities[session_id] = known
        return known


def sign_in_of(session_id: str, aal: str, amr: Sequence[Mapping[str, Any]]) -> SignIn:
    """Give how a session was begun; `amr` is as it is kept, the newest first."""
    methods = tuple(one["method"] for one in amr)
    named = next((one["provider"] for one in amr if "provider" in one), None)
    return SignIn(aal, methods, named or (BY_NOTHING if BY_NOTHING in methods else BY_ADDRESS), session_id)


class UserCache:
    """Bounded; what it holds is confirmed by each request's first statement, so it is never a reason to trust."""

    def __init__(self, pool: Pool, size: int = MAX_USERS) -> None:
        """Begin empty."""
        self._pool = pool
        self._size = size
        self._states: OrderedDict[str, UserState] = OrderedDict()
        self._reading: dict[str, asyncio.Task[UserState | None]] = {}
        self._waiting: dict[str, asyncio.Task[UserState | None]] = {}
        self._definition: object = None
        self._revision = 0

    def known(self, user_id: str) -> UserState | None:
        """Give what is remembered of a user."""
        return self._states.get(user_id)

    async def get(self, user_id: str) -> UserState | None:
        """Give what is remembered of a user, else read it; None if there is none."""
        return self._states.get(user_id) or await self.reload(user_id)

    async def reload(self, user_id: str) -> UserState | None:
        """Read a user afresh; None if there is none.

        Who asks while a read is under way shares the next one, which begins after the asking and so can't be stale.
        """
        task = self._waiting.get(user_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._read_in_turn(user_id))
            self._waiting[user_id] = task
            # Nobody may be left to hear of a failure: those who waited may have hung up.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _read_in_turn(self, user_id: str) -> UserState | None:
        while (before := self._reading.get(user_id)) is not None:
            await asyncio.wait([before])
        task = self._reading[user_id] = self._waiting.pop(user_id)
        try:
            return await self._read(user_id)
        finally:
            if self._reading.get(user_id) is task:
                del self._reading[user_id]

    async def _read(self, user_id: str) -> UserState | None:
        async with self._pool.lease() as connection:
            found = await connection.rows(_LOAD, (user_id,))
            if found and found[0]["rowgate_revision"] < self._revision:
                # The columns of users were changed between this read and its arrival here.
                found = await connection.rows(_LOAD, (user_id,))
        if not found:
            self._states.pop(user_id, None)
            return None
        state = state_of(found[0])
        self._states[user_id] = state
        self._states.move_to_end(user_id)
        while len(self._states) > self._size:
            self._states.popitem(last=False)
        return state

    def forget(self, user_id: str) -> None:
        """Forget a user, so that the next request reads it."""
        self._states.pop(user_id, None)

    def follow(self, revision: int, definition: object) -> None:
        """Forget everybody where the definition of `users` has changed: what was read has the columns of before."""
        if definition != self._definition:
            self._states.clear()
            self._definition = definition
            self._revision = revision


def state_of(row: Any) -> UserState:
    """Make the state of a row of `_LOAD`."""
    columns = {name: value for name, value in row.items() if not name.startswith(_OWN)}
    version = row["rowgate_version"] or 0
    roles = tuple(row["rowgate_roles"])
    ends = [one.timestamp() for one in row["rowgate_ends"]]
    sessions = dict(zip(row["rowgate_sessions"], ends, strict=True))
    levels = dict(zip(row["rowgate_sessions"], row["rowgate_levels"], strict=True))
    anyone = user_identity(row["id"], session_id=None, roles=roles, columns=columns, version=version)
    return UserState(row["id"], version, row["rowgate_disabled"], anyone.columns, roles, sessions, levels, anyone)
