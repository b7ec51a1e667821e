"""One request over rows of its own: they are put in, it goes through the pipeline, and what it changed is counted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from app.auth.identity import Identity, user_identity
from app.compiler.checked_tests import GivenRow
from app.compiler.runtime import Runtime
from app.data_plane.asgi import answered
from app.data_plane.request import Request
from app.data_plane.run import Plane
from app.data_plane.seeing.rehearsal import Tried
from app.database.faults import FAULTS, translated
from app.database.opening import DatabaseUnavailable
from app.errors import RowgateError
from app.expressions.operations import EvaluationError
from app.limits.limiter import Limiter
from app.policy_tests.scratch import Scratch
from app.relations.fixtures import Versions, insert_empty, insert_whole, versions_of, written_between
from app.steps.running import Answer, Services
from app.steps.trace import Trace

if TYPE_CHECKING:
    from app.auth.core import Accounts
    from app.auth.identify import AuthContext
    from app.data_plane.reload import Live
    from app.outward.client import Outward


class NotGiven(Exception):
    """A row or a value that can't be made, before there was any request; `wanted` says what it had to be."""

    def __init__(self, place: str, wanted: str, said: str) -> None:
        super().__init__(said)
        self.place, self.wanted = place, wanted


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a request was answered, its refusal if it is one, the rows that it wrote, and its trace as shown.

    `written` says by table and id whether a row was inserted, updated or deleted.
    """

    answer: Answer
    refusal: RowgateError | None
    written: Mapping[tuple[str, str], str]
    trace: Sequence[Mapping[str, Any]]

    @property
    def code(self) -> str | None:
        """Give the refusal's code."""
        return None if self.refusal is None else self.refusal.code

    @property
    def changes(self) -> dict[str, dict[str, int]]:
        """Count the rows that were written, by table; a table without any isn't named."""
        counts: dict[str, dict[str, int]] = {}
        for (table, _), what in self.written.items():
            counts.setdefault(table, {"inserted": 0, "updated": 0, "deleted": 0})[what] += 1
        return counts


async def attempt(
    held: Scratch,
    runtime: Runtime,
    identity: Identity,
    request: Request,
    now: datetime,
    before: Versions | None = None,
    *,
    trace: Trace | None = None,
    looks: bool = True,
) -> Attempt:
    """Run a request as somebody on a runtime of the scratch schema, and leave there what it has written.

    Who knows the versions of the rows already gives them as `before`. Without a `trace` it is one that runs more
    statements, for how many rows there are before and after filters. Without `looks` nobody asks what was written. A
    scratch that is `broken` behind it lost its connection, and nothing was written.
    """
    if before is None and looks:
        before = await versions(held, runtime)
    rehearsal = Tried(_plane(held), request, identity, draft=runtime, now=now, trace=trace)
    answer, refusal = await answered(rehearsal)
    rehearsal.trace.leave(refusal)
    shown = rehearsal.trace.shown()
    if before is None or not looks or held.broken:
        return Attempt(answer, refusal, {}, shown)
    return Attempt(answer, refusal, written_between(before, await versions(held, runtime)), shown)


def _plane(held: Scratch) -> Plane:
    """Give what requests share. The limits have counted nothing yet.

    Nobody asks for what is live, since the draft and the caller are given, nor for what reaches beyond the database,
    since such steps aren't run.
    """
    services = Services(Limiter.in_memory(), cast("Outward", None), cast("Accounts", None), holds_answers=True)
    return Plane(cast("Live", None), cast("AuthContext", None), held, services)


def user_of(row: Mapping[str, Any], roles: Iterable[str] = ()) -> Identity:
    """Give the identity of a row of `users`."""
    return user_identity(row["id"], session_id=None, roles=roles, columns=row, version=0)


async def insert(held: Scratch, row: GivenRow, now: datetime) -> dict[str, Any]:
    """Insert a row and give it whole; raises NotGiven where it doesn't fit its table."""
    wanted = "a row that fits its table"
    try:
        values = [value.evaluate({"now": now}) for value in row.values.values()]
        sql = insert_whole(row.table, list(row.values)) if values else insert_empty(row.table)
        return dict(await held.connection.fetchrow(sql, *values))
    except EvaluationError as error:
        raise NotGiven(row.place, wanted, str(error)) from error
    except FAULTS as error:
        refusal = translated(error)
        if isinstance(refusal, DatabaseUnavailable):
            raise
        constraint = getattr(error, "constraint_name", None)
        said = f"{refusal} ({constraint})" if constraint else str(refusal)
        raise NotGiven(row.place, wanted, said) from error


async def versions(held: Scratch, runtime: Runtime) -> Versions:
    """Give the version of each row, by table and id."""
    tables = tuple(runtime.schema.tables.values())
    rows = await held.connection.fetch(versions_of(tables), *(table.name for table in tables))
    return {(row["source"], row["id"]): row["version"] for row in rows}
