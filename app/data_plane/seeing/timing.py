"""Server-Timing: how long each stage of a request took, for an admin who asks for it."""

import time
from typing import Any

from app.auth.admin_access import admin_of
from app.auth.api_keys import PREFIX
from app.data_plane.pipeline import Plane
from app.data_plane.request import Header, Request
from app.database.faults import FAULTS
from app.errors import RowgateError
from app.http.client_address import Networks

ASKS = (b"x-rowgate-trace", b"1")


class TimedRequest(Request):
    """A request that takes the time of its stages; what is run again counts in each of them again."""

    __slots__ = ("_at", "_began", "_spent")

    def __init__(self, scope: Any, receive: Any, request_id: str, trusted: Networks) -> None:
        """Begin now."""
        super().__init__(scope, receive, request_id, trusted)
        self._spent: dict[str, int] = {}
        self._at = self.stage
        self._began = time.perf_counter_ns()

    def entered(self, stage: str, **more: Any) -> None:
        """Note which stage has begun, and how long the one before took."""
        self._begin(stage)
        super().entered(stage, **more)

    def responds(self) -> None:
        """Note how long the run took, without its commit."""
        self._begin("respond")

    def _begin(self, stage: str) -> None:
        now = time.perf_counter_ns()
        self._spent[self._at] = self._spent.get(self._at, 0) + now - self._began
        self._at, self._began = stage, now

    def timing(self) -> str:
        """Give the header's value, in milliseconds (W3C Server Timing, 3): the stages in the order of their begin."""
        self._begin(self._at)
        return ", ".join(f"{stage};dur={nanoseconds / 1e6:.3f}" for stage, nanoseconds in self._spent.items())


async def is_asked_by_admin(plane: Plane, scope: Any) -> bool:
    """Say whether an admin asks for the times: by a credential of the admin API in apikey, else as the bearer.

    An admin's token in apikey has served its purpose then, and is none of the request's own credentials.
    """
    credential = _credential(scope["headers"])
    if credential is None:
        return False
    try:
        await admin_of(plane.auth, plane.pool, credential)
    except (RowgateError, *FAULTS):
        return False
    if not credential.startswith(PREFIX):
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"apikey"]
    return True


def _credential(headers: list[Header]) -> str | None:
    """Give the one credential of a header that stands once."""
    keys = [value for name, value in headers if name == b"apikey"]
    keys = keys or [value.partition(b" ")[2].strip() for name, value in headers if name == b"authorization"]
    return keys[0].decode("ascii") if len(keys) == 1 and keys[0].isascii() else None
