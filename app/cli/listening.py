"""The port that a server listens on, taken before anything else is made."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

from app.errors import RowgateError

_NOT_ON_THIS_MACHINE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class CantListen(RowgateError):
    """The port is in use, or can't be had."""

    code: ClassVar[str] = "serve.port"


@contextmanager
def listening(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Hold a socket for each address of the host, all of one port; for 0 the system chooses it. Raises CantListen."""
    with ExitStack() as held:
        try:
            sockets = [held.enter_context(one) for one in _bound(host, port)]
        except OSError as error:
            raise refused(host, port, error) from None
        yield sockets


def refused(host: str, port: int, error: OSError) -> CantListen:
    """Say why the port can't be had, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return CantListen(
            f"Port {port} of {host} is in use by another program.",
            hint="Stop that one, or take another port: `--port 0` takes a free one.",
        )
    hint = "Ports below 1024 are for root: take a higher one." if error.errno == errno.EACCES else None
    reason = error.strerror or str(error)
    return CantListen(f"Rowgate can't listen on port {port} of {host}: {reason[:1].lower()}{reason[1:]}.", hint=hint)


def _bound(host: str, port: int) -> Iterator[socket.socket]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    missing: OSError | None = None
    none = True
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            one = _socket(family, kind, protocol, (address[0], port, *address[2:]))
        except OSError as error:
            if error.errno not in _NOT_ON_THIS_MACHINE:
                raise
            missing = error
            continue
        none, port = False, one.getsockname()[1]
        yield one
    if none and missing is not None:
        raise missing


def _socket(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    one = socket.socket(family, kind, protocol)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
    except OSError:
        one.close()
        raise
    return one
