"""What a command is at, told on a terminal once it takes longer than a second; nothing in pipes and logs."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from shutil import get_terminal_size

AFTER_SECONDS = 1.0
_CLEAR = "\r\x1b[K"


@contextmanager
def progress(doing: str | Callable[[], str]) -> Iterator[None]:
    """Tell on standard error what the block does, and for how long by now. Don't nest: there is one line."""
    if not sys.stderr.isatty():
        yield
        return
    line = _Line(doing)
    handlers = logging.getLogger().handlers[:]
    for handler in handlers:
        handler.addFilter(line.make_room)
    teller = threading.Thread(target=line.tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        line.ended.set()
        teller.join()
        for handler in handlers:
            handler.removeFilter(line.make_room)


class _Line:
    """One line of the terminal, written anew each second."""

    def __init__(self, doing: str | Callable[[], str]) -> None:
        self.ended = threading.Event()
        self._doing = doing

    def tell(self) -> None:
        began = time.monotonic()
        if self.ended.wait(AFTER_SECONDS):
            return
        while not self.ended.is_set():
            doing = self._doing if isinstance(self._doing, str) else self._doing()
            told = f"{doing} … {time.monotonic() - began:.0f} s"
            _write(_CLEAR + told[: get_terminal_size().columns - 1])
            self.ended.wait(1.0)
        _write(_CLEAR)

    def make_room(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the shape of a filter
        """Let a line of the log stand where this one stood, which is written again below it."""
        _write(_CLEAR)
        return True


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
