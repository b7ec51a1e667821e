"""What no access token may do, then what one does."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any
from uuid import uuid4

import pytest

from app.auth.refresh_tokens import new_refresh_token
from app.auth.tokens import AccessTokens, IssuedToken, Keyring, SigningKey, TokenExpired, TokenInvalid, TokenRefused
from tests.effort import at_most

SECRET = b"planted-secret-of-the-tests-0123"
KEY = SigningKey("k1", SECRET)
NEXT_KEY = SigningKey("k2", b"another-secret-of-the-tests-4567")
USER, SESSION = "0198c5a1-4f0e-7b52-9d3e-6a1f2c4b8d90", "0198c5a1-4f0e-7b52-9d3e-6a1f2c4b8d91"
NOW = 1_800_000_000
HEADER: dict[str, Any] = {"alg": "HS256", "kid": "k1", "typ": "JWT"}


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> AccessTokens:
    return AccessTokens(Keyring(KEY), "https://rowgate.test", clock=clock)


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def forge(header: str, payload: str, *, secret: bytes = SECRET, digest: str = "sha256") -> str:
    """Sign whatever text with the right secret, so that the signature is never the reason of a refusal."""
    signed = f"{b64(header.encode())}.{b64(payload.encode())}"
    return f"{signed}.{b64(hmac.new(secret, signed.encode(), getattr(hashlib, digest)).digest())}"


def claims(**changes: Any) -> dict[str, Any]:
    good: dict[str, Any] = {
        "aud": "authenticated",
        "iss": "https://rowgate.test",
        "sub": USER,
        "session_id": SESSION,
        "role": "authenticated",
        "iat": NOW,
        "exp": NOW + 900,
    }
    good.update(changes)
    return {name: value for name, value in good.items() if value is not ...}


def with_claims(**changes: Any) -> str:
    return forge(compact(HEADER), compact(claims(**changes)))


def with_raw(name: str, text: str) -> str:
    """Give a well signed token whose claim `name` is this JSON text."""
    payload = compact(claims(**{name: "@"})).replace('"@"', text)
    return forge(compact(HEADER), payload)


def assert_refused(tokens: AccessTokens, token: str) -> TokenRefused:
    with pytest.raises(TokenInvalid) as caught:
        tokens.verify(token)
    return caught.value


def test_the_forger_of_these_tests_is_believed_when_he_changes_nothing(tokens: AccessTokens) -> None:
    assert tokens.verify(with_claims()).user_id == USER


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "NONE"])
def test_t01_alg_none_is_refused(tokens: AccessTokens, alg: str) -> None:
    unsigned = f"{b64(compact({**HEADER, 'alg': alg}).encode())}.{b64(compact(claims()).encode())}."
    assert_refused(tokens, unsigned)
    assert_refused(tokens, forge(compact({**HEADER, "alg": alg}), compact(claims())))


def test_t01_an_empty_signature_is_refused(tokens: AccessTokens) -> None:
    assert_refused(tokens, with_claims().rpartition(".")[0] + ".")


@pytest.mark.parametrize(("alg", "digest"), [("HS384", "sha384"), ("HS512", "sha512"), ("RS256", "sha256")])
def test_t02_another_algorithm_with_the_right_secret_is_refused(tokens: AccessTokens, alg: str, digest: str) -> None:
    assert_refused(tokens, forge(compact({**HEADER, "alg": alg}), compact(claims()), digest=digest))
    assert_refused(tokens, forge(compact(HEADER), compact(claims()), digest="sha512"))


@pytest.mark.parametrize(
    "extra",
    [
        {"crit": ["x"]},
        {"crit": []},
        {"b64": False},
        {"jwk": {"kty": "oct", "k": b64(SECRET)}},
        {"jku": "http://127.0.0.1/keys"},
        {"x5u": "http://127.0.0.1/cert"},
        {"kid": "../../dev/null"},
        {"kid": "' OR 1=1 --"},
        {"kid": "k2"},
        {"kid": None},
        {"zip": "DEF"},
        {"cty": "JWT"},
    ],
    ids=compact,
)
def test_t04_t05_a_header_that_we_never_write_is_refused(tokens: AccessTokens, extra: dict[str, Any]) -> None:
    assert_refused(tokens, forge(compact({**HEADER, **extra}), compact(claims())))


def test_t05_our_header_in_another_spelling_is_refused(tokens: AccessTokens) -> None:
    assert_refused(tokens, forge(json.dumps(HEADER), compact(claims())))


@pytest.mark.parametrize("aud", ["other", ..., None, "", ["authenticated"], ["authenticated", "x"], {"a": 1}, 1])
def test_t06_another_audience_is_refused_and_so_is_any_list(tokens: AccessTokens, aud: Any) -> None:
    assert_refused(tokens, with_claims(aud=aud))


@pytest.mark.parametrize("iss", ["https://evil.test", ..., None, "", ["https://rowgate.test"]])
def test_t07_another_issuer_is_refused(tokens: AccessTokens, iss: Any) -> None:
    assert_refused(tokens, with_claims(iss=iss))


@pytest.mark.parametrize("name", ["sub", "session_id"])
@pytest.mark.parametrize("value", [..., None, 1, "", "me", USER.upper(), "{" + USER + "}", [USER], {"a": 1}])
def test_an_id_that_is_no_canonical_uuid_is_refused(tokens: AccessTokens, name: str, value: Any) -> None:
    assert_refused(tokens, with_claims(**{name: value}))


@pytest.mark.parametrize("role", [..., None, "service_role", "anon", ["authenticated"], True])
def test_another_role_is_refused(tokens: AccessTokens, role: Any) -> None:
    assert_refused(tokens, with_claims(role=role))


def test_t08_a_refresh_token_is_no_access_token(tokens: AccessTokens) -> None:
    assert_refused(tokens, new_refresh_token().token)


NO_TIMES = ["null", '"1800000900"', "[1800000900]", "{}", "true", "1e400", "NaN", "Infinity", "1800000900.5", "-1"]


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("text", [*NO_TIMES, "9" * 2000, "253402300800"], ids=lambda text: str(text)[:16])
def test_t09_a_time_of_the_wrong_type_or_size_is_refused(tokens: AccessTokens, name: str, text: str) -> None:
    assert_refused(tokens, with_raw(name, text))


def test_t09_a_number_of_4000_digits_is_refused(tokens: AccessTokens) -> None:
    assert_refused(tokens, with_raw("exp", "9" * 4000))


@pytest.mark.parametrize("changes", [{"exp": ...}, {"iat": ...}, {"iat": NOW + 60}, {"nbf": NOW + 60}])
def test_t09_missing_and_future_times_are_refused(tokens: AccessTokens, changes: dict[str, Any]) -> None:
    assert_refused(tokens, with_claims(**changes))


def test_clocks_of_instances_may_differ_by_seconds(tokens: AccessTokens) -> None:
    assert tokens.verify(with_claims(iat=NOW + 4, nbf=NOW + 5)).session_id == SESSION


@pytest.mark.parametrize("depth", [500, 20_000])
def test_t11_a_deep_header_or_payload_is_refused_at_once(tokens: AccessTokens, depth: int) -> None:
    deep = '{"alg":' + "[" * depth + "]" * depth + "}"
    with at_most(5_000):
        assert_refused(tokens, forge(deep, compact(claims())))
        assert_refused(tokens, forge(compact(HEADER), deep))


def test_t11_a_deep_payload_that_fits_and_is_signed_is_refused_and_never_a_fault(tokens: AccessTokens) -> None:
    token = forge(compact(HEADER), "[" * 2900)
    assert len(token) < 4096
    assert_refused(tokens, token)
    assert_refused(tokens, with_raw("extra", "[" * 1200 + "]" * 1200))


def test_t12_a_claim_that_stands_twice_is_refused(tokens: AccessTokens) -> None:
    payload = compact(claims())
    assert_refused(tokens, forge(compact(HEADER), payload[:-1] + f',"sub":"{USER}"}}'))
    assert_refused(tokens, forge(compact(HEADER), payload[:-1] + ',"x":{"a":1,"a":1}}'))


def test_t12_a_header_name_that_stands_twice_is_refused(tokens: AccessTokens) -> None:
    assert_refused(tokens, forge('{"alg":"HS256","alg":"HS256","kid":"k1","typ":"JWT"}', compact(claims())))


def test_t17_a_token_of_five_segments_is_refused_at_once(tokens: AccessTokens) -> None:
    header = b64(compact({"alg": "dir", "enc": "A256GCM", "zip": "DEF"}).encode())
    with at_most(5_000):
        for size in (100, 1_000_000):
            assert_refused(tokens, f"{header}..{'A' * 16}.{'A' * size}.{'A' * 22}")


@pytest.mark.parametrize("junk", ["=", "==", "\n", " ", "!", ".", "A", "\x00", "é", "\ud800", ".AAAA"])
def test_stray_bytes_anywhere_are_refused(tokens: AccessTokens, junk: str) -> None:
    good = with_claims()
    for place in (0, 5, good.index("."), good.rindex(".") + 1, len(good) - 3, len(good)):
        assert_refused(tokens, good[:place] + junk + good[place:])


def test_another_spelling_of_the_same_signature_is_refused(tokens: AccessTokens) -> None:
    good = with_claims()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spare = letters[letters.index(good[-1]) ^ 1]
    assert_refused(tokens, good[:-1] + spare)


@pytest.mark.parametrize("payload", ["[]", "null", '"x"', "1", "", "{", '{"a":1} x', "\ufeff{}"])
def test_a_payload_that_is_no_object_is_refused(tokens: AccessTokens, payload: str) -> None:
    assert_refused(tokens, forge(compact(HEADER), payload))


def test_a_payload_that_is_no_utf8_is_refused(tokens: AccessTokens) -> None:
    signed = f"{b64(compact(HEADER).encode())}.{b64(compact(claims()).encode('utf-16'))}"
    assert_refused(tokens, f"{signed}.{b64(hmac.new(SECRET, signed.encode(), 'sha256').digest())}")


def test_another_secret_is_refused(tokens: AccessTokens) -> None:
    assert_refused(tokens, forge(compact(HEADER), compact(claims()), secret=b"x" * 32))


def test_a_token_over_four_kibibytes_is_refused_though_well_signed(tokens: AccessTokens) -> None:
    fits, over = with_claims(x="a" * 2500), with_claims(x="a" * 3000)
    assert len(fits) <= 4096 < len(over)
    assert tokens.verify(fits).user_id == USER
    assert_refused(tokens, over)


def test_t18_a_refusal_is_a_401_with_the_challenge_and_no_reason_in_it(tokens: AccessTokens, clock: Clock) -> None:
    issued = tokens.issue(USER, SESSION)
    invalid = assert_refused(tokens, "junk")
    clock.now += 901
    with pytest.raises(TokenExpired) as expired:
        tokens.verify(issued.token)
    for error, code in ((invalid, "auth.token_invalid"), (expired.value, "auth.token_expired")):
        assert (error.status, error.code) == (401, code)
        assert error.headers == {"WWW-Authenticate": 'Bearer realm="rowgate", error="invalid_token"'}


def test_t15_a_warm_token_ends_with_its_time(tokens: AccessTokens, clock: Clock) -> None:
    token = tokens.issue(USER, SESSION).token
    clock.now = NOW + 899.9
    assert tokens.verify(token) == tokens.verify(token)
    clock.now = NOW + 900
    for _ in range(2):
        with pytest.raises(TokenExpired):
            tokens.verify(token)


def test_t15_a_cold_expired_token_is_called_expired_only_if_it_was_ours(tokens: AccessTokens) -> None:
    with pytest.raises(TokenExpired):
        tokens.verify(with_claims(iat=NOW - 1000, exp=NOW))
    assert_refused(tokens, forge(compact(HEADER), compact(claims(exp=NOW)), secret=b"x" * 32))


def test_t14_keys_rotate_with_an_overlap_and_a_dropped_one_ends_at_once(tokens: AccessTokens) -> None:
    old = tokens.issue(USER, SESSION).token
    tokens.verify(old)
    tokens.replace_keys(Keyring(NEXT_KEY, (KEY,)))
    new = tokens.issue(USER, SESSION).token
    assert tokens.verify(old).user_id == tokens.verify(new).user_id == USER
    assert new.partition(".")[0] != old.partition(".")[0]
    tokens.replace_keys(Keyring(NEXT_KEY))
    assert_refused(tokens, old)
    assert tokens.verify(new).user_id == USER


def test_t14_an_old_key_ends_by_itself_also_for_a_warm_token(tokens: AccessTokens, clock: Clock) -> None:
    old = tokens.issue(USER, SESSION).token
    tokens.replace_keys(Keyring(NEXT_KEY, (SigningKey("k1", SECRET, accepted_until=NOW + 100),)))
    assert tokens.verify(old).user_id == USER
    clock.now = NOW + 100
    assert_refused(tokens, old)


def test_a_warm_token_costs_no_second_check_of_its_signature(
    tokens: AccessTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tokens.issue(USER, SESSION).token
    first = tokens.verify(token)
    monkeypatch.setattr("app.auth.read_keys.jws.verify", lambda *_: pytest.fail("verified twice"))
    assert tokens.verify(token) is first


def test_the_cache_is_bounded_and_keeps_what_was_used_last(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = AccessTokens(Keyring(KEY), "https://rowgate.test", max_cached=2, clock=clock)
    a, b, c = (tokens.issue(USER, str(uuid4())).token for _ in range(3))
    kept = [tokens.verify(token) for token in (a, b, a, c)]
    monkeypatch.setattr("app.auth.read_keys.jws.verify", lambda *_: b"null")
    assert tokens.verify(a) is kept[0]
    assert tokens.verify(c) is kept[3]
    assert_refused(tokens, b)


def test_a_fault_inside_the_library_is_a_401(tokens: AccessTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    for fault in (RecursionError, OverflowError, TypeError, KeyError("alg")):
        monkeypatch.setattr("app.auth.read_keys.jws.verify", _raiser(fault))
        assert_refused(tokens, with_claims())


def _raiser(fault: type[Exception] | Exception) -> Any:
    def fail(*_: Any) -> None:
        raise fault

    return fail


def test_weak_and_ambiguous_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        SigningKey("k1", b"short")
    with pytest.raises(ValueError, match="kid is 1 to 64"):
        SigningKey("k" * 65, SECRET)
    with pytest.raises(ValueError, match="same kid"):
        Keyring(KEY, (SigningKey("k1", b"y" * 32),))


def test_a_token_is_issued_for_uuids_only(tokens: AccessTokens) -> None:
    for user_id, session_id in (("me", SESSION), (USER, USER.upper())):
        with pytest.raises(ValueError, match="canonical"):
            tokens.issue(user_id, session_id)


def test_secrets_and_tokens_stand_in_no_repr() -> None:
    assert "planted" not in repr(Keyring(KEY))
    assert "eyJ" not in repr(IssuedToken("eyJabc", 1))


def test_a_token_says_who_until_when(tokens: AccessTokens) -> None:
    issued = tokens.issue(USER, SESSION)
    seen = tokens.verify(issued.token)
    assert (seen.user_id, seen.session_id) == (USER, SESSION)
    assert (seen.issued_at, seen.expires_at, issued.expires_at) == (NOW, NOW + 900, NOW + 900)


async def test_keys_are_read_once_however_many_ask_at_first(tokens: AccessTokens) -> None:
    assert not tokens.is_read
    await asyncio.gather(*(tokens.read() for _ in range(8)))
    assert tokens.is_read
    assert tokens.verify(tokens.issue(USER, SESSION).token).user_id == USER


@pytest.mark.parametrize("first", [False, True])
async def test_keys_that_were_replaced_are_refused_whether_they_had_been_read_or_not(
    tokens: AccessTokens, *, first: bool, clock: Clock
) -> None:
    old = AccessTokens(Keyring(KEY), "https://rowgate.test", clock=clock).issue(USER, SESSION).token
    if first:
        await tokens.read()
    tokens.replace_keys(Keyring(NEXT_KEY))
    await tokens.read()
    with pytest.raises(TokenInvalid):
        tokens.verify(old)
