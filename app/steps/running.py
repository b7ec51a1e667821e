"""A chain as it runs: what its steps share in one request, and how they follow each other."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from app.auth.core import Accounts
from app.auth.identity import Identity
from app.outward.client import Outward
from app.rate_limits import Limit, Limiter, Outcome, StoreUnavailable
from app.relations.session import Session
from app.steps.trace import StepInfo, Trace


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with; `body` None is an answer without one."""

    status: int
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Services:
    """What steps use beside the database."""

    limiter: Limiter
    outward: Outward
    accounts: Accounts


class Call:
    """One run of one request through its chain.

    `env` holds what expressions read. `counted` outlives a run that is repeated, so that one request is counted once by
    each limit; `outside` too, and names the steps that have called out. `answer` ends the chain when a step sets it.
    `failures` are the limits, with scope, key and cost, that count this request if it fails.
    `at_end` are checks of what all steps have done together, made before the transaction commits.
    `at` is the step that began last; `trace` records the run where somebody asked to see it.
    """

    __slots__ = (
        "accounts", "address", "answer", "at", "at_end", "counted", "db", "env", "failures", "identity", "limiter",
        "outside", "outward", "trace", "user_agent",
    )  # fmt: skip

    def __init__(
        self,
        env: dict[str, Any],
        db: Session,
        identity: Identity,
        *,
        address: str,
        user_agent: str | None,
        counted: dict[str, tuple[str, Limit, Outcome]],
        outside: set[str],
        services: Services,
    ) -> None:
        """Begin with nothing answered."""
        self.env = env
        self.db = db
        self.identity = identity
        self.address = address
        self.user_agent = user_agent
        self.limiter = services.limiter
        self.counted = counted
        self.outward = services.outward
        self.accounts = services.accounts
        self.outside = outside
        self.failures: list[tuple[Limit, str, str, int]] = []
        self.at_end: dict[int, Callable[[], Awaitable[None]]] = {}
        self.trace: Trace | None = None
        self.at: StepInfo | None = None
        self.answer: Answer | None = None

    async def ended(self) -> None:
        """Make the checks that wait for the end of the chain."""
        for check in self.at_end.values():
            await check()

    async def failed(self) -> None:
        """Count the request where failures are counted, once."""
        counting, self.failures = self.failures, []
        for limit, scope, key, cost in counting:
            with suppress(StoreUnavailable):  # the refusal that is under way says more
                await self.limiter.hit(limit, scope, key, cost)


Run = Callable[[Call], Awaitable[None] | None]


async def run_chain(runs: Sequence[Run], call: Call) -> None:
    """Run steps in order until one answers; a refusal is raised."""
    for run in runs:
        pending = run(call)
        if pending is not None:
            await pending
        if call.answer is not None:
            return
