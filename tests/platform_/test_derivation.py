"""What comes from the one secret: other libraries derive the same, and what is sealed opens under the same alone."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.keys.cipher import decrypted, encrypted
from app.keys.derivation import derived

SECRET = "a planted secret of the tests, of more than 64 bytes, so that HMAC has to hash it first: é"
KEY, NONCE = bytes(range(32)), bytes(12)


@pytest.mark.parametrize("which", ["key", "nonce", "ciphertext", "bound"])
def test_what_was_sealed_is_not_opened_where_a_bit_is_another_one(which: str) -> None:
    parts: dict[str, Any] = {"key": KEY, "nonce": NONCE, "bound": b"name"}
    parts["ciphertext"] = encrypted(KEY, NONCE, b"text", b"name")
    assert decrypted(**parts) == b"text"
    first, *rest = parts[which]
    with pytest.raises(ValueError, match="sealed otherwise"):
        decrypted(**parts | {which: bytes([first ^ 1, *rest])})


@pytest.mark.parametrize("secret", ["s", SECRET])
@pytest.mark.parametrize("purpose", ["sealing", "access tokens", ""])
def test_a_derived_key_is_that_of_hkdf(secret: str, purpose: str) -> None:
    made = HKDF(SHA256(), 32, salt=None, info=f"rowgate {purpose}".encode()).derive(secret.encode())
    assert derived(secret, purpose) == made
