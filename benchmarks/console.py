"""Measures the console in Chromium on 2,000 endpoints, 300 tables and a million rows of one of them.

Paints, times and long tasks, which are such as hold a page for more than 50 ms, are of this machine with what else it
does; the CPU of a page's main thread is the page's own. The session is an owner's, of a server of its own.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from app.audit.writing import chain_under
from app.changes.files import read_project
from app.cli.documents import apply_to
from app.database.pool import connect
from benchmarks.growth_document import document
from benchmarks.run import SECRET, database, started
from tests.clients.chromium import BROWSER
from tests.clients.test_supabase_js import NODE
from tests.npm import installed

CONSOLE = Path(__file__).parents[1] / "console"
PORT = 8_680
PASSWORD = "a password that this measurement alone uses"  # noqa: S105
ENDPOINTS, VIEWS, TABLES, ROWS, PEOPLE = 2_000, 300, 300, 1_000_000, 1_000


async def _build(url: str, rows: int) -> None:
    chain_under(SECRET)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(document(ENDPOINTS, VIEWS, TABLES), file, sort_keys=False)
        file.flush()
        await apply_to(url, read_project(Path(file.name)), [], dry_run=False, allow_wider=True)
    connection: Any = await connect(url)
    await connection.execute("SET statement_timeout = 0")
    await connection.execute(
        "INSERT INTO data.users (email) SELECT 'user' || n || '@example.com' FROM pg_catalog.generate_series(1, $1) n",
        PEOPLE,
    )
    await connection.execute(
        "INSERT INTO data.table_0 (owner, title, amount, status, created_at)"
        " SELECT u.id, 'Invoice ' || n, n % 9973, 'sent', now() - n * interval '1 minute'"
        " FROM data.users u, pg_catalog.generate_series(1, $1) n",
        rows // PEOPLE,
    )
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _told(line: dict[str, Any]) -> str:
    """Give one of what was measured as a row of the table."""
    if "first_paint_ms" in line:
        took = f"first paint {line['first_paint_ms']} ms, largest {line['largest_paint_ms']} ms"
        long = f"files {line['files_kib']} KiB, answers {line['answers_kib']} KiB"
    else:
        took = f"{line['ms']} ms" + (f", the answer {line['answer_ms']} ms" if "answer_ms" in line else "")
        long = f"{line['long']}, the longest {line['longest']} ms" if line["long"] else "none"
    return f"| {line['what']} | {took} | {line['cpu_ms']} | {long} |"


def main() -> None:
    """Build, serve, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--turns", type=int, default=5, help="how often each first page is opened")
    asked = parser.parse_args()
    if BROWSER is None or NODE is None:
        sys.exit("Node or Chromium is not installed: apt-get install chromium-headless-shell, or chromium")
    os.environ |= {"ROWGATE_ADMIN_EMAIL": "root@example.com", "ROWGATE_ADMIN_PASSWORD": PASSWORD}
    command = [sys.executable, "-c", "from app.cli.command import main; main()", "serve", "--port", str(PORT)]
    with database() as url:
        asyncio.run(_build(url, asked.rows))
        with started(command, PORT, url):
            said = {"url": f"http://127.0.0.1:{PORT}", "browser": BROWSER, "password": PASSWORD, "turns": asked.turns}
            node = subprocess.Popen(
                [str(NODE), "tests/figures.mjs"], cwd=installed(CONSOLE), stdout=subprocess.PIPE, text=True,
                env={**os.environ, "ROWGATE_CONSOLE": json.dumps(said)},
            )  # fmt: skip
            print("| what is done | how long | CPU of the page, ms | long tasks, or size |\n| --- | --- | --- | --- |")
            for line in node.stdout or ():
                print(_told(json.loads(line)), flush=True)
            if node.wait() != 0:
                sys.exit("the browser's script failed")


if __name__ == "__main__":
    main()
