"""Measures S1 to S7: the contestants one beside the other, in interleaved rounds, with `wrk`."""

import argparse
import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from app.audit.writing import chain_under
from app.auth.start import derived
from app.auth.tokens import AccessTokens, Keyring, SigningKey
from app.changes.files import read_project
from app.cli.documents import apply_to
from app.database.embedded import start_embedded
from app.database.pool import connect
from benchmarks import plot

HERE = Path(__file__).parent
SECRET = "9f2c41d07be85a36c1d94ef7028b6a53e8d1"  # noqa: S105 - of servers that live for a minute
USERS, ROWS = 1_000, 100_000
TEAMS, TEAMS_OF_EACH = 500, 3
CONNECTIONS = 16
BODY = '{"title": "A new document", "amount": 12.5}'
CONTESTANTS = ("rowgate", "sqlmodel", "asyncpg", "ceiling")
PORTS = {name: 8_600 + index for index, name in enumerate(CONTESTANTS)}
MODULES = {"sqlmodel": "by_hand_sqlmodel", "asyncpg": "by_hand_asyncpg", "ceiling": "ceiling"}

# The paths of a work for Rowgate and for the others; `%s` is a document's id, and the caller owns it.
WORKS: dict[str, tuple[str, str, str]] = {
    "S1 my 20 newest rows": ("GET", "/rest/v1/my_documents?limit=20", "/my_documents"),
    "S2 one row, owner checked": ("GET", "/api/documents/%s", "/documents/%s"),
    "S3 validated insert": ("POST", "/api/documents", "/documents"),
    "S4 fetch, compare, update": ("POST", "/api/documents/%s/submit", "/documents/%s/submit"),
    "S5 refused: no token": ("GET", "/rest/v1/my_documents?limit=20", "/my_documents"),
    "S6 20 newest rows of my teams": ("GET", "/rest/v1/team_posts?limit=20", "/team_posts"),
    "S7 S2 behind five steps of middleware": ("GET", "/api/guarded/documents/%s", ""),
}
# Who serves a work, where not everybody does.
SERVED_BY = {
    "S6 20 newest rows of my teams": ("rowgate", "asyncpg"),
    "S7 S2 behind five steps of middleware": ("rowgate",),
}

_LUA = """
local calls, index = {}, 0
for line in io.lines("%(calls)s") do
  local path, token, body = line:match("^(%%S+) (%%S*) (.*)$")
  local headers = {["Host"] = "127.0.0.1", ["Content-Type"] = "application/json"}
  if token ~= "" then headers["Authorization"] = "Bearer " .. token end
  calls[#calls + 1] = wrk.format("%(method)s", path, headers, body ~= "" and body or nil)
end
index = math.random(#calls)
request = function()
  index = index %% #calls + 1
  return calls[index]
end
"""


