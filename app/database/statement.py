"""A compiled SQL statement, and the guard that lets a request's first statement confirm what the request rests on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from sys import intern
from typing import Any

Environment = Mapping[str, Any]
Evaluator = Callable[[Environment], Any]

# The revision and the caller's authority version, confirmed by two indexed look-ups in the statement's own round trip.
# rowgate.stale() raises, and so undoes what a writing statement did.
_GUARD = """(SELECT CASE WHEN l.revision = {revision}::bigint AND ({subject}::uuid IS NULL OR EXISTS (
 SELECT FROM rowgate.authority a WHERE a.subject_id = {subject}::uuid AND a.version = {version}::bigint))
 THEN true ELSE rowgate.stale() END FROM rowgate.live l)"""

# A data-modifying body runs whole before the outer filter is asked, and the guard's error undoes it; a reading body is
# planned as if it stood alone.
_BODY = "WITH rowgate_body AS ({}) SELECT * FROM rowgate_body WHERE "
CONFIRM = "SELECT " + _GUARD.format(revision="$1", subject="$2", version="$3")


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text that depends on definitions only, and the closures that give its parameters for a request.

    One that `locks` reads rows and holds them, or waits for whoever does. Many endpoints send the same statement: its
    text is there once. `head` counts the characters of a CTE that stands before its SELECT, `extra` the parameters that
    come behind those of the evaluators.
    """

    sql: str
    evaluators: tuple[Evaluator, ...]
    writes: bool = False
    locks: bool = False
    head: int = 0
    extra: int = 0
    _guarded: str = field(default="", init=False, repr=False, compare=False)

    @property
    def guarded(self) -> str:
        """Give the same statement under the guard, whose three parameters (revision, subject, version) come last.

        It is written when it is first sent: many statements never come first in a request.
        """
        if not self._guarded:
            cte, answer = self.sql[: self.head], self.sql[self.head :].removeprefix(" ")
            under = f"{cte} SELECT * FROM ({answer}) rowgate_answer WHERE " if cte else _BODY.format(answer)
            object.__setattr__(self, "_guarded", intern(under + _guard(len(self.evaluators) + self.extra)))
        return self._guarded

    @property
    def waits(self) -> bool:
        """Say whether it may wait for other requests; what only reads waits for changes of definitions alone."""
        return self.writes or self.locks

    def bind(self, env: Environment) -> list[Any]:
        """Evaluate the parameters for one request."""
        return [evaluate(env) for evaluate in self.evaluators]


def statement(sql: str, evaluators: tuple[Evaluator, ...], extra: int = 0, *, locks: bool = False) -> Statement:
    """Make a statement; `extra` counts parameters that the caller appends to those of the evaluators."""
    return Statement(intern(sql), evaluators, not sql.startswith("SELECT"), locks, extra=extra)


def writing_statement(cte: str, answer: str, evaluators: tuple[Evaluator, ...], extra: int = 0) -> Statement:
    """Make a statement of a CTE that writes, which Postgres wants at the top, and the SELECT over what it gave."""
    return Statement(intern(f"{cte} {answer}"), evaluators, writes=True, head=len(cte), extra=extra)


def cte_statement(cte: str, answer: str, evaluators: tuple[Evaluator, ...], *, writes: bool) -> Statement:
    """Make a statement of CTEs that depend on each other, and the SELECT over what they gave."""
    return replace(writing_statement(cte, answer, evaluators), writes=writes)


def _guard(parameters: int) -> str:
    first = parameters + 1
    return _GUARD.format(revision=f"${first}", subject=f"${first + 1}", version=f"${first + 2}")
