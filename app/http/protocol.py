"""uvicorn's httptools protocol with bounds on the head of a request: its bytes, its headers, its time, its Host.

A connection ends in one of two ways: at once, where nothing more is on its way, and else half-closed first, so that
a client that still sends its body reads the answer and not a reset (RFC 9112, 9.6).
"""

import re
from asyncio import TimerHandle
from functools import partial
from typing import Any
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, parse_url
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.errors import render_problem
from app.http.exchange import Answering, Exchange
from app.http.head_refusals import HEAD_BYTES, HEADERS, AddressTooLong, HeadersTooLarge, HeadRefused, HeadTooSlow
from app.http.header_names import NAMES
from app.http.overload import Admission, ServerOverloaded, share_of
from app.http.plain_head import plain_head
from app.log import INVALID_HEAD

# What is over a bound is read on, so that the refusal can be told to the page that asks: the address is not kept, and
# of the fields as much again.
READ_ON_BYTES = 1024 * 1024
FIELDS_ON_THE_WIRE = HEAD_BYTES + 1024  # colons, spaces, line ends
HEAD_SECONDS = 10.0
LINGER_SECONDS = 2.0
LINGER_BYTES = 1024 * 1024
# Where an application leaves, in the scope, what is to be called when its client goes away before the answer.
CLIENT_LOST = "rowgate.client_lost"
PROBLEM = b"application/problem+json"

