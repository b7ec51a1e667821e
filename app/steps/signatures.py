"""How webhooks are signed: what each scheme signs, in which headers the signature stands, and what names a delivery."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from app.errors import RowgateError
from app.http.json_body import json_or_text
from app.steps.running import Received
from app.steps.signature_options import SignatureOptions

_DIGITS = re.compile(r"[0-9]{1,12}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


class SignatureInvalid(RowgateError):
    """The signature of a webhook is not there, not right, or too old."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "step.signature_invalid"


class SecretUnfit(RowgateError):
    """A secret is none that its scheme signs by."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "step.secret_unfit"


@dataclass(frozen=True, slots=True)
class Signing:
    """What a request says: the bytes that are signed, and the signatures, of which one has to be theirs.

    `sent_at` are seconds since 1970, `delivery` is the id; either is None where the scheme signs none.
    """

    signed: bytes
    signatures: tuple[bytes, ...]
    sent_at: int | None = None
    delivery: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """A way to sign: how a request is read, what key a secret is, and which options it leaves open."""

    read: Callable[[Received, SignatureOptions], Signing]
    key: Callable[[str], bytes]
    takes: frozenset[str]


def is_signed(claimed: Signing, key: bytes) -> bool:
    """Say whether one of the signatures is that of the bytes; how long it takes tells nothing of how near they are."""
    wanted = hmac.digest(key, claimed.signed, "sha256")
    return any([hmac.compare_digest(wanted, one) for one in claimed.signatures])  # noqa: C419 - each is compared


def is_in_time(claimed: Signing, now: float, tolerance: int) -> bool:
    """Say whether it was sent at most so many seconds before or after now; so is what has no time."""
    return claimed.sent_at is None or abs(now - claimed.sent_at) <= tolerance


def delivery_of(claimed: Signing) -> str:
    """Give what names a delivery: its id where that is signed, else all that is signed."""
    return claimed.delivery or hashlib.sha256(claimed.signed).hexdigest()


def _header(request: Received, name: str) -> str:
    found = request.header(name.lower().encode())
    if found is None or request.header_count(name.lower().encode()) > 1:
        raise SignatureInvalid(f"The header {name} has to be there, once.")
    return found


def _moment(text: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise SignatureInvalid("The time of the signature is no number of seconds.")
    return int(text)


def _from_hex(text: str) -> bytes:
    return bytes.fromhex(text) if _HEX.fullmatch(text) else b""


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _standard(request: Received, _options: SignatureOptions) -> Signing:
    """Read the three headers of standardwebhooks.com; an id with a dot would say two things signed alike."""
    delivery, moment = _header(request, "webhook-id"), _header(request, "webhook-timestamp")
    if not delivery or "." in delivery:
        raise SignatureInvalid("The header webhook-id is no id.")
    said = [one.partition(",") for one in _header(request, "webhook-signature").split(" ")]
    signed = f"{delivery}.{moment}.".encode("latin-1") + request.sent
    return Signing(
        signed, tuple(_from_base64(text) for kind, _, text in said if kind == "v1"), _moment(moment), delivery
    )


def _stripe(request: Received, _options: SignatureOptions) -> Signing:
    said = [one.partition("=") for one in _header(request, "Stripe-Signature").split(",")]
    moments = [text for kind, _, text in said if kind.strip() == "t"]
    if len(moments) != 1:
        raise SignatureInvalid("The header Stripe-Signature has to say t once.")
    sent = json_or_text(request.sent)
    id_ = sent.get("id") if isinstance(sent, dict) else None
    return Signing(
        f"{moments[0]}.".encode("latin-1") + request.sent,
        tuple(_from_hex(text.strip()) for kind, _, text in said if kind.strip() == "v1"),
        _moment(moments[0]),
        id_ if isinstance(id_, str) else None,
    )


def _hmac(request: Received, options: SignatureOptions) -> Signing:
    said = _header(request, options.header)
    if not said.startswith(options.prefix):
        raise SignatureInvalid(f"The header {options.header} has to begin with {options.prefix}")
    text = said.removeprefix(options.prefix)
    return Signing(request.sent, (_from_base64(text) if options.encoding == "base64" else _from_hex(text),))


def _github(request: Received, _options: SignatureOptions) -> Signing:
    return _hmac(request, SignatureOptions("X-Hub-Signature-256", "sha256=", "hex"))


def _decoded(secret: str) -> bytes:
    if not (key := _from_base64(secret.removeprefix("whsec_"))):
        raise SecretUnfit("The secret that this is signed by is no base64, with or without whsec_ before it.")
    return key


SchemeName = Literal["standard-webhooks", "stripe", "github", "hmac"]
SCHEMES: Mapping[SchemeName, Scheme] = {
    "standard-webhooks": Scheme(read=_standard, key=_decoded, takes=frozenset({"tolerance"})),
    "stripe": Scheme(read=_stripe, key=str.encode, takes=frozenset({"tolerance"})),
    "github": Scheme(read=_github, key=str.encode, takes=frozenset()),
    "hmac": Scheme(read=_hmac, key=str.encode, takes=frozenset({"header", "algorithm", "encoding", "prefix"})),
}
