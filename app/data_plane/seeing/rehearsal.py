"""A request that is rehearsed: run as somebody, on the live definitions or a draft, recorded, and never lasting."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from app.auth.identity import Identity
from app.compiler.runtime import Runtime
from app.data_plane.request import Request
from app.data_plane.run import Plane, Run
from app.data_plane.seeing.hidden import hidden_in_query
from app.data_plane.targets import Target
from app.database.lock_waits import WAIT_AS_CHANGES_DO
from app.database.session import UNDONE, Ends, Guard, Session
from app.http.json_body import json_or_text
from app.limits.limit import Limit, Outcome
from app.limits.limiter import Limiter
from app.steps.redaction import hidden_in
from app.steps.running import Call
from app.steps.trace import Trace

_UNDO = "ROLLBACK TO SAVEPOINT rowgate_run"
_UNDONE_INSIDE = Ends(f"SET CONSTRAINTS ALL IMMEDIATE; {_UNDO}", _UNDO)
# Inside of a transaction that somebody else opened, and rolls back: what the request did is there to be looked at.
_INSIDE = Ends(
    "SET CONSTRAINTS ALL IMMEDIATE; RELEASE SAVEPOINT rowgate_request",
    "ROLLBACK TO SAVEPOINT rowgate_request; RELEASE SAVEPOINT rowgate_request",
)


class Rehearsal(Run):
    """A run in a transaction that is rolled back, with a `trace` of it.

    It may run on a draft, with the DDL that makes the draft's tables, at another time, and as somebody `pretended`, who
    is nobody's row.
    """

    __slots__ = ("_ddl", "_is_open", "_now", "_pretended", "trace")

    opens: ClassVar[type[Session]] = Session

    def __init__(
        self,
        plane: Plane,
        request: Request,
        known: Identity | None = None,
        *,
        draft: Runtime | None = None,
        ddl: Sequence[str] = (),
        now: datetime | None = None,
        pretended: bool = False,
        trace: Trace | None = None,
    ) -> None:
        """Record nothing yet; without a `trace` in one that is told."""
        super().__init__(plane, request, known, draft)
        self._ddl, self._now, self._pretended = ddl, now, pretended
        self.trace = Trace() if trace is None else trace
        self._is_open = False  # whether a stage is

    def begin(self) -> None:
        """Begin a try; one that is repeated is forgotten."""
        self.trace.restart()
        self._is_open = False
        super().begin()

    def stage(self, name: str) -> None:
        """Record a stage; one that is refused stays open for the refusal, as it is told in the end."""
        self.end()
        self.at, self._is_open = name, self.trace.is_told
        if not self._is_open:
            return
        said: dict[str, Any] = {}
        if name == "authorize" and self.target is not None:
            said = {"access": self.target.access.described, "to": self.target.compiled.name}
        self.trace.enter(name, **said)

    def end(self) -> None:
        """Record what the stage has found, and its end."""
        if not self._is_open:
            return
        self._is_open = False
        if self.at == "authenticate" and self.identity is not None:
            self.trace.note(kind=self.identity.kind, roles=sorted(self.identity.roles))
        elif self.at == "bind" and self.call is not None:
            sent = json_or_text(self.request.sent)
            self.trace.hide(hidden_in([self.call.env, sent]) | hidden_in_query(self.request.query))
        self.trace.leave()

    def now(self) -> datetime:
        """Give the time that it is run at."""
        return self._now or super().now()

    def session(self, target: Target, identity: Identity) -> Session:
        """Give a session that is rolled back; the draft's tables come to be in its transaction, and go with it."""
        changes = (WAIT_AS_CHANGES_DO, *self._ddl) if self._ddl else ()
        opened = ";\n".join((target.begin or "BEGIN", *changes))
        return self.opens(
            self.plane.pool,
            self.guard(identity),
            begin=opened,
            locks=target.locks,
            ends=UNDONE,
            watch=self.trace.statement,
        )

    def guard(self, identity: Identity) -> Guard:
        """Give what is confirmed: of a pretended caller there is no authority."""
        return (self.runtime.revision, None, None) if self._pretended else super().guard(identity)

    def call_of(self, target: Target, identity: Identity, db: Session) -> Call:
        """Give what the chain runs on, which records its steps."""
        call = super().call_of(target, identity, db)
        call.trace, call.plain = self.trace, True
        return call


class RehearsedInside(Rehearsal):
    """A rehearsal that is a part of somebody's transaction, of which it undoes its part."""

    __slots__ = ()

    def session(self, target: Target, identity: Identity) -> Session:  # noqa: ARG002 - the transaction is open
        """Give a session of a savepoint that is always undone."""
        begin, watch = "SAVEPOINT rowgate_run", self.trace.statement
        return Session(self.plane.pool, self.guard(identity), begin=begin, ends=_UNDONE_INSIDE, watch=watch)


class Tried(Rehearsal):
    """A rehearsal on a draft whose tables are there already, in an open transaction; nothing live is asked for."""

    __slots__ = ()

    def session(self, target: Target, identity: Identity) -> Session:  # noqa: ARG002 - nothing is confirmed
        """Give the session: a savepoint that is kept where the request succeeds, and undone where it is refused."""
        begin, watch = "SAVEPOINT rowgate_request", self.trace.statement
        return Session(self.plane.pool, None, begin=begin, ends=_INSIDE, watch=watch)


class LookingLimiter(Limiter):
    """Says what a hit would come to, and counts none."""

    def __init__(self, real: Limiter) -> None:
        """Look at what this one has counted."""
        self._real = real

    async def hit(self, limit: Limit, scope: str, key: str, cost: int = 1) -> Outcome:
        """Give the outcome that one more hit would have."""
        return await self.look(limit, scope, key, cost)

    async def look(self, limit: Limit, scope: str, key: str, cost: int = 1) -> Outcome:
        """Give the outcome that one more hit would have."""
        return await self._real.look(limit, scope, key, cost)
