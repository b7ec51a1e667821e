"""Says what a request costs in each layer: the ASGI application driven in this process on a real Postgres, no socket.

The figures are CPU of this process: first for a request as it is, then, by Python's profiler, shares of its own time by
module, with the functions that take most of it.
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from app.cli.collecting import settle_memory
from app.main import Rowgate, create_app
from app.settings import load_settings
from benchmarks import run
from benchmarks.run import SECRET, WORKS, build, database

BODY = json.dumps({"title": "A title", "amount": 12.5}).encode()
WARM, CALLS = 500, 4_000
FUNCTIONS = 25


class Driver:
    """Sends requests to an application, one after the other, each for the next of the callers."""

    def __init__(self, app: Rowgate, work: str, callers: list[tuple[str, str, str]]) -> None:
        self._app, self._work, self._callers, self._next = app, work, callers, 0

    def _scope(self) -> dict[str, Any]:
        method, path, _ = WORKS[self._work]
        _, token, document = self._callers[self._next % len(self._callers)]
        self._next += 1
        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
        if "no token" not in self._work:
            headers.append((b"authorization", b"Bearer " + token.encode()))
        path, _, query = (path % document if "%s" in path else path).partition("?")
        return {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
            "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
        }  # fmt: skip

    async def call(self) -> int:
        """Make a request and give its status."""
        status = 0

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": BODY, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)

        await asyncio.create_task(self._send(receive, send))
        return status

    def _send(self, receive: Callable[..., Any], send: Callable[..., Any]) -> Coroutine[Any, Any, None]:
        return self._app(self._scope(), receive, send)


def _layer(file: str) -> str:
    for name in ("asyncpg", "uvicorn", "asyncio", "json", "celpy", "pydantic"):
        if f"/{name}/" in file:
            return name
    _, found, inside = file.rpartition("/app/")
    if not found:
        return "built in" if file.startswith(("~", "<")) else "other"
    return "app/" + inside.rpartition("/")[0]


def _told(profile: cProfile.Profile, calls: int) -> None:
    own: Counter[str] = Counter()
    functions = []
    for (file, line, name), (_, count, took, *_) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        own[_layer(file)] += took
        functions.append((took, count / calls, f"{file.rpartition('/app/')[2]}:{line} {name}"))
    whole = sum(own.values())
    print(
        f"  {sum(count for _, count, _ in functions):.0f} calls of functions by a request, which no other load changes"
    )
    print("  by layer, share of its own time")
    for layer, took in own.most_common(14):
        print(f"    {took / whole:6.1%}  {layer}")
    print("  by function: share, calls of a request")
    for took, count, name in sorted(functions, reverse=True)[:FUNCTIONS]:
        print(f"    {took / whole:6.1%} {count:6.1f}  {name}")


async def measure(url: str, works: list[str], callers: list[tuple[str, str, str]], *, deep: bool) -> dict[str, float]:
    """Print the layers of each work, and give the microseconds of CPU of a request."""
    app = create_app(load_settings(database_url=url, secret_key=SECRET, env="production", confirm_email=False), url)
    app.on_ready = settle_memory
    found = {}
    async with app.fastapi.router.lifespan_context(app.fastapi):
        for work in works:
            driver = Driver(app, work, callers)
            statuses = Counter([await driver.call() for _ in range(WARM)])
            rounds = []
            for _ in range(5):
                began = time.process_time()
                for _ in range(CALLS // 5):
                    await driver.call()
                rounds.append((time.process_time() - began) / (CALLS // 5) * 1e6)
            found[work] = min(rounds)
            print(f"{work}: {found[work]:.0f} µs of CPU, statuses {dict(statuses)}")
            if deep:
                profile = cProfile.Profile()
                profile.enable()
                for _ in range(CALLS // 4):
                    await driver.call()
                profile.disable()
                _told(profile, CALLS // 4)
    return found


def main() -> None:
    """Measure, and print the tables and JSON."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--work", action="append", choices=list(WORKS), help="all of them by default")
    arguments.add_argument("--deep", action="store_true", help="with the layers and functions of each")
    asked = arguments.parse_args()
    run.ROWS = 20_000
    with database() as url:
        callers = asyncio.run(build(url))
        print(json.dumps(uvloop.run(measure(url, asked.work or list(WORKS), callers, deep=asked.deep))))


if __name__ == "__main__":
    main()
