"""A shadow: a draft beside the live definitions, on the requests that come; the live ones alone answer."""

import asyncio
import logging
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.compiler.runtime import Runtime
from app.data_plane.request import Request
from app.data_plane.rest.long_rows import may_be_long
from app.data_plane.run import Plane
from app.data_plane.seeing.recent import kept
from app.data_plane.seeing.rehearsal import LookingLimiter, RehearsedInside
from app.data_plane.seeing.verdict import Undecided, Verdict, differences, verdict
from app.data_plane.stages.authenticate import authenticate
from app.database.connection import Connection
from app.database.faults import FAULTS
from app.database.lending import Lent
from app.database.pool import Pool
from app.errors import RowgateError
from app.http.client_address import Networks
from app.http.json_answer import to_json

AT_ONCE = 2
KEPT, KINDS = 100, 100
_TRACE_BYTES = 32_768
# A lock that a rehearsal waits for is given up long before Postgres looks for a deadlock, and ends no live request.
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL lock_timeout = '100ms'; SAVEPOINT rowgate_shadow"
_UNDO = "ROLLBACK TO SAVEPOINT rowgate_shadow"

_END_SECONDS = 0.5

_log = logging.getLogger("rowgate.shadow")

Receive = Callable[[], Awaitable[object]]
Incoming = tuple[Any, Receive, str, Networks]


class Replay:
    """A request's messages for several readers: each reads them as if it were the only one."""

    def __init__(self, receive: Receive) -> None:
        """Read nothing yet."""
        self._receive = receive
        self._read: list[Any] = []

    def reader(self) -> Receive:
        """Give a reader that begins with the first message."""
        place = 0

        async def receive() -> Any:
            nonlocal place
            if place == len(self._read):
                self._read.append(await self._receive())
            place += 1
            return self._read[place - 1]

        return receive


class Shadow:
    """Runs requests on the live definitions and on a draft, counts where their answers differ, and keeps some.

    `sample` is the part of the requests that it looks at, `seconds` how long it may hold one of them up. It ends by
    itself after `lasting` seconds, and when the tables of the live definitions change.
    """

    def __init__(
        self, pool: Pool, live: Runtime, draft: Runtime, *, sample: float, seconds: float, lasting: float
    ) -> None:
        """Begin now."""
        self._pool = pool
        self._base = live.project
        self._draft = replace(draft, revision=live.revision)
        self._sample = sample
        self._seconds = seconds
        self._until = time.monotonic() + lasting
        self._running = 0
        self._counts = Counter[str]()
        self._by = Counter[str]()
        self._kept: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.started_at = datetime.now(UTC)
        self.ended: str | None = None

    async def observe(self, plane: Plane, incoming: Incoming) -> Receive:
        """Compare what a request comes to, before it is served; gives what it is to be read from. Never raises."""
        scope, receive, request_id, trusted = incoming
        if not self._looks(plane):
            return receive
        if self._running >= AT_ONCE or may_be_long(scope["headers"]):
            self._counts["skipped"] += 1
            return receive
        replay = Replay(receive)
        self._running += 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._compare(plane, lambda: Request(scope, replay.reader(), request_id, trusted))
        except (Undecided, TimeoutError, RowgateError):
            self._counts["skipped"] += 1
        except Exception:
            self._counts["skipped"] += 1
            _log.exception("request %s can't be compared", request_id)
        finally:
            self._running -= 1
        return replay.reader()

    def _looks(self, plane: Plane) -> bool:
        """Say whether this request is looked at; ends what has come to its end."""
        if self.ended is None and time.monotonic() > self._until:
            self.ended = "its time was over"
        if self.ended is not None or not plane.live.ready:
            return False
        live = plane.live.runtime
        if live.revision != self._draft.revision:
            self._follow(live)
        return self.ended is None and random.random() < self._sample  # noqa: S311 - a sample

    def _follow(self, live: Runtime) -> None:
        """Go on against definitions that have changed meanwhile, as long as the draft is about the same tables."""
        before, now = self._base, live.project
        if (before.tables, before.users, before.roles) != (now.tables, now.users, now.roles):
            self.ended = "the tables, users' columns or roles of the live definitions have changed"
        self._draft = replace(self._draft, revision=live.revision)

    async def _compare(self, plane: Plane, request: Callable[[], Request]) -> None:
        """Run a request on both, in one snapshot and at one time; what one run did is undone before the next."""
        now, live = plane.live.clock.now(), plane.live.runtime
        services = replace(plane.services, limiter=LookingLimiter(plane.services.limiter))
        with suppress(RowgateError):  # read now who calls: later that would want a second connection
            await authenticate(request(), plane.auth, live)
        async with self._pool.lease() as connection:
            rehearsed = Plane(plane.live, plane.auth, Lent(connection), services)

            async def run(runtime: Runtime) -> tuple[RehearsedInside, Verdict]:
                made = RehearsedInside(rehearsed, request(), draft=runtime, now=now)
                found = await verdict(made)
                await connection.execute(_UNDO)
                return made, found

            try:
                await connection.execute(_BEGIN)
                made, first = await run(live)
                _, drafted = await run(self._draft)
                again = first if first.answer == drafted.answer else (await run(live))[1]
            finally:
                await _ended(connection)
        self._note(made, first, drafted, differences(first.answer, again.answer, drafted.answer))

    def _note(self, run: RehearsedInside, live: Verdict, draft: Verdict, differs: list[str]) -> None:
        if live.is_stubbed and draft.is_stubbed:
            self._counts["undecided"] += 1
            return
        self._counts["compared"] += 1
        if not differs:
            return
        self._counts["differences"] += 1
        target = live.target or draft.target or "no route"
        kind = f"{target}: {_said(live)} → {_said(draft)}"
        self._by[kind if kind in self._by or len(self._by) < KINDS else "others"] += 1
        told = kept(run, 0, None).shown()
        del told["status"], told["target"]
        self._kept.append({
            "number": self._counts["differences"],
            **told,
            "to": target,
            "live": live.shown(),
            "draft": draft.shown(),
            "differs": differs,
            "traces": {"live": _bounded(live), "draft": _bounded(draft)},
        })  # fmt: skip

    def shown(self, after: int = 0) -> dict[str, Any]:
        """Give the members of an answer, with the differences that were kept behind the `after`th."""
        counts = {name: self._counts[name] for name in ("compared", "differences", "undecided", "skipped")}
        return {
            "state": "running" if self.ended is None else "ended",
            "ended": self.ended,
            "started_at": self.started_at,
            "sample": self._sample,
            **counts,
            "by": dict(self._by.most_common()),
            "kept": [one for one in self._kept if one["number"] > after],
        }


async def _ended(connection: Connection) -> None:
    """Undo everything; a connection on which that can't be done is closed, which undoes it as well."""
    try:
        async with asyncio.timeout(_END_SECONDS):
            await connection.execute("ROLLBACK")
    except (TimeoutError, *FAULTS):
        connection.terminate()


def _said(verdict_: Verdict) -> str:
    code = "" if verdict_.refusal is None else f" {verdict_.refusal.code}"
    return f"{verdict_.answer['status']}{code}"


def _bounded(verdict_: Verdict) -> list[dict[str, object]]:
    """Give a trace, of a very long one the stages alone."""
    shown = verdict_.trace.shown()
    if len(to_json(shown)) <= _TRACE_BYTES:
        return shown
    return [{"stage": stage["stage"], "decision": stage["decision"], "cut": True} for stage in shown]
