"""Digests, encodings and random tokens."""

import base64
import binascii
import hashlib
import hmac
import secrets

from app.expressions.library.signature import Function, always, function, plain
from app.expressions.operations import Unknown
from app.expressions.types import BYTES, INT, STRING

_LONGEST_TOKEN = 1_024


def _octets(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _sha256(value: str | bytes) -> str:
    return hashlib.sha256(_octets(value)).hexdigest()


def _hmac_sha256(key: str | bytes, value: str | bytes) -> str:
    return hmac.digest(_octets(key), _octets(value), "sha256").hex()


def _encode(value: str | bytes) -> str:
    return base64.b64encode(_octets(value)).decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Unknown("this text is no base64") from None


def _random_token(length: int) -> str:
    if not 1 <= length <= _LONGEST_TOKEN:
        raise Unknown(f"a token has 1 to {_LONGEST_TOKEN:,} characters")
    return secrets.token_urlsafe(length)[:length]


FUNCTIONS: tuple[Function, ...] = (
    function(
        "sha256",
        "The SHA-256 of a text's UTF-8 or of bytes, in hexadecimal.",
        plain((STRING,), STRING, _sha256, "encode(sha256(convert_to({0}, 'UTF8')), 'hex')", always),
        plain((BYTES,), STRING, _sha256),
    ),
    function(
        "hmac_sha256",
        "The HMAC with SHA-256 of a key and a text, in hexadecimal.",
        *(plain((key, value), STRING, _hmac_sha256) for key in (STRING, BYTES) for value in (STRING, BYTES)),
    ),
    function(
        "base64.encode",
        "The base64 of bytes, or of a text's UTF-8.",
        plain((BYTES,), STRING, _encode),
        plain((STRING,), STRING, _encode),
    ),
    function("base64.decode", "The bytes that a base64 text stands for.", plain((STRING,), BYTES, _decode)),
    function(
        "random_token",
        "A random text of so many characters that are safe in an address; six random bits each.",
        plain((INT,), STRING, _random_token),
        pure=False,
    ),
)
