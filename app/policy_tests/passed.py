"""Tests that have passed, each with all that it went through: while that is the same, it passes again."""

from app.compiler.checked_tests import CompiledTest
from app.compiler.runtime import Runtime

_MOST = 10_000


class Passed:
    """What is known of the tests of recent drafts. A change runs those again that it can reach."""

    def __init__(self) -> None:
        """Begin with none."""
        self._known: dict[tuple[int, ...], tuple[object, ...]] = {}

    def has(self, runtime: Runtime, test: CompiledTest) -> bool:
        """Say whether a test has passed, and nothing that it rests on is another one since."""
        return (rests := _rests_on(runtime, test)) is not None and tuple(map(id, rests)) in self._known

    def add(self, runtime: Runtime, test: CompiledTest) -> None:
        """Note that a test has passed."""
        if (rests := _rests_on(runtime, test)) is None:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[tuple(map(id, rests))] = rests  # what stands here lives, so that its id is nobody else's


def _rests_on(runtime: Runtime, test: CompiledTest) -> tuple[object, ...] | None:
    """Give what a test's outcome rests on; None where it asks for what isn't served, and so for all that is.

    A compiled part is taken over into the next runtime only while all that it asked of others is the same, and so are
    definitions that say the same: each of these is another object once a change can be seen through it. Of tables any
    may hold the test's rows, or refer to them.
    """
    if test.target is None:
        return None
    served = runtime.endpoints if test.target.kind == "endpoint" else runtime.views
    project = runtime.project
    return (test.said, served[test.target.name], project.project, project.users, *project.tables)
