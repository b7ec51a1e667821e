"""The way out by itself: certificates, the address that was checked, and what is remembered of hosts."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.outward.addresses import is_public
from app.outward.breaker import FAILURES, REST_SECONDS, Breaker
from app.outward.client import Outward, OutwardCall
from app.outward.refusals import CircuitOpen, Denied, Unreachable
from app.outward.sealing import SealingKey
from tests.outward.upstream import Upstream, upstream

KEY = SealingKey.of("s" * 40)


def certificate(folder: Path, name: str, *, days: int = 1) -> Path:
    """Write a certificate that signs itself, and its key, into one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    path = folder / f"{name}.pem"
    written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + written)
    return path


@asynccontextmanager
async def secure(path: Path) -> AsyncIterator[Upstream]:
    found, context = Upstream(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0, ssl=context)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        await asyncio.gather(*found.tasks, return_exceptions=True)
        for writer in found.writers:
            writer.transport.abort()
        await asyncio.sleep(0.05)


async def call(up: Upstream, host: str, trusted: Path | None) -> int:
    tls = None if trusted is None else ssl.create_default_context(cafile=str(trusted))
    outward, named = Outward(KEY, tls), f"{host}:{up.port}"
    try:
        return (await outward.send(OutwardCall("GET", f"https://{named}/", allow=(named,)))).status
    finally:
        await outward.close()


async def test_a_certificate_has_to_hold_for_the_name(tmp_path: Path) -> None:
    good = certificate(tmp_path, "localhost")
    async with secure(good) as up:
        assert await call(up, "localhost", good) == 200
        with pytest.raises(Unreachable):
            await call(up, "localhost", None)
        with pytest.raises(Unreachable):
            await call(up, "127.0.0.1", good)
    async with secure(expired := certificate(tmp_path, "localhost", days=-1)) as up:
        with pytest.raises(Unreachable):
            await call(up, "localhost", expired)
    assert up.asked == []


async def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is public when it is looked up first, and local when it is looked up again, is looked up once."""
    loop, looked_up, connected = asyncio.get_running_loop(), [], []

    async def resolve(host: Any, port: Any, **_more: Any) -> list[Any]:
        looked_up.append(host)
        address = "93.184.216.34" if len(looked_up) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async def connect(_factory: Any, host: str, port: int, **_more: Any) -> Any:
        connected.append(host)
        raise ConnectionRefusedError

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    monkeypatch.setattr(loop, "create_connection", connect)
    outward = Outward(KEY)
    with pytest.raises(Unreachable):
        await outward.send(OutwardCall("GET", "http://rebinding.example/"))
    assert (looked_up, connected) == (["rebinding.example"], ["93.184.216.34"])
    with pytest.raises(Denied):
        await outward.send(OutwardCall("GET", "http://rebinding.example/"))
    assert len(connected) == 1
    await outward.close()


async def test_one_local_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(_host: Any, port: Any, **_more: Any) -> list[Any]:
        addresses = ("93.184.216.34", "10.0.0.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    outward = Outward(KEY)
    with pytest.raises(Denied):
        await outward.send(OutwardCall("GET", "http://mixed.example/"))
    await outward.close()


@pytest.mark.parametrize(
    "address",
    ["::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "2001::1", "::", "::1", "ff0e::1", "fec0::1", "3fff::1",
     "224.0.1.1", "240.0.0.1", "0.0.0.0", "192.88.99.1", "168.63.129.16", "100.64.0.1", "198.18.0.1", "nonsense", ""],
)  # fmt: skip
def test_addresses_that_are_not_of_the_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:2800:220:1::1", "2a00:1450::1"])
def test_addresses_of_the_internet(address: str) -> None:
    assert ipaddress.ip_address(address)
    assert is_public(address)


async def test_after_its_rest_a_host_is_tried_by_one_call() -> None:
    now = 0.0
    breaker = Breaker(lambda: now)
    for _ in range(FAILURES):
        with pytest.raises(Unreachable):
            async with breaker.call("a"):
                raise Unreachable
    async with breaker.call("another"):
        pass
    with pytest.raises(CircuitOpen):
        async with breaker.call("a"):
            pass
    now += REST_SECONDS
    async with breaker.call("a"):
        with pytest.raises(CircuitOpen):
            async with breaker.call("a"):
                pass
    async with breaker.call("a"), breaker.call("a"):
        pass


async def test_an_answer_of_an_upstream_is_an_answer() -> None:
    async with upstream() as up:
        outward = Outward(KEY)
        assert (await outward.send(OutwardCall("GET", up.url, allow=(up.host,)))).body == {"ok": True}
        await outward.close()
