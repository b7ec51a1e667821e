"""The whole request: one function, each stage once."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

from app.auth.identify import AuthContext
from app.auth.identity import ANONYMOUS, Identity
from app.compiler.runtime import Runtime
from app.data_plane.idempotency import once_of, run_once
from app.data_plane.reload import Live
from app.data_plane.request import Request
from app.data_plane.seeing.hidden import hidden_in_query
from app.data_plane.seeing.rehearsal import Rehearsal
from app.data_plane.stages.accept import Target, accept
from app.data_plane.stages.authenticate import authenticate
from app.data_plane.stages.authorize import authorize
from app.data_plane.stages.bind import bind
from app.data_plane.stages.chain import chain
from app.data_plane.stages.execute import execute
from app.database.faults import CommitUnknown, ConstraintViolated, Contended, Retryable, Stale
from app.database.lock_waits import WAIT_FOR_ROWS, wait_for_rows
from app.database.session import Connections, Guard, Session
from app.definitions.endpoints import TIMEOUT
from app.errors import FieldError, RowgateError
from app.http.json_body import json_or_text
from app.limits.headers import limit_headers
from app.limits.limit import Limit, Outcome
from app.steps.redaction import hidden_in
from app.steps.refusals import OutsideWindow
from app.steps.running import Answer, Call, Services

ATTEMPTS = 3
PAUSE = 0.025  # seconds, about, before the second run; four times as long before the third

Counted = dict[str, tuple[str, Limit, Outcome]]


class RequestTimeout(RowgateError):
    """The request took longer than its endpoint allows; nothing was changed."""

    status: ClassVar[int] = 504
    code: ClassVar[str] = "request.timeout"


class ChangedMeanwhile(RowgateError):
    """The definitions or the caller changed while the request waited for another service; nothing was written."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "request.changed"

    def __init__(self) -> None:
        """Say that a call was made, and so the request isn't run again."""
        super().__init__("The backend was changed while it waited for another service: try again.")


class DefinitionsChanging(RowgateError):
    """The definitions changed at every try to serve the request."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "definitions.changing"

    def __init__(self) -> None:
        """Ask for another try in a second."""
        super().__init__("The definitions are changing: try again.", headers={"Retry-After": "1"})


class Plane:
    """What requests need and share: the live runtime, who may call, the pool, what steps use beside it."""

    def __init__(self, live: Live, auth: AuthContext, pool: Connections, services: Services) -> None:
        """Take what main.py opened."""
        self.live = live
        self.auth = auth
        self.pool = pool
        self.services = services


async def serve(plane: Plane, request: Request, rehearsal: Rehearsal | None = None) -> Answer:
    """Answer a request, or raise the refusal.

    A run that finds its definitions or its caller's authority changed has done nothing yet: it starts again on the new
    ones. A deadlock or a serialization failure is tried again too. A rehearsal is recorded, and rolled back at the end.
    """
    counted: Counted = {}
    outside: set[str] = set()
    for attempt in range(ATTEMPTS):
        runtime = plane.live.runtime if rehearsal is None else rehearsal.draft or plane.live.runtime
        identity = ANONYMOUS
        request.entered("authenticate")
        try:
            if rehearsal is None:
                identity = await authenticate(request, plane.auth, runtime.project.project.auth_schemes)
            else:
                identity = rehearsal.begin()
            request.caller = identity
            return await _run(plane, runtime, identity, request, counted, outside, rehearsal=rehearsal)
        except Stale:
            if outside:
                raise ChangedMeanwhile from None
            await asyncio.gather(plane.live.refresh(), plane.auth.reload(identity))
        except Retryable:
            if outside:
                raise
            if attempt == ATTEMPTS - 1:
                raise Contended from None
            # Whoever was faster may still be committing: at once, the same would only happen again.
            await asyncio.sleep(PAUSE * 4**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
    raise DefinitionsChanging


async def _run(
    plane: Plane,
    runtime: Runtime,
    identity: Identity,
    request: Request,
    counted: Counted,
    outside: set[str],
    *,
    rehearsal: Rehearsal | None,
) -> Answer:
    """Take one run through the stages; leaving the session's block commits, any refusal or error rolls back."""
    entered = request.entered if rehearsal is None else rehearsal.trace.enter
    entered("accept")
    target = accept(runtime, request)
    compiled = target.compiled
    request.template = target.template
    guard = (runtime.revision, identity.subject_id, identity.version)
    once = once_of(request, identity, target) if rehearsal is None else None
    begin = target.begin
    if once is not None or (plane.services.holds_answers and target.responses is not None):
        begin = begin or "BEGIN"  # what is refused behind its one statement has to be undone
    async with _session(plane, guard, begin, target, rehearsal) as db:
        try:
            entered("authorize", access=compiled.access.described, to=compiled.name)
            authorize(target, identity)
            env = _environment(target, identity, request, _now(plane, rehearsal))
            entered("bind")
            env["input"] = await bind(target, request, env)
            agent = request.header(b"user-agent")
            call = Call(
                env, db, identity, address=request.address, user_agent=agent, counted=counted, outside=outside,
                services=plane.services,
            )  # fmt: skip
            if rehearsal is not None:
                call.trace = rehearsal.trace
                call.trace.hide(hidden_in([env, json_or_text(request.sent)]) | hidden_in_query(request.query))
            request.call = call
            if request.deadline is None:
                request.deadline = asyncio.get_running_loop().time() + target.timeout
            async with asyncio.timeout_at(request.deadline):
                answer = await run_once(once, request, call, partial(_carried_out, target, request, call, entered))
                request.responds()
                await db.confirm()
        except ConstraintViolated as refusal:
            raise _explained(refusal, runtime) from refusal
        except RowgateError as refusal:
            if _rests_on_cache(refusal, identity):
                await db.confirm()
            raise
        except TimeoutError:
            raise _too_long(db) from None
    return _with_limits(answer, counted)


