"""The data plane as an ASGI application: from the socket's words to a request, and from an answer back to them."""

import asyncio
import logging
import random
import re
from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar

from app.compiler.paths import MethodNotAllowed
from app.data_plane.pipeline import look_ahead
from app.data_plane.request import Request
from app.data_plane.rest.dialect.codes import rest_body, rpc_body
from app.data_plane.retries import serve_with_retries
from app.data_plane.run import Plane, Run
from app.data_plane.seeing.recent import Recent
from app.data_plane.seeing.shadow import Shadow
from app.data_plane.seeing.timing import ASKS, TimedRun, is_asked_by_admin
from app.data_plane.stages.accept import REST
from app.data_plane.targets import RPC
from app.errors import RowgateError, render_problem
from app.http.client_address import Networks
from app.http.counts import Counts
from app.http.deadline import Deadline
from app.http.exchange import CUT, TASK, Headers, Whole, exchange_of, headers_of, lines, refuse_unsafe
from app.http.header_names import header
from app.http.problem_body import Form, problem_body
from app.http.protocol import CLIENT_LOST
from app.http.read_body import SILENT_SECONDS, SLOWEST, STREAM_SECONDS
from app.steps.running import Answer, Stream

_log = logging.getLogger("rowgate.requests")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
_PROBLEM = "application/problem+json"
_BEGUN = "rowgate.run"  # in a scope, what was looked ahead at
FIXED_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
_FIXED = lines(FIXED_HEADERS)


class Internal(RowgateError):
    """A fault of ours; the log has it under the request's id."""


class ClientGone(RowgateError):
    """The client closed the connection before the answer: what ran was cancelled and rolled back. Nobody reads this."""

    status: ClassVar[int] = 499
    code: ClassVar[str] = "request.client_gone"


class DataPlane:
    """Serves `/api`, `/rest/v1` and `/functions/v1`."""

    def __init__(self, plane: Plane, trusted: Networks, recent: Recent, counts: Counts) -> None:
        """Take what requests share, the proxies that are believed, where refusals are kept, and who counts."""
        self.recent = recent
        self.counts = counts
        self.plane = plane
        self.trusted = trusted
        self.shadow: Shadow | None = None

    def at_once(self, scope: Any, receive: Any) -> Whole | None:
        """Answer a request that is refused before anything is begun for it; None for all others, which are called."""
        if self.shadow is not None or ASKS in scope["headers"]:
            return None
        run = self._run_of(scope, receive, request_id_of(scope))
        try:
            look_ahead(run)
        except RowgateError as refusal:
            return self._refused(run, refusal)  # no name of this frame, which its traceback has, may keep it
        scope[_BEGUN] = run
        return None

    def _refused(self, run: Run, refusal: RowgateError) -> Whole:
        answer, told = _told(refusal, run.request)
        self._note(run, answer.status, told)
        return _whole(answer, run.request)

    async def __call__(self, scope: Any, receive: Any, send: object, more: Headers = ()) -> None:
        """Answer a request, with `more` headers. It is cancelled, and so rolled back, as soon as its client is gone."""
        run: Run | None = scope.pop(_BEGUN, None)
        if run is None:
            run = await self._begun(scope, receive)
        request = run.request
        running: Any = scope.pop(TASK, None) or asyncio.current_task()
        run.task, scope[CLIENT_LOST] = running, running.cancel
        try:
            answer, refusal = await answered(run)
            if isinstance(run, TimedRun):
                answer = replace(answer, headers=(*answer.headers, ("Server-Timing", run.timing())))
            if answer.stream is not None:
                await _send_pieces(send, answer, answer.stream, request, more)
        except asyncio.CancelledError:
            if scope.pop(CLIENT_LOST, None) is not None:
                raise
            running.uncancel()
            gone = ClientGone("The client closed the connection before the answer.")
            self._note(run, gone.status, gone)
            return
        scope.pop(CLIENT_LOST, None)
        self._note(run, answer.status, refusal)
        if answer.stream is None:
            await _send(send, answer, request, more)

    async def _begun(self, scope: Any, receive: Any) -> Run:
        """Give the run of a request that nobody has looked at yet, and that may be watched."""
        request_id = request_id_of(scope)
        is_timed = ASKS in scope["headers"] and await is_asked_by_admin(self.plane, scope)
        if self.shadow is not None:
            receive = await self.shadow.observe(self.plane, (scope, receive, request_id, self.trusted))
        return self._run_of(scope, receive, request_id, TimedRun if is_timed else Run)

    def _run_of(self, scope: Any, receive: Any, request_id: str, kind: type[Run] = Run) -> Run:
        run = kind(self.plane, Request(scope, receive, request_id, self.trusted))
        run.may_stream = True
        return run

    def _note(self, run: Run, status: int, refusal: RowgateError | None) -> None:
        self.recent.note(run, status, refusal)
        self.counts.note(status, "" if run.target is None else run.target.place)


