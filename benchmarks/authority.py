"""Measures what it costs S1 that its statement confirms the caller's authority: the same requests with it and without.

Rounds of the two alternate, so that whatever else the machine does befalls both alike. Counted is CPU, of this process
and of Postgres' own for its connections, by the kernel's count of nanoseconds; what is printed is the middle of the
rounds' ratios, with the quarters of them, and the ratio of the rounds that other work disturbed least.
"""

import argparse
import asyncio
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from app.cli.collecting import settle_memory
from app.database.session import Session
from app.database.statement import Statement
from app.main import create_app
from app.settings import load_settings
from benchmarks import run
from benchmarks.profile import Driver
from benchmarks.run import SECRET, WORKS, build, database

WORK = next(iter(WORKS))
WARM, CALLS = 1_000, 100
_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"


@contextmanager
def without_authority() -> Iterator[None]:
    """Let statements go out bare, and confirm nothing."""
    real = Session._fetch

    async def bare(self: Session, statement: Statement, parameters: Sequence[Any]) -> list[Any]:
        found: list[Any] = await self._connection.fetch(statement.sql, *parameters)
        return found

    Session._fetch = bare  # type: ignore[method-assign]
    try:
        yield
    finally:
        Session._fetch = real  # type: ignore[method-assign]


def cpu(processes: Sequence[int | str]) -> int:
    """Give the nanoseconds that processes have run, of every thread of theirs."""
    threads = [one for pid in processes for one in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(one.read_text().split()[0]) for one in threads)


async def round_of(driver: Driver, processes: Sequence[int | str]) -> float:
    """Give the microseconds of CPU of a request, over a round."""
    before = cpu(processes)
    for _ in range(CALLS):
        await driver.call()
    return (cpu(processes) - before) / CALLS / 1000


async def measure(url: str, callers: list[tuple[str, str, str]], rounds: int) -> None:
    """Print both, and how the one stands to the other."""
    app = create_app(load_settings(database_url=url, secret_key=SECRET, env="production", confirm_email=False), url)
    app.on_ready = settle_memory
    held, bare = [], []
    async with app.fastapi.router.lifespan_context(app.fastapi):
        driver = Driver(app, WORK, callers)
        statuses = {await driver.call() for _ in range(WARM)}
        with without_authority():
            statuses |= {await driver.call() for _ in range(WARM)}
        if statuses != {200}:
            raise RuntimeError(f"S1 is answered with {statuses}")
        async with app.server.pool.lease() as connection:
            processes = ["self", *(row["pid"] for row in await connection.fetch(_BACKENDS))]
        for _ in range(rounds):
            held.append(await round_of(driver, processes))
            with without_authority():
                bare.append(await round_of(driver, processes))
    ratios = sorted(one / other for one, other in zip(held, bare, strict=True))
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"{WORK}: {statistics.median(held):.0f} µs of CPU with the caller's authority confirmed, ", end="")
    print(f"{statistics.median(bare):.0f} without; {rounds} rounds of {CALLS}")
    print(f"the ratio is {middle:.3f}, half of the rounds between {low:.3f} and {high:.3f}; ", end="")
    least = [statistics.quantiles(one, n=10)[0] for one in (held, bare)]
    print(f"of the tenth of the rounds that were disturbed least {least[0] / least[1]:.3f}")


def main() -> None:
    """Measure on a database of its own."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=200)
    rounds = arguments.parse_args().rounds
    run.ROWS = 20_000
    with database() as url:
        callers = asyncio.run(build(url))
        uvloop.run(measure(url, callers, rounds))


if __name__ == "__main__":
    main()
