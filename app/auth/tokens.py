"""Issues and verifies access tokens; strangers' bytes stay away from python-jose, which is loaded with the first."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, TypeGuard, get_args
from uuid import UUID

from app.errors import RowgateError
from app.http.challenge import challenge

if TYPE_CHECKING:
    from app.auth.read_keys import ReadKey

AUDIENCE = "authenticated"
ADMIN_AUDIENCE = "rowgate-admin"
ROLE = "authenticated"
Algorithm = Literal["ES256", "HS256"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
LIFETIME = 15 * 60  # seconds
CLOCK_SKEW = 5  # seconds that `iat` and `nbf` may lie ahead: instances' clocks differ; `exp` gets none
MAX_TOKEN_BYTES = 4096
MAX_HEADER_BYTES = 512
MAX_CACHED = 8192
MIN_SECRET_BYTES = 32  # RFC 7518 section 3.2: an HS256 key is at least as long as the hash
LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z

_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_KID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CHALLENGE = challenge("invalid_token")  # the reason stays in the code of the body: the header never says more


class TokenRefused(RowgateError):
    """A 401 for a token that is there but doesn't count, with the challenge of RFC 6750."""

    status: ClassVar[int] = 401

    def __init__(self, detail: str, *, hint: str | None = None) -> None:
        """Add the challenge to the sentence and the hint."""
        super().__init__(detail, hint=hint, headers=_CHALLENGE)


class TokenInvalid(TokenRefused):
    """The token isn't one that we issued, or its key is no longer accepted."""

    code: ClassVar[str] = "auth.token_invalid"

    def __init__(self) -> None:
        """Say one sentence for every cause, so that a forger learns nothing."""
        super().__init__("The access token is not valid.", hint="Sign in again.")


