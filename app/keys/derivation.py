"""Every key of a process comes from its one secret."""

import hashlib
import hmac


def derived(secret: str, purpose: str) -> bytes:
    """Give the 32 bytes that the one secret yields for one purpose: the first block of HKDF-SHA-256 (RFC 5869).

    It is written out, since each start needs it, and `cryptography` takes 10 MiB.
    """
    extracted = hmac.digest(bytes(32), secret.encode(), "sha256")
    return hmac.digest(extracted, f"rowgate {purpose}".encode() + b"\x01", "sha256")


def key_id(secret: str, purpose: str) -> str:
    """Give what tells a key for this purpose from others, and nothing about it."""
    return hashlib.sha256(derived(secret, f"{purpose} key id")).hexdigest()[:16]