@contextmanager
def database() -> Iterator[str]:
    """Give the URL of a Postgres of its own, which is gone when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="rowgate-bench-", dir="/tmp"))
    server = start_embedded(folder)
    try:
        yield server.url()
    finally:
        server.stop()
        shutil.rmtree(folder)


async def build(url: str) -> list[tuple[str, str, str]]:
    """Make the database, and give callers: a user, a token, a document of theirs."""
    chain_under(SECRET)
    await apply_to(url, read_project(HERE / "backend.yaml"), [], dry_run=False, allow_wider=True)
    connection: Any = await connect(url)
    await connection.execute("SET statement_timeout = 0")
    await connection.execute(
        "INSERT INTO data.users (email) SELECT 'user' || n || '@example.com' FROM pg_catalog.generate_series(1, $1) n",
        USERS,
    )
    await connection.execute(
        "INSERT INTO data.documents (owner_user_id, title, amount, created_at)"
        " SELECT u.id, 'Document ' || n, n, now() - n * interval '1 minute'"
        " FROM data.users u, pg_catalog.generate_series(1, $1) n",
        ROWS // USERS,
    )
    await _teams(connection)
    await connection.execute(
        "INSERT INTO rowgate.sessions (user_id, expires_at) SELECT id, now() + interval '1 day' FROM data.users"
    )
    await connection.execute("VACUUM ANALYZE")
    rows = await connection.fetch(
        "SELECT s.user_id, s.id,"
        " (SELECT d.id FROM data.documents d WHERE d.owner_user_id = s.user_id LIMIT 1) AS document"
        " FROM rowgate.sessions s"
    )
    await connection.close()
    keyring = Keyring(SigningKey("k1", derived(SECRET, "access tokens")))
    tokens = AccessTokens(keyring, "rowgate", lifetime=3_600)
    return [(row["user_id"], tokens.issue(row["user_id"], row["id"]).token, row["document"]) for row in rows]


async def _teams(connection: Any) -> None:
    """Make teams of which everybody is in a few, and as many posts as documents."""
    numbered = "(SELECT id, row_number() OVER (ORDER BY id) AS n FROM data.{}) {}"
    team, user = numbered.format("teams", "t"), numbered.format("users", "u")
    await connection.execute(
        "INSERT INTO data.teams (name) SELECT 'Team ' || n FROM pg_catalog.generate_series(1, $1) n", TEAMS
    )
    await connection.execute(
        f"INSERT INTO data.members (user_id, team_id) SELECT u.id, t.id FROM {user},"
        f" pg_catalog.generate_series(0, $1 - 1) k, {team} WHERE t.n = 1 + (u.n * 7 + k * 101) % $2",
        TEAMS_OF_EACH,
        TEAMS,
    )
    await connection.execute(
        "INSERT INTO data.posts (team_id, title, created_at) SELECT t.id, 'Post ' || k, now() - k * interval '1 minute'"
        " FROM data.teams t, pg_catalog.generate_series(1, $1) k",
        ROWS // TEAMS,
    )


@contextmanager
def contestant(name: str, url: str) -> Iterator[int]:
    """Run one server, one process of it."""
    port = PORTS[name]
    if name == "rowgate":
        command = [sys.executable, "-c", "from app.cli.command import main; main()", "serve", "--port", str(port)]
    else:
        uvicorn = str(Path(sys.executable).parent / "uvicorn")
        module = f"benchmarks.{MODULES[name]}:app"
        command = [uvicorn, module, "--port", str(port), "--no-access-log", "--log-level", "warning"]
    with started(command, port, url) as pid:
        yield pid


@contextmanager
def started(command: list[str], port: int, url: str) -> Iterator[int]:
    """Run a server until the block ends, and wait until it answers; gives its process id."""
    environment = {
        **os.environ,
        "BENCH_URL": url,
        "BENCH_SECRET": derived(SECRET, "access tokens").hex(),
        "ROWGATE_DATABASE_URL": url,
        "ROWGATE_SECRET_KEY": SECRET,
        "ROWGATE_LOG_FORMAT": "json",
        "ROWGATE_CONFIRM_EMAIL": "false",
        "PYTHONPATH": str(HERE.parent),
    }
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
    process = subprocess.Popen(command, cwd=HERE.parent, env=environment, stdout=log, stderr=log)
    try:
        if not _answers(port, process):
            log.seek(0)
            sys.exit(f"the server on port {port} doesn't answer; it said:\n{log.read().decode()}")
        yield process.pid
    finally:
        process.terminate()
        process.wait(40)
        log.close()


def _answers(port: int, process: "subprocess.Popen[bytes]") -> bool:
    for _ in range(900):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1)
        except urllib.error.HTTPError:
            return True
        except OSError:
            if process.poll() is not None:
                return False
            time.sleep(0.1)
        else:
            return True
    return False


def measure(
    name: str, work: str, callers: list[tuple[str, str, str]], seconds: int, pid: int, *before_it: str
) -> dict[str, float]:
    """Run one round of one work; gives requests a second, milliseconds, and CPU of the server for each request.

    `before_it` is what the load generator's command begins with.
    """
    method, own, others = WORKS[work]
    path = others if name in MODULES else own
    signed_in = not work.startswith("S5")
    status = 401 if not signed_in else 201 if work.startswith("S3") else 200
    _check(name, method, callers[0], path, status, signed_in=signed_in)
    calls = [
        (path % document if "%s" in path else path, token if signed_in else "", BODY if method == "POST" else "")
        for _, token, document in callers
    ]
    figures, refused = loaded(PORTS[name], method, calls, seconds, pid, *before_it)
    if signed_in and refused:
        sys.exit(f"{name} refused {refused} requests of {work}")
    return figures


def loaded(
    port: int, method: str, calls: list[tuple[str, str, str]], seconds: int, pid: int, *before_it: str
) -> tuple[dict[str, float], int]:
    """Have `wrk` make calls, each a path, a token and a body, in turn; gives the figures, and how many were refused."""
    with tempfile.TemporaryDirectory() as folder:
        listed, script = Path(folder) / "calls", Path(folder) / "script.lua"
        listed.write_text("".join(f"{path} {token} {body}\n" for path, token, body in calls))
        script.write_text(_LUA % {"calls": listed, "method": method})
        before = cpu_of(pid)
        command = [*before_it, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script)]
        done = subprocess.run([*command, f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=True)
    said = done.stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])  # type: ignore[index]
    total = int(re.search(r"(\d+) requests in", said)[1])  # type: ignore[index]
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    figures = {
        "rps": rate,
        "p50": _milliseconds(said, "50%"),
        "p99": _milliseconds(said, "99%"),
        "cpu": (cpu_of(pid) - before) / max(1, total) * 1e6,
    }
    return figures, int(refused[1]) if refused else 0


def _check(name: str, method: str, caller: tuple[str, str, str], path: str, status: int, *, signed_in: bool) -> None:
    """Make one call and look at its answer, so that nobody wins by answering something else."""
    user, token, document = caller
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if signed_in else {})}
    data = BODY.encode() if method == "POST" else None
    url = f"http://127.0.0.1:{PORTS[name]}{path % document if '%s' in path else path}"
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            found, value = answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        found, value = error.code, None
    rows_fit = not isinstance(value, list) or len(value) == 20
    if found != status or not rows_fit:
        sys.exit(f"{name} answers {found} to {method} {path}: {str(value)[:300]} ({user})")


def _milliseconds(said: str, mark: str) -> float:
    found = re.search(rf"{mark}\s+([\d.]+)(us|ms|s)", said)
    if found is None:
        return float("nan")
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def cpu_of(pid: int) -> float:
    """Give the seconds of CPU that all threads of a process have had, to the nanosecond."""
    return sum(int(one.read_text().split()[0]) for one in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def main() -> None:
    """Measure, and print a table and JSON."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=5)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--only", nargs="*", default=list(CONTESTANTS))
    arguments.add_argument("--write", action="store_true", help="into docs/benchmarks.md and docs/benchmarks.svg")
    arguments.add_argument("--works", nargs="*", default=["S1", "S2", "S3", "S4", "S5", "S6", "S7"])
    asked = arguments.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("The load generator wrk is needed: apt-get install wrk")
    with database() as url:
        _measure_all(url, asked)


