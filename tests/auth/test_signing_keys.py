"""Keys of access tokens: what doesn't verify, then how they rotate on two instances without a restart."""

import base64
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from app.auth.signing_keys import OVERLAP_SECONDS, PUBLISHED_SECONDS
from app.auth.tokens import AccessTokens, Algorithm, Keyring, SigningKey, TokenInvalid, drawn_key
from app.cli.rotate_keys import rotated, told
from app.cli.rotate_secrets import carry_over
from app.secrets.sealing import SecretUnreadable
from app.settings import load_settings
from tests.auth.conftest import DOCUMENT, bearer, refresh
from tests.backend import OTHER_SECRET_KEY, SECRET_KEY, Backend, serving

USER, SESSION = "0198c5a1-4f0e-7b52-9d3e-6a1f2c4b8d90", "0198c5a1-4f0e-7b52-9d3e-6a1f2c4b8d91"
JWKS = "/auth/v1/.well-known/jwks.json"
DISCOVERY = "/auth/v1/.well-known/openid-configuration"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def header_of(token: str) -> dict[str, Any]:
    raw = token.partition(".")[0]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))
    return found


def by_hmac(header: dict[str, Any], payload: str, secret: bytes) -> str:
    signed = f"{b64(json.dumps(header, separators=(',', ':')).encode())}.{payload}"
    return f"{signed}.{b64(hmac.new(secret, signed.encode(), 'sha256').digest())}"


