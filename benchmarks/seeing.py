"""Measures what seeing costs: the ring of refusals, the trace that nobody asks for, and a shadow, with `wrk`.

Variants of the data plane take turns within one process, some dozen requests each, and the CPU of each turn is
taken. So what else runs on the machine, or how fast it is just now, falls on all of them alike.
"""

import argparse
import asyncio
import inspect
import itertools
import json
import math
import os
import shutil
import statistics
import sys
import tempfile
import textwrap
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from app.cli.command import main as rowgate
from app.cli.create_key import make_key
from app.data_plane import asgi
from app.data_plane.asgi import DataPlane
from app.data_plane.run import Run
from app.data_plane.seeing.recent import Recent
from app.database.embedded import start_embedded
from app.settings import load_settings
from benchmarks import run
from benchmarks.run import HERE, PORTS, SECRET, WORKS, build, measure, started

CONNECTIONS = 4
TURN = 60  # requests; those under way at its end, at most as many as there are connections, count in the next one
PLAIN, AGAIN, NO_RING, NO_TRACE, SHADOW = "as it is", "the same again", "no ring", "no trace", "with a shadow"
VARIANTS = {
    "S5": (PLAIN, AGAIN, NO_RING, NO_TRACE),
    "S2": (PLAIN, AGAIN, NO_RING, NO_TRACE),
    "S2, a shadow beside it": (PLAIN, SHADOW),
}
# The first costs so many times what the second does; twice the same says how much is noise.
COMPARED = ((AGAIN, PLAIN), (PLAIN, NO_RING), (PLAIN, NO_TRACE), (SHADOW, PLAIN))
_SPAN = nullcontext()
_LOOK = 'ASKS in scope["headers"] and await is_asked_by_admin(self.plane, scope)'


def _nothing(*_: Any, **__: Any) -> None:
    """Keep, note and look at nothing."""


def _span(*_: Any) -> AbstractContextManager[None]:
    """Give a span that notes nothing."""
    return _SPAN


def _without_look() -> Callable[..., Any]:
    """Give the very source of what serves, without its look for who asks."""
    source = textwrap.dedent(inspect.getsource(DataPlane.__call__))
    for what in (_LOOK, "isinstance(run, TimedRun)"):
        if what not in source:
            sys.exit(f"the data plane no longer has: {what}")
        source = source.replace(what, "False")
    found: dict[str, Any] = {}
    exec(source, vars(asgi), found)  # noqa: S102 - our own source
    return found["__call__"]  # type: ignore[no-any-return]


class Turns:
    """The data plane, whose variants take turns; a line of `log` is a variant and its nanoseconds of CPU."""

    def __init__(self, log: Path) -> None:
        """Begin with no variant."""
        self._log = log
        self._serve, self._bare = DataPlane.__call__, _without_look()
        self._note, self._stage = Recent.note, Run.stage
        self._served = 0
        self._began = 0
        self._variant = ""
        self._order = itertools.cycle([PLAIN])
        self._shadow: Any = None

    def installed(self) -> None:
        """Stand in the place of what serves."""

        async def serve(plane: DataPlane, scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/api/turns":  # begins a work: its variants, forth and back
                names = scope["query_string"].decode().replace("_", " ").split("&")
                self._order, self._served = itertools.cycle([*names, *reversed(names)]), -1
            elif self._served % TURN == 0:
                self._take_turn(plane)
            self._served += 1
            await (self._bare if self._variant == NO_TRACE else self._serve)(plane, scope, receive, send)

        DataPlane.__call__ = serve  # type: ignore[method-assign]

    def _take_turn(self, plane: DataPlane) -> None:
        now = time.process_time_ns()
        if self._served:
            with self._log.open("a") as log:
                log.write(f"{self._variant}\t{now - self._began}\n")
        self._variant = next(self._order)
        self._shadow = self._shadow or plane.shadow
        ringless, traceless = self._variant == NO_RING, self._variant == NO_TRACE
        Recent.note = _nothing if ringless else self._note  # type: ignore[method-assign]
        Run.stage = _span if traceless else self._stage  # type: ignore[method-assign]
        plane.shadow = self._shadow if self._variant == SHADOW else None
        self._began = time.process_time_ns()


def _call(port: int, path: str, key: str, body: bytes | None = None) -> None:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/yaml"}
    try:
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)).close()
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise


