"""Locks that stand for a question about rows: whoever asks the same one waits until the transaction ends."""

import hashlib
from collections.abc import Sequence
from typing import Any

from app.relations.statement import statement

LOCK = statement("SELECT pg_advisory_xact_lock($1::bigint)", (), extra=1, locks=True)

_TELLING = (str, int)


def lock_key(sql: str, bound: Sequence[Any]) -> int:
    """Give the 64-bit key of a statement and its bound values.

    Only texts (uuids among them), integers and booleans tell two locks apart. Moments don't: those that are computed
    from `now` differ in every request, and the requests have to wait for each other all the same.
    """
    telling = [repr(value) if isinstance(value, _TELLING) else "" for value in bound]
    digest = hashlib.sha256("\0".join((sql, *telling)).encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
