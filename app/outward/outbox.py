"""Calls that wait for a commit: written in the transaction that asks for them, sealed, and taken out by one sender."""

import json
import uuid
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.database.connection import Connection
from app.outward.calls import OutwardCall
from app.secrets.rotation import letter_name
from app.secrets.sealing import Sealed, SealingKey

MOST_ATTEMPTS = 12
LEASE_SECONDS = 120.0  # longer than a call may take: a sender that died is replaced after it

_ADD = """
INSERT INTO rowgate.outbox (id, step, method, host, key_id, nonce, ciphertext) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_CLAIM = """
UPDATE rowgate.outbox SET attempts = attempts + 1, next_at = now() + make_interval(secs => $1)
WHERE id IN (
    SELECT id FROM rowgate.outbox WHERE dead_at IS NULL AND next_at <= now()
    ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING id, attempts, key_id, nonce, ciphertext
"""
_FAILED = """
UPDATE rowgate.outbox SET next_at = now() + make_interval(secs => $3), last_error = $4,
    dead_at = CASE WHEN attempts >= $5 THEN now() END
WHERE id = $1 AND attempts = $2
"""
_POSTPONED = """
UPDATE rowgate.outbox SET attempts = attempts - 1, next_at = now() + make_interval(secs => $3)
WHERE id = $1 AND attempts = $2
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A call that this process is to make now; nobody else has it until the lease ends."""

    id: str
    attempts: int
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sealed: the call, and the key that signs it."""

    call: OutwardCall
    sign: str | None = field(default=None, repr=False)


async def add(connection: Connection, key: SealingKey, step: str, letter: Letter) -> None:
    """Keep a call until the transaction has committed; raises Denied or SecretAstray for one that could never go."""
    target = letter.call.target()
    letter_id = str(uuid.uuid4())
    sealed = key.seal(_written(letter), letter_name(letter_id))
    await connection.execute(
        _ADD, letter_id, step, letter.call.method, target.authority, sealed.key_id, sealed.nonce, sealed.ciphertext
    )


async def claim(connection: Connection, most: int, lease: float = LEASE_SECONDS) -> list[Claimed]:
    """Take calls that are due, each for one sender only."""
    rows = await connection.fetch(_CLAIM, lease, most)
    return [Claimed(row["id"], row["attempts"], Sealed.of(row)) for row in rows]


def opened(claimed: Claimed, key: SealingKey, allow: Sequence[str]) -> Letter:
    """Open a call; raises SecretUnreadable."""
    said = json.loads(key.open(claimed.sealed, letter_name(claimed.id)))
    call = OutwardCall(
        said["method"],
        said["url"],
        tuple((name, value) for name, value in said["headers"]),
        None if said["body"] is None else b64decode(said["body"]),
        said["timeout"],
        allow=tuple(allow),
        bound=tuple(tuple(hosts) for hosts in said["bound"]),
    )
    return Letter(call, said["sign"])


async def delivered(connection: Connection, claimed: Claimed) -> None:
    """Forget a call that was taken."""
    await connection.execute("DELETE FROM rowgate.outbox WHERE id = $1", claimed.id)


async def failed(connection: Connection, claimed: Claimed, error: str, wait: float) -> None:
    """Try again after so many seconds; after the last attempt the call is dead, and stays for the admin to see."""
    await connection.execute(_FAILED, claimed.id, claimed.attempts, wait, error, MOST_ATTEMPTS)


async def postponed(connection: Connection, claimed: Claimed, wait: float) -> None:
    """Give a call back that wasn't tried."""
    await connection.execute(_POSTPONED, claimed.id, claimed.attempts, wait)


def _written(letter: Letter) -> bytes:
    call = letter.call
    return json.dumps({
        "method": call.method,
        "url": call.url,
        "headers": call.headers,
        "body": None if call.body is None else b64encode(call.body).decode(),
        "timeout": call.timeout,
        "bound": call.bound,
        "sign": letter.sign,
    }).encode()  # fmt: skip
