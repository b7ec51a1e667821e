"""A request that is rehearsed: run as somebody, on the live definitions or a draft, recorded, and rolled back."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.auth.identity import Identity
from app.compiler.runtime import Runtime
from app.rate_limits import Limit, Limiter, Outcome
from app.relations.session import Guard
from app.steps.trace import Trace


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Who it is run as, on which draft, with the draft's DDL; `pretended` is a caller who is nobody's row."""

    identity: Identity
    pretended: bool = False
    draft: Runtime | None = None
    ddl: Sequence[str] = ()
    trace: Trace = field(default_factory=Trace)

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
        return ";\n".join((begin or "BEGIN", *self.ddl))


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
