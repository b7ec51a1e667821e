"""The log is written in the form that is set, by worker processes too, and no text forges a line of it."""

import io
import json
import logging
import sys

import pytest

from app.cli.serving import worker_app
from tests.backend import SECRET_KEY


def test_a_worker_writes_the_log_in_the_form_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    for name, value in {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "SECRET_KEY": SECRET_KEY, "LOG_FORMAT": "json",
        "ENV": "development", "CONFIRM_EMAIL": "false",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"ROWGATE_{name}", value)
    worker_app()
    logging.getLogger("rowgate.requests").warning("request %s failed", 'x"}\r\n{"level": "info')
    (line,) = written.getvalue().splitlines()
    assert json.loads(line)["message"] == 'request x"}\r\n{"level": "info failed'
