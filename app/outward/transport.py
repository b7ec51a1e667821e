"""Connections to other services: the name is resolved here, each address checked, and the checked one connected to."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import httpcore
import httpx

from app.outward.addresses import is_public
from app.outward.failures import Denied

Allowed = Callable[[str], bool]
MOST_CONNECTIONS = 100
MAX_HEAD = 64 * 1024
READ_AT_ONCE = 4096


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked; TLS and the Host header still go by the name."""

    def __init__(self, allowed: Allowed) -> None:
        """Take the check of an address."""
        self._allowed = allowed
        self._tcp = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers, each in its share of the time.

        Raises Denied if any of them may not be called.
        """
        addresses = await _resolved(host, port)
        if not all(map(self._allowed, addresses)):
            raise Denied
        share = None if timeout is None else timeout / max(1, len(addresses))
        failure: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError("there is no address")
        for address in addresses:
            try:
                stream = await self._tcp.connect_tcp(address, port, share, local_address, socket_options)
                return BoundedStream(stream)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002 - httpcore's signature
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - httpcore's signature
        socket_options: Iterable[object] | None = None,  # noqa: ARG002 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: no URL means one."""
        raise Denied

    async def sleep(self, seconds: float) -> None:
        """Wait between two tries to connect."""
        await asyncio.sleep(seconds)


class BoundedStream(httpcore.AsyncNetworkStream):
    """A connection on which an answer's head is bounded, and read in parts so small that parsing one blocks nobody."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        """Take the connection."""
        self._inner = inner
        self._left: int | None = MAX_HEAD

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        """Read some bytes; raises RemoteProtocolError for a head that is too long, or has too many before it."""
        data = await self._inner.read(min(max_bytes, READ_AT_ONCE), timeout)
        if self._left is not None:
            if self._left <= 0:
                raise httpcore.RemoteProtocolError("the head is too long")
            self._left -= len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
        """Write a part of a request, whose answer is still to come."""
        self._left = MAX_HEAD
        await self._inner.write(buffer, timeout)

    def head_has_come(self) -> None:
        """Bound no longer: what follows is a body."""
        self._left = None

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        """Go on encrypted."""
        return BoundedStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> object:
        """Give what is known of the socket."""
        return self._inner.get_extra_info(info)


async def _resolved(host: str, port: int) -> list[str]:
    """Give every address of a name, each once, in the resolver's order."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise httpcore.ConnectError("the name has no address") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedTransport(httpx.AsyncBaseTransport):
    """What httpx sends by: no proxy, whatever the environment says."""

    def __init__(self, allowed: Allowed, tls: ssl.SSLContext) -> None:
        """Open nothing yet."""
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=MOST_CONNECTIONS,
            max_keepalive_connections=20,
            keepalive_expiry=15,
            network_backend=CheckedBackend(allowed),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and give the answer's head, with its body as a stream."""
        response = await self._pool.handle_async_request(
            httpcore.Request(
                request.method,
                httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        response.extensions["network_stream"].head_has_come()
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    """An answer's body as it comes."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._response.aclose()


def public_transport(tls: ssl.SSLContext) -> CheckedTransport:
    """Give the transport that reaches the public internet only."""
    return CheckedTransport(is_public, tls)


def named_transport(tls: ssl.SSLContext) -> CheckedTransport:
    """Give the transport for what `project.http_allow` names: the caller has looked there."""
    return CheckedTransport(lambda _address: True, tls)
