"""Several processes on one port without their store of limits: they serve, and say what is missing."""

import json
import time
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any

import pytest

from tests.changes.test_managed import served

NOWHERE = "redis://127.0.0.1:1/0"


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
    with served(migrated_url, "--workers", "2") as (url, _):
        ready = degraded(f"{url}/readyz")
    assert ready == {
        "status": "degraded", "checks": {"database": True, "definitions": True, "limits": False}, "broken": [],
    }  # fmt: skip
