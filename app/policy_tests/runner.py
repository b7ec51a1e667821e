"""The tests of a database's drafts: one run at a time in a process, and what a change asks of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.changes.apply import Judgement
from app.definitions.project import Project
from app.errors import Finding
from app.policy_tests.passed import Passed
from app.policy_tests.result import Result
from app.policy_tests.run import Report, run_tests

Outcome = TypeVar("Outcome")


class Runner:
    """Runs tests on a database; who comes while others run waits, so that connections stay few.

    Changes wait for changes only: nobody who asks for a report holds them up.
    """

    def __init__(self, url: str) -> None:
        """Take the database's URL."""
        self._url = url
        self._asked, self._judging = asyncio.Lock(), asyncio.Lock()
        self._passed = Passed()

    async def run(self, project: Project) -> Report:
        """Run every test of a project; raises what `run_tests` raises."""
        return await self.alone(lambda url: run_tests(url, project))

    async def alone(self, run: Callable[[str], Awaitable[Outcome]]) -> Outcome:
        """Run something on the database once nothing else is run that somebody has asked for."""
        async with self._asked:
            return await run(self._url)

    async def judge(self, project: Project) -> Judgement:
        """Say which tests of a project fail; those that a change can't reach aren't run again to say so."""
        if not project.tests:
            return Judgement()
        async with self._judging:
            report = await run_tests(self._url, project, self._passed)
        return Judgement(len(project.tests), tuple(_finding(result) for result in report.failed))


def _finding(result: Result) -> Finding:
    parts = [f"{failure.place.removeprefix(f'{result.place}.')}: {failure}" for failure in result.failures]
    return Finding(result.place, "; ".join(parts), _hint(result), "test.failed")


def _hint(result: Result) -> str | None:
    decided = result.decided
    if decided is None:
        return None
    where = f"the step {decided['step']} at {decided['place']}" if "step" in decided else f"stage {decided['stage']}"
    return f"decided by {where}"
