"""One request on a connection and its answer: uvicorn's cycle, whose answers leave whole and whose end is told once."""

import asyncio
import re
from asyncio import Task, Transport
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from app.http.overload import Room, RoomShare

if TYPE_CHECKING:
    from app.http.protocol import BoundedHttpProtocol

_START, _BODY = "http.response.start", "http.response.body"
# The message that ends an answer in its midst: the connection is gone, and nobody takes it for whole.
CUT = "rowgate.cut"
TASK = "rowgate.task"  # in a scope, the task that answers the request
Headers = Sequence[tuple[bytes, bytes]]
Whole = tuple[int, bytes, bytes]
"""An answer: its status, its headers as `lines` gives them, of which one is its length, and its body."""
_LENGTH = b"content-length"
# What uvicorn refuses in the names and the values of an answer's headers.
_NOT_IN_NAMES = re.compile(b'[\x00-\x1f\x7f()<>@,;:\\[\\]={} \t\\\\"]')
_NOT_IN_VALUES = re.compile(b"[\x00-\x08\x0a-\x1f\x7f]")


class Answering:
    """The transport as an answer sees it: to close it is the protocol's."""

    __slots__ = ("_protocol", "is_closing", "write")

    def __init__(self, transport: Transport, protocol: "BoundedHttpProtocol") -> None:
        """Take where it is written."""
        self._protocol = protocol
        self.is_closing, self.write = transport.is_closing, transport.write

    def close(self) -> None:
        """Close behind what was written."""
        self._protocol.end()


class _Nobody:
    """In the place of the event that the reader of a request waits for: of most requests nobody waits for anything."""

    __slots__ = ()

    def set(self) -> None:
        """Wake nobody."""


_NOBODY: Any = _Nobody()