def test_t03_what_is_published_is_no_shared_secret() -> None:
    key = drawn_key("ES256")
    tokens = AccessTokens(Keyring(key), "https://rowgate.test")
    token = tokens.issue(USER, SESSION).token
    header, payload = header_of(token), token.split(".")[1]
    private = load_pem_private_key(key.secret, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    public = private.public_key()
    spellings = [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        json.dumps(tokens.published()[0]).encode(),
        b"",
    ]
    assert tokens.verify(token).user_id == USER
    for secret in spellings:
        for alg in ("HS256", "ES256", "none"):
            with pytest.raises(TokenInvalid):
                tokens.verify(by_hmac({**header, "alg": alg}, payload, secret))


def test_a_token_of_another_key_with_the_same_name_is_refused() -> None:
    key = drawn_key("ES256")
    other = SigningKey(key.kid, drawn_key("ES256").secret, algorithm="ES256")
    stolen = AccessTokens(Keyring(other), "https://rowgate.test").issue(USER, SESSION).token
    for keys in (Keyring(key), Keyring(SigningKey(key.kid, b"k" * 32))):
        with pytest.raises(TokenInvalid):
            AccessTokens(keys, "https://rowgate.test").verify(stolen)


def test_a_private_key_that_is_none_of_its_algorithm_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for secret in (other, b"k" * 32):
        with pytest.raises(ValueError, match="no private key of ES256"):
            SigningKey("k", secret, algorithm="ES256")


@pytest.fixture
async def elsewhere(backend: Backend) -> AsyncIterator[Backend]:
    """A second instance, which hears of nothing: it looks when the test says."""
    async with serving(backend.url, DOCUMENT) as other:
        await other.app.server.live.stop()
        yield other


async def rotate(backend: Backend, algorithm: Algorithm = "ES256", *, at_once: bool = False) -> str:
    return (await rotated(backend.url, SECRET_KEY, algorithm, at_once=at_once)).kid


async def look(*instances: Backend) -> None:
    for one in instances:
        await one.app.server.live.refresh()


async def published(instance: Backend) -> list[str]:
    return [key["kid"] for key in (await instance.client.get(JWKS)).json()["keys"]]


async def status(instance: Backend, session: dict[str, Any]) -> int:
    answer = await instance.client.get("/api/me", headers=bearer(session["access_token"]))
    assert (
        answer.status_code == (await instance.client.get("/auth/v1/user", headers=answer.request.headers)).status_code
    )
    return answer.status_code


async def renewed(instance: Backend, session: dict[str, Any]) -> dict[str, Any]:
    answer = await refresh(instance, session["refresh_token"])
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_t14_a_key_is_published_before_it_signs_and_accepted_after(backend: Backend, elsewhere: Backend) -> None:
    both = (backend, elsewhere)
    first = (await backend.sign_up("alice")).session
    assert await published(backend) == []
    kid = await rotate(backend)
    await look(*both)
    assert [await published(one) for one in both] == [[kid], [kid]]
    assert header_of((await renewed(backend, first))["access_token"])["kid"] == "k1"
    await backend.sql("UPDATE rowgate.signing_keys SET signs_from = now() WHERE kid = $1", kid)
    await look(backend)
    second = await renewed(backend, (await backend.sign_up("bob")).session)
    assert header_of(second["access_token"]) == {"alg": "ES256", "kid": kid, "typ": "JWT"}
    # The other instance hasn't looked since, and accepts what it doesn't sign yet.
    assert [await status(one, session) for one in both for session in (first, second)] == [200] * 4
    await backend.sql("UPDATE rowgate.signing_keys SET accepted_until = now() WHERE kid = 'k1'")
    await look(*both)
    assert [await status(one, session) for one in both for session in (first, second)] == [401, 200] * 2
    assert await published(elsewhere) == [kid]


async def test_times_of_a_rotation_cover_what_readers_keep_and_tokens_last(backend: Backend) -> None:
    old, new = await rotate(backend), await rotate(backend, "HS256")
    kept = await backend.sql(
        "SELECT kid, extract(epoch FROM signs_from - created_at)::int AS waits,"
        " extract(epoch FROM accepted_until - (SELECT max(created_at) FROM rowgate.signing_keys))::int AS lasts"
        " FROM rowgate.signing_keys ORDER BY signs_from"
    )
    # The first never signed, and is replaced.
    assert [row["kid"] for row in kept] == ["k1", new]
    assert (old != new, kept[0]["lasts"], kept[1]["waits"], kept[1]["lasts"]) == (
        True, PUBLISHED_SECONDS + OVERLAP_SECONDS, PUBLISHED_SECONDS, None,
    )  # fmt: skip
    await look(backend)
    assert await published(backend) == []
    rows = await backend.sql("SELECT actor, target FROM rowgate.audit WHERE action = 'signing_key.rotate' ORDER BY id")
    assert [tuple(row) for row in rows] == [("command", old), ("command", new)]


async def test_what_a_leaked_key_signed_is_refused_and_sessions_go_on(backend: Backend, elsewhere: Backend) -> None:
    alice = (await backend.sign_up("alice")).session
    kid = await rotate(backend, at_once=True)
    await look(backend, elsewhere)
    assert [await status(one, alice) for one in (backend, elsewhere)] == [401, 401]
    again = await renewed(elsewhere, alice)
    assert header_of(again["access_token"])["kid"] == kid
    assert [await status(one, again) for one in (backend, elsewhere)] == [200, 200]
    assert await rotate(backend, at_once=True) != kid
    await look(backend, elsewhere)
    assert [await status(one, again) for one in (backend, elsewhere)] == [401, 401]


async def test_keys_are_sealed_and_one_that_was_changed_signs_nothing(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    alice, kid = (await backend.sign_up("alice")).session, await rotate(backend, at_once=True)
    await look(backend)
    (row,) = await backend.sql("SELECT * FROM rowgate.signing_keys")
    assert not any(b"PRIVATE" in value for value in row if isinstance(value, bytes))
    session = await renewed(backend, alice)
    await backend.sql(
        "UPDATE rowgate.signing_keys SET kid = 'moved', signs_from = now() - interval '1 day'"
    )  # its bytes under another name
    await look(backend)
    assert "can't be opened" in caplog.text
    assert await status(backend, session) == 200
    assert header_of((await renewed(backend, session))["access_token"])["kid"] == kid
    with pytest.raises(SecretUnreadable):
        async with serving(backend.url, DOCUMENT):
            pass


async def test_a_new_secret_key_carries_the_keys_over(migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT) as backend:
        alice = (await backend.sign_up("alice")).session
        await rotate(backend, at_once=True)
        await look(backend)
        session = await renewed(backend, alice)
    settings = load_settings(database_url=migrated_url, secret_key=OTHER_SECRET_KEY)
    assert await carry_over(settings, migrated_url, SECRET_KEY) == 1
    async with serving(migrated_url, DOCUMENT, secret_key=OTHER_SECRET_KEY) as backend:
        assert [await status(backend, one) for one in (alice, session)] == [401, 200]


async def test_public_keys_may_be_kept_and_say_where_they_are(migrated_url: str) -> None:
    url = "https://api.example.com"
    async with serving(migrated_url, DOCUMENT, public_url=url) as backend:
        kid = await rotate(backend, at_once=True)
        await look(backend)
        for path in (JWKS, DISCOVERY):
            answer = await backend.client.get(path, headers={"Host": "evil.example.com"})
            assert answer.headers.get_list("cache-control") == [f"public, max-age={PUBLISHED_SECONDS}"]
        document = answer.json()
        assert document["issuer"] == url
        assert document["jwks_uri"] == f"{url}{JWKS}"
        assert document["id_token_signing_alg_values_supported"] == ["ES256"]
        (key,) = (await backend.client.get(JWKS)).json()["keys"]
        assert key.pop("x") != key.pop("y")
        assert key == {
            "alg": "ES256", "crv": "P-256", "key_ops": ["verify"], "kid": kid, "kty": "EC", "use": "sig",
        }  # fmt: skip


async def test_without_an_address_of_its_own_a_server_says_none(backend: Backend) -> None:
    answer = await backend.client.get(DISCOVERY)
    assert (answer.status_code, answer.json()["code"]) == (404, "auth.no_public_url")
    assert answer.headers.get_list("cache-control") == ["no-store"]


async def test_the_command_says_when_what_happens(backend: Backend) -> None:
    waits = await rotated(backend.url, SECRET_KEY, "ES256", at_once=False)
    assert f"{waits.kid} is published, and signs from 20" in told(waits, at_once=False)
    now = await rotated(backend.url, SECRET_KEY, "ES256", at_once=True)
    assert f"{now.kid} signs from now on" in told(now, at_once=True)
