"""What is held to, with the figures that show it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Held:
    """A claim, whether it held, and what was seen."""

    fault: str
    claim: str
    holds: bool
    seen: str


@dataclass(frozen=True)
class Sizes:
    """How much of each fault: `slow` stretches the bounds of time for a machine that others use too."""

    server_kills: int
    postmaster_kills: int
    writers: int
    away: float
    rounds: int
    cuts: int
    revisions: int
    seed: int
    slow: float
    embedded: bool


def spread(seconds: Sequence[float]) -> str:
    """Tell times by their middle and their greatest."""
    if not seconds:
        return "none measured"
    return f"median {statistics.median(seconds):.2f} s, at most {max(seconds):.2f} s"


def table(listed: Sequence[Held]) -> str:
    """Write what was held as a table, and what wasn't so that it is seen."""
    rows = [("", "fault", "claim", "seen")]
    rows += [("ok" if one.holds else "FAILED", one.fault, one.claim, one.seen) for one in listed]
    widths = [max(len(row[index]) for row in rows) for index in range(3)]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    )
    failed = sum(not one.holds for one in listed)
    return "\n".join([*(line.rstrip() for line in lines), "", f"{len(listed) - failed} held, {failed} failed"])
