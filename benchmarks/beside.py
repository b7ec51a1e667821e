"""Measures what the requests of others get beside a slow endpoint, and beside a flood of health checks.

The others are a few connections, each of which asks again as soon as it has an answer. In each round they ask alone,
then beside as many connections as are asked for that call an endpoint which waits for a row that somebody holds, then
beside as many that ask for /healthz again and again, and alone once more. Ratios are to the mean of both times alone.
"""

import argparse
import asyncio
import json
import math
import re
import shutil
import sys
import tempfile
from typing import Any

import uvloop

from app.database.pool import connect
from benchmarks import run
from benchmarks.overload import PORT, Flood, calls_of, percentile, told
from benchmarks.run import CONNECTIONS, WORKS, build, contestant, database

WORK, WAITS = "S1 my 20 newest rows", "S4 fetch, compare, update"


async def _alone(others: list[bytes], seconds: float) -> dict[str, Any]:
    """Give what the others get."""
    asked = Flood(others, None)
    took = await asked.run(CONNECTIONS, seconds)
    answers = asked.took.get(200, [])
    return {
        "answers a second": len(answers) / took,
        "p50": percentile(answers, 0.5),
        "p99": percentile(answers, 0.99),
        "counts": {str(key): count for key, count in asked.statuses.items() if count},
    }


async def _beside(others: list[bytes], seconds: float, connections: int, path: str, *more: str) -> dict[str, Any]:
    """Give what the others get beside a flood, which begins before them and ends behind them; another process sends it.

    What it is answered isn't waited for by the others' clients.
    """
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{math.ceil(seconds) + 2}s",
        *more,
        f"http://127.0.0.1:{PORT}{path}",
    ]
    flood = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    await asyncio.sleep(1)
    found = await _alone(others, seconds)
    said = (await flood.communicate())[0].decode()
    total, refused = re.search(r"(\d+) requests in", said), re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return found | {"asked by the flood": int(total[1]) if total else 0, "refused": int(refused[1]) if refused else 0}


async def measure(url: str, callers: list[tuple[str, str, str]], seconds: float, connections: int) -> dict[str, Any]:
    """Take one round."""
    others, (_, token, document) = calls_of(callers[1:], WORK), callers[0]
    first = await _alone(others, seconds)
    holder: Any = await connect(url)
    try:
        await holder.execute("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0")
        await holder.execute("UPDATE data.documents SET status = status WHERE id = $1", document)
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write('wrk.method = "POST"\n')
            script.flush()
            said = "-s", script.name, "-H", f"Authorization: Bearer {token}"
            beside_slow = await _beside(others, seconds, connections, WORKS[WAITS][1] % document, *said)
    finally:
        await holder.close()
    await asyncio.sleep(1)
    beside_health = await _beside(others, seconds, connections, "/healthz")
    last = await _alone(others, seconds)
    mean = {key: (first[key] + last[key]) / 2 for key in ("answers a second", "p50", "p99")}
    found = {"alone": mean, "beside a slow endpoint": beside_slow, "beside health checks": beside_health}
    for one in (beside_slow, beside_health):
        one["throughput kept"] = one["answers a second"] / mean["answers a second"]
        one["p99 to alone"] = one["p99"] / mean["p99"]
    return found


def main() -> None:
    """Measure, and print medians and JSON."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=4, help="for each of the four parts of a round")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--connections", type=int, default=64, help="of the flood")
    asked = arguments.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("The load generator wrk is needed: apt-get install wrk")
    run.ROWS = 20_000
    with database() as url:
        callers = asyncio.run(build(url))
        with contestant("rowgate", url):
            rounds = [uvloop.run(measure(url, callers, asked.seconds, asked.connections)) for _ in range(asked.rounds)]
    print(json.dumps(told(rounds)))


if __name__ == "__main__":
    main()
