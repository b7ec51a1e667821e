"""Idempotency-Key: a request that comes again has no second effect, and gets the first answer (the draft of the IETF).

The answer is kept in the transaction that made it: what was refused or rolled back left none, and runs again. Answers
are sealed, since they may hold tokens, and forgotten after a day.
"""

import hashlib
import json
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from app.auth.identity import Identity
from app.data_plane.request import Request
from app.data_plane.targets import Target, ViewTarget
from app.database.clearing import clear_few
from app.database.connection import Connection
from app.errors import RowgateError
from app.secrets.rotation import answer_name
from app.secrets.sealing import Sealed
from app.steps.running import Answer, Call

REPLAYED = ("Idempotency-Replayed", "true")

_HEADER = b"idempotency-key"
_METHODS = frozenset({"POST", "PATCH"})
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
# What says how an answer looks: another one was asked for where they differ.
_ASKED = frozenset({b"accept", b"content-type", b"prefer"})

_LOCK = "SELECT pg_try_advisory_xact_lock($1)"
_FIND = """
SELECT fingerprint, key_id, nonce, ciphertext FROM rowgate.first_answers
WHERE id = $1 AND created_at > now() - interval '24 hours'
"""
_KEEP = """
INSERT INTO rowgate.first_answers AS kept (id, fingerprint, key_id, nonce, ciphertext) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET fingerprint = $2, key_id = $3, nonce = $4, ciphertext = $5, created_at = now()
WHERE kept.created_at <= now() - interval '24 hours' RETURNING true
"""
# Each answer that is kept takes some with it whose time is over, so that nothing else has to.
_FORGET = clear_few("rowgate.first_answers", "created_at <= now() - interval '24 hours'", most=10)


class KeyInvalid(RowgateError):
    """The Idempotency-Key can't be one."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "idempotency.key_invalid"


class RequestDiffers(RowgateError):
    """The key came before, with another request."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "idempotency.mismatch"


class StillRunning(RowgateError):
    """The first request with this key is not done yet."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "idempotency.running"

    def __init__(self) -> None:
        """Ask for another try in a second."""
        super().__init__("The first request with this key is still running.", headers={"Retry-After": "1"})


@dataclass(frozen=True, slots=True)
class Once:
    """A request that is to have one effect, named by its caller, the route and the key, with what it says (SHA-256)."""

    id: bytes
    fingerprint: bytes

    @property
    def lock(self) -> int:
        """Give the number of the lock that one request at a time holds."""
        return int.from_bytes(self.id[:8], signed=True)


def once_of(request: Request, identity: Identity, target: Target) -> Once | None:
    """Give what a request says about itself whose body is read; None without the header. Raises KeyInvalid."""
    if isinstance(target, ViewTarget) and target.action == "select":
        return None  # asked again, it is answered anew
    if request.method not in _METHODS or (key := request.header(_HEADER)) is None:
        return None
    if request.header_count(_HEADER) > 1 or not _KEY.fullmatch(key):
        raise KeyInvalid("An Idempotency-Key is one header of 1 to 255 printable ASCII characters.")
    caller = identity.subject_id or f"anonymous {request.address}"
    kind = "view" if isinstance(target, ViewTarget) else "endpoint"
    named = _digest([identity.kind, caller, kind, target.compiled.name, request.method, key])
    return Once(named, _fingerprint(request))


async def first_answer(once: Once, call: Call) -> Answer | None:
    """Give the answer that was kept of the same request; None for the first one, whose transaction begins here.

    Raises RequestDiffers for a key that came with another request, StillRunning while the first one runs.
    """
    call.db.as_one()
    first = await call.db.use(lambda connection: _first(connection, once))
    if first is None:
        return None
    if bytes(first["fingerprint"]) != once.fingerprint:
        raise RequestDiffers(
            "This Idempotency-Key came before, with another request.", hint="A new request has a new key."
        )
    answer = _read(call.outward.key.open(Sealed.of(first), answer_name(once.id)))
    return replace(answer, headers=(*answer.headers, REPLAYED))


async def keep_answer(once: Once, call: Call, answer: Answer) -> None:
    """Keep the answer with the transaction that made it."""
    sealed = call.outward.key.seal(_written(answer), answer_name(once.id))

    async def keep(connection: Connection) -> Any:
        kept = await connection.fetchval(
            _KEEP, once.id, once.fingerprint, sealed.key_id, sealed.nonce, sealed.ciphertext
        )
        await connection.execute(_FORGET)
        return kept

    if not await call.db.use(keep, writes=True):
        # A chain that called out has let the lock go meanwhile, and another request was faster.
        raise StillRunning


async def _first(connection: Connection, once: Once) -> Any:
    # Two statements: what the one before committed is seen only by a statement that begins once the lock is held.
    if not await connection.fetchval(_LOCK, once.lock):
        raise StillRunning
    return await connection.fetchrow(_FIND, once.id)


def _fingerprint(request: Request) -> bytes:
    asked = sorted(request.joined(_ASKED).items())
    parts: list[Any] = [request.method, request.path.decode("latin-1"), request.query.decode("latin-1")]
    parts += [[name.decode(), value] for name, value in asked]
    return _digest([*parts, request.digest])


def _digest(parts: list[Any]) -> bytes:
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def _written(answer: Answer) -> bytes:
    body = None if answer.body is None else b64encode(answer.body).decode()
    return json.dumps([answer.status, body, answer.headers, answer.media_type]).encode()


def _read(text: bytes) -> Answer:
    status, body, headers, media_type = json.loads(text)
    kept = tuple((name, value) for name, value in headers)
    return Answer(status, None if body is None else b64decode(body), kept, media_type)