def _measured(url: str, log: Path, seconds: int) -> dict[str, list[tuple[str, int]]]:
    """Give for each work its turns: the variant, and nanoseconds of CPU for a request."""
    run.CONNECTIONS = CONNECTIONS
    callers = asyncio.run(build(url))
    key = asyncio.run(make_key(load_settings(database_url=url, secret_key=SECRET), url, "bench", [], "editor"))
    port, found = PORTS["rowgate"], {}
    os.environ["BENCH_TURNS"] = str(log)
    with started([sys.executable, "-m", "benchmarks.seeing", "--serve", str(port)], port, url) as pid:
        _call(port, "/admin/v1/shadow?minutes=600", key, (HERE / "backend.yaml").read_bytes())
        for work, variants in VARIANTS.items():
            full = next(one for one in WORKS if one.startswith(work[:2]))
            measure("rowgate", full, callers, 3, pid)
            _call(port, "/api/turns?" + "&".join(variants).replace(" ", "_"), key)
            log.write_text("")
            measure("rowgate", full, callers, seconds, pid)
            lines = [line.split("\t") for line in log.read_text().splitlines()]
            found[work] = [(name, int(spent) // TURN) for name, spent in lines]
    return found


def main() -> None:
    """Measure, and print a table and JSON."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=30, help="for each work")
    arguments.add_argument("--serve", metavar="PORT")
    asked = arguments.parse_args()
    if asked.serve is not None:
        Turns(Path(os.environ["BENCH_TURNS"])).installed()
        sys.argv = ["rowgate", "serve", "--port", asked.serve]
        rowgate()
        return
    if shutil.which("wrk") is None:
        sys.exit("The load generator wrk is needed: apt-get install wrk")
    folder = Path(tempfile.mkdtemp(prefix="rowgate-bench-", dir="/tmp"))
    server = start_embedded(folder)
    try:
        found = _measured(server.url(), folder / "turns", asked.seconds)
    finally:
        server.stop()
        shutil.rmtree(folder)
    print(json.dumps({work: _told(work, turns) for work, turns in found.items()}))


def _told(work: str, turns: list[tuple[str, int]]) -> dict[str, list[float]]:
    """Print, and give, the median of the ratios within each round, its 95 % interval, and their middle half."""
    size = len(VARIANTS[work])
    rounds = [dict(turns[at : at + size]) for at in range(0, len(turns) - size + 1, size)]
    spent = defaultdict[str, list[int]](list)
    for name, nanoseconds in turns:
        spent[name].append(nanoseconds)
    print(f"\n{work}: CPU of a request, median [its 95 % interval; middle half] of {len(rounds)} rounds")
    ratios = {}
    for first, second in COMPARED:
        if {first, second} <= spent.keys() and len(rounds) > 1:
            each = sorted(one[first] / one[second] for one in rounds)
            low, middle, high = statistics.quantiles(each, n=4)
            off = 0.98 * math.sqrt(len(each))  # a median's order statistics
            least, most = each[max(0, int(len(each) / 2 - off))], each[min(len(each) - 1, int(len(each) / 2 + off))]
            micro = [statistics.median(spent[name]) / 1000 for name in (first, second)]
            ratios[f"{first} / {second}"] = [round(part, 4) for part in (middle, least, most, low, high)]
            spread = f"[{least:.3f} to {most:.3f}; {low:.3f} to {high:.3f}]"
            print(f"  {first:14} / {second:14} {middle:6.3f} {spread}  {micro[0]:.1f} and {micro[1]:.1f} us")
    return ratios


if __name__ == "__main__":
    main()
