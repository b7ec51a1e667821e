"""Measures what is large: a view of many rows to several readers at once, many rows inserted, and many small requests.

It prints how much memory the server process takes at most, how long others wait meanwhile for a small answer, and by
how much the memory grows over many requests.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from app.audit.writing import chain_under
from app.cli.documents import apply_to
from app.database.pool import connect
from app.definitions.project import parse_project
from benchmarks.run import PORTS, SECRET, contestant, cpu_of, database

PORT = PORTS["rowgate"]
MIB = 1024 * 1024
PROBE_SECONDS = 0.02
LINES = "application/x-ndjson"
DOCUMENT = {
    "rowgate": 1,
    "tables": [{"name": "rows", "columns": [{"name": "text", "type": "text"}, {"name": "number", "type": "integer"}]}],
    "views": [
        {"name": "all_rows", "table": "rows", "columns": ["id", "text", "number"], "access": "public",
         "order": ["id"], "max_rows": 100_000, "max_bytes": 100_000_000},
        {"name": "new_rows", "table": "rows", "columns": ["id", "text", "number"], "access": "public",
         "filter": "row.number >= 0", "allow": ["insert"], "body_limit": 1024 * MIB},
    ],
}  # fmt: skip
FILL = """
INSERT INTO data.rows (text, number) SELECT repeat(md5(n::text), 4), n FROM pg_catalog.generate_series(1, $1::int) n
"""


async def _build(url: str, rows: int) -> None:
    project, findings = parse_project(DOCUMENT)
    if project is None:
        raise AssertionError(findings)
    chain_under(SECRET)
    await apply_to(url, project, [], dry_run=False, allow_wider=True)
    connection: Any = await connect(url)
    await connection.execute("SET statement_timeout = 0")
    await connection.execute(FILL, rows)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _status(pid: int, name: str) -> float:
    """Give a figure of the process in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


@contextmanager
def _measured(pid: int, what: str, told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Take the CPU and the most memory of the server while the block runs."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # so that the kernel looks for the most memory anew
    before, began, cpu = _status(pid, "VmRSS"), time.perf_counter(), cpu_of(pid)
    found: dict[str, Any] = {}
    yield found
    found |= {
        "seconds": round(time.perf_counter() - began, 2),
        "CPU": round(cpu_of(pid) - cpu, 2),
        "MiB before": round(before),
        "MiB at most": round(_status(pid, "VmHWM")),
    }
    told[what] = found
    print(what, json.dumps(found), flush=True)


async def _read(path: str, accept: str) -> tuple[int, int]:
    """Ask once, and give the status and the bytes of the body; what is read is thrown away."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    size = 0
    while piece := await reader.read(MIB):
        size += len(piece)
    writer.close()
    if size != length:
        raise AssertionError(f"{size} bytes came of {length}")
    return int(head.split()[1]), size


async def _probe(waited: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await _read("/rest/v1/all_rows?limit=1", "application/json")
        waited.append(time.perf_counter() - began)
        await asyncio.sleep(PROBE_SECONDS)


async def _readers(count: int, accept: str, found: dict[str, Any]) -> None:
    """Have readers ask at once; who is refused asks again."""
    sizes: list[int] = []
    refused = 0

    async def read() -> None:
        nonlocal refused
        while True:
            status, size = await _read("/rest/v1/all_rows", accept)
            if status in (200, 206):
                sizes.append(size)
                return
            refused += 1
            await asyncio.sleep(0.5)

    waited: list[float] = []
    probe = asyncio.create_task(_probe(waited))
    await asyncio.gather(*(read() for _ in range(count)))
    probe.cancel()
    found |= {
        "MB of an answer": round(sizes[0] / 1e6, 1),
        "refused": refused,
        "others, ms at the median": round(statistics.median(waited) * 1e3, 1) if waited else None,
        "others, ms at most": round(max(waited) * 1e3, 1) if waited else None,
    }


async def _insert(kind: str, rows: int, found: dict[str, Any]) -> None:
    """Send so many rows in one request, and see how long others wait meanwhile."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    head = f"POST /rest/v1/new_rows HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nPrefer: count=exact\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode())
    row = '{{"text": "{0:0128d}", "number": {0}}}\n' if kind == LINES else "{0:0128d},{0}\n"
    size = 0
    waited: list[float] = []
    probe = asyncio.create_task(_probe(waited))
    for start in range(0, rows, 1000):
        piece = "".join(row.format(number) for number in range(start, min(start + 1000, rows))).encode()
        piece = piece if kind == LINES or start else b"text,number\n" + piece
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
        size += len(piece)
    writer.write(b"0\r\n\r\n")
    answer = (await reader.read()).decode()
    probe.cancel()
    if " 201 " not in answer or f"*/{rows}" not in answer:
        raise AssertionError(answer)
    found |= {
        "MB of the body": round(size / 1e6, 1),
        "others, ms at the median": round(statistics.median(waited) * 1e3, 1),
        "others, ms at most": round(max(waited) * 1e3, 1),
    }


async def _flat(pid: int, requests: int, found: dict[str, Any]) -> None:
    """Send small requests on one connection each, and give by how many KiB the memory grows in 1,000 of them."""
    seen: list[tuple[int, float]] = []
    steps, at_once = 20, 16

    async def some(count: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        for number in range(count):
            path = f"/rest/v1/all_rows?limit=20&number=gt.{number % 90_000}"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        writer.close()

    for step in range(steps):
        await asyncio.gather(*(some(requests // steps // at_once) for _ in range(at_once)))
        seen.append(((step + 1) * requests // steps, _status(pid, "VmRSS")))
    later = seen[steps // 4 :]  # behind what fills by itself: caches, statements, connections
    slope = statistics.linear_regression([float(n) for n, _ in later], [mib for _, mib in later]).slope
    found |= {"MiB": [round(mib, 1) for _, mib in seen], "KiB a 1,000 requests": round(slope * 1024 * 1000, 2)}


def main() -> None:
    """Measure, and print JSON."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--readers", type=int, default=10)
    arguments.add_argument("--inserted", type=int, default=1_000_000, help="rows of one body")
    arguments.add_argument("--requests", type=int, default=100_000, help="small ones")
    asked = arguments.parse_args()
    told: dict[str, Any] = {}
    with database() as url:
        asyncio.run(_build(url, asked.rows))
        with contestant("rowgate", url) as pid:
            for accept in ("application/json", "text/csv"):
                for readers in (1, asked.readers):
                    with _measured(pid, f"{accept}, readers: {readers}", told) as found:
                        uvloop.run(_readers(readers, accept, found))
        for kind in (LINES, "text/csv"):
            name = f"{kind}, inserted: {asked.inserted}"
            with contestant("rowgate", url) as pid, _measured(pid, name, told) as found:
                uvloop.run(_insert(kind, asked.inserted, found))
        with contestant("rowgate", url) as pid, _measured(pid, "small requests", told) as found:
            uvloop.run(_flat(pid, asked.requests, found))


if __name__ == "__main__":
    main()
