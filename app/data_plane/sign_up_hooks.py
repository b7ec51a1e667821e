"""Runs the document's hooks of sign-up, each on the connection and in the transaction of who asks about an account."""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from app.auth.identity import ANONYMOUS
from app.auth.sign_up_hooks import SignUpRefused
from app.compiler.hooks import NEW_USER
from app.compiler.runtime import CompiledHook, Runtime
from app.database.connection import Connection
from app.database.faults import Contended, Retryable
from app.database.lending import Lent
from app.database.session import Ends, Session
from app.definitions.auth import AFTER, BEFORE
from app.errors import RowgateError
from app.outward.client import Outward
from app.steps.running import Call, Services, run_chain

_HOOK = Ends("RELEASE SAVEPOINT rowgate_hook", "ROLLBACK TO SAVEPOINT rowgate_hook; RELEASE SAVEPOINT rowgate_hook")
# No step of a hook counts requests or acts on accounts: what compiles hooks lets none in.
_NO_STEP: Any = None


class _NoRequest:
    """In the place of a request, which steps of a hook don't look at."""

    address = ""
    sent = b""

    def header(self, name: bytes) -> str | None:  # noqa: ARG002 - there is none
        """Give nothing."""
        return None

    def header_count(self, name: bytes) -> int:  # noqa: ARG002 - there is none
        """Count none."""
        return 0


class ServedHooks:
    """The hooks of the definitions that are served; `now` gives the time that their rules see."""

    def __init__(self, runtime: Callable[[], Runtime], outward: Outward, now: Callable[[], datetime]) -> None:
        """Take what is served, and what calls out after the commit."""
        self._runtime = runtime
        self._now = now
        self._services = Services(_NO_STEP, outward, _NO_STEP)

    @property
    def does_more(self) -> bool:
        """Say whether anything is due for a new row."""
        return AFTER in self._runtime().hooks

    async def before(self, connection: Connection, said: Mapping[str, Any]) -> None:
        """Ask about an `email`, with `data` and `provider`; raises SignUpRefused."""
        runtime = self._runtime()
        hook = runtime.hooks.get(BEFORE)
        if hook is not None:
            data = {column.name: said["data"].get(column.name) for column in runtime.project.users.columns}
            await self._run(hook, {"input": {**said, "data": data}}, connection)

    async def after(self, connection: Connection, user_id: str, email: str | None) -> None:
        """Do what is due for a new row of users, in the transaction that makes it; raises SignUpRefused."""
        hook = self._runtime().hooks.get(AFTER)
        if hook is not None:
            await self._run(hook, {NEW_USER: {"id": user_id, "email": email}}, connection)

    async def _run(self, hook: CompiledHook, names: Mapping[str, Any], connection: Connection) -> None:
        env = {"auth": ANONYMOUS.env, "now": self._now(), **names}
        try:
            async with _session(hook, connection) as db:
                call = Call(
                    env, db, ANONYMOUS, received=_NoRequest(), counted={}, outside=set(), services=self._services
                )
                await run_chain(hook.runs, call)
                await call.ended()
        except Retryable:
            raise Contended from None
        except RowgateError as refusal:
            if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            raise SignUpRefused(refusal.detail, hint=refusal.hint) from refusal


def _session(hook: CompiledHook, connection: Connection) -> Session:
    """Give a session of a savepoint, or of a transaction of its own where none is open."""
    lent, locks = Lent(connection), hook.chained.locks
    if connection.is_in_transaction():
        return Session(lent, None, begin="SAVEPOINT rowgate_hook", locks=locks, ends=_HOOK)
    return Session(lent, None, begin="BEGIN", locks=locks)
