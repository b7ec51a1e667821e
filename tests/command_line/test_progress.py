"""What takes longer is told on a terminal, and nowhere else."""

import io
import logging
import sys
import threading

import pytest

from app.cli import progress as telling
from app.cli.progress import progress


class Terminal(io.StringIO):
    """A terminal that says when something was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.told = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        written = super().write(text)
        if "Working" in text:
            self.told.set()
        return written


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, *, after: float = 0.0) -> Terminal:
    """Give standard error, which is captured anew for each phase of a test."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(telling, "AFTER_SECONDS", after)
    return terminal


def test_in_a_pipe_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    monkeypatch.setattr(terminal, "isatty", lambda: False)
    threads = threading.active_count()
    with progress("Working"):
        assert threading.active_count() == threads
    assert terminal.getvalue() == ""


def test_what_ends_before_its_time_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch, after=3600.0)
    with progress("Working"):
        pass
    assert terminal.getvalue() == ""


def test_what_takes_longer_is_told_as_it_stands_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    with progress(lambda: "Working: 3 of 7"):
        assert terminal.told.wait(30)
    assert terminal.getvalue().startswith("\r\x1b[KWorking: 3 of 7 … 0 s")
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_line_of_the_log_stands_on_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    handler = logging.StreamHandler(terminal)
    logging.getLogger().addHandler(handler)
    with progress("Working"):
        assert terminal.told.wait(30)
        logging.getLogger("rowgate.test").warning("something happened")
    logging.getLogger("rowgate.test").warning("and something more")
    assert "\r\x1b[Ksomething happened\n" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[Kand something more\n")
    assert handler.filters == []
