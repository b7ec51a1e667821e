"""A run: one request on its way through the stages, and all in which one that is live differs from one that is not."""

import asyncio
from datetime import datetime
from http import HTTPStatus
from time import perf_counter
from typing import Any, ClassVar

from app.auth.identify import AuthContext
from app.auth.identity import ANONYMOUS, Identity
from app.compiler.runtime import Runtime
from app.data_plane.reload import Live
from app.data_plane.request import Request
from app.data_plane.streams import stream_share
from app.data_plane.targets import Target
from app.database.faults import CommitUnknown, ConstraintViolated, DatabaseFailed, Streamed, Unfused
from app.database.lending import Connections
from app.database.session import Guard, Session
from app.errors import FieldError, RowgateError
from app.http.deadline import Deadline
from app.limits.limit import Limit, Outcome
from app.steps.refusals import OutsideWindow
from app.steps.running import Call, Services

_FORBIDDEN, _FAILED = int(HTTPStatus.FORBIDDEN), int(HTTPStatus.INTERNAL_SERVER_ERROR)


class RequestTimeout(RowgateError):
    """The request took longer than its endpoint allows; nothing was changed."""

    status: ClassVar[int] = 504
    code: ClassVar[str] = "request.timeout"


class Plane:
    """What requests need and share: the live runtime, who may call, the pool, what steps use beside it."""

    def __init__(self, live: Live, auth: AuthContext, pool: Connections, services: Services) -> None:
        """Take what main.py opened."""
        self.live = live
        self.auth = auth
        self.pool = pool
        self.services = services


