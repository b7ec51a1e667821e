"""The log: text on a terminal, else one JSON object a line; nothing in it can forge another line."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

_LONGEST = 8000  # characters of one line


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


def start_log(form: Literal["text", "json"]) -> None:
    """Send the log to standard error in this form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if form == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
