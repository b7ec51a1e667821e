"""What is seen of a chain: each step's place and rules, and the record of a run that somebody asked to see."""

import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from app.errors import RowgateError
from app.relations.bound_row import PartOfRow
from app.steps.redaction import hidden_in, redacted, without

_MISSING = object()


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """A rule as said: the field that holds it, its text, and the dotted paths that it reads."""

    field: str
    text: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepInfo:
    """What a step is called in a trace; `binds` are the names it gives.

    One that `is_beyond` the transaction is undone by no rollback: a rehearsal leaves it out.
    """

    place: str
    kind: str
    name: str | None
    rules: tuple[RuleInfo, ...]
    binds: tuple[str, ...]
    is_beyond: bool


def rules_seen(rules: Iterable[RuleInfo], env: Mapping[str, object]) -> list[dict[str, object]]:
    """Give each rule with the values that it reads; what only Postgres knows (`row`, `item`) has none here."""
    return [{"field": rule.field, "text": rule.text, "saw": _values(rule.paths, env)} for rule in rules]


def rules_without(rules: Iterable[dict[str, object]], hidden: Collection[str]) -> list[dict[str, object]]:
    """Give rules as seen, without these texts in what they saw."""
    return [{**rule, "saw": without(rule["saw"], hidden)} for rule in rules]


def _values(paths: Iterable[str], env: Mapping[str, object]) -> dict[str, object]:
    found = {path: _value(path, env) for path in sorted(paths)}
    return {path: redacted(value, path) for path, value in found.items() if value is not _MISSING}


def _value(path: str, env: Mapping[str, object]) -> object:
    value: object = env
    for name in path.split("."):
        if value is None:
            return None
        if not isinstance(value, Mapping) or name not in value:
            return _MISSING
        value = value[name]
    return _MISSING if isinstance(value, PartOfRow) else value


@dataclass(slots=True)
class Entry:
    """A stage or a step as it ran; `decision` is passed, answered, skipped, stubbed or refused."""

    what: dict[str, Any]
    decision: str = "passed"
    refusal: dict[str, Any] | None = None
    bound: dict[str, Any] = field(default_factory=dict)
    statements: list[dict[str, Any]] = field(default_factory=list)
    steps: list["Entry"] = field(default_factory=list)
    microseconds: int = 0

    def shown(self, hidden: Collection[str]) -> dict[str, Any]:
        """Give the members of an answer, without these texts among the values; those that are empty are left out."""
        found = {**self.what, "decision": self.decision, "microseconds": self.microseconds}
        if "rules" in found:
            found["rules"] = rules_without(found["rules"], hidden)
        if self.refusal is not None:
            found["refusal"] = {**self.refusal, "detail": without(self.refusal["detail"], hidden)}
        if self.bound:
            found["bound"] = without(self.bound, hidden)
        if self.statements:
            found["statements"] = [{**one, "parameters": without(one["parameters"], hidden)} for one in self.statements]
        return found | ({"steps": [step.shown(hidden) for step in self.steps]} if self.steps else {})


class Trace:
    """The record of one run: stages, the steps in them, the statements in those.

    Where it `is_told`, statements beside those of the run count the rows before and after filters for it.
    """

    is_told: ClassVar[bool] = True

    def __init__(self) -> None:
        """Begin with nothing recorded."""
        self._stages: list[Entry] = []
        self._open: Entry | None = None
        self._entered = 0
        self._hidden: set[str] = set()

    def hide(self, texts: set[str]) -> None:
        """Leave these texts out wherever they come up."""
        self._hidden |= texts

    def restart(self) -> None:
        """Forget what a run did that is run again."""
        self._stages.clear()
        self._open = None

    def enter(self, stage: str, **more: Any) -> None:
        """End the stage before and begin this one."""
        self.leave()
        self._open = Entry({"stage": stage, **more})
        self._stages.append(self._open)
        self._entered = time.perf_counter_ns()

    def leave(self, refusal: RowgateError | None = None) -> None:
        """End the stage that is open, by a refusal if there is one."""
        if not self._stages:
            return
        stage = self._stages[-1]
        if self._open is not None:
            stage.microseconds = _since(self._entered)
        if refusal is not None:
            _refuse(stage, refusal)
        self._open = None

    def note(self, **more: Any) -> None:
        """Add what the open stage or step saw."""
        if self._open is not None:
            self._open.what.update(more)

    def noted(self, key: str) -> list[Any]:
        """Give what the open stage or step has of a list."""
        found: list[Any] = [] if self._open is None else self._open.what.get(key, [])
        return found

    def skip(self) -> None:
        """Say that the open step's `when` didn't hold."""
        if self._open is not None:
            self._open.decision = "skipped"

    async def step(self, info: StepInfo, run: Callable[[Any], Awaitable[None] | None], call: Any) -> None:
        """Run a step and record it; one that reaches beyond the transaction is not run and binds null."""
        parent = self._open
        rules = rules_seen(info.rules, call.env)
        entry = Entry({"step": info.kind, "name": info.name, "place": info.place, "rules": rules})
        if parent is not None:
            parent.steps.append(entry)
        self._open = entry
        began = time.perf_counter_ns()
        try:
            if info.is_beyond:
                entry.decision = "stubbed"
                call.env.update(dict.fromkeys(info.binds))
            elif (pending := run(call)) is not None:
                await pending
            if call.answer is not None:
                entry.decision = "answered"
            bound = {name: call.env[name] for name in info.binds if name in call.env}
            self.hide(hidden_in(bound))
            entry.bound = {name: redacted(value, name) for name, value in bound.items()}
        except RowgateError as refusal:
            _refuse(entry, refusal)
            raise
        finally:
            entry.microseconds = _since(began)
            self._open = parent

    async def statement(self, sql: str, parameters: Sequence[Any], fetched: Awaitable[list[Any]]) -> list[object]:
        """Wait for a statement's rows and record it."""
        seen: dict[str, object] = {"sql": sql, "parameters": [redacted(value) for value in parameters], "rows": None}
        if self._open is not None:
            self._open.statements.append(seen)
        began = time.perf_counter_ns()
        try:
            rows = await fetched
            seen["rows"] = len(rows)
        finally:
            seen["microseconds"] = _since(began)
        return rows

    def shown(self) -> list[dict[str, Any]]:
        """Give the stages as an answer shows them."""
        return [stage.shown(self._hidden) for stage in self._stages]


class Untold(Trace):
    """The record of a run that nobody looks at: it only leaves out what reaches beyond the transaction."""

    is_told = False

    def enter(self, stage: str, **more: Any) -> None:
        """Pass over a stage."""

    async def step(self, info: StepInfo, run: Callable[[Any], Awaitable[None] | None], call: Any) -> None:
        """Run a step; one that reaches beyond the transaction is not run and binds null."""
        if info.is_beyond:
            call.env.update(dict.fromkeys(info.binds))
        elif (pending := run(call)) is not None:
            await pending

    async def statement(self, sql: str, parameters: Sequence[Any], fetched: Awaitable[list[Any]]) -> list[object]:  # noqa: ARG002 - nobody looks
        """Wait for a statement's rows."""
        return await fetched


def _refuse(entry: Entry, refusal: RowgateError) -> None:
    entry.decision = "refused"
    entry.refusal = {"status": refusal.status, "code": refusal.code, "detail": refusal.detail}


def _since(began: int) -> int:
    return (time.perf_counter_ns() - began) // 1000