class Exchange(RequestResponseCycle):
    """A request and its answer.

    A head that says how long its body is waits for it: two writes are two system calls, and small packets. A head that
    doesn't leaves at once, and so does whatever comes in parts.
    """

    def __init__(self, protocol: "BoundedHttpProtocol", transport: Any, *, keep_alive: bool) -> None:
        """Take the request whose head has been read."""
        super().__init__(
            protocol.scope, transport, protocol.flow, protocol.logger, protocol.access_logger, False,
            protocol.server_state.default_headers, _NOBODY, protocol.expect_100_continue, keep_alive,
            protocol.on_response_complete,
        )  # fmt: skip
        self._protocol = protocol
        self._held: tuple[Any, dict[bytes, bytes]] | None = None  # a head that waits for its body, and its headers
        self._place: tuple[Room, RoomShare] | None = None
        self._is_looked_at = False

    def is_answered_at_once(self, app: Any) -> bool:
        """Answer it if that takes no more than its head; says whether it did, and is asked once."""
        self._is_looked_at = True
        if not self.keep_alive or self.flow.write_paused:
            return False
        answer = app.at_once(self.scope, self.receive)
        if answer is not None:
            self._write_whole(*answer)
        return answer is not None

    def begin(self, app: Any, room: Room, share: RoomShare) -> None:
        """Answer it at once if that can be, else run it, and give its place back at its end."""
        loop = self._protocol.loop
        if self.disconnected:
            loop.call_soon(room.leave, share)
            return
        if not self._is_looked_at and self.is_answered_at_once(app):
            if room.waiting:
                loop.call_soon(room.leave, share)  # others have their turns before who waits is begun
            else:
                room.leave(share)
            return
        self._place = room, share
        task = loop.create_task(self.run_asgi(app))
        scope: Any = self.scope
        scope[TASK] = task
        self._protocol.tasks.add(task)
        task.add_done_callback(self._leave)

    def _leave(self, task: Task[None]) -> None:
        self._protocol.tasks.discard(task)
        if self._place is not None:
            room, share = self._place
            room.leave(share)

    async def receive(self) -> Any:
        """Give the next part of the request; who asks first waits for it from then on."""
        if self.message_event is _NOBODY:
            self.message_event = asyncio.Event()
            if self.body or not self.more_body:
                self.message_event.set()
        return await super().receive()

    async def send(self, message: Any) -> None:
        """Send a part of the answer, or hold a head until its body comes; CUT ends it at once."""
        held, kind = self._held, message["type"]
        if self.flow.write_paused and not self.disconnected and kind != CUT:
            await self.flow.drain()
        if self.disconnected:
            return
        if kind == CUT:
            self.disconnected = True
            self._protocol.transport.abort()
            return
        if held is None:
            headers = message.get("headers", ())
            if self.response_started or kind != _START or _LENGTH not in (named := dict(headers)):
                await super().send(message)
            else:
                self._held, self.response_started = (message, named), True
            return
        self._held = None
        if kind == _BODY and not message.get("more_body", False):
            self._send_whole(*held, message.get("body", b""))
            return
        self.response_started = False
        await super().send(held[0])
        await super().send(message)

    def whole_body(self) -> bytes | None:
        """Give the request's body if all of it is here, and keep it no longer; None where `receive` has to wait."""
        if self.more_body or self.disconnected or self.response_complete:
            return None
        body, self.body = bytes(self.body), bytearray()
        return body

    async def answer(self, status: int, headers: bytes, body: bytes) -> None:
        """Send a whole answer, in one write; `send` does it by two messages, as other servers know it."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if not self.disconnected:
            self._write_whole(status, headers, body)

    def _send_whole(self, head: Any, named: dict[bytes, bytes], body: bytes) -> None:
        """Write all of an answer at once, as uvicorn would in parts."""
        headers = head["headers"]
        refuse_unsafe(headers)
        if self.scope["method"] != "HEAD" and len(body) != int(named[_LENGTH]):
            raise RuntimeError("The answer's content is not as long as its Content-Length")
        if b"close" in named.get(b"connection", b"").lower():
            self.keep_alive = False
            self._write_whole(head["status"], lines(headers), body, said_close=True)
        else:
            self._write_whole(head["status"], lines(headers), body)

    def _write_whole(self, status: int, headers: bytes, body: bytes, *, said_close: bool = False) -> None:
        parts = [STATUS_LINE[status], _as_before(self.default_headers), headers]
        if not (self.keep_alive or said_close):
            parts.append(b"connection: close\r\n")
        parts.append(b"\r\n")
        if self.scope["method"] != "HEAD":
            parts.append(body)
        self.waiting_for_100_continue = False
        self.transport.write(b"".join(parts))
        self.response_started = self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def exchange_of(side: object) -> Exchange | None:
    """Give the exchange whose `receive` or `send` this is; None where it is another server's, or is wrapped."""
    owner = getattr(side, "__self__", None)
    return owner if isinstance(owner, Exchange) else None


def refuse_unsafe(headers: Headers) -> None:
    """Raise RuntimeError for what would end a header before its end."""
    if _NOT_IN_NAMES.search(b"".join([name for name, _ in headers])):
        raise RuntimeError("Invalid HTTP header name.")
    if _NOT_IN_VALUES.search(b"".join([value for _, value in headers])):
        raise RuntimeError("Invalid HTTP header value.")


def lines(headers: Headers) -> bytes:
    """Give headers as they stand in a head."""
    return b"".join([b"%b: %b\r\n" % one for one in headers])


def headers_of(said: bytes) -> list[tuple[bytes, bytes]]:
    """Give the headers of such lines, as ASGI has them."""
    parts = (line.partition(b": ") for line in said.split(b"\r\n")[:-1])
    return [(name, value) for name, _, value in parts]


_last: tuple[Headers | None, bytes] = (None, b"")


def _as_before(headers: Headers) -> bytes:
    """Give the lines of headers that are the same object for all answers of a second."""
    global _last  # noqa: PLW0603 - what it is made of stands beside it
    if _last[0] is not headers:
        _last = headers, lines(headers)
    return _last[1]
