"""Hosts as admins name them: `api.example.com`, `10.0.0.7:8080`, `[::1]:9000`."""

import re
from ipaddress import ip_address

NAMED_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
MAX_PORT = 65_535


def read_host(text: str) -> tuple[str, int | None]:
    """Give a host in its one spelling, and its port where one is said; raises ValueError."""
    match = NAMED_HOST.fullmatch(text)
    port = int(match[2]) if match is not None and match[2] else None
    if match is None or len(match[1]) > 255 or (port is not None and not 0 < port <= MAX_PORT):
        msg = "a host looks like api.example.com or api.example.com:8443"
        raise ValueError(msg)
    return normal_host(match[1]), port


def normal_host(host: str) -> str:
    """Give the one spelling of a host: small letters, no dot at the end, an IPv6 address in its shortest form."""
    if host.startswith("["):
        return f"[{ip_address(host[1:-1])}]"
    return host.lower().removesuffix(".")


def names(said: str, host: str, port: int) -> bool:
    """Say whether an entry names this host; one without a port names all of its ports."""
    named, named_port = read_host(said)
    return named == host and named_port in (None, port)
