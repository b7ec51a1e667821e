"""A chain as it runs: what its steps share in one request, and how they follow each other."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from app.auth.identity import Identity
from app.database.session import Session
from app.errors import RowgateError
from app.limits.limit import Limit, Outcome, StoreUnavailable
from app.steps.trace import StepInfo, Trace

if TYPE_CHECKING:
    from app.auth.core import Accounts
    from app.limits.limiter import Limiter
    from app.outward.client import Outward


class Stream(Protocol):
    """A body of `size` bytes that comes in pieces, and holds something until its last piece or until it is dropped."""

    size: int

    def pieces(self) -> AsyncIterator[bytes]:
        """Give the pieces, once."""

    async def close(self) -> None:
        """Let go what it holds, where nobody wants the pieces."""

    def drop(self) -> None:
        """Let go what it holds, if it still does."""


@dataclass(slots=True)  # not frozen, as one is made for each request: that takes three times as long
class Answer:
    """What a request is answered with; `body` None is an answer without one, or one whose body is a `stream`.

    Nobody changes it: another one is made of it (`dataclasses.replace`).
    """

    status: int
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = "application/json"
    stream: Stream | None = None


class Received(Protocol):
    """A request as it came in: what steps see of it that run before its input is read."""

    @property
    def address(self) -> str:
        """Give the client's address."""

    def header(self, name: bytes) -> str | None:
        """Give a header's value, of several the first; names are lower-case."""

    def header_count(self, name: bytes) -> int:
        """Count the lines of a header."""

    @property
    def sent(self) -> bytes:
        """Give the body's bytes."""


@dataclass(frozen=True, slots=True)
class Services:
    """What steps use beside the database; `holds_answers` says whether answers are held against what is declared."""

    limiter: "Limiter"
    outward: "Outward"
    accounts: "Accounts"
    holds_answers: bool = False


@dataclass(frozen=True, slots=True)
class Counting:
    """How a limit counts a request that fails; `told` takes what a hit came to, and gives the refusal if it is one."""

    limit: Limit
    scope: str
    key: str
    cost: int
    told: Callable[[Outcome], RowgateError | None]

    @property
    def hit(self) -> tuple[Limit, str, str, int]:
        """Give what the limiter takes."""
        return self.limit, self.scope, self.key, self.cost


REMEMBERED = 50  # steps of a request, the last ones


class Call:
    """One run of one request through its chain.

    `env` holds what expressions read. `counted` outlives a run that is repeated, so that one request is counted once by
    each limit; `outside` too, and names the steps that have called out. `answer` ends the chain when a step sets it.
    `failures` are the limits that count this request if it fails. `keep` keeps the answer for the same request again.
    `at_end` are checks of what all steps have done together, made before the transaction commits.
    `at` is the step that began last, `ran` the last of those that began, with when; `trace` records the run where
    somebody asked to see it. A run that is `plain`, as each is that is recorded, sends each step's own statements; in
    others some are sent `together`, which is the row that such a statement gave. An answer that is too large to be held
    is read in pieces where it `may_stream`, and this run is one that `streams`. What has much to do has `more_seconds`.
    """

    __slots__ = (
        "accounts", "answer", "at", "at_end", "counted", "db", "env", "failures", "holds_answers",
        "identity", "keep", "limiter", "may_stream", "more_seconds", "outside", "outward", "plain", "ran",
        "received", "streams", "together", "trace",
    )  # fmt: skip

    def __init__(
        self,
        env: dict[str, Any],
        db: Session,
        identity: Identity,
        *,
        received: Received,
        counted: dict[str, tuple[str, Limit, Outcome]],
        outside: set[str],
        services: Services,
    ) -> None:
        """Begin with nothing answered."""
        self.env = env
        self.db = db
        self.identity = identity
        self.received = received
        self.limiter = services.limiter
        self.counted = counted
        self.outward = services.outward
        self.accounts = services.accounts
        self.holds_answers = services.holds_answers
        self.outside = outside
        self.failures: list[Counting] = []
        self.at_end: dict[tuple[str, ...], Callable[[], Awaitable[None]]] = {}
        self.trace: Trace | None = None
        self.at: StepInfo | None = None
        self.ran: deque[tuple[StepInfo, float]] = deque(maxlen=REMEMBERED)
        self.answer: Answer | None = None
        self.plain = self.streams = self.may_stream = False
        self.more_seconds = 0.0
        self.together: Any = None
        self.keep: Callable[[Answer], Awaitable[None]] | None = None

    @property
    def address(self) -> str:
        """Give the client's address."""
        return self.received.address

    @property
    def user_agent(self) -> str | None:
        """Give what the client calls itself."""
        return self.received.header(b"user-agent")

    async def ended(self) -> None:
        """Make the checks that wait for the end of the chain.

        Of many guesses sent at once, a right one behind too many wrong ones is refused as the next would be.
        """
        for check in self.at_end.values():
            await check()
        for counting in self.failures:
            with suppress(StoreUnavailable):  # it was there when the step asked
                outcome = await self.limiter.look(*counting.hit)
                if not outcome.allowed and (refusal := counting.told(outcome)):
                    raise refusal

    async def failed(self) -> None:
        """Count the request where failures are counted, once; what is one too many looks as a right one would."""
        counted, self.failures = self.failures, []
        refusals = []
        for counting in counted:
            with suppress(StoreUnavailable):  # the refusal that is under way says more
                outcome = await self.limiter.hit(*counting.hit)
                refusals.append(None if outcome.allowed else counting.told(outcome))
        if refusal := next(filter(None, refusals), None):
            raise refusal


RunStep = Callable[[Call], Awaitable[None] | None]


async def run_chain(runs: Sequence[RunStep], call: Call) -> None:
    """Run steps in order until one answers; a refusal is raised."""
    for run in runs:
        pending = run(call)
        if pending is not None:
            await pending
        if call.answer is not None:
            return
