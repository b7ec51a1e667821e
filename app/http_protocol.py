"""uvicorn's httptools protocol with bounds on the head of a request: its bytes, its headers, its time, its Host."""

import re
from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 16 * 1024
HEADERS = 100
REQUEST_LINE = 8 * 1024
HEAD_SECONDS = 10.0

_HOST = re.compile(rb"[A-Za-z0-9._~-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_LINES = {
    400: b"HTTP/1.1 400 Bad Request\r\n",
    408: b"HTTP/1.1 408 Request Timeout\r\n",
    414: b"HTTP/1.1 414 URI Too Long\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
}


class _Refused(Exception):
    """The head of a request is past a bound; the parser ends with this."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """Answers a head that is too large, too slow or without one Host, and closes the connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes = 0
        self._header_bytes = 0
        self._in_head = True
        self._refusal = 400
        self._deadline: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_deadline()
        super().connection_lost(exc)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self._refusal = 408
            self.send_400_response("The head of the request didn't come in time.")

    def data_received(self, data: bytes) -> None:
        if self.parser is None or self.transport.is_closing():
            return
        in_head = self._in_head
        super().data_received(data)
        if in_head and self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES + REQUEST_LINE:
                self._refusal = 431
                self.send_400_response("The head of the request is too large.")
            elif self._deadline is None:
                self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = self._header_bytes = 0
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > REQUEST_LINE:
            self._refuse(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._header_bytes += len(name) + len(value)
        if len(self.headers) > HEADERS or self._header_bytes > HEAD_BYTES:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._end_deadline()
        hosts = [value for name, value in self.headers if name == b"host"]
        needed = self.parser.get_http_version() == "1.1"
        if len(hosts) > 1 or (needed and not hosts) or (hosts and not _HOST.fullmatch(hosts[0])):
            self._refuse(400)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True

    def _refuse(self, status: int) -> None:
        self._refusal = status
        raise _Refused

    def send_400_response(self, msg: str) -> None:
        """Send the refusal, of whatever status it is, and close."""
        self._end_deadline()
        body = msg.encode("ascii")
        head = _LINES[self._refusal] + b"content-type: text/plain; charset=utf-8\r\ncontent-length: "
        head += str(len(body)).encode() + b"\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
        self.transport.write(head + body)
        self.transport.close()
