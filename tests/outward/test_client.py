"""The way out by itself: certificates, the address that was checked, what is repeated and remembered of hosts."""

import asyncio
import datetime
import gc
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http.cookiejar import Cookie
from pathlib import Path
from typing import Any

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.outward.addresses import is_public
from app.outward.breaker import AT_ONCE, FAILURES, REST_SECONDS, Breaker
from app.outward.calls import OutwardCall
from app.outward.client import Outward
from app.outward.failures import (
    CallFailed,
    CircuitOpen,
    Denied,
    RedirectRefused,
    SecretAstray,
    TimedOut,
    Unreachable,
    UpstreamTooLarge,
)
from app.secrets.sealing import SealingKey
from tests.outward.upstream import Asked, Upstream, gate, reply, soon, upstream

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


@asynccontextmanager
async def way_out(trusted: Path | None = None) -> AsyncIterator[Outward]:
    outward = Outward(KEY, None if trusted is None else ssl.create_default_context(cafile=str(trusted)))
    try:
        yield outward
    finally:
        await outward.close()


async def call(up: Upstream, host: str, trusted: Path | None, method: str = "GET") -> int:
    async with way_out(trusted) as outward:
        named = f"{host}:{up.port}"
        return (await outward.send(OutwardCall(method, f"https://{named}/", allow=(named,)))).status


def to(up: Upstream, path: str = "/", method: str = "GET", **more: Any) -> OutwardCall:
    return OutwardCall(method, up.url + path, allow=(up.host,), **more)


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
     "224.0.1.1", "240.0.0.1", "0.0.0.0", "192.88.99.1", "192.0.0.192", "168.63.129.16", "100.64.0.1", "198.18.0.1",
     "nonsense", ""],
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
    async with upstream() as up, way_out() as outward:
        assert (await outward.send(to(up))).body == {"ok": True}


async def test_ten_calls_to_a_host_are_under_way_and_the_others_wait_within_their_time() -> None:
    came, go, waits = gate(AT_ONCE)
    async with upstream() as up, upstream() as other, way_out() as outward:
        up.answers["/"] = waits
        first = [asyncio.create_task(outward.send(to(up, timeout=60))) for _ in range(AT_ONCE)]
        await soon(came)
        behind = [asyncio.create_task(outward.send(to(up, timeout=60))) for _ in range(5)]
        # More than would rest a host that failed: what was never sent says nothing of it.
        late = await asyncio.gather(
            *(outward.send(to(up, timeout=0.1)) for _ in range(FAILURES + 1)), return_exceptions=True
        )
        assert [type(one) for one in late] == [TimedOut] * (FAILURES + 1)
        assert (await outward.send(to(other))).status == 200
        assert (up.connections, AT_ONCE) == (10, 10)
        go.set()
        assert {answer.status for answer in await asyncio.gather(*first, *behind)} == {200}
    assert len(up.asked) == AT_ONCE + 5


async def test_a_call_is_repeated_after_pauses_that_grow_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def pause(seconds: float, *more: Any) -> Any:
        if seconds >= 0.05:
            pauses.append(seconds)
        return await sleep(0, *more)

    async with upstream() as up, way_out() as outward:
        up.answers["/busy"], up.answers["/gone"] = reply(b"", 503), b""
        monkeypatch.setattr(asyncio, "sleep", pause)
        assert (await outward.send(to(up, "/busy", retries=3))).status == 503
        first, pauses = pauses, []
        with pytest.raises(Unreachable):
            await outward.send(to(up, "/gone", "PUT", retries=3))
    assert [asked.path for asked in up.asked] == ["/busy"] * 4 + ["/gone"] * 4
    for found in (first, pauses):
        assert len(found) == 3
        for number, seconds in enumerate(found):
            assert 0.05 * 2**number <= seconds <= 0.2 * 2**number
    assert first != pauses


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (reply(b"x" * 1_048_577), UpstreamTooLarge),
        (reply(b"{", Content_Encoding="br"), CallFailed),
        (reply(b"", 500), None),
    ],
)
async def test_what_would_only_come_again_is_not_asked_for_again(answer: bytes, failure: Any) -> None:
    async with upstream() as up, way_out() as outward:
        up.answers["/"] = answer
        if failure is None:
            assert (await outward.send(to(up, retries=5))).status == 500
        else:
            with pytest.raises(failure):
                await outward.send(to(up, retries=5))
    assert len(up.asked) == 1