def _measure_all(url: str, asked: Any) -> None:
    callers = asyncio.run(build(url))
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    works = [work for work in WORKS if work[:2] in asked.works]
    with ExitStack() as stack:
        pids = {name: stack.enter_context(contestant(name, url)) for name in CONTESTANTS if name in asked.only}
        for _ in range(asked.rounds):
            for work in works:
                for name, pid in pids.items():
                    if name not in SERVED_BY.get(work, CONTESTANTS):
                        continue
                    round_ = measure(name, work, callers, asked.seconds, pid)
                    found.setdefault(work, {}).setdefault(name, []).append(round_)
    medians = {
        work: {
            name: {key: statistics.median(r[key] for r in rounds) for key in rounds[0]} for name, rounds in by.items()
        }
        for work, by in found.items()
    }
    for work, by in medians.items():
        print(f"\n{work}")
        for name, one in by.items():
            ratio = by["rowgate"]["rps"] / one["rps"] if "rowgate" in by else float("nan")
            print(
                f"  {name:10} {one['rps']:9.0f} rps  p50 {one['p50']:7.2f} ms  p99 {one['p99']:7.2f} ms"
                f"  cpu {one['cpu']:6.0f} us  Rowgate is {ratio:5.2f} times as fast"
            )
    print(json.dumps(medians))
    if asked.write:
        plot.write(medians)


if __name__ == "__main__":
    main()
