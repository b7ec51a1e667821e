"""A request that is rehearsed: run as somebody, on the live definitions or a draft, recorded, and never lasting."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.auth.identity import Identity
from app.compiler.runtime import Runtime
from app.database.lock_waits import WAIT_AS_CHANGES_DO
from app.database.session import UNDONE, Connections, Ends, Guard, Session
from app.limits.limit import Limit, Outcome
from app.limits.limiter import Limiter
from app.steps.trace import Trace


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Who it is run as, on which draft, with the draft's DDL; `pretended` is a caller who is nobody's row.

    `now` is the time that it is run at. One that is `inside` is a part of a transaction, of which it undoes its part.
    """

    identity: Identity
    pretended: bool = False
    draft: Runtime | None = None
    ddl: Sequence[str] = ()
    now: datetime | None = None
    trace: Trace = field(default_factory=Trace)
    inside: bool = False

    def begin(self) -> Identity:
        """Begin a run: forget one that is repeated, and give the caller."""
        self.trace.restart()
        self.trace.enter("authenticate", kind=self.identity.kind, roles=sorted(self.identity.roles))
        return self.identity

    def session(self, pool: Connections, guard: Guard, begin: str | None, locks: tuple[str, ...]) -> Session:
        """Give the session, whose transaction is rolled back; the draft's tables come to be in it, and go with it.

        Of a pretended caller there is no authority to confirm.
        """
        known: Guard = (guard[0], None, None) if self.pretended else guard
        watch = self.trace.statement
        if self.inside:
            return Session(pool, known, begin="SAVEPOINT rowgate_run", ends=_UNDONE_INSIDE, watch=watch)
        changes = (WAIT_AS_CHANGES_DO, *self.ddl) if self.ddl else ()
        opened = ";\n".join((begin or "BEGIN", *changes))
        return Session(pool, known, begin=opened, locks=locks, ends=UNDONE, watch=watch)


_UNDO = "ROLLBACK TO SAVEPOINT rowgate_run"
_UNDONE_INSIDE = Ends(f"SET CONSTRAINTS ALL IMMEDIATE; {_UNDO}", _UNDO)
# Inside of a transaction that somebody else opened, and rolls back: what the request did is there to be looked at.
_INSIDE = Ends(
    "SET CONSTRAINTS ALL IMMEDIATE; RELEASE SAVEPOINT rowgate_request",
    "ROLLBACK TO SAVEPOINT rowgate_request; RELEASE SAVEPOINT rowgate_request",
)


@dataclass(frozen=True, slots=True)
class Tried(Rehearsal):
    """A rehearsal on a draft whose tables are there already, in an open transaction; nothing live is asked for."""

    def session(
        self,
        pool: Connections,
        guard: Guard,  # noqa: ARG002
        begin: str | None,  # noqa: ARG002
        locks: tuple[str, ...],  # noqa: ARG002
    ) -> Session:
        """Give the session: a savepoint that is kept where the request succeeds, and undone where it is refused."""
        return Session(pool, None, begin="SAVEPOINT rowgate_request", ends=_INSIDE, watch=self.trace.statement)


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