async def answered(run: Run) -> tuple[Answer, RowgateError | None]:
    """Serve a request and give its answer, whatever happens, and the refusal if it is one."""
    try:
        return await serve_with_retries(run), None
    except RowgateError as refusal:
        return _told(refusal, run.request)
    except Exception:
        _log.exception("request %s failed", run.request.id)
        fault = Internal("The request failed.")
        return _refused(fault, run.request), fault


def _told(refusal: RowgateError, request: Request) -> tuple[Answer, RowgateError | None]:
    """Give the answer of a refusal, and the refusal, unless it is the answer to a question."""
    if request.method == "OPTIONS" and isinstance(refusal, MethodNotAllowed):
        # A plain OPTIONS asks just for what this refusal names.
        return Answer(204, None, tuple(refusal.headers.items())), None
    return _refused(refusal, request), refusal


def request_id_of(scope: Any) -> str:
    """Give the caller's X-Request-Id if it is short and plain, else a new one.

    A new one is like no other's; nothing is kept safe by it, so it needs no call of the kernel.
    """
    said = header(scope, b"x-request-id")
    if said is not None and _REQUEST_ID.fullmatch(said):
        return said.decode("ascii")
    return f"{random.getrandbits(128):032x}"


def _refused(refusal: RowgateError, request: Request) -> Answer:
    if refusal.status >= 500 and refusal.status != 503:
        _log.error("request %s: %s: %s", request.id, refusal.code, refusal.detail, exc_info=refusal)
    form: Form = render_problem
    if request.path.startswith(REST):
        form = rpc_body if request.path.startswith(RPC) else rest_body
    body = problem_body(form, refusal, request.id)
    return Answer(refusal.status, body, tuple(refusal.headers.items()), _PROBLEM)


async def _send(send: Any, answer: Answer, request: Request, more: Headers) -> None:
    status, headers, body = _whole(answer, request, more)
    if (exchange := exchange_of(send)) is not None:
        await exchange.answer(status, headers, body)
        return
    await send({"type": "http.response.start", "status": status, "headers": headers_of(headers)})
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})


def _whole(answer: Answer, request: Request, more: Headers = ()) -> Whole:
    body = answer.body
    return answer.status, _headers(answer, None if body is None else len(body), request, more), body or b""


async def _send_pieces(send: Any, answer: Answer, stream: Stream, request: Request, more: Headers) -> None:
    """Send an answer in pieces, as fast as they are taken but not as slowly; what goes wrong in it cuts it off.

    A client that is gone cancels this, as it does what comes before an answer.
    """
    loop = asyncio.get_running_loop()
    began = since = loop.time()
    left = STREAM_SECONDS
    try:
        with Deadline(began + STREAM_SECONDS + stream.size / SLOWEST):
            headers = headers_of(_headers(answer, stream.size, request, more))
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            if request.method == "HEAD":
                await stream.close()
            else:
                async for piece in stream.pieces():
                    took = len(piece) / SLOWEST
                    with Deadline(loop.time() + min(left, SILENT_SECONDS) + took):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                    now = loop.time()
                    left, since = left + took - (now - since), now
            await send({"type": "http.response.body", "body": b""})
    except TimeoutError:
        _log.warning("request %s: its answer was cut off, since it was read too slowly", request.id)
        await send({"type": CUT})
    except Exception:
        _log.exception("request %s: its answer was cut off in its midst", request.id)
        await send({"type": CUT})
    finally:
        stream.drop()


def _headers(answer: Answer, size: int | None, request: Request, more: Headers) -> bytes:
    """Give the headers of an answer, as they are sent; its body has `size` bytes, None of an answer without one."""
    if size is not None:
        length = b"content-type: %b\r\ncontent-length: %d\r\n" % (answer.media_type.encode(), size)
    else:
        length = b"" if answer.status in {204, 304} else b"content-length: 0\r\n"
    headers = b"%bx-request-id: %b\r\n%b" % (_FIXED, request.id.encode(), length)
    if answer.headers:
        headers += _own(answer.headers)
    return headers + lines(more) if more else headers


@lru_cache(1_024)
def _own(said: tuple[tuple[str, str], ...]) -> bytes:
    """Give headers as they are sent; most are those of many answers."""
    own = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in said]
    refuse_unsafe(own)
    return lines(own)
