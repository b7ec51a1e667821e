"""What others have signed: verified by their published keys, fetched, kept and rotated."""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar

from app.auth.tokens import TokenInvalid, decoded, is_canonical
from app.errors import RowgateError
from app.http.json_body import parse_json
from app.outward.calls import OutwardCall, refuse_bad_status
from app.outward.client import Outward
from app.outward.failures import CallFailed

MAX_TOKEN_BYTES = 8192
MAX_HEADER_BYTES = 512
FRESH_SECONDS = 600.0  # that keys are used without asking again
STALE_SECONDS = 86_400.0  # that they go on being used while the issuer can't be asked
LEAST_SECONDS = 30.0  # between two questions: a name of a key that isn't there costs no more
MAX_KEYS = 100
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
# By the kind of key: whoever holds a token chooses none, and no shared secret is among them.
BY_KIND: Mapping[tuple[str, str], Sequence[str]] = {
    ("RSA", ""): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
_ALL = sorted({one for kind in BY_KIND.values() for one in kind})
# Where the holder of a token would name its key, or what else it has to be read by.
_REFUSED_MEMBERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"})
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_log = logging.getLogger("rowgate.auth")


class IssuerUnreachable(RowgateError):
    """An issuer that signs people in doesn't tell its keys or its addresses now, and never did."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "auth.issuer_unreachable"

    def __init__(self) -> None:
        """Ask for another try."""
        super().__init__("Who signed this can't be asked at the moment.", headers={"Retry-After": "5"})


@dataclass(frozen=True, slots=True)
class Metadata:
    """What an issuer tells of itself: where its keys are, and its other members."""

    jwks_uri: str
    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A key of an issuer: its name, what it signs by, and the key itself as `published_keys` has read it."""

    kid: str | None
    algorithms: Sequence[str]
    key: Any = field(repr=False)


@dataclass(slots=True)
class _Known:
    """What is known of one issuer, and when it was asked."""

    metadata: Metadata
    keys: Sequence[PublishedKey]
    since: float


class ForeignKeys:
    """The keys of issuers, each asked by one caller at a time, and never more often than is allowed."""

    def __init__(
        self, outward: Outward, allowed: Callable[[], tuple[str, ...]], ticks: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the way out, and what gives the hosts that may be called beside the public internet."""
        self.outward = outward
        self.allowed = allowed
        self._ticks = ticks
        self._known: dict[str, _Known] = {}
        self._asked: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def keep_only(self, issuers: Sequence[str]) -> None:
        """Forget every other issuer."""
        for kept in (self._known, self._asked, self._locks):
            for issuer in kept.keys() - set(issuers):
                kept.pop(issuer)

    async def metadata(self, issuer: str) -> Metadata:
        """Give what an issuer tells of itself; raises IssuerUnreachable."""
        return (await self._fresh(issuer)).metadata

    async def verified(self, token: str, issuer: str) -> dict[str, Any]:
        """Give the claims that an issuer has signed, whose times aren't checked.

        Raises TokenInvalid or IssuerUnreachable.
        """
        header, _ = read_token(token)
        key = _fitting((await self._fresh(issuer)).keys, header)
        if key is None:
            key = _fitting((await self._fresh(issuer, older=LEAST_SECONDS)).keys, header)
        if key is None:
            raise TokenInvalid
        from app.auth.published_keys import signed  # noqa: PLC0415 - loaded by `_ask`, which has read the key

        found = _parsed(signed(token, key, header["alg"]))
        if not isinstance(found, dict) or found.get("iss") != issuer:
            raise TokenInvalid
        return found

    async def _fresh(self, issuer: str, older: float = FRESH_SECONDS) -> _Known:
        """Give what is known of an issuer, asked again where it is older than this and it may be asked."""
        known = self._known.get(issuer)
        if known is not None and self._ticks() - known.since < older:
            return known
        async with self._locks.setdefault(issuer, asyncio.Lock()):
            known, now = self._known.get(issuer), self._ticks()
            if known is not None and now - known.since < older:
                return known
            if now - self._asked.get(issuer, -LEAST_SECONDS) >= LEAST_SECONDS:
                self._asked[issuer] = now
                try:
                    self._known[issuer] = known = await self._ask(issuer, now)
                except CallFailed as failure:
                    _log.warning("the keys of %s can't be read: %s", issuer, failure.code)
            if known is None or now - known.since > STALE_SECONDS:
                raise IssuerUnreachable
            return known

    async def _ask(self, issuer: str, now: float) -> _Known:
        members = await self._json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        address = members.get("jwks_uri")
        if members.get("issuer") != issuer or not isinstance(address, str):
            _log.warning("what %s tells of itself names another issuer, or no keys", issuer)
            raise CallFailed("The issuer tells of another one.")
        listed = (await self._json(address)).get("keys")
        await asyncio.to_thread(import_module, "app.auth.published_keys")  # only who has such issuers needs it
        from app.auth.published_keys import read_key  # noqa: PLC0415 - loaded by the line before

        keys = [one for said in (listed if isinstance(listed, list) else [])[:MAX_KEYS] if (one := read_key(said))]
        return _Known(Metadata(address, members), keys, now)

    async def _json(self, url: str) -> dict[str, Any]:
        allow = self.allowed()
        call = OutwardCall("GET", url, headers=(("Accept", "application/json"),), allow=allow)
        target = call.target()
        if target.scheme != "https" and not target.is_named(allow):
            _log.warning("%s is asked for its keys over https only", target.authority)
            raise CallFailed("Keys are read over https.")
        answer = await self.outward.send(call)
        refuse_bad_status(answer)
        body = answer.body
        if isinstance(body, str):
            body = _parsed(body.encode())
        if not isinstance(body, dict):
            raise CallFailed("The issuer tells nothing that can be read.")
        return body


def _parsed(text: bytes) -> object:
    try:
        return parse_json(text)
    except RowgateError:
        return None


def read_token(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the header and the claims of a token that nobody has verified yet; raises TokenInvalid for an odd one."""
    shape = _SHAPE.fullmatch(token) if len(token) <= MAX_TOKEN_BYTES else None
    if shape is None or len(shape[1]) > MAX_HEADER_BYTES or not all(map(is_canonical, shape.groups())):
        raise TokenInvalid
    try:
        header, claims = (parse_json(decoded(part), depth=16) for part in shape.groups()[:2])
    except RowgateError:
        raise TokenInvalid from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenInvalid
    typ, kid = header.get("typ", "JWT"), header.get("kid")
    if header.keys() & _REFUSED_MEMBERS or header.get("alg") not in _ALL:
        raise TokenInvalid
    if not isinstance(typ, str) or typ.lower() not in _TYPES or not (kid is None or isinstance(kid, str)):
        raise TokenInvalid
    return header, claims


def _fitting(keys: Sequence[PublishedKey], header: Mapping[str, Any]) -> PublishedKey | None:
    """Give the one key that a header means; without a name, the only one of its algorithm."""
    kid = header.get("kid")
    fit = [one for one in keys if header["alg"] in one.algorithms and (kid is None or one.kid == kid)]
    return fit[0] if len(fit) == 1 else None
