"""The client's address: what a client may say about itself counts for nothing."""

from ipaddress import ip_network
from typing import Any

import pytest

from app.http.client_address import UNKNOWN, client_address
from tests.effort import at_most

PROXIES = tuple(ip_network(one) for one in ("10.0.0.0/8", "fd00::/8", "192.0.2.7"))


def scope(peer: str | None, *forwarded: str, **others: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", line.encode("latin-1")) for line in forwarded]
    headers += [(name.encode(), value.encode()) for name, value in others.items()]
    return {"client": None if peer is None else (peer, 4711), "headers": headers}


@pytest.mark.parametrize("name", ["x-forwarded-for", "x_forwarded_for", "x-real-ip", "forwarded", "true-client-ip"])
def test_no_header_of_an_untrusted_peer_is_believed(name: str) -> None:
    for number in range(20):
        assert client_address(scope("203.0.113.9", **{name: f"198.51.100.{number}"}), PROXIES) == "203.0.113.9"


@pytest.mark.parametrize("name", ["x_forwarded_for", "x-real-ip", "forwarded", "true-client-ip", "cf-connecting-ip"])
def test_a_trusted_peer_is_believed_in_one_header_only(name: str) -> None:
    assert client_address(scope("10.0.0.1", "198.51.100.1", **{name: "1.2.3.4"}), PROXIES) == "198.51.100.1"
    assert client_address(scope("10.0.0.1", **{name: "1.2.3.4"}), PROXIES) == "10.0.0.1"


def test_without_trusted_proxies_the_peer_is_the_client() -> None:
    assert client_address(scope("10.0.0.1", "198.51.100.1"), ()) == "10.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["1.1.1.1, 2.2.2.2, 198.51.100.1"], "198.51.100.1"),
        (["10.9.9.9, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        (["1.1.1.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        (["198.51.100.1, nonsense, 10.0.0.2"], "10.0.0.2"),
        (["198.51.100.1,, 10.0.0.2"], "10.0.0.2"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (["198.51.100.1:8080"], "198.51.100.1"),
        (["[2001:db8::1]:443"], "2001:db8::1"),
        (["2001:DB8:0::1"], "2001:db8::1"),
        (["::ffff:198.51.100.1"], "198.51.100.1"),
        (["198.51.100.1, fd00::1"], "198.51.100.1"),
        (["\xff\xfe"], "10.0.0.1"),
        ([""], "10.0.0.1"),
    ],
)
def test_the_rightmost_untrusted_hop_is_the_client(forwarded: list[str], client: str) -> None:
    assert client_address(scope("10.0.0.1", *forwarded), PROXIES) == client


def test_a_peer_written_as_ipv4_in_ipv6_is_the_same_peer() -> None:
    assert client_address(scope("::ffff:10.0.0.1", "198.51.100.1"), PROXIES) == "198.51.100.1"


def test_a_unix_socket_has_one_address_and_believes_nothing() -> None:
    assert client_address(scope(None, "198.51.100.1"), PROXIES) == UNKNOWN
    assert client_address(scope("", "198.51.100.1"), PROXIES) == UNKNOWN
    assert client_address({"type": "http"}, PROXIES) == UNKNOWN


def test_a_long_forged_list_costs_little() -> None:
    request = scope("10.0.0.1", ",".join(["10.0.0.1"] * 100_000))
    with at_most(20_000):
        assert client_address(request, PROXIES) == "10.0.0.1"
