"""A request that is rehearsed: run as somebody, on the live definitions or a draft, recorded, and rolled back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.auth.identity import Identity
from app.compiler.runtime import Runtime
from app.rate_limits import Limit, Limiter, Outcome
from app.relations.session import Guard
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
    trace: Trace = field(default_factory=Trace)
    now: datetime | None = None
    inside: bool = False

    def begin(self) -> Identity:
        """Begin a run: forget one that is repeated, and give the caller."""
        self.trace.restart()
        self.trace.enter("authenticate", kind=self.identity.kind, roles=sorted(self.identity.roles))
        return self.identity

    def guard(self, guard: Guard) -> Guard:
        """Give what the first statement confirms: of a pretended caller there is no authority to confirm."""
        return (guard[0], None, None) if self.pretended else guard

    def opening(self, begin: str | None) -> str:
        """Give what opens the transaction; the draft's tables come to be in it, and go with it."""
        return "SAVEPOINT rowgate_run" if self.inside else ";\n".join((begin or "BEGIN", *self.ddl))

    @property
    def undo(self) -> str:
        """Give what undoes it."""
        return "ROLLBACK TO SAVEPOINT rowgate_run" if self.inside else "ROLLBACK"


class LookingLimiter(Limiter):
    """Says whether a hit would be refused, and counts none."""

    def __init__(self, real: Limiter) -> None:
        """Look at what this one has counted."""
        self._real = real

    async def hit(self, limit: Limit, scope: str, key: str, cost: int = 1) -> Outcome:  # noqa: ARG002 - the base's
        """Give the outcome that one more hit would have; its `remaining` is not known and given as 0."""
        spent = await self._real.is_spent(limit, scope, key)
        return Outcome(not spent, 0, 0.0, limit.period if spent else None)
