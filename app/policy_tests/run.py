"""Running tests: through the function that serves, each over its own rows, several at once."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from app.auth.identity import ANONYMOUS, Identity, key_identity, sign_in_as, signed_in_by
from app.compiler.checked_tests import CompiledTest
from app.compiler.compile import compile_project
from app.compiler.runtime import Runtime
from app.data_plane.made_request import made_request
from app.data_plane.request import Request
from app.definitions.project import DefinitionInvalid, Project
from app.expressions.operations import EvaluationError
from app.policy_tests.attempt import NotGiven, attempt, insert, user_of
from app.policy_tests.compare import called, failures_of
from app.policy_tests.coverage import Coverage, Unseen, coverage_of, without_a_value
from app.policy_tests.passed import Passed
from app.policy_tests.result import Failure, Result, checks_passed, deciding
from app.policy_tests.scratch import SCHEMA, Scratch, scratch, tables_sql
from app.relations.memory import MEMORY, Memory
from app.relations.values import Value

MOST_WORKERS = 4
TESTS_A_WORKER = 10  # fewer aren't worth the tables that a worker makes first
MOST_TABLES = 400  # of all workers together: each is locks in the server until the end
_KEY = "00000000-0000-0000-0000-000000000000"
_QUERY = "=&%:@!$'()*+,;~-._"


@dataclass(frozen=True, slots=True)
class Report:
    """Every test that was run with what came of it, in the document's order, and what no test has tried."""

    results: tuple[Result, ...]
    coverage: Coverage
    milliseconds: float

    @property
    def failed(self) -> tuple[Result, ...]:
        """Give the tests that failed."""
        return tuple(result for result in self.results if not result.passed)


async def run_tests(url: str, project: Project, passed: Passed | None = None) -> Report:
    """Run the tests of a project on a migrated database, which is left as it was, and whose rows none of them sees.

    Those that have `passed`, and would go through the very same, are left out, and rules aren't tried. Raises
    DefinitionInvalid, or what the database refuses.
    """
    began = time.perf_counter()
    runtime = await asyncio.to_thread(_compiled, project, MEMORY)
    tests = [test for test in runtime.tests if passed is None or not passed.has(runtime, test)]
    results = await _results(url, runtime, tests)
    known = Passed() if passed is None else passed
    for test in tests:
        if results[test.place].passed:
            known.add(runtime, test)
    unseen = await _unseen(url, runtime, known, results) if passed is None else ()
    ordered = tuple(results[test.place] for test in tests)
    return Report(ordered, coverage_of(runtime, unseen), (time.perf_counter() - began) * 1000)


def _compiled(project: Project, memory: Memory) -> Runtime:
    runtime, findings = compile_project(project, schema=SCHEMA, memory=memory)
    if runtime is None:
        raise DefinitionInvalid(findings)
    return runtime


async def _results(
    url: str, runtime: Runtime, tests: Sequence[CompiledTest], *, until_one_fails: bool = False
) -> dict[str, Result]:
    """Run tests on tables that are made for them; gives by place what came of each that was run."""
    results: dict[str, Result] = {}
    if not tests:
        return results
    sql = await asyncio.to_thread(tables_sql, runtime.project)
    waiting = deque(tests)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(_workers(len(tests), len(runtime.schema.tables))):
                group.create_task(_work(url, sql, runtime, waiting, results, until_one_fails))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return results


async def _unseen(url: str, runtime: Runtime, known: Passed, results: Mapping[str, Result]) -> tuple[Unseen, ...]:
    """Find what no test sees of rules with names: a rule always says the other, and whatever had passed still does."""
    found, memory = [], MEMORY.aside()
    for unseen, project in without_a_value(runtime.project):
        other = await asyncio.to_thread(_compiled, project, memory)
        tests = [test for test in other.tests if results[test.place].passed and not known.has(other, test)]
        came = await _results(url, other, tests, until_one_fails=True)
        if all(result.passed for result in came.values()):
            found.append(unseen)
    return tuple(found)


def _workers(tests: int, tables: int) -> int:
    return max(1, min(MOST_WORKERS, -(-tests // TESTS_A_WORKER), MOST_TABLES // tables))


async def _work(
    url: str,
    sql: str,
    runtime: Runtime,
    waiting: deque[CompiledTest],
    results: dict[str, Result],
    until_one_fails: bool,
) -> None:
    """Take tests until none is left. A connection that a test has lost is replaced by another one."""
    while waiting:
        async with scratch(url, sql) as held:
            while waiting and not held.broken:
                test = waiting.popleft()
                results[test.place] = result = await run_test(held, runtime, test)
                if until_one_fails and not result.passed:
                    waiting.clear()


async def run_test(held: Scratch, runtime: Runtime, test: CompiledTest) -> Result:
    """Run one test over tables that are empty before and behind it."""
    began = time.perf_counter()
    await held.empty()
    now = test.now or await held.now()
    try:
        identity = await _caller(held, test, now)
        request = _request(test, now)
        wanted = None if test.body is None else _evaluated(test.body, f"{test.place}.expect.body", now)
    except NotGiven as wrong:
        failure = Failure(wrong.place, wrong.wanted, str(wrong))
        return Result(test.said.name, test.place, (failure,), None, None, None, _since(began))
    made = await attempt(held, runtime, identity, request, now)
    status = made.answer.status
    let_by = checks_passed(made.trace) if test.said.expect.status >= HTTPStatus.BAD_REQUEST > status else []
    return Result(
        test.said.name,
        test.place,
        tuple(failures_of(test, wanted, made)),
        status,
        made.code,
        called(deciding(made.trace), test.labels),
        _since(began),
        tuple(called(let_by, test.labels)),
    )


async def _caller(held: Scratch, test: CompiledTest, now: datetime) -> Identity:
    """Insert the rows, and give who asks, as the own row says it; raises NotGiven."""
    own = None
    for row in test.rows:
        inserted = await insert(held, row, now)
        if row.table.name == "users" and inserted["id"] == test.caller.id:
            own = inserted
    roles = test.caller.roles
    if test.caller.kind == "key":
        return key_identity(_KEY, roles=roles, version=0)
    return ANONYMOUS if own is None else signed_in_by(user_of(own, roles), sign_in_as(test.caller.sign_in))


def _request(test: CompiledTest, now: datetime) -> Request:
    said, place = test.request, f"{test.place}.request"
    query = _evaluated(said.query, f"{place}.query", now)
    # What stood behind the path's `?` has no name, and is sent as it stands.
    named = urlencode({name: value for name, value in query.items() if name}, doseq=True)
    sent = "&".join(filter(None, (quote(query.get("", ""), safe=_QUERY), named)))
    body = None if said.body is None else _evaluated(said.body, f"{place}.body", now)
    return made_request(said.method, said.path, sent, said.headers, body)


def _evaluated(value: Value, place: str, now: datetime) -> Any:
    try:
        return value.evaluate({"now": now})
    except EvaluationError as error:
        raise NotGiven(place, "a value", str(error)) from error


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
