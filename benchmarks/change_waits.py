"""How long readers wait at the longest while definitions change: behind a long reader, and while a table is rewritten.

python benchmarks/change_waits.py [ROWS]
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg

from app.audit.writing import chain_under
from app.changes.apply import apply_project
from app.database.embedded import start_embedded
from app.database.pool import connect
from app.definitions.project import Project, parse_project
from app.store.engine import make_engine
from app.store.migrate import migrate

LONG_READER = 3.0  # seconds


def project(*columns: dict[str, Any]) -> Project:
    """Give a project of one table."""
    parsed, findings = parse_project({"rowgate": 1, "tables": [{"name": "notes", "columns": list(columns)}]})
    if parsed is None:
        raise SystemExit(findings)
    return parsed


async def read(url: str, ended: asyncio.Event, waits: list[float], refused: list[float]) -> None:
    """Read one row again and again, and note how long each took."""
    connection = await connect(url)
    while not ended.is_set():
        began = time.perf_counter()
        try:
            await connection.fetch("SELECT title FROM data.notes LIMIT 1")
        except asyncpg.LockNotAvailableError:
            refused.append(time.perf_counter() - began)
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(0.002)
    await connection.close()


async def measured(name: str, url: str, change: Any) -> None:
    """Print how long readers waited while a change was made."""
    ended, waits, refused = asyncio.Event(), list[float](), list[float]()
    readers = [asyncio.create_task(read(url, ended, waits, refused)) for _ in range(4)]
    await asyncio.sleep(0.2)
    began = time.perf_counter()
    await change
    took = time.perf_counter() - began
    ended.set()
    await asyncio.gather(*readers)
    longest = max(waits) * 1000
    print(f"{name}: {took:.2f} s, {len(waits)} reads, the longest {longest:.0f} ms, {len(refused)} refused")


async def main(url: str, rows: int) -> None:
    """Make a table, change it twice."""
    chain_under("a secret that this measurement alone uses")
    await migrate(url)
    engine = make_engine(url)
    title, number = {"name": "title", "type": "text"}, {"name": "n", "type": "integer"}
    await apply_project(engine, project(title, number), author="bench")
    connection = await asyncpg.connect(url)
    await connection.execute(f"INSERT INTO data.notes (title, n) SELECT 'a title', i FROM generate_series(1, {rows}) i")

    more = {"name": "more", "type": "text"}

    async def behind_a_long_reader() -> None:
        async with connection.transaction():
            await connection.fetch("SELECT FROM data.notes LIMIT 1")
            change = asyncio.create_task(apply_project(engine, project(title, number, more), author="bench"))
            await asyncio.sleep(LONG_READER)
        await change

    await measured("a column added behind a reader", url, behind_a_long_reader())
    big = project(title, {**number, "type": "bigint"}, more)
    await measured(f"{rows} rows rewritten", url, apply_project(engine, big, author="bench"))
    await connection.close()
    await engine.dispose()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        server = start_embedded(Path(directory))
        try:
            asyncio.run(main(server.url(), int(sys.argv[1]) if len(sys.argv) > 1 else 300_000))
        finally:
            server.stop()