class TokenExpired(TokenRefused):
    """The token was ours and its time is over."""

    code: ClassVar[str] = "auth.token_expired"

    def __init__(self) -> None:
        """Point to the refresh token."""
        super().__init__("The access token has expired.", hint="Use the refresh token to get a new one.")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key: its public name, its secret, and until when (Unix seconds) it is accepted.

    The secret of HS256 is 32 bytes or more, that of ES256 the private key as PEM (PKCS 8).
    """

    kid: str
    secret: bytes = field(repr=False)
    accepted_until: int | None = None
    algorithm: Algorithm = "HS256"

    def __post_init__(self) -> None:
        if not _KID.fullmatch(self.kid):
            raise ValueError("A key's kid is 1 to 64 letters, digits, '-' or '_'.")
        if len(self.secret) < MIN_SECRET_BYTES:
            raise ValueError(f"The secret of key {self.kid} must have at least {MIN_SECRET_BYTES} bytes.")
        if self.algorithm == "ES256" and not _library().is_p256(self.secret):
            raise ValueError(f"The secret of key {self.kid} is no private key of ES256.")


def drawn_key(algorithm: Algorithm) -> SigningKey:
    """Draw a key with a name of its own."""
    name = f"{algorithm.lower()}-{secrets.token_hex(8)}"
    if algorithm == "HS256":
        return SigningKey(name, secrets.token_bytes(MIN_SECRET_BYTES))
    return SigningKey(name, _library().drawn_p256(), algorithm=algorithm)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The key that signs, and the others that are still (or already) accepted while keys rotate."""

    current: SigningKey
    others: tuple[SigningKey, ...] = ()

    def __post_init__(self) -> None:
        kids = [key.kid for key in self.all()]
        if len(set(kids)) != len(kids):
            raise ValueError("Two keys have the same kid.")

    def all(self) -> tuple[SigningKey, ...]:
        """Give every key, the one that signs first."""
        return (self.current, *self.others)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A signed access token, its last moment in Unix seconds, and how many seconds are left until then."""

    token: str = field(repr=False)
    expires_at: int
    expires_in: int = LIFETIME


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """Who a verified token speaks for. It says who, never what: roles come from the cache of users."""

    user_id: str
    session_id: str
    issued_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class _Verified:
    claims: AccessClaims
    key: SigningKey


READER = "app.auth.read_keys"  # what knows python-jose


def _library() -> Any:
    return import_module(READER)


def _by_segment(keyring: Keyring) -> dict[str, ReadKey]:
    read: list[ReadKey] = [_library().ReadKey.of(key) for key in keyring.all()]
    return {one.header_segment(): one for one in read}


class AccessTokens:
    """The keys in force and the bounded cache of verified tokens. Belongs to one event loop; nothing in it blocks."""

    def __init__(
        self,
        keyring: Keyring,
        issuer: str,
        *,
        audience: str = AUDIENCE,
        lifetime: int = LIFETIME,
        max_cached: int = MAX_CACHED,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the keys, the `iss` and `aud` that are set and demanded, the lifetime (s), and a clock of Unix time."""
        self._issuer = issuer
        self._audience = audience
        self._lifetime = lifetime
        self._max_cached = max_cached
        self._clock = clock
        self._read: dict[str, ReadKey] | None = None
        self._cache: OrderedDict[str, _Verified] = OrderedDict()
        self._sent: dict[str, tuple[Collection[str], _Verified]] = {}
        self.replace_keys(keyring)

    def replace_keys(self, keyring: Keyring) -> None:
        """Put other keys in force at once; what a dropped key signed is refused from here on, cached or not."""
        self._keyring = keyring
        self._read = None if self._read is None else _by_segment(keyring)
        self._cache.clear()
        self._sent.clear()

    @property
    def is_read(self) -> bool:
        """Say whether the keys have been read; else the first token is kept waiting until they are."""
        return self._read is not None

    async def read(self) -> None:
        """Have the keys read: the library is loaded by a thread, while others are served."""
        if self._read is None:
            await asyncio.to_thread(import_module, READER)
            _ = self._keys

    @property
    def _keys(self) -> dict[str, ReadKey]:
        """Give the keys by the first segment of their tokens, the one that signs first."""
        if self._read is None:
            self._read = _by_segment(self._keyring)
        return self._read

    @property
    def issuer(self) -> str:
        """Give the `iss` of every token."""
        return self._issuer

    def published(self) -> list[dict[str, Any]]:
        """Give the public keys by which anybody verifies tokens (RFC 7517); a shared secret has none."""
        now = self._clock()
        return [
            one.published()
            for one in self._keys.values()
            if one.key.algorithm != "HS256" and (one.key.accepted_until is None or now < one.key.accepted_until)
        ]

    def issue(
        self, user_id: str, session_id: str, told: Sequence[Mapping[str, Any]] = ({},), lifetime: int | None = None
    ) -> IssuedToken:
        """Sign a token for a user's session; both ids are canonical UUIDs (ValueError if not).

        It lives for `lifetime` seconds, else for as long as all that say nothing.

        Of what may be told besides, it tells the first that leaves it short enough to be taken back, else the last.
        """
        if not (_is_uuid(user_id) and _is_uuid(session_id)):
            raise ValueError("A token is issued for canonical UUIDs only.")
        now = int(self._clock())
        lifetime = self._lifetime if lifetime is None else lifetime
        expires_at = now + lifetime
        claims = {
            "aud": self._audience,
            "iss": self._issuer,
            "sub": user_id,
            "session_id": session_id,
            "role": ROLE,
            "iat": now,
            "exp": expires_at,
        }
        current = next(iter(self._keys.values()))
        signed = (current.sign({**more, **claims}) for more in told)
        return IssuedToken(_first_short(signed), expires_at, lifetime)

    def is_ours(self, token: str) -> bool:
        """Say whether a token begins as those of one of the keys do; that is no proof of anything."""
        return token.partition(".")[0] in self._keys

    def sent_before(self, header: str, schemes: Collection[str]) -> AccessClaims | None:
        """Give the claims of the token in an Authorization header that `remember_sent` was told of, if it counts now.

        Raises TokenInvalid or TokenExpired where its time is over.
        """
        known = self._sent.get(header)
        if known is None or known[0] != schemes:
            return None
        self._check_time(known[1])
        return known[1].claims

    def remember_sent(self, header: str, schemes: Collection[str], token: str) -> None:
        """Remember that a header, read by these schemes, holds a token that was verified."""
        verified = self._cache.get(token)
        if verified is not None:
            if len(self._sent) >= self._max_cached:
                self._sent.clear()
            self._sent[header] = schemes, verified

    def verify(self, token: str) -> AccessClaims:
        """Give the claims of a token that counts now; raise TokenInvalid or TokenExpired for every other string."""
        if len(token) > MAX_TOKEN_BYTES:
            raise TokenInvalid
        known = self._cache.get(token)
        if known is None:
            known = self._verify_afresh(token)
            self._check_time(known)
            self._remember(token, known)
            return known.claims
        try:
            self._check_time(known)
        except TokenRefused:
            del self._cache[token]
            raise
        self._cache.move_to_end(token)
        return known.claims

    def _verify_afresh(self, token: str) -> _Verified:
        shape = _SHAPE.fullmatch(token)
        if shape is None or len(shape[1]) > MAX_HEADER_BYTES:
            raise TokenInvalid
        read = self._keys.get(shape[1])
        if read is None or not (is_canonical(shape[2]) and is_canonical(shape[3])):
            raise TokenInvalid
        try:
            return _Verified(self._read_claims(_parse_strictly(read.verified(token))), read.key)
        except TokenRefused:
            raise
        except Exception:  # python-jose and json raise more than they document; a stranger gets no 500
            raise TokenInvalid from None

    def _read_claims(self, claims: dict[str, Any]) -> AccessClaims:
        fixed = (claims.get("aud"), claims.get("iss"), claims.get("role"))
        if fixed != (self._audience, self._issuer, ROLE):
            raise TokenInvalid
        if not (_is_uuid(claims.get("sub")) and _is_uuid(claims.get("session_id"))):
            raise TokenInvalid
        issued_at, expires_at = claims.get("iat"), claims.get("exp")
        if not (_is_moment(issued_at) and _is_moment(expires_at)):
            raise TokenInvalid
        earliest = claims.get("nbf", issued_at)
        if not _is_moment(earliest) or max(earliest, issued_at) > self._clock() + CLOCK_SKEW:
            raise TokenInvalid
        return AccessClaims(claims["sub"], claims["session_id"], issued_at, expires_at)

    def _check_time(self, known: _Verified) -> None:
        now = self._clock()
        if known.key.accepted_until is not None and now >= known.key.accepted_until:
            raise TokenInvalid
        if now >= known.claims.expires_at:
            raise TokenExpired

    def _remember(self, token: str, verified: _Verified) -> None:
        self._cache[token] = verified
        while len(self._cache) > self._max_cached:
            self._cache.popitem(last=False)


def _first_short(tokens: Iterable[str]) -> str:
    for token in tokens:
        if len(token) <= MAX_TOKEN_BYTES:
            break
    return token


def is_canonical(segment: str) -> bool:
    """Tell whether a segment is the one spelling of its bytes: base64 leaves spare bits that could be anything."""
    try:
        raw = decoded(segment)
    except binascii.Error:
        return False
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == segment


def decoded(segment: str) -> bytes:
    """Give the bytes of a segment; raises binascii.Error."""
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def _parse_strictly(payload: bytes) -> dict[str, Any]:
    parsed = json.loads(
        payload.decode("utf-8"),
        object_pairs_hook=_object_without_duplicates,
        parse_constant=_refuse_number,
    )
    if not isinstance(parsed, dict):
        raise TypeError("The claims are no object.")
    return parsed


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("A claim stands twice.")
    return members


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"No claim of ours is the number {text[:20]}.")


def _is_moment(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= LAST_SECOND


def _is_uuid(value: object) -> TypeGuard[str]:
    if not isinstance(value, str):
        return False
    try:
        return str(UUID(value)) == value
    except ValueError:
        return False
