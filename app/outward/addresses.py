"""Which addresses a call may go to: those of the public internet, and no others."""

from ipaddress import IPv4Address, IPv6Network, ip_address, ip_network

_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Public by their number, and yet not of the internet: Azure's metadata; what IANA keeps for protocols, of which Python
# up to 3.11.9 and 3.12.3 knows little, and clouds have metadata there; tunnels that carry a v4 address inside.
_REFUSED = tuple(
    map(
        ip_network,
        ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "2002::/16", "2001::/32", "3fff::/20"),
    )
)


def is_public(text: str) -> bool:
    """Say whether an address, as the resolver gives it, is one of the public internet; what can't be read isn't."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if any(address.version == network.version and address in network for network in _REFUSED):
        return False
    return isinstance(address, IPv4Address) or address in _GLOBAL_UNICAST