class Run:
    """A request that is served: it acts as who its credentials say, at the database's time, and what it does lasts.

    `at` is the stage that began last, `marks` are all that began, with when, in the process's own time, as `began` is.
    `runtime`, `target`, `identity` and `call` are of the try that is under way, None before the stage that finds them;
    `known` is who it acts as where no credentials are asked, and `draft` what it runs on instead of what is live. One
    request has one `deadline`, in the loop's time, is `counted` once by each limit, and has called `outside` from the
    steps that are named there, however often it is tried. A `plain` one sends each step's own statements. One that
    `may_stream` is answered to somebody who takes an answer in pieces, and `streams` as soon as it was found too large.
    `task` is what it is run in, where that is known.
    """

    __slots__ = (
        "at", "began", "call", "counted", "deadline", "draft", "identity", "known", "marks", "may_stream", "outside",
        "plain", "plane", "request", "runtime", "streams", "target", "task",
    )  # fmt: skip

    runtime: Runtime

    def __init__(
        self, plane: Plane, request: Request, known: Identity | None = None, draft: Runtime | None = None
    ) -> None:
        """Begin before the first stage."""
        self.began = perf_counter()
        self.marks: list[tuple[str, float]] = []
        self.plane = plane
        self.request = request
        self.known = known
        self.draft = draft
        self.at = "accept"
        self.target: Target | None = None
        self.identity: Identity | None = None
        self.call: Call | None = None
        self.counted: dict[str, tuple[str, Limit, Outcome]] = {}
        self.outside: set[str] = set()
        self.deadline: float | None = None
        self.task: asyncio.Task[Any] | None = None
        self.plain = self.streams = self.may_stream = False

    def begin(self) -> None:
        """Begin a try, on the definitions as they are now; raises NotReady or DefinitionsBroken."""
        self.target = self.identity = self.call = None
        self.runtime = self.draft or self.plane.live.runtime

    def goes_another_way(self, found: Unfused | Streamed) -> bool:
        """Have the next try go another way; says whether it is counted as one.

        What was refused in a statement of several steps runs as they are said. Too large an answer is asked for again
        in pieces, and as it was before where nothing is left of it by then.
        """
        if isinstance(found, Unfused):
            self.plain = True
            return False
        self.streams = not self.streams
        return not self.streams

    @property
    def runs_once(self) -> bool:
        """Say whether another try would do again, or find gone, what this one did or read."""
        return bool(self.outside) or self.request.is_spent

    async def refresh(self) -> bool:
        """Read the definitions and the caller's authority again; says whether those are others than it ran on."""
        await asyncio.gather(self.plane.live.refresh(), self.plane.auth.reload(self.identity or ANONYMOUS))
        return self.plane.live.runtime.revision != self.runtime.revision

    def stage(self, name: str) -> None:
        """Begin a stage, and so end the one before."""
        self.at = name
        self.marks.append((name, perf_counter()))

    def end(self) -> None:
        """End the last stage, where none has refused the request."""

    def now(self) -> datetime:
        """Give the time that the request goes by."""
        return self.plane.live.clock.now()

    def session(self, target: Target, identity: Identity) -> Session:
        """Give the database side of a try; it ends as the block of the session does."""
        begin = target.begin
        holds_answers = self.plane.services.holds_answers and target.responses is not None
        if begin is None and (self.plain or holds_answers):
            begin = "BEGIN"  # what is refused behind its one statement has to be undone
        return Session(
            self.plane.pool,
            self.guard(identity),
            begin=begin,
            locks=target.locks,
            on_behalf_of=stream_share(identity, self.request.address) if self.streams else target.borrower,
            patience=target.patience,
        )

    def guard(self, identity: Identity) -> Guard:
        """Give what the first statement confirms."""
        return self.runtime.revision, identity.subject_id, identity.version

    def call_of(self, target: Target, identity: Identity, db: Session) -> Call:
        """Give what the chain runs on: what rules see, without the input yet."""
        request = self.request
        env: dict[str, Any] = {"auth": identity.env, "now": self.now()}
        if target.compiled.reads_request:
            env["request"] = request.described()
        counted, outside, services = self.counted, self.outside, self.plane.services
        self.call = Call(env, db, identity, received=request, counted=counted, outside=outside, services=services)
        self.call.plain, self.call.streams, self.call.may_stream = self.plain, self.streams, self.may_stream
        return self.call

    def in_time(self, target: Target) -> Deadline:
        """Give the block that ends with TimeoutError at the deadline."""
        return Deadline(self._until(target), self.task)

    @property
    def is_late(self) -> bool:
        """Say whether the request has taken as long as it may; its time begins with its first look at it."""
        return self.target is not None and asyncio.get_running_loop().time() >= self._until(self.target)

    def _until(self, target: Target) -> float:
        if self.deadline is None:
            loop = asyncio.get_running_loop() if self.task is None else self.task.get_loop()
            more = 0.0 if self.call is None else self.call.more_seconds
            self.deadline = loop.time() + target.timeout + more
        return self.deadline

    async def refused(self, refusal: RowgateError, db: Session) -> None:
        """Do what a refusal owes before it is raised on: count the failure, and confirm or explain what it rests on."""
        if self.call is not None and refusal.status < _FAILED:
            await self.call.failed()
        if isinstance(refusal, ConstraintViolated):
            raise _explained(refusal, self.runtime) from refusal
        # What isn't there in the database may be what only the definitions of before speak of.
        failed = isinstance(refusal, DatabaseFailed)
        if failed or _rests_on_cache(refusal, self.identity):
            await db.confirm(again=failed)


def too_long(db: Session) -> RowgateError:
    """Give the refusal of a request whose time is over."""
    if db.in_doubt or db.settled:
        return CommitUnknown("The request took too long, and whether it was carried out is not known here.")
    return too_late()


def too_late() -> RequestTimeout:
    """Give the refusal of a request whose time is over, and which has done nothing."""
    return RequestTimeout("The request took too long, and nothing was changed.")


def _explained(refusal: ConstraintViolated, runtime: Runtime) -> ConstraintViolated:
    """Say which columns a constraint is about, and what the admin wrote to say; nothing of any row."""
    columns, message = runtime.constraints.get(refusal.constraint or "", ((), None))
    sentence = message or refusal.detail
    errors = [FieldError((column,), refusal.code, sentence) for column in columns]
    return type(refusal)(sentence, errors=errors or refusal.errors, headers=refusal.headers)


def _rests_on_cache(refusal: RowgateError, identity: Identity | None) -> bool:
    """Say whether the refusal may be due to roles or definitions that this process remembers and that have changed.

    What is refused to a stranger, for its input, its rate or the time costs no connection.
    """
    if refusal.status != _FORBIDDEN or isinstance(refusal, OutsideWindow):
        return False
    return identity is not None and not identity.is_anonymous
