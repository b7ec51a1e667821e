"""Several processes on one port without their store of limits: they serve, and say what is missing."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.backend import SECRET_KEY

NOWHERE = "redis://127.0.0.1:1/0"


@contextmanager
def served(url: str, *words: str) -> Iterator[str]:
    """Run the command itself until it listens; gives where."""
    with subprocess.Popen(
        [str(Path(sys.executable).parent / "rowgate"), "serve", "--port", "0", *words],
        env={
            **os.environ, "ROWGATE_DATABASE_URL": url, "ROWGATE_SECRET_KEY": SECRET_KEY, "ROWGATE_LOG_FORMAT": "text",
            "ROWGATE_CONFIRM_EMAIL": "false",
        },
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        said: list[str] = []
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.match(r"Rowgate listens on (\S+)", line):
                    yield found[1]
                    break
                said.append(line.strip())
            else:
                pytest.fail("\n".join(said))
        finally:
            process.terminate()
            process.wait(120)  # it drains for half a minute, on a busy machine behind all others


def degraded(url: str) -> Any:
    """Wait until the processes have begun to listen, and have asked for the store; gives the last answer."""
    deadline, found = time.monotonic() + 120, None
    while time.monotonic() < deadline:
        with suppress(urllib.error.URLError), urllib.request.urlopen(url, timeout=30) as answer:
            found = json.load(answer)
        if found is not None and found["status"] == "degraded":
            break
        time.sleep(0.1)
    return found


def test_processes_serve_on_the_port_that_was_bound_and_name_the_store_that_is_away(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWGATE_REDIS_URL", NOWHERE)
    with served(migrated_url, "--workers", "2") as url:
        ready = degraded(f"{url}/readyz")
    assert ready == {
        "status": "degraded", "checks": {"database": True, "definitions": True, "limits": False}, "broken": [],
    }  # fmt: skip
