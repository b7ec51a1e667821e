"""The audit log's one writer, in the transaction of what it tells about: each row is chained to the one before."""

import random
from collections.abc import Mapping
from typing import Any, ClassVar

from app.audit.hash_chain import CHANGES, COLUMNS, EVENTS, AuditKey
from app.database.connection import Connection
from app.database.wire_values import encode_json
from app.errors import RowgateError

# A process has one ROWGATE_SECRET_KEY, and everything in it that changes something writes here.
_keys: list[AuditKey] = []

# The row of the chain's end stays locked until the commit, so that the order of a chain is that of the commits; who has
# one already goes on with it. What is outside of the CTE is asked for when the lock is there.
_END = """
WITH head AS MATERIALIZED (SELECT chain, seq, mac FROM rowgate.audit_heads WHERE {which} FOR UPDATE{how})
SELECT chain, seq, mac, nextval('rowgate.audit_id_seq') AS id, $1::text::jsonb::text AS detail,
 (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS at FROM head LIMIT 1
"""
_MINE_FIRST = "chain > 0 ORDER BY xmin = pg_current_xact_id()::xid DESC, chain LIMIT 1"
_FREE = _END.format(which=_MINE_FIRST, how=" SKIP LOCKED")
_THIS = _END.format(which="chain = $2", how="")
_APPEND = """
WITH moved AS (UPDATE rowgate.audit_heads SET seq = $2, mac = $10 WHERE chain = $1)
INSERT INTO rowgate.audit (chain, seq, id, at, actor, action, target, detail, key_id, mac) OVERRIDING SYSTEM VALUE
VALUES ($1, $2, $3, 'epoch'::timestamptz + $4::bigint * interval '1 microsecond', $5, $6, $7, $8::text::jsonb, $9, $10)
"""


class AuditKeyMissing(RowgateError):
    """A process that was given no secret writes no audit row, and so changes nothing."""

    code: ClassVar[str] = "audit.no_key"


def chain_under(secret: str) -> None:
    """Write this process's rows under the key that ROWGATE_SECRET_KEY yields."""
    _keys[:] = [AuditKey.of(secret)]


async def audit(
    connection: Connection, actor: str, action: str, target: str | None, detail: Mapping[str, Any] | None = None
) -> None:
    """Write one event; `actor` is `user:<id>`, `admin:<email>`, `key:<name>`, `command` or `anonymous`.

    What people do, and a secret that a request uses, comes into a chain that is free, all else into that of changes.
    """
    by_people = actor == "anonymous" or actor.startswith("user:") or action == "secret.use"
    await append(connection, None if by_people else CHANGES, actor, action, target, detail)


async def append(
    connection: Connection,
    chain: int | None,
    actor: str,
    action: str,
    target: str | None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write one event at the end of a chain, or of any of events that is free; by itself in its own transaction."""
    if not connection.is_in_transaction():
        async with connection.transaction():
            await append(connection, chain, actor, action, target, detail)
        return
    if not _keys:
        raise AuditKeyMissing("Nothing is changed by a process that has no ROWGATE_SECRET_KEY to audit it under.")
    (key,) = _keys
    told = encode_json(dict(detail or {}))
    end = await connection.fetchrow(_FREE, told) if chain is None else None
    if end is None:
        named = random.choice(EVENTS) if chain is None else chain  # noqa: S311 - no secret
        end = await connection.fetchrow(_THIS, told, named)
    row = {**dict(end), "seq": end["seq"] + 1, "actor": actor, "action": action, "target": target, "key_id": key.id}
    await connection.execute(_APPEND, *(row[column] for column in COLUMNS), key.mac(row, end["mac"]))
