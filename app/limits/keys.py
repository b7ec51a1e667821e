"""What a rate limit counts under: plain and short keys as they are, IPv6 by its network, anything else as a hash."""

import hashlib
import ipaddress
import re

_SCOPE = re.compile(r"[A-Za-z0-9_./:-]{1,64}")
_PLAIN = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_ADDRESS_LENGTH = 64


def counted_key(key: str) -> str:
    """Give the key that is stored: an IPv6 address as its /64, anything long or unusual as a hash."""
    if ":" in key and len(key) <= _ADDRESS_LENGTH:
        key = _network(key)
    if _PLAIN.fullmatch(key):
        return key
    return "#" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _network(key: str) -> str:
    try:
        address = ipaddress.IPv6Address(key.partition("%")[0])
    except ValueError:
        return key
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    # One customer is given a /64 at least, and may use any of its addresses.
    return str(ipaddress.IPv6Address(int(address) >> 64 << 64)) + ":64"


def counted_scope(scope: str) -> str:
    """Give the scope that is stored: a plain name as it is, anything else as a key."""
    return scope if _SCOPE.fullmatch(scope) else counted_key(scope)
