"""Measures what holding rows costs: requests that count before they write, plain inserts, and bulk writes.

Everything takes turns in one run, through the whole application in this process, and what is measured is CPU, of this
process and of Postgres' together: so what else runs on the machine falls on all alike. Of requests that meet, which
wait for each other, it is time.
"""

import argparse
import asyncio
import json
import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.audit.writing import chain_under
from app.changes.apply import apply_project
from app.database.pool import connect
from app.definitions.project import parse_project
from app.main import Rowgate, create_app
from app.settings import load_settings
from app.store.engine import make_engine
from app.store.migrate import migrate
from benchmarks.run import SECRET, database

# Nobody counts rows of `free` before writing it, so it has no trigger.
TABLES = ("free", "by_owner", "whole")
COLUMNS = [
    {"name": "owner", "type": "integer"},
    {"name": "title", "type": "text"},
    {"name": "amount", "type": "decimal"},
    {"name": "open", "type": "boolean", "default": True},
]
COUNTED = {"free": "item.owner == input.owner", "by_owner": "item.owner == input.owner", "whole": "item.amount < 0"}
TURN, BULK = 20, 5_000


def _endpoint(name: str, *steps: Any) -> dict[str, Any]:
    fields = {"owner": {"type": "integer", "required": True}}
    at = {"name": name, "method": "POST", "path": f"/{name}", "access": "public"}
    return {**at, "input": {"body": fields}, "steps": steps}


def _insert(table: str) -> dict[str, Any]:
    return {"do": "insert", "table": table, "set": {"owner": "=input.owner", "title": "A title", "amount": 12}}


def _document() -> dict[str, Any]:
    tables = [{"name": name, "columns": COLUMNS, "indexes": [["owner"], ["amount"]]} for name in (*TABLES, "sink")]
    endpoints = [_endpoint(f"insert_{name}", _insert(name)) for name in TABLES]
    for name, where in COUNTED.items():
        count = {"do": "count", "from": name, "where": where, "as": "n"}
        # What is counted in `free` is written elsewhere: the same statements, and nothing is held.
        endpoints.append(_endpoint(f"count_{name}", count, _insert("sink" if name == "free" else name)))
    return {"rowgate": 1, "tables": tables, "endpoints": endpoints}


async def _call(app: Rowgate, name: str, owner: int) -> None:
    body = json.dumps({"owner": owner}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    scope = {
        "type": "http", "method": "POST", "path": f"/api/{name}", "raw_path": f"/api/{name}".encode(),
        "query_string": b"", "headers": headers, "client": ("127.0.0.1", 1), "scheme": "http", "http_version": "1.1",
    }  # fmt: skip
    status = 0

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(scope, receive, send)
    if status != 204:
        raise SystemExit(f"{name} was answered with {status}")


class Cpu:
    """The CPU, in seconds, that this process and all of Postgres' have taken."""

    def __init__(self, backend: int) -> None:
        """Take the process of one connection."""
        self._postmaster = _parent(Path(f"/proc/{backend}"))

    def taken(self) -> float:
        """Give it until now."""
        found = time.process_time_ns()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if _parent(process) == self._postmaster:
                    found += int((process / "schedstat").read_text().split()[0])
        return found / 1e9


def _parent(process: Path) -> int:
    return int((process / "stat").read_text().rpartition(")")[2].split()[1])


async def _one_by_one(app: Rowgate, cpu: Cpu, name: str, turn: int) -> float:
    began = cpu.taken()
    for number in range(TURN):
        await _call(app, name, turn * TURN + number)
    return (cpu.taken() - began) / TURN


async def _at_once(app: Rowgate, name: str, turn: int) -> float:
    began = time.perf_counter()
    await asyncio.gather(*(_call(app, name, turn * 8 + number) for number in range(8)))
    return (time.perf_counter() - began) / 8


async def _bulk(connection: Any, cpu: Cpu, table: str) -> float:
    began = cpu.taken()
    await connection.execute(
        f"INSERT INTO data.{table} (owner, title, amount) SELECT n, 'A title', n FROM generate_series(1, {BULK}) n"
    )
    return (cpu.taken() - began) / BULK


async def _measured(url: str, rounds: int) -> dict[str, dict[str, list[float]]]:
    chain_under("a secret that this measurement alone uses")
    await migrate(url)
    project, findings = parse_project(_document())
    if project is None:
        raise SystemExit(str(findings))
    engine = make_engine(url)
    await apply_project(engine, project, author="bench")
    await engine.dispose()
    connection: Any = await connect(url)
    await connection.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = off")
    cpu = Cpu(await connection.fetchval("SELECT pg_backend_pid()"))
    app = create_app(load_settings(database_url=url, secret_key=SECRET, env="production", confirm_email=False), url)
    found: dict[str, dict[str, list[float]]] = {}

    def note(work: str, table: str, seconds: float) -> None:
        found.setdefault(work, {}).setdefault(table, []).append(seconds)

    async with app.fastapi.router.lifespan_context(app.fastapi):
        for turn in range(-2, rounds):
            for table in TABLES if turn % 2 else TABLES[::-1]:
                taken = {
                    "a plain insert": await _one_by_one(app, cpu, f"insert_{table}", turn),
                    "count, then insert": await _one_by_one(app, cpu, f"count_{table}", turn),
                    "count, then insert, 8 at once, in time": await _at_once(app, f"count_{table}", turn),
                    f"a row of {BULK:,} by one statement": await _bulk(connection, cpu, table),
                }
                for work, seconds in taken.items():
                    if turn >= 0:  # what comes first warms up
                        note(work, table, seconds)
    await connection.close()
    return found


def main() -> None:
    """Measure, and print a table and JSON."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=60)
    asked = arguments.parse_args()
    with database() as url:
        found = asyncio.run(_measured(url, asked.rounds))
    told: dict[str, dict[str, list[float]]] = {}
    for work, tables in found.items():
        print(f"\n{work}: median, and times that of nothing held [middle half of the rounds]")
        for table, seconds in tables.items():
            ratios = [one / free for one, free in zip(seconds, tables["free"], strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            told.setdefault(work, {})[table] = [round(part, 3) for part in (middle, low, high)]
            micro = statistics.median(seconds) * 1e6
            print(f"  {table:9} {micro:8.1f} us  {middle:5.2f} [{low:.2f} to {high:.2f}]")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
