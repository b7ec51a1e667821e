"""Measures overload: 1,000 connections at once, or as many as are asked for, and three times the load that is carried.

Goodput is answers of 200 a second. The best one is what a few connections get out of the server, each of which asks
again as soon as it has an answer; the flood comes at three times that rate, whatever the answers are, over as many
connections as that takes. A probe of /healthz every 20 ms says how long the server's loop is away. The generator shares
the processors with the server: how much of one it takes is told, and near 100 % the times are its own.
"""

import argparse
import asyncio
import json
import math
import re
import statistics
import time
from collections import Counter, deque
from typing import Any

import uvloop

from benchmarks import run
from benchmarks.run import CONNECTIONS, PORTS, WORKS, build, contestant, cpu_of, database

PORT = PORTS["rowgate"]
TIMES = 3
TICK, PROBE_SECONDS, DRAIN_SECONDS = 0.002, 0.02, 3.0
LONGEST_SECONDS = 0.5  # that most answers take: so many connections are needed for a rate
OPENED_AT_ONCE = 500
WORK = "S1 my 20 newest rows"


class Caller(asyncio.Protocol):
    """One connection, on which one request at a time is under way."""

    def __init__(self, flood: "Flood") -> None:
        self._flood = flood
        self._got = b""
        self._sent: float | None = None
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Keep where it is written."""
        self.transport = transport

    @property
    def is_busy(self) -> bool:
        """Say whether a request is under way."""
        return self._sent is not None

    def send(self) -> None:
        """Ask."""
        self._sent = time.perf_counter()
        self.transport.write(self._flood.next_call())

    def data_received(self, data: bytes) -> None:
        """Take an answer, of which nothing but the status is looked at."""
        self._got += data
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self._got.find(b"content-length: ", 0, end) + 16
        if len(self._got) < end + 4 + int(self._got[at : self._got.find(b"\r\n", at)]):
            return
        status = int(self._got[9:12])
        if status != 200:
            code = re.search(rb"[a-z]+\.overloaded", self._got)
            self._flood.codes[code[0].decode() if code else str(status)] += 1
        self._got = b""
        took, self._sent = time.perf_counter() - (self._sent or 0), None
        self._flood.answered(self, status, took)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        """Tell that it is gone."""
        self._flood.lost(under_way=self.is_busy)


class Flood:
    """Connections that ask again at once, or at a given rate all together, and what came of it."""

    def __init__(self, calls: list[bytes], rate: float | None) -> None:
        self._calls, self._index, self._rate = calls, 0, rate
        self._idle: deque[Caller] = deque()
        self._going = True
        self.statuses: Counter[int | str] = Counter()
        self.codes: Counter[str] = Counter()  # of what is no 200
        self.took: dict[int, list[float]] = {}
        self.cpu = 0.0  # of the generator, in processors

    def next_call(self) -> bytes:
        """Give the next request's bytes."""
        self._index = (self._index + 1) % len(self._calls)
        return self._calls[self._index]

    def answered(self, caller: Caller, status: int, took: float) -> None:
        """Count an answer."""
        if not self._going:
            return
        self.statuses[status] += 1
        self.took.setdefault(status, []).append(took)
        if self._rate is None:
            caller.send()
        else:
            self._idle.append(caller)

    def lost(self, *, under_way: bool) -> None:
        """Count a connection that the server ended, with a request under way or not."""
        if self._going:
            self.statuses["reset" if under_way else "closed"] += 1

    async def run(self, connections: int, seconds: float) -> float:
        """Ask for some seconds; gives how long it was."""
        callers = await self._connect(connections)
        began, before = time.perf_counter(), time.process_time()
        if self._rate is None:
            for caller in callers:
                caller.send()
            await asyncio.sleep(seconds)
        else:
            self._idle.extend(callers)
            await self._paced(began, seconds)
        took = time.perf_counter() - began
        self.cpu = (time.process_time() - before) / took
        self._going = False
        # What is under way is waited for: to cut it off would cost the server its connections to the database.
        for _ in range(int(DRAIN_SECONDS / TICK)):
            if not any(caller.is_busy for caller in callers):
                break
            await asyncio.sleep(TICK)
        for caller in callers:
            caller.transport.abort()
        return took

    async def _connect(self, connections: int) -> list[Caller]:
        loop = asyncio.get_running_loop()
        callers: list[Caller] = []
        for first in range(0, connections, OPENED_AT_ONCE):
            count = min(OPENED_AT_ONCE, connections - first)
            opened = (loop.create_connection(lambda: Caller(self), "127.0.0.1", PORT) for _ in range(count))
            made = await asyncio.gather(*opened, return_exceptions=True)
            callers += [one[1] for one in made if not isinstance(one, BaseException)]
        self.statuses["not connected"] += connections - len(callers)
        return callers

    async def _paced(self, began: float, seconds: float) -> None:
        sent = 0
        while (now := time.perf_counter() - began) < seconds:
            due = int(now * (self._rate or 0)) - sent
            sent += due
            for _ in range(due):
                if self._idle:
                    self._idle.popleft().send()
                else:
                    self.statuses["no connection was free"] += 1
            await asyncio.sleep(TICK)