async def _carried_out(target: Target, request: Request, call: Call, entered: Callable[..., None]) -> Answer:
    try:
        entered("chain")
        await chain(target.chain, call)
        entered("execute")
        answer = await execute(target, request, call)
        if call.holds_answers and target.responses is not None:
            target.responses.check(answer)
        await call.ended()
    except RowgateError as refusal:
        if refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            await call.failed()
        raise
    if answer.status >= HTTPStatus.BAD_REQUEST:
        await call.failed()
    return answer


def _session(plane: Plane, guard: Guard, begin: str | None, target: Target, rehearsal: Rehearsal | None) -> Session:
    if rehearsal is None:
        by = (type(target), target.compiled.name)
        patience = WAIT_FOR_ROWS if target.timeout == TIMEOUT else wait_for_rows(target.timeout)
        return Session(plane.pool, guard, begin=begin, locks=target.locks, on_behalf_of=by, patience=patience)
    return rehearsal.session(plane.pool, guard, begin, target.locks)


def _too_long(db: Session) -> RowgateError:
    if db.in_doubt:
        return CommitUnknown("The request took too long, and whether it was carried out is not known here.")
    return RequestTimeout("The request took too long, and nothing was changed.")


def _explained(refusal: ConstraintViolated, runtime: Runtime) -> ConstraintViolated:
    """Say which columns a constraint is about, and what the admin wrote to say; nothing of any row."""
    columns, message = runtime.constraints.get(refusal.constraint or "", ((), None))
    sentence = message or refusal.detail
    errors = [FieldError((column,), refusal.code, sentence) for column in columns]
    return type(refusal)(sentence, errors=errors or refusal.errors, headers=refusal.headers)


def _now(plane: Plane, rehearsal: Rehearsal | None) -> datetime:
    """Give the database's time, or the one that a rehearsal is run at."""
    return rehearsal.now if rehearsal is not None and rehearsal.now is not None else plane.live.clock.now()


def _environment(target: Target, identity: Identity, request: Request, now: datetime) -> dict[str, Any]:
    env: dict[str, Any] = {"auth": identity.env, "now": now}
    if target.compiled.reads_request:
        env["request"] = request.described()
    return env


def _rests_on_cache(refusal: RowgateError, identity: Identity) -> bool:
    """Say whether the refusal may be due to roles or definitions that this process remembers and that have changed.

    What is refused to a stranger, for its input, its rate or the time costs no connection.
    """
    return (
        refusal.status == HTTPStatus.FORBIDDEN and not identity.is_anonymous and not isinstance(refusal, OutsideWindow)
    )


def _with_limits(answer: Answer, counted: Counted) -> Answer:
    if not counted:
        return answer
    headers = limit_headers(list(counted.values()))
    return replace(answer, headers=(*answer.headers, *headers.items()))
