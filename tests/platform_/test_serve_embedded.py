"""`rowgate serve` over the embedded server: killed under writes it answers again and nothing is lost; lost, it ends."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sized
from pathlib import Path
from typing import Any

import pytest

from app.database.embedded import UpFlag
from tests.platform_.conftest import Soon

ROOT = Path(__file__).parents[2]
SERVE = """
from app.cli import command as cli
from app.database import embedded
embedded._PAUSES = embedded._PAUSES[:4]
cli.main()
"""
DOCUMENT = """
rowgate: 1
tables:
  - {name: notes, columns: [{name: body, type: text}]}
endpoints:
  - {name: note, method: POST, path: /notes, access: public, input: {body: {body: {type: text}}},
     steps: [{do: insert, table: notes, set: {body: =input.body}, as: note}, {do: respond, body: =note.body}]}
  - {name: notes, method: GET, path: /notes, access: public,
     steps: [{do: list, from: notes, limit: 1000, as: found}, {do: respond, body: =found}]}
"""


class Served:
    """A server process, and where it listens."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, data_dir: Path) -> None:
        self.process, self.url, self.data_dir = process, url, data_dir

    def call(self, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def kill_postgres(self) -> None:
        os.kill(int((self.data_dir / "postgres/postmaster.pid").read_text().split()[0]), signal.SIGKILL)


@pytest.fixture
def served(data_dir: Path) -> Iterator[Served]:
    document = data_dir / "notes.yaml"
    document.write_text(DOCUMENT)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROWGATE_")}
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, "serve", "--port", "0", "--config", str(document)],
        cwd=ROOT, env={**environment, "ROWGATE_DATA_DIR": str(data_dir), "ROWGATE_LOG_FORMAT": "text"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            listening = next(line for line in process.stdout if line.startswith("Rowgate listens"))
            yield Served(process, listening.split()[-1], data_dir)
        finally:
            process.kill()
            process.communicate()


def grown(what: Sized, more: int = 1) -> Callable[[], bool]:
    """Say whether there is more than now."""
    goal = len(what) + more
    return lambda: len(what) >= goal


def test_a_server_whose_postgres_is_killed_answers_again_with_all_that_it_acknowledged_and_ends_once_it_cannot(
    served: Served, soon: Soon
) -> None:
    status, ready = served.call("/readyz")
    assert (status, ready["checks"]) == (200, {"database": True, "definitions": True, "embedded_postgres": True})
    acknowledged, refused, stop = list[str](), set[Any](), threading.Event()

    def writing() -> None:
        while not stop.wait(0.02):
            body = str(len(acknowledged) + len(refused))
            status, answer = served.call("/api/notes", {"body": body})
            if status == 200:
                acknowledged.append(body)
            else:
                refused.add((status, answer["code"], body))

    writer = threading.Thread(target=writing)
    writer.start()
    try:
        for _ in range(2):
            assert soon(grown(acknowledged, 3))
            failing = grown(refused)
            served.kill_postgres()
            assert soon(failing)
            assert soon(grown(acknowledged))
    finally:
        stop.set()
        writer.join()
    assert {(status, code) for status, code, _ in refused} <= {(503, "db.unavailable"), (503, "db.commit_unknown")}
    status, rows = served.call("/api/notes")
    assert status == 200
    assert set(acknowledged) <= {row["body"] for row in rows}
    assert soon(lambda: served.call("/readyz")[0] == 200)
    _damaged_it_ends_with_a_sentence(served, soon)


def _damaged_it_ends_with_a_sentence(served: Served, soon: Soon) -> None:
    (served.data_dir / "postgres/global/pg_control").write_bytes(bytes(8192))
    served.kill_postgres()

    def named() -> bool:
        status, answer = served.call("/readyz")
        return status == 503 and answer["checks"]["embedded_postgres"] is False

    assert soon(named)
    _, log = served.process.communicate(timeout=300)
    assert served.process.returncode == 1
    assert log.count("the embedded Postgres was killed by signal 9, and is started again") == 3
    assert log.count("the embedded Postgres serves again, after ") == 2
    assert log.strip().splitlines()[-1].startswith("The embedded Postgres does not start: ")


def test_processes_that_are_spawned_are_told_whether_it_runs() -> None:
    up, spawning = UpFlag(), multiprocessing.get_context("spawn")
    up.set(up=False)
    process = spawning.Process(target=_expects_down, args=[up])
    process.start()
    process.join()
    assert process.exitcode == 0


def _expects_down(up: UpFlag) -> None:
    sys.exit(bool(up))