class Probe:
    """How long /healthz takes, as long as the block runs."""

    def __init__(self) -> None:
        self.took: list[float] = []

    async def __aenter__(self) -> "Probe":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        while True:
            began = time.perf_counter()
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"}")
            self.took.append(time.perf_counter() - began)
            await asyncio.sleep(PROBE_SECONDS)


def percentile(took: list[float], part: float) -> float:
    """Give milliseconds."""
    return sorted(took)[max(0, math.ceil(len(took) * part) - 1)] * 1000 if took else float("nan")


async def measure(calls: list[bytes], seconds: float, pid: int, connections: int) -> dict[str, Any]:
    """Take one round: the best, a flood of connections that ask at once, three times the best, and the best again."""
    found: dict[str, Any] = {}
    best, before = Flood(calls, None), cpu_of(pid)
    took = await best.run(CONNECTIONS, seconds)
    found["best"] = best.statuses[200] / took
    found["CPU of an answer"] = (cpu_of(pid) - before) / max(1, best.statuses[200]) * 1e6
    for name, rate in (("at once", None), ("three times", TIMES * found["best"])):
        flood, before = Flood(calls, rate), cpu_of(pid)
        enough = max(connections, int((rate or 0) * LONGEST_SECONDS))
        async with Probe() as probe:
            took = await flood.run(enough, seconds)
        refusals = flood.took.get(503, [])
        spent = (cpu_of(pid) - before) * 1e6 - flood.statuses[200] * found["CPU of an answer"]
        found[name] = {
            "goodput": flood.statuses[200] / took,
            "ratio": flood.statuses[200] / took / found["best"],
            "CPU of a refusal": spent / len(refusals) if refusals else float("nan"),
            "refusals p50": percentile(refusals, 0.5),
            "refusals p99": percentile(refusals, 0.99),
            "answers p50": percentile(flood.took.get(200, []), 0.5),
            "answers p99": percentile(flood.took.get(200, []), 0.99),
            "loop gap p99": percentile(probe.took, 0.99),
            "loop gap max": percentile(probe.took, 1),
            "asked a second": sum(len(one) for one in flood.took.values()) / took,
            "generator CPU": flood.cpu,
            "codes counts": dict(flood.codes),
            "counts": {str(key): count for key, count in flood.statuses.items() if count},
        }
        await asyncio.sleep(1)
    again = Flood(calls, None)
    took = await again.run(CONNECTIONS, seconds)
    found["best afterwards"] = again.statuses[200] / took
    found["ratio afterwards"] = found["best afterwards"] / found["best"]
    return found


def calls_of(callers: list[tuple[str, str, str]], work: str) -> list[bytes]:
    """Give the requests of a work, as bytes."""
    method, path, _ = WORKS[work]
    return [
        f"{method} {path % document if '%s' in path else path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {token}\r\n\r\n".encode()
        for _, token, document in callers
    ]


def told(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Print, and give, the median of each figure; counts are summed."""
    found: dict[str, Any] = {}
    for key, first in rounds[0].items():
        each = [one[key] for one in rounds]
        if key.endswith("counts"):
            found[key] = dict(sum((Counter(one) for one in each), Counter[str]()))
        elif isinstance(first, dict):
            print(f"\n{key}")
            found[key] = told(each)
            continue
        else:
            found[key] = statistics.median(each)
        print(f"  {key:18} {found[key] if key.endswith('counts') else round(found[key], 2)}")
    return found


def main() -> None:
    """Measure, and print medians and JSON."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=4, help="for each of the four parts of a round")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--connections", type=int, default=1_000, help="of the flood")
    arguments.add_argument("--work", choices=[work for work in WORKS if WORKS[work][0] == "GET"], default=WORK)
    asked = arguments.parse_args()
    run.ROWS = 20_000
    with database() as url:
        calls = calls_of(asyncio.run(build(url)), asked.work)
        with contestant("rowgate", url) as pid:
            rounds = [uvloop.run(measure(calls, asked.seconds, pid, asked.connections)) for _ in range(asked.rounds)]
    print(json.dumps(told(rounds)))


if __name__ == "__main__":
    main()
