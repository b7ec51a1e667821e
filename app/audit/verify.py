"""Walks the audit log, and names the first row of each chain that isn't what was written there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from app.audit.hash_chain import CHAINS, CHANGES, AuditKey, head
from app.database.connection import Connection
from app.errors import RowgateError

_ROWS = """
SELECT chain, seq, id, (extract(epoch FROM at) * 1000000)::bigint AS at, actor, action, target, detail::text AS detail,
 key_id, mac FROM rowgate.audit WHERE chain IS NOT NULL ORDER BY chain, seq
"""
_HEADS = "SELECT chain, seq, mac FROM rowgate.audit_heads"
# As the migration that began the chains has it: the first code of all is over what stood there before.
_EARLIER = """
SELECT count(*) AS rows, sha256(coalesce(string_agg(sha256(convert_to(
 jsonb_build_array(id, extract(epoch FROM at), actor, action, target, detail)::text, 'UTF8')), '' ORDER BY id), ''))
 AS digest FROM rowgate.audit WHERE chain IS NULL
"""
_EXPECTED = re.compile(rf"[0-9]+(?:\.[0-9]+){{{len(CHAINS) - 1}}}-[0-9a-f]{{32}}")


class HeadInvalid(RowgateError):
    """What is expected is no head of an audit log."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "audit.head_invalid"


@dataclass(frozen=True, slots=True)
class Misfit:
    """Where a chain breaks: the id of the first row that doesn't fit, None for its end, and why."""

    id: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Verified:
    """How many rows the chains have, how many stood there before, the head, and every chain's break."""

    rows: int
    earlier: int
    head: str
    misfits: tuple[Misfit, ...]

    def shown(self) -> dict[str, Any]:
        """Give the members of an answer."""
        misfits = [{"id": one.id, "message": one.message} for one in self.misfits]
        return {"rows": self.rows, "earlier": self.earlier, "head": self.head, "misfits": misfits}


@dataclass(slots=True)
class _Chain:
    """One chain as far as it was walked; `marked` is the code at the place that was expected to be there."""

    number: int
    mac: bytes
    expected: int | None
    seq: int = 0
    marked: bytes = b""
    misfit: Misfit | None = field(default=None)

    def take(self, row: Any, keys: Mapping[str, AuditKey]) -> None:
        """Go on to the next row. Behind one that doesn't fit nothing can be said of the others."""
        if self.misfit is None and (why := self._misfit(row, keys)) is not None:
            self.misfit = Misfit(row["id"], why)
        self.seq, self.mac = row["seq"], bytes(row["mac"])
        if self.seq == self.expected:
            self.marked = self.mac

    def _misfit(self, row: Any, keys: Mapping[str, AuditKey]) -> str | None:
        if row["seq"] != self.seq + 1:
            return f"what stood before it is gone: it is number {row['seq']} of its chain, behind number {self.seq}"
        key = keys.get(row["key_id"])
        if key is None:
            return "it was changed, or written under another ROWGATE_SECRET_KEY that `rotate-secrets` didn't carry over"
        if key.mac(row, self.mac) != bytes(row["mac"]):
            first = (self.number, self.seq) == (CHANGES, 0)
            before = ", or what stood there before the chains began," if first else ""
            return f"it{before} was changed, inserted or moved"
        return None

    def end(self, kept: Any) -> None:
        """Hold its end against what was kept of it, and against what was expected."""
        if self.misfit is not None:
            return
        if kept is None or (kept["seq"], bytes(kept["mac"])) != (self.seq, self.mac):
            self.misfit = Misfit(None, f"the end of chain {self.number} is cut, or its head was changed")
        elif self.expected is not None and self.seq < self.expected:
            gone = f"{self.seq} rows, and {self.expected} were expected"
            self.misfit = Misfit(None, f"the end of chain {self.number} is cut: it has {gone}")


async def heads(connection: Connection) -> tuple[int, str]:
    """Give how many rows the chains have by what is kept of their ends, and the head that names them."""
    kept = {row["chain"]: row for row in await connection.fetch(_HEADS)}
    counts = {chain: kept[chain]["seq"] for chain in CHAINS}
    return sum(counts.values()), head(counts, {chain: bytes(kept[chain]["mac"]) for chain in CHAINS})


async def verify(connection: Connection, keys: Mapping[str, AuditKey], expect: str | None = None) -> Verified:
    """Walk the whole log as it is now. `expect` is a head that it has had: what was there then has to be there still.

    Raises HeadInvalid.
    """
    expected = _counts(expect)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("SET LOCAL statement_timeout = 0")
        earlier = await connection.fetchrow(_EARLIER)
        chains = {number: _Chain(number, b"", expected.get(number)) for number in CHAINS}
        chains[CHANGES].mac = bytes(earlier["digest"])
        strangers = []
        async for row in connection.cursor(_ROWS, prefetch=1000):
            if row["chain"] in chains:
                chains[row["chain"]].take(row, keys)
            else:
                strangers.append(Misfit(row["id"], "it was inserted: there is no chain of its number"))
        kept = {row["chain"]: row for row in await connection.fetch(_HEADS)}
    for chain in chains.values():
        chain.end(kept.get(chain.number))
    found = sorted([chain.misfit for chain in chains.values() if chain.misfit] + strangers[:1], key=_place)
    marks = {number: chain.marked for number, chain in chains.items()}
    if expect is not None and not found and head(expected, marks) != expect:
        found.append(Misfit(None, "the log never had the head that is expected"))
    counts = {number: chain.seq for number, chain in chains.items()}
    now = head(counts, {number: chain.mac for number, chain in chains.items()})
    return Verified(sum(counts.values()), earlier["rows"], now, tuple(found))


def _place(misfit: Misfit) -> tuple[bool, int]:
    return misfit.id is None, misfit.id or 0


def _counts(expect: str | None) -> dict[int, int]:
    if expect is None:
        return {}
    if not _EXPECTED.fullmatch(expect):
        raise HeadInvalid(
            "This is no head of an audit log.", hint="The server prints it at its start, and so does verify."
        )
    return dict(zip(CHAINS, map(int, expect.partition("-")[0].split(".")), strict=True))
