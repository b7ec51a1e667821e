"""The challenge that goes with a 401 or 403, written once (RFC 6750, 3)."""

from collections.abc import Mapping
from functools import cache
from typing import Literal

Error = Literal["invalid_request", "invalid_token", "insufficient_scope"]
ADMINS = "rowgate-admin"


@cache
def challenge(error: Error | None = None, *, realm: str = "rowgate") -> Mapping[str, str]:
    """Give the header; without an error it says only that a bearer token is wanted (RFC 6750, 3.1)."""
    reason = "" if error is None else f', error="{error}"'
    return {"WWW-Authenticate": f'Bearer realm="{realm}"{reason}'}
