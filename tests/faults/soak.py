"""Breaks servers and databases on purpose and prints what was held to; ends with 1 where something wasn't."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

from app.audit.writing import chain_under
from tests.faults.away import database_away
from tests.faults.commits import commit_cut
from tests.faults.held import Held, Sizes, table
from tests.faults.kills import kill_postmasters, kill_servers
from tests.faults.listeners import frozen_listeners
from tests.faults.revisions import published
from tests.faults.servers import SECRET, Postgres

Fault = Callable[[Postgres, Path, Sizes], Awaitable[list[Held]]]
FAULTS: dict[str, Fault] = {
    "server": kill_servers,
    "postmaster": kill_postmasters,
    "away": database_away,
    "listeners": frozen_listeners,
    "commit": commit_cut,
    "revisions": published,
}
FAULT_SECONDS = 900  # then a fault is given up, and counts as failed


def main() -> int:
    """Read the options, run the faults, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("faults", nargs="*", help=f"which of {', '.join(FAULTS)}; all, if none is named")
    parser.add_argument("--server-kills", type=int, default=30)
    parser.add_argument("--postmaster-kills", type=int, default=10)
    parser.add_argument("--writers", type=int, default=32)
    parser.add_argument("--away", type=float, default=10, help="seconds")
    parser.add_argument("--rounds", type=int, default=20, help="of revocations and of changes, with frozen listeners")
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--revisions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slow", type=float, default=1, help="by what the bounds of time are stretched")
    parser.add_argument(
        "--embedded", action="store_true", help="kill the server's own embedded Postgres, not one beside it"
    )
    given = vars(parser.parse_args())
    chosen = given.pop("faults") or list(FAULTS)
    if unknown := sorted(set(chosen) - set(FAULTS)):
        parser.error(f"there is no fault {unknown[0]!r}: there are {', '.join(FAULTS)}")
    place = Path(tempfile.mkdtemp(prefix="rowgate-soak-", dir="/tmp"))
    place.chmod(0o711)  # Postgres runs as another account where this is root
    held = asyncio.run(run(chosen, Sizes(**given), place))
    print(table(held))
    if not all(one.holds for one in held):
        print(f"The logs are in {place}.")
        return 1
    shutil.rmtree(place)
    return 0


async def run(chosen: list[str], sizes: Sizes, place: Path) -> list[Held]:
    """Run faults one after the other, on one Postgres."""
    held: list[Held] = []
    chain_under(SECRET)
    postgres = await Postgres.start(place / "database")
    try:
        for name in chosen:
            began = time.monotonic()
            held += await _one(name, postgres, place, sizes)
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    finally:
        await postgres.stop()
    return held


async def _one(name: str, postgres: Postgres, place: Path, sizes: Sizes) -> list[Held]:
    """Run one fault; what ends it before its end counts as failed."""
    try:
        async with asyncio.timeout(FAULT_SECONDS):
            return await FAULTS[name](postgres, place, sizes)
    except Exception as error:
        # The others are to run all the same, and on a database that is there.
        await postgres.stop()
        await postgres.again()
        return [Held(name, "it runs to its end", holds=False, seen=_told(error))]


def _told(error: Exception) -> str:
    """Say what ended a fault, and where in these scripts."""
    lines = [one.lineno for one in traceback.extract_tb(error.__traceback__) if "tests/faults" in one.filename]
    return f"{type(error).__name__} at lines {lines}: {error}"[:300]


if __name__ == "__main__":
    sys.exit(main())
