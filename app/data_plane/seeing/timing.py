"""Server-Timing: how long each stage of a request took, for an admin who asks for it."""

import time
from typing import Any

from app.auth.admin_access import admin_of
from app.auth.api_keys import PREFIX
from app.data_plane.request import Header, Request
from app.data_plane.run import Plane, Run
from app.database.faults import FAULTS
from app.errors import RowgateError

ASKS = (b"x-rowgate-trace", b"1")


class TimedRun(Run):
    """A run that takes the time of its stages; what is tried again counts in each of them again."""

    __slots__ = ("_since", "_spent")

    def __init__(self, plane: Plane, request: Request) -> None:
        """Begin now."""
        super().__init__(plane, request)
        self._spent: dict[str, int] = {}
        self._since = time.perf_counter_ns()

    def stage(self, name: str) -> None:
        """Take the time of the stage before."""
        self._spend()
        super().stage(name)

    def _spend(self) -> None:
        now = time.perf_counter_ns()
        self._spent[self.at] = self._spent.get(self.at, 0) + now - self._since
        self._since = now

    def timing(self) -> str:
        """Give the header's value, in milliseconds (W3C Server Timing, 3): the stages in the order of their begin.

        What was to do behind the last one, such as to roll back, counts in it.
        """
        self._spend()
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
