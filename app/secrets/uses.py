"""The use of secrets in the audit log: which, where and by whom, and at most once in some minutes."""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Protocol

from app.audit.writing import audit
from app.database.connection import Connection

SECONDS = 600.0
REMEMBERED = 20_000

Use = tuple[str, str, str | None]
_KEY = "SELECT name FROM rowgate.api_keys WHERE id = $1"


class SecretCaller(Protocol):
    """Who calls, as far as the log tells it."""

    @property
    def user_id(self) -> str | None:
        """Give the user's id, if it is a user."""

    @property
    def key_id(self) -> str | None:
        """Give the API key's id, if it is one."""

    @property
    def subject_id(self) -> str | None:
        """Give whose uses are counted together."""


class SecretUses:
    """Remembers in this process which uses of a secret, by an endpoint for a caller, were written down lately.

    A use counts as written only when its row is committed: of several first ones at once, each may write its own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing written."""
        self._clock = clock
        self._written: OrderedDict[Use, float] = OrderedDict()

    def due(self, names: Collection[str], place: str, caller: SecretCaller) -> list[Use]:
        """Give the uses of these secrets, by a step at this place, that have to be written down."""
        owner = place.partition(".")[0]
        since = self._clock() - SECONDS
        uses: list[Use] = [(name, owner, caller.subject_id) for name in sorted(names)]
        return [use for use in uses if self._written.get(use, -SECONDS) <= since]

    def written(self, uses: Collection[Use]) -> None:
        """Take note that the rows of these uses are committed."""
        for use in uses:
            self._written[use] = self._clock()
            self._written.move_to_end(use)
        while len(self._written) > REMEMBERED:
            self._written.popitem(last=False)


async def audit_uses(connection: Connection, uses: Collection[Use], caller: SecretCaller, place: str) -> None:
    """Write a row for each use, in the transaction that reads the secrets."""
    actor = "anonymous" if caller.user_id is None else f"user:{caller.user_id}"
    if caller.key_id is not None:
        actor = f"key:{await connection.fetchval(_KEY, caller.key_id)}"
    for name, _, _ in uses:
        await audit(connection, actor, "secret.use", name, {"by": place})
