"""The address of the client: the socket's peer, or what a trusted proxy says stood before it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

MAX_HOPS = 32
UNKNOWN = "unknown"  # a Unix socket has no peer address; all its callers share one key


def client_address(scope: Mapping[str, Any], trusted: Networks) -> str:
    """Give the client's address in its canonical form, from an ASGI scope.

    X-Forwarded-For counts only when the socket's peer is trusted; of its hops, the rightmost one that isn't trusted is
    the client, since whatever stands left of it was sent by that client. A hop that is no address ends the walk at
    the last trusted proxy. No other header is ever read.
    """
    peer = _address(str((scope.get("client") or ("",))[0]))
    if peer is None:
        return UNKNOWN
    current = peer
    for hop in islice(_hops(scope), MAX_HOPS):
        if not _is_trusted(current, trusted):
            break
        before = _address(hop)
        if before is None:
            break
        current = before
    return str(current)


def _hops(scope: Mapping[str, Any]) -> Iterable[str]:
    """Give the hops from right to left, the last header line first."""
    lines = [value for name, value in scope.get("headers", ()) if name.lower() == b"x-forwarded-for"]
    for line in reversed(lines):
        rest = line
        while rest is not None:
            # Split off one hop at a time: a long forged left part costs nothing.
            before, comma, hop = rest.rpartition(b",")
            yield hop.decode("latin-1").strip()
            rest = before if comma else None


@lru_cache(maxsize=4096)
def _address(text: str) -> Address | None:
    """Read an address as a proxy may write it: plain, with a port, in brackets, with a zone, or IPv4 inside IPv6."""
    if len(text) > 64:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def _is_trusted(address: Address, trusted: Networks) -> bool:
    return any(address in network for network in trusted)
