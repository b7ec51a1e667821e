"""The log: text on a terminal, else one JSON object a line; nothing in it can forge another line."""

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Literal

_LONGEST = 8000  # characters of one line
INVALID_HEAD = "Invalid HTTP request received."  # any stranger can have it said as often as they like


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:_LONGEST],
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)[-_LONGEST:]
        return json.dumps(entry)


class _Text(logging.Formatter):
    """A line for people, in which control characters are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()[:_LONGEST].encode("unicode_escape", "backslashreplace").decode("ascii")
        line = f"{record.levelname.lower()}: {record.name}: {message}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _OncePerSecond(logging.Filter):
    """Lets one line of this text through in a second; the next one says how many were left out before it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self._again = 0.0
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg != self._text:
            return True
        now = time.monotonic()
        if now < self._again:
            self._left_out += 1
            return False
        if self._left_out:
            record.msg = f"{self._text} {self._left_out} more came before it."
        self._again, self._left_out = now + 1, 0
        return True


class Outage:
    """Says once that something is away, and once that it is back, however often it is looked for."""

    def __init__(self, log: logging.Logger) -> None:
        """Begin with what is there."""
        self._log = log
        self._back: str | None = None
        self._since = 0.0

    def lost(self, gone: str, back: str) -> None:
        """Say that it is away, unless that was said; `back` is what `found` says then."""
        if self._back is None:
            self._since = time.monotonic()
        if self._back != back:
            self._back = back
            self._log.warning("%s", gone)

    def found(self) -> None:
        """Say that it is back, if it was away."""
        if self._back is not None:
            self._log.warning("%s, after %.0f seconds", self._back, time.monotonic() - self._since)
            self._back = None


def start_log(form: Literal["text", "json"]) -> None:
    """Send the log to standard error in this form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if form == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in ("alembic", "httpx"):  # httpx tells each URL that it calls, and a URL may hold a secret
        logging.getLogger(name).setLevel(logging.WARNING)
    server = logging.getLogger("uvicorn.error")
    server.setLevel(logging.WARNING)
    server.filters[:] = [_OncePerSecond(INVALID_HEAD)]