_HOST = re.compile(rb"[A-Za-z0-9._~-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_TARGET = re.compile(rb"/|https?://", re.IGNORECASE)
_FRAMED = frozenset({b"transfer-encoding", b"content-length"})  # what says that there is a body
_KEPT = frozenset({b"origin", b"x-request-id"})  # of a head that is over a bound


class _Refused(Exception):
    """The head of a request is past a bound; the parser ends with this."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """Answers a head that is too large, too slow or unclear, and closes the connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._begun = 0  # requests
        self._host: bytes | None = None  # the last one that was sound: a connection names it again and again
        self._in_head = self._in_body = False
        self._head_bytes = self._address_bytes = self._header_bytes = self._trailers = self._silent_bytes = 0
        self._refusal: type[HeadRefused] = HeadRefused
        self._over: type[HeadRefused] | None = None  # what the head is refused for as soon as it has been read
        self._deadline: TimerHandle | None = None
        self._rested: float | None = None  # since when nothing is under way, in the loop's time
        self._linger: TimerHandle | None = None
        self._lingered = 0  # bytes that came after the answer
        self._deaf = False  # what still comes is another protocol's
        self._ended = False  # what still comes is thrown away
        self._answering: Answering | None = None
        self._due: Exchange | None = None  # what is begun as soon as all that came with its head has been read
        self._turned_away: Any = None  # a request that is about to be refused
        self._behind = b""  # what came after it
        self._admission: Admission | None = getattr(self.app, "admission", None)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._answering = Answering(transport, self)
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_timers()
        self._answering = None
        cycle = self.cycle
        super().connection_lost(exc)
        scope: Any = None if cycle is None or cycle.response_complete else cycle.scope
        if scope is not None and CLIENT_LOST in scope:
            scope.pop(CLIENT_LOST)()

    def _end_timers(self) -> None:
        for timer in (self._deadline, self._linger, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()
        self._deadline = self._linger = self.timeout_keep_alive_task = None

    def _unset_keepalive_if_required(self) -> None:
        """Note that the connection isn't at rest; its clock runs on, since to stop it costs more than to look again."""
        self._rested = None

    def timeout_keep_alive_handler(self) -> None:
        """Close what has been at rest for long enough."""
        self.timeout_keep_alive_task = None
        if self._rested is None or self.transport.is_closing():
            return
        left = self._rested + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            self.transport.close()

    def _too_slow(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self._refusal = self._over or HeadTooSlow
            self.send_400_response(self._refusal.said)

    def data_received(self, data: bytes) -> None:
        if self.parser is None or self._is_thrown_away(data) or self._is_refused_unread(data):
            return
        begun, at_rest = self._begun, not (self._in_head or self._in_body)
        if self._in_body:
            self._silent_bytes += len(data)
        self._rested = None
        self._parse(data)
        if self._due is not None:
            due, self._due = self._due, None
            if not self._ended and not self.transport.is_closing():
                self._start_asgi_task(due, self.app)
        came_whole = at_rest and self._begun > begun and not (self._in_head or self._in_body)
        if came_whole or self.transport.is_closing() or self._deaf or self._ended:
            return
        # All of it belongs to one head if none ended in it; what is at rest may also get line ends before a head.
        began = self._begun - begun
        if (self._in_head and (began == 0 or (at_rest and began == 1))) or (at_rest and began == 0):
            self._head_bytes += len(data)
        if self._is_too_much():
            self._refusal = self._over or HeadersTooLarge
            self.send_400_response(self._refusal.said)
            return
        self._watch()

    def _parse(self, data: bytes) -> None:
        """Have the parser call what is named `on_`. An Upgrade, which isn't known, is ignored: anybody can send one."""
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade:
            pass
        except HttpParserError:
            self.logger.warning(INVALID_HEAD)
            self.send_400_response(INVALID_HEAD)

    def _is_too_much(self) -> bool:
        """Say whether what has come of a head is more than is read, and note what is more than is taken."""
        fields = self._head_bytes - self._address_bytes
        if fields > FIELDS_ON_THE_WIRE:
            if not self._in_head or fields > 2 * FIELDS_ON_THE_WIRE:
                return True
            self._over = self._over or HeadersTooLarge
        return self._head_bytes > READ_ON_BYTES or (self._in_body and self._silent_bytes > HEAD_BYTES)

    def _is_thrown_away(self, data: bytes) -> bool:
        if self._linger is not None:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES:
                self.transport.abort()
        return self._deaf or self._ended or self.transport.is_closing()

    def _watch(self) -> None:
        """Start the clock of the next head, where uvicorn's clock of idle connections has been stopped."""
        busy = self._in_body or (self.cycle is not None and not self.cycle.response_complete)
        if (self._in_head or not busy) and self._deadline is None and not self._ended:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._begun += 1
        self._head_bytes = self._address_bytes = self._header_bytes = self._trailers = 0
        self._over = None
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        self._address_bytes += len(url)
        if self._address_bytes > HEAD_BYTES:
            self._over = AddressTooLong
            url = url[: max(0, HEAD_BYTES - len(self.url))]
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._in_head and self._over is None and self._header_bytes <= HEAD_BYTES and len(self.headers) < HEADERS:
            self.headers.append((name.lower(), value))
        else:
            self._beside(name.lower(), value)

    def _beside(self, name: bytes, value: bytes) -> None:
        """Take what is over a bound, or stands behind the body: proxies and we have judged the request without it."""
        if self._in_head:
            self._over = self._over or HeadersTooLarge
            if name in _KEPT:
                self.headers.append((name, value))
        elif self._header_bytes > HEAD_BYTES or len(self.headers) + self._trailers >= HEADERS:
            self._refuse(HeadersTooLarge)
        else:
            self._trailers += 1

    def on_headers_complete(self) -> None:
        if self._over is not None:
            self._refuse(self._over)
        version, method = self.parser.get_http_version(), self.parser.get_method()
        names = dict(self.headers)
        self._check_head(names, version, method)
        self._end_head()
        self._in_head, self._in_body, self._silent_bytes = False, True, 0
        self.scope = self._scope(names, version, method)
        before, upgrades = self.cycle, self.parser.should_upgrade()
        keep_alive = version != "1.0" and not upgrades and self.parser.should_keep_alive()
        self.cycle = Exchange(self, self._answering, keep_alive=keep_alive)
        if before is None or before.response_complete:
            self._due = self.cycle
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))
        if upgrades:
            self._deaf = method == b"CONNECT" or names.keys().isdisjoint(_FRAMED)

    def _end_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _check_head(self, names: dict[bytes, bytes], version: str, method: bytes) -> None:
        host = names.get(b"host")
        if host is None or host != self._host or len(names) < len(self.headers):
            self._check_host()
        if version not in {"1.1", "1.0"}:
            self._refuse(HeadRefused)
        if b"expect" in names:
            self.expect_100_continue = b"100-continue" in map(bytes.lower, self._values(b"expect"))
        if b"transfer-encoding" in names:
            encodings = [value.lower() for value in self._values(b"transfer-encoding")]
            if encodings != [b"chunked"] or version == "1.0":
                self._refuse(HeadRefused)
        if not _TARGET.match(self.url) and (self.url != b"*" or method != b"OPTIONS"):
            self._refuse(HeadRefused)

    def _check_host(self) -> None:
        hosts = self._values(b"host")
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
            self._refuse(HeadRefused)
        self._host = hosts[0]

    def _values(self, wanted: bytes) -> list[bytes]:
        return [value for name, value in self.headers if name == wanted]

    def _scope(self, names: dict[bytes, bytes], version: str, method: bytes) -> Any:
        """Give the request as ASGI has it (HTTP Connection Scope)."""
        target = parse_url(self.url)
        path = target.path.decode("ascii")
        return {
            "type": "http", "asgi": {"version": self.asgi_version, "spec_version": "2.3"}, "http_version": version,
            "server": self.server, "client": self.client, "scheme": self.scheme, "method": method.decode("ascii"),
            "root_path": "", "path": unquote(path) if "%" in path else path, "raw_path": target.path,
            "query_string": target.query or b"", "headers": self.headers, "state": self.app_state.copy(), NAMES: names,
        }  # fmt: skip

    def on_body(self, body: bytes) -> None:
        self._silent_bytes = 0
        if not self.cycle.response_complete:
            self.cycle.body += body
            if len(self.cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        self._in_body = False
        if self._linger is not None and not self._ended:
            self._linger.cancel()
            self._linger = None
        if not self.cycle.response_complete:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._ended or self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._rested = self.loop.time()
            if self.timeout_keep_alive_task is None:
                after = self.timeout_keep_alive
                self.timeout_keep_alive_task = self.loop.call_later(after, self.timeout_keep_alive_handler)
        if self._in_body and not self.pipeline:
            self._give_time()

    def end(self) -> None:
        """Close the connection behind an answer."""
        self._end(linger=self._in_body)

    def _end(self, *, linger: bool) -> None:
        self._ended = True
        if linger and self.transport.can_write_eof():
            self.transport.write_eof()
            self._give_time()
        else:
            self.transport.close()

    def _give_time(self) -> None:
        """Let a body that nobody reads come to its end, within a bound."""
        if self._linger is None:
            self._linger = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Answer a request by its head, or begin it as soon as there is a place for it, or refuse it."""
        room = None if self._admission is None else self._admission.room_of(cycle.scope)
        if room is None:
            super()._start_asgi_task(cycle, app)
        elif not room.passes(cycle.is_answered_at_once, app):
            room.admit(share_of(cycle.scope), partial(cycle.begin, app, room), partial(self._turn_away, cycle))

    def _is_refused_unread(self, data: bytes) -> bool:
        """Say whether this is a request that would be refused anyhow, and refuse it if so without parsing it.

        Only what is plain is taken: a GET that is here whole, on a connection at rest. All else takes the longer way.
        """
        if self._turned_away is not None:
            self._behind += data
            if len(self._behind) > HEAD_BYTES:
                self.transport.abort()
            return True
        if self._admission is None or not self._admission.is_full or self._in_head or self._in_body:
            return False
        scope = plain_head(data) if self.cycle is None or self.cycle.response_complete else None
        room = None if scope is None else self._admission.refusing(scope)
        if room is None:
            return False
        self._unset_keepalive_if_required()
        self._end_head()
        self._turned_away = scope
        room.turn_away(self._refuse_unread)
        return True

    def _refusal_of(self, admission: Admission, scope: Any) -> tuple[bytes, bytes]:
        headers, body = admission.refusal(scope, ServerOverloaded())
        lines = (b"%s: %s\r\n" % one for one in (*self.server_state.default_headers, *headers))
        return STATUS_LINE[ServerOverloaded.status] + b"".join(lines), body

    def _refuse_unread(self) -> None:
        scope, self._turned_away = self._turned_away, None
        if self._admission is None or self.transport is None or self.transport.is_closing():
            return
        head, body = self._refusal_of(self._admission, scope)
        self.transport.write(head + b"\r\n" + body)
        self.on_response_complete()
        if self._behind:
            behind, self._behind = self._behind, b""
            self.data_received(behind)

    def _turn_away(self, cycle: Any) -> None:
        """Answer, in one write and without a task, a request that was not begun."""
        if self._admission is None or cycle.disconnected or self.transport.is_closing():
            return
        head, body = self._refusal_of(self._admission, cycle.scope)
        head += b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        cycle.waiting_for_100_continue = False
        cycle.response_started = cycle.response_complete = True
        self.transport.write(head if cycle.scope["method"] == "HEAD" else head + body)
        if not cycle.keep_alive:
            self.end()
        self.on_response_complete()

    def _refuse(self, refusal: type[HeadRefused]) -> None:
        self._refusal = refusal
        raise _Refused

    def send_400_response(self, _msg: str) -> None:
        """Send the refusal, of whatever status it is, and close."""
        if self._unanswered():
            # A refusal now would be read as the answer to the request before.
            self.transport.close()
            return
        headers, body = self._told(self._refusal())
        lines = [b"%s: %s\r\n" % one for one in (*headers, (b"connection", b"close"))]
        self.transport.write(b"".join([STATUS_LINE[self._refusal.status], *lines, b"\r\n", body]))
        self._end(linger=True)

    def _told(self, refusal: HeadRefused) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Give the headers and the body of a refusal; what is known of its request is as much as has been read."""
        if self._admission is not None:
            path = getattr(self, "url", b"").partition(b"?")[0].decode("latin-1")
            return self._admission.refusal({"path": path, "headers": getattr(self, "headers", [])}, refusal)
        body = render_problem(refusal, "")
        return [(b"content-type", PROBLEM), (b"content-length", b"%d" % len(body))], body

    def _unanswered(self) -> bool:
        cycle = self.cycle
        if cycle is None:
            return False
        if not self._in_body:
            return bool(self.pipeline) or not cycle.response_complete
        return bool(self.pipeline) or cycle.response_started
