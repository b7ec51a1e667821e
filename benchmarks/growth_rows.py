"""Measures what more rows, more people and a second process change, each beside what was there before.

Rows: S1 and S2 on 100,000 rows, and on as many as are asked for, of 1,000 people. People: S1 for callers whom the
server remembers, and for 50,000 by turns, of whom it remembers none when they come again, as many people beside them
as are asked for. Processes: S2 of two servers at once to that of one; without cores to spare it says nothing.
"""

import argparse
import asyncio
import json
import shutil
import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from app.auth.users import MAX_USERS
from app.database.pool import connect
from benchmarks import run
from benchmarks.run import WORKS, build, database, loaded, started

PORT = 8_670
FEW, OF_EACH = 1_000, 20  # people; rows of each that S1 asks for
S1, S2 = "S1 my 20 newest rows", "S2 one row, owner checked"

Callers = list[tuple[str, str, str]]


@contextmanager
def _database(people: int, rows: int) -> Iterator[tuple[str, Callers]]:
    """Give a database of its own with so much in it, and who calls."""
    with database() as url:
        run.USERS, run.ROWS = people, rows
        yield url, asyncio.run(build(url))


@contextmanager
def _served(url: str, port: int) -> Iterator[tuple[int, int]]:
    """Run a server; gives its port and its process."""
    command = [sys.executable, "-c", "from app.cli.command import main; main()", "serve", "--port", str(port)]
    with started(command, port, url) as pid:
        yield port, pid


def _round(work: str, callers: Callers, server: tuple[int, int], seconds: int) -> dict[str, float]:
    """Measure one work of one server."""
    method, path, _ = WORKS[work]
    calls = [(path.replace("%s", document), token, "") for _, token, document in callers]
    figures, refused = loaded(server[0], method, calls, seconds, server[1])
    if refused:
        sys.exit(f"{refused} requests of {work} were refused")
    return figures


def _told(name: str, pairs: list[tuple[dict[str, float], dict[str, float]]]) -> dict[str, float]:
    """Print, and give, how the second of each pair is to the first."""
    found = {
        "throughput": statistics.median(after["rps"] / before["rps"] for before, after in pairs),
        "CPU": statistics.median(after["cpu"] / before["cpu"] for before, after in pairs),
        "p99": statistics.median(after["p99"] / before["p99"] for before, after in pairs),
    }
    print(f"{name:52}" + "".join(f"  {key} {ratio:5.2f} times" for key, ratio in found.items()), flush=True)
    return found


def _rows(asked: Any, base: tuple[tuple[int, int], Callers]) -> dict[str, Any]:
    """Compare S1 and S2 on as many rows as are asked for to those on a few."""
    with _database(FEW, asked.rows) as (url, callers), _served(url, PORT + 1) as server:
        found = {}
        for work in (S1, S2):
            pairs = [
                (_round(work, base[1], base[0], asked.seconds), _round(work, callers, server, asked.seconds))
                for _ in range(asked.rounds)
            ]
            found[work[:2]] = _told(f"{work[:2]}, {asked.rows:,} rows to 100,000", pairs)
    return found


def _people(asked: Any) -> dict[str, float]:
    """Compare S1 of callers who aren't remembered to that of callers who are."""
    strangers = int(2.5 * MAX_USERS)
    with _database(strangers, strangers * OF_EACH) as (url, callers):
        asyncio.run(_more_people(url, asked.people - strangers))
        with _served(url, PORT + 1) as server:
            few = callers[:FEW]
            _round(S1, few, server, asked.seconds)
            pairs = []
            for _ in range(asked.rounds):
                warm = _round(S1, few, server, asked.seconds)
                # Each of them is asked for at most once: where the list begins again, they have been forgotten.
                pairs.append((warm, _round(S1, callers[FEW:], server, asked.seconds)))
            return _told(f"S1, callers not remembered to remembered, {asked.people:,} people", pairs)


async def _more_people(url: str, count: int) -> None:
    connection: Any = await connect(url)
    await connection.execute("SET statement_timeout = 0")
    await connection.execute(
        "INSERT INTO data.users (email) SELECT 'other' || n || '@example.com' FROM pg_catalog.generate_series(1, $1) n",
        max(0, count),
    )
    await connection.execute("VACUUM ANALYZE data.users")
    await connection.close()


def _processes(asked: Any, url: str, base: tuple[tuple[int, int], Callers]) -> dict[str, float]:
    """Compare S2 of two servers, each asked by a load generator of its own, to that of one."""
    (first, callers), pairs = base, []
    with _served(url, PORT + 1) as second, ThreadPoolExecutor() as together:
        for _ in range(asked.rounds):
            one = _round(S2, callers, first, asked.seconds)
            both = list(together.map(lambda server: _round(S2, callers, server, asked.seconds), (first, second)))
            sums = {"rps": sum(each["rps"] for each in both)}
            pairs.append((one, sums | {key: statistics.mean(each[key] for each in both) for key in ("cpu", "p99")}))
    return _told("S2, two processes to one", pairs)


def main() -> None:
    """Measure, and print ratios and JSON."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=5)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--people", type=int, default=1_000_000)
    arguments.add_argument("--only", nargs="*", default=["rows", "people", "processes"])
    asked = arguments.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("The load generator wrk is needed: apt-get install wrk")
    found: dict[str, Any] = {}
    if {"rows", "processes"}.intersection(asked.only):
        with ExitStack() as stack:
            url, callers = stack.enter_context(_database(FEW, 100_000))
            base = stack.enter_context(_served(url, PORT)), callers
            if "rows" in asked.only:
                found["rows"] = _rows(asked, base)
            if "processes" in asked.only:
                found["processes"] = _processes(asked, url, base)
    if "people" in asked.only:
        found["people"] = _people(asked)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
