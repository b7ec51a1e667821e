"""Running tests: through the function that serves, each over its own rows, several at once."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlencode

from app.auth.identity import ANONYMOUS, Identity, key_identity, user_identity
from app.changes.apply import DefinitionInvalid
from app.compiler.compile import compile_project
from app.compiler.policy_tests import CompiledTest, GivenRow, MadeRequest
from app.compiler.runtime import Runtime
from app.data_plane.asgi import answered
from app.data_plane.made_request import made_request
from app.data_plane.pipeline import Plane
from app.data_plane.rehearsal import Tried
from app.data_plane.request import Request
from app.definitions.project import Project
from app.expressions.operations import EvaluationError
from app.policy_tests.compare import called, failures_of
from app.policy_tests.coverage import Coverage, coverage_of
from app.policy_tests.result import Failure, Result, checks_passed, deciding
from app.policy_tests.scratch import FAULTS, SCHEMA, Scratch, scratch, tables_sql
from app.rate_limits import Limiter
from app.relations.faults import translated
from app.relations.fixtures import Versions, changes_between, insert_empty, insert_whole, versions_of
from app.steps.running import Services

if TYPE_CHECKING:
    from app.auth.core import Accounts
    from app.auth.identify import AuthContext
    from app.data_plane.reload import Live
    from app.outward.client import Outward

MOST_WORKERS = 4
TESTS_A_WORKER = 10  # fewer aren't worth the tables that a worker makes first
MOST_TABLES = 400  # of all workers together: each is locks in the server until the end
_KEY = "00000000-0000-0000-0000-000000000000"
_QUERY = "=&%:@!$'()*+,;~-._"


class NotGiven(Exception):
    """A row that the database refuses, before there was any request."""

    def __init__(self, place: str, said: str) -> None:
        super().__init__(said)
        self.failure = Failure(place, "a row that fits its table", said)


@dataclass(frozen=True, slots=True)
class Report:
    """Every test with what came of it, in the document's order, and what no test has tried."""

    results: tuple[Result, ...]
    coverage: Coverage
    milliseconds: float

    @property
    def failed(self) -> tuple[Result, ...]:
        """Give the tests that failed."""
        return tuple(result for result in self.results if not result.passed)


async def run_tests(url: str, project: Project) -> Report:
    """Run the tests of a project on a migrated database, which is left as it was, and whose rows none of them sees.

    Raises DefinitionInvalid, or what the database refuses.
    """
    began = time.perf_counter()
    runtime, findings = await asyncio.to_thread(compile_project, project, schema=SCHEMA)
    if runtime is None:
        raise DefinitionInvalid(findings)
    results: dict[str, Result] = {}
    if runtime.tests:
        sql = await asyncio.to_thread(tables_sql, project)
        waiting = deque(runtime.tests)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_workers(runtime)):
                    group.create_task(_work(url, sql, runtime, waiting, results))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
    ordered = tuple(results[test.place] for test in runtime.tests)
    return Report(ordered, coverage_of(runtime), (time.perf_counter() - began) * 1000)


def _workers(runtime: Runtime) -> int:
    by_tests = -(-len(runtime.tests) // TESTS_A_WORKER)
    return max(1, min(MOST_WORKERS, by_tests, MOST_TABLES // len(runtime.schema.tables)))


async def _work(url: str, sql: str, runtime: Runtime, waiting: deque[CompiledTest], results: dict[str, Result]) -> None:
    """Take tests until none is left. A connection that a test has lost is replaced by another one."""
    while waiting:
        async with scratch(url, sql) as held:
            while waiting and not held.broken:
                test = waiting.popleft()
                results[test.place] = await run_test(held, runtime, test)


async def run_test(held: Scratch, runtime: Runtime, test: CompiledTest) -> Result:
    """Run one test over tables that are empty before and behind it."""
    began = time.perf_counter()
    now = test.now or datetime.now(UTC)
    await held.empty()
    try:
        identity = await _given(held.connection, test, now)
        request = _request(test.request, now)
    except NotGiven as wrong:
        return Result(test.said.name, test.place, (wrong.failure,), None, None, None, _since(began))
    tables = tuple(runtime.schema.tables.values())
    before = await _versions(held, tables)
    rehearsal = Tried(identity, draft=runtime, now=now)
    answer, refusal = await answered(_plane(held), request, rehearsal)
    rehearsal.trace.leave(refusal)
    # What was cut off in a statement is undone with its connection.
    after = before if held.broken else await _versions(held, tables)
    failures = failures_of(test, now, answer, refusal, changes_between(before, after))
    trace = rehearsal.trace.shown()
    let_by = checks_passed(trace) if test.said.expect.status >= HTTPStatus.BAD_REQUEST > answer.status else []
    return Result(
        test.said.name,
        test.place,
        tuple(failures),
        answer.status,
        None if refusal is None else refusal.code,
        called(deciding(trace), test.labels),
        _since(began),
        tuple(called(let_by, test.labels)),
    )


def _plane(held: Scratch) -> Plane:
    """Give what requests share. The limits have counted nothing yet.

    Nobody asks for what is live, since the draft and the caller are given, nor for what reaches beyond the database,
    since such steps aren't run.
    """
    services = Services(Limiter.in_memory(), cast("Outward", None), cast("Accounts", None))
    return Plane(cast("Live", None), cast("AuthContext", None), held, services)


def _request(said: MadeRequest, now: datetime) -> Request:
    env = {"now": now}
    query = said.query.evaluate(env)
    # What stood behind the path's `?` has no name, and is sent as it stands.
    named = urlencode({name: value for name, value in query.items() if name}, doseq=True)
    sent = "&".join(filter(None, (quote(query.get("", ""), safe=_QUERY), named)))
    body = None if said.body is None else said.body.evaluate(env)
    return made_request(said.method, said.path, sent, said.headers, body)


async def _given(connection: Any, test: CompiledTest, now: datetime) -> Identity:
    """Insert the rows, and give who asks, as the own row says it; raises NotGiven."""
    own = None
    for row in test.rows:
        inserted = await _insert(connection, row, now)
        if row.table.name == "users" and inserted["id"] == test.caller.id:
            own = dict(inserted)
    roles = test.caller.roles
    if test.caller.kind == "key":
        return key_identity(_KEY, roles=roles, version=0)
    if own is None:
        return ANONYMOUS
    return user_identity(own["id"], session_id=None, roles=roles, columns=own, version=0)


async def _insert(connection: Any, row: GivenRow, now: datetime) -> Any:
    try:
        values = [value.evaluate({"now": now}) for value in row.values.values()]
        if not values:
            return await connection.fetchrow(insert_empty(row.table))
        return await connection.fetchrow(insert_whole(row.table, list(row.values)), *values)
    except EvaluationError as error:
        raise NotGiven(row.place, str(error)) from error
    except FAULTS as error:
        refusal = translated(error)
        constraint = getattr(error, "constraint_name", None)
        said = f"{refusal} ({constraint})" if constraint else str(refusal)
        raise NotGiven(row.place, said) from error


async def _versions(held: Scratch, tables: Any) -> Versions:
    rows: Sequence[Any] = await held.connection.fetch(versions_of(tables), *(table.name for table in tables))
    return {(row["source"], row["id"]): row["version"] for row in rows}


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
