"""Every key of a process comes from its one secret."""

import hashlib

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derived(secret: str, purpose: str) -> bytes:
    """Give the 32 bytes that the one secret yields for one purpose (RFC 5869)."""
    return HKDF(SHA256(), 32, salt=None, info=f"rowgate {purpose}".encode()).derive(secret.encode())


def key_id(secret: str, purpose: str) -> str:
    """Give what tells a key for this purpose from others, and nothing about it."""
    return hashlib.sha256(derived(secret, f"{purpose} key id")).hexdigest()[:16]
