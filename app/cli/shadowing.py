"""`rowgate shadow`: starts a draft beside what a server serves, says where they differ, and ends it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from app.cli.options import AsJson, File, ServerKey, ServerUrl

PATH = "/shadow"
POLL_SECONDS = 1.0
_LONGEST = 1440.0  # minutes
_SPARE = 5.0  # minutes that a shadow outlives a command that was killed


def shadow(
    file: File,
    url: ServerUrl,
    key: ServerKey,
    sample: Annotated[float, typer.Option(help="The part of the requests to look at.", min=0, max=1)] = 1.0,
    seconds: Annotated[float | None, typer.Option(help="How long; else until Ctrl-C.", min=0)] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Run a document beside what a server serves, on its real requests, and say where the answers would differ."""
    from app.changes.files import read_bytes

    shadowing = Shadowing(url, key)
    for difference in shadowing.differences(read_bytes(file), sample=sample, seconds=seconds):
        typer.echo(json.dumps(difference) if as_json else difference_line(difference))
    typer.echo(json.dumps(shadowing.report) if as_json else counts_told(shadowing.report))


class Shadowing:
    """A shadow on a server, from its start to its end; `report` is the last that the server said of it."""

    def __init__(self, url: str, key: str) -> None:
        """Take where the server is."""
        from app.cli.server_client import RemoteServer

        self._server = RemoteServer(url, key)
        self._after = 0
        self.report: dict[str, Any] = {}

    def differences(
        self, document: bytes, *, sample: float, seconds: float | None, wait: Callable[[float], None] = time.sleep
    ) -> Iterator[dict[str, Any]]:
        """Start it and yield the differences as they come, for some seconds or until Ctrl-C; then end it."""
        minutes = _LONGEST if seconds is None else min(_LONGEST, seconds / 60 + _SPARE)
        query = urlencode({"sample": sample, "minutes": minutes})
        self.report = self._server.ask("POST", f"{PATH}?{query}", body=document).document()
        until = None if seconds is None else time.monotonic() + seconds
        try:
            with suppress(KeyboardInterrupt):
                while self.report["state"] == "running" and (until is None or time.monotonic() < until):
                    wait(POLL_SECONDS if until is None else min(POLL_SECONDS, max(0.0, until - time.monotonic())))
                    yield from self._told("GET")
        finally:
            last = list(self._told("DELETE"))
        yield from last

    def _told(self, method: str) -> list[dict[str, Any]]:
        self.report = self._server.ask(method, f"{PATH}?after={self._after}").document()
        found: list[dict[str, Any]] = self.report.pop("kept")
        self._after = max([self._after, *(one["number"] for one in found)])
        return found


def difference_line(difference: dict[str, Any]) -> str:
    """Say a difference in a line."""
    live, draft = (_verdict(difference[side]) for side in ("live", "draft"))
    where = "" if live != draft else f" in {', '.join(difference['differs'])}"
    caller = difference["caller"] or {"kind": "somebody", "id": None}
    who = " ".join(filter(None, (caller["kind"], caller["id"])))
    asked = f"{difference['method']} {difference['path']}"
    return f"{difference['request_id']}  {asked}  {who}: live {live}, draft {draft}{where}"


def _verdict(side: dict[str, Any]) -> str:
    told = " ".join(filter(None, (str(side["status"]), side.get("code"))))
    return told if side.get("place") is None else f"{told} at {side['place']}"


def counts_told(report: dict[str, Any]) -> str:
    """Say how many requests were compared, and what differed."""
    counts = ", ".join(f"{report[name]} {name}" for name in ("compared", "differences", "undecided", "skipped"))
    return "\n".join([f"{counts}.", *(f"{count} × {kind}" for kind, count in report["by"].items())])
