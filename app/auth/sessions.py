"""Refresh tokens: opaque, shown once, kept only as their SHA-256."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import ClassVar

from app.errors import RowgateError

_TOKEN_BYTES = 32
_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")


class RefreshTokenInvalid(RowgateError):
    """A 401 for a string that can't be a refresh token of ours."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "auth.refresh_token_invalid"

    def __init__(self) -> None:
        """Add the challenge of RFC 6750."""
        super().__init__(
            "The refresh token is not valid.",
            hint="Sign in again.",
            headers={"WWW-Authenticate": 'Bearer realm="rowgate", error="invalid_token"'},
        )


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A new token: `token` goes to the client, `digest` (32 bytes) to the database."""

    token: str = field(repr=False)
    digest: bytes


def new_refresh_token() -> RefreshToken:
    """Draw 256 random bits; that many need no slow hash and no salt."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    return RefreshToken(token, _sha256(token))


def refresh_token_digest(token: str) -> bytes:
    """Give the digest to look a presented token up by; raise RefreshTokenInvalid for what can't be one."""
    if not _SHAPE.fullmatch(token):
        raise RefreshTokenInvalid
    return _sha256(token)


def _sha256(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()
