"""Whose the connections are on which something long is sent or read."""

from app.auth.identity import Identity
from app.database.lending import STREAMS, Within
from app.limits.keys import counted_key


def stream_share(identity: Identity, address: str) -> Within:
    """Give the share of a caller: a user, a key or, where nobody is there, an address (of IPv6 its /64)."""
    return Within(STREAMS, identity.subject_id or counted_key(address))