@pytest.mark.parametrize(
    ("call", "failure"),
    [
        (OutwardCall("GET", "http://user@name.example/"), Denied),
        (OutwardCall("GET", "ftp://name.example/"), Denied),
        (OutwardCall("GET", "http://name.example\\@other.example/"), Denied),
        (OutwardCall("GET", "https://name.example/", bound=(("other.example",),)), SecretAstray),
        (OutwardCall("GET", "http://name.example/", bound=(("name.example",),)), SecretAstray),
    ],
)
async def test_no_name_is_looked_up_for_a_call_that_may_not_be(
    monkeypatch: pytest.MonkeyPatch, call: OutwardCall, failure: type[CallFailed]
) -> None:
    looked_up = []

    async def resolve(host: Any, *_more: Any, **_named: Any) -> list[Any]:
        looked_up.append(host)
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    async with way_out() as outward:
        with pytest.raises(failure):
            await outward.send(call)
    assert looked_up == []


async def test_the_call_itself_is_all_that_leaves_and_no_proxy_sees_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = certificate(tmp_path, "localhost")
    async with upstream() as proxy, upstream() as up, secure(good) as encrypted, way_out() as outward:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.lower(), proxy.url)
        for method in ("POST", "DELETE"):
            assert (await outward.send(to(up, method=method, body=b"{}"))).status == 200
            assert await call(encrypted, "localhost", good, method) == 200
    for found in (up, encrypted):
        assert ([asked.method for asked in found.asked], found.connections) == (["POST", "DELETE"], 2)
    assert proxy.connections == 0


async def test_a_redirect_takes_headers_to_the_same_server_only_and_never_from_https_to_http(tmp_path: Path) -> None:
    good = certificate(tmp_path, "localhost")
    async with secure(good) as encrypted, upstream() as up, upstream() as other, way_out(good) as outward:
        allow, headers = (up.host, other.host, f"localhost:{encrypted.port}"), (("X-Key", "canary"),)
        up.answers["/here"] = reply(b"", 302, Location="/there")
        up.answers["/away"] = reply(b"", 307, Location=f"{other.url}/there")
        for path in ("/here", "/away"):
            answer = await outward.send(OutwardCall("GET", up.url + path, headers, allow=allow))
            assert answer.status == 200
        assert up.asked[1].headers["x-key"] == "canary"
        assert [(asked.path, "x-key" in asked.headers) for asked in other.asked] == [("/there", False)]
        encrypted.answers["/down"] = reply(b"", 302, Location=f"{other.url}/there")
        with pytest.raises(RedirectRefused):
            await outward.send(OutwardCall("GET", f"https://localhost:{encrypted.port}/down", allow=allow))
        up.answers["/loop"] = reply(b"", 302, Location="/loop")
        with pytest.raises(RedirectRefused):
            await outward.send(OutwardCall("HEAD", f"{up.url}/loop", allow=allow))
    assert len(other.asked) == 1
    assert [asked.path for asked in up.asked].count("/loop") == 4  # itself, and three redirects


async def test_no_cookie_is_kept() -> None:
    """Who sends other ones with each answer would fill the memory."""
    async with upstream() as up, way_out() as outward:
        up.answers["/"] = reply(b"", Set_Cookie="session=1; Path=/")
        answer = await outward.send(OutwardCall("GET", f"{up.url}/", allow=(up.host,)))
        assert answer.headers["set-cookie"] == "session=1; Path=/"
        assert not [one for one in gc.get_objects() if type(one) is Cookie]


async def test_a_piece_of_an_answer_is_small_so_that_others_get_their_turn() -> None:
    """A body in chunks of one byte costs far more to read than it weighs: the loop goes round at least each 4 KiB."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    body = b"1\r\nx\r\n" * 16_000

    async def chunks(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        await asyncio.sleep(0.1)
        writer.write(body + b"0\r\n\r\n")
        turning.append(asyncio.create_task(turn()))

    turning: list[asyncio.Task[None]] = []
    async with upstream() as up, way_out() as outward:
        up.answers["/"] = chunks
        assert (await outward.send(to(up, timeout=60))).body == "x" * 16_000
        turning[0].cancel()
    assert turns > len(body) / 4096


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_call_takes_as_long_as_it_says(allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def late(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        writer.write(reply(b"1"))

    monkeypatch.setattr("app.outward.transport.is_public", lambda _address: True)
    async with upstream() as up, way_out() as outward:
        up.answers["/late"] = late
        call = OutwardCall("GET", f"{up.url}/late", timeout=60, allow=(up.host,) if allowed else ())
        assert (await outward.send(call)).body == 1
        with pytest.raises(TimedOut):
            await outward.send(replace(call, timeout=0.05))


async def test_an_address_that_swallows_everything_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float | None] = []

    async def resolve(*_more: Any, **_named: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 80)) for address in ("127.0.0.1", "127.0.0.2")]

    async def swallow(_self: Any, _address: str, _port: int, timeout: float | None, *_more: Any) -> Any:  # noqa: ASYNC109
        shares.append(timeout)
        raise httpcore.ConnectTimeout

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", swallow)
    async with way_out() as outward:
        with pytest.raises(TimedOut):
            await outward.send(OutwardCall("GET", "http://name.example:80/", timeout=30, allow=("name.example:80",)))
    assert shares == [15, 15]
