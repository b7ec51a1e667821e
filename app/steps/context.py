"""What a step's kind is given when it is compiled, and what it gives back."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from app.database.statement import Statement
from app.definitions.answers import MAX_BYTES
from app.definitions.middleware import MiddlewareDef
from app.definitions.steps import StepDef
from app.expressions.check import Expression, Scope
from app.expressions.scope import Copied, Counted
from app.expressions.types import Type
from app.relations.conditions import id_is
from app.relations.findings import Findings
from app.relations.locks import Held
from app.relations.rules import deciding_expression, has_sql, rule_expression
from app.relations.schema import Table
from app.relations.source import Source
from app.relations.values import Value, compile_field
from app.relations.views import Schema
from app.steps.fusable import Fusable
from app.steps.running import RunStep
from app.steps.trace import StepInfo


@dataclasses.dataclass(frozen=True)
class Step(Copied):
    """A compiled step: its run-time half, the names it binds, and what the transaction needs to know of it.

    `unsent` are names that may stand for an input which wasn't sent, `undecided` those that are null where nobody knows
    which rows count.
    `statements` counts those that it may send; `may_refuse` says whether it can refuse, `undoes` whether it can do so
    after its own write, `at_end` whether it may when all steps have run; `locks` that a lock of its own has to last,
    `calls_out` that the transaction ends for it, `measured` that the bytes of what it binds were counted in its
    statement, `sure` the inputs that have a value behind it. One that is `first` runs before the input is read. `sends`
    are its statements that are ready, those of steps inside it among them, `info` what it is called. `fusable` is what
    it is together with its neighbours; one that is `with_before` is sent by a step before it. One that `opens` the
    transaction has statements that aren't ready.
    """

    run: RunStep
    binds: Mapping[str, Type] = dataclasses.field(default_factory=dict)
    statements: int = 0
    writes: bool = False
    may_refuse: bool = True
    undoes: bool = False
    at_end: bool = False
    locks: bool = False
    calls_out: bool = False
    unsent: frozenset[str] = frozenset()
    undecided: frozenset[str] = frozenset()
    measured: bool = False
    sure: frozenset[str] = frozenset()
    first: bool = False
    sends: tuple[Statement, ...] = ()
    info: StepInfo | None = None
    fusable: Fusable | None = None
    with_before: bool = False
    opens: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Before:
    """What steps before this one may have done: written a row, or taken a lock that has to last.

    `began` says that there are any, around it or before it, or that the input was read without them.
    """

    wrote: bool = False
    locked: bool = False
    began: bool = False

    def then(self, step: Step) -> "Before":
        """Give what holds behind a step."""
        return Before(self.wrote or step.writes, self.locked or step.locks, began=True)


@dataclasses.dataclass(frozen=True)
class Context(Copied):
    """Where a step stands and what it may name; findings gather in the one list of the whole check.

    `owner` names the endpoint or view that the chain belongs to, `later_writes` the tables that steps behind this one
    write, be it by what goes with a row that is deleted, `own_writes` those that this one writes, `arguments` the
    literal arguments of the middleware, `http_allow` what may be called beside the public internet, `before` what the
    steps before this one did. `held` gathers the rows that steps hold, `answers` the types of what they answer by
    2xx; a `serializable` transaction locks tables. `max_bytes` is how large an answer may be, `measured` names what
    was held against that when it was read.
    """

    schema: Schema
    findings: Findings
    middleware: Mapping[str, MiddlewareDef]
    compile_steps: Callable[[Sequence[StepDef], "Context"], tuple[list[Step], "Context"]]
    compile_use: Callable[[str, Mapping[str, Any], "Context"], tuple[list[Step], "Context"]]
    owner: str
    place: str
    scope: Scope
    later_writes: frozenset[str] = frozenset()
    own_writes: frozenset[str] = frozenset()
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    inside: tuple[str, ...] = ()
    http_allow: tuple[str, ...] = ()
    before: "Before" = Before()
    max_bytes: int = MAX_BYTES
    measured: frozenset[str] = frozenset()
    held: set[Held] = dataclasses.field(default_factory=set)
    answers: list[Type] = dataclasses.field(default_factory=list)
    serializable: bool = False

    def at(self, key: str) -> "Context":
        """Give the context of a part: its place is one key deeper."""
        return self.but(place=f"{self.place}.{key}")

    def behind(self, step: Step) -> "Context":
        """Give the context of what follows a step."""
        bound = self.sure_of(step.sure).binding(step.binds, step.unsent)
        if step.undecided:
            bound = bound.but(scope=bound.scope.but(undecided=bound.scope.undecided | step.undecided))
        measured, before = self.measured, self.before.then(step)
        if step.binds:
            measured = measured | step.binds.keys() if step.measured else measured - step.binds.keys()
        if measured == self.measured and before == self.before:
            return bound
        return bound.but(before=before, measured=measured)

    def sure_of(self, paths: frozenset[str]) -> "Context":
        """Give the context in which these inputs have a value."""
        return self.but(scope=self.scope.sure_of(paths)) if paths else self

    def binding(self, names: Mapping[str, Type], unsent: frozenset[str] = frozenset()) -> "Context":
        """Give the context in which these names are known too; `unsent` may stand for what wasn't sent."""
        if not names and not unsent:
            return self
        scope = self.scope.with_names(**names)
        return self.but(scope=scope.but(unsent=scope.unsent | unsent))

    def report(self, key: str, message: str, hint: str | None = None, *, stricter: bool = False) -> None:
        """Add a finding about a field of the step; one that is `stricter` leaves the step compiled."""
        self.findings.report(f"{self.place}.{key}", message, hint, stricter=stricter)

    def answering(self, status: int, kind: Type | None) -> None:
        """Note what a step answers by success; None is an answer without a body."""
        if kind is not None and HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            self.answers.append(kind)

    def expression(self, key: str, text: str, expected: Type | None = None) -> Expression | None:
        """Check an expression field that is evaluated in process."""
        place = f"{self.place}.{key}"
        expression = self.findings.expression(place, text, self.scope, expected)
        if expression is not None:
            self.findings.answered(place, expression, self.scope)
        return expression

    def value(self, key: str, said: Any, expected: Type | None = None, *, whole: bool = False) -> Value | None:
        """Compile a value field; `whole` keeps entries that weren't sent, as null."""
        return compile_field(said, f"{self.place}.{key}", self.scope, self.findings, expected, whole=whole)

    @property
    def related(self) -> Scope:
        """Give the scope in which other rows can be read: that of conditions."""
        return self.scope.but(related=True)

    def over_items(self, record: Type) -> Scope:
        """Give the scope in which `item` is a row of what is read or written."""
        return self.scope.with_names(item=record).but(rows=frozenset({"item"}))

    def where(self, key: str, text: str, record: Type) -> Expression | None:
        """Check a condition over `item`, which Postgres decides."""
        scope = self.over_items(record).but(related=True)
        return rule_expression(f"{self.place}.{key}", text, scope, self.findings)

    def counted(
        self, text: str | None, source: Source, name: str | None, *, wants_one: bool = False
    ) -> Expression | None:
        """Check the `where` of rows of which one value is made: whoever reviews it is told what it leaves out."""
        condition = None if text is None else self.where("where", text, source.item)
        if condition is None:
            return None
        condition = dataclasses.replace(condition, counted=Counted(source, name, wants_one))
        self.findings.checked.append((f"{self.place}.where", condition))
        return condition

    def which(self, id_: str | None, where: str | None, source: Source) -> Expression | None:
        """Check which rows a step speaks of: the one with this id, or those that a condition holds for."""
        if id_ is None:
            return self.where("where", where or "true", source.item)
        place, wanted = f"{self.place}.id", source.table.columns["id"].type
        given = self.findings.expression(place, id_, self.related, wanted)
        return None if given is None or not has_sql(place, given, self.findings) else id_is(source.table, given)

    def table(self, name: str) -> Table | None:
        """Find the table that a step writes."""
        table = self.schema.tables.get(name)
        if table is None:
            known = list(self.schema.tables)
            if name in self.schema.views:
                self.report("table", f"{name!r} is a view: steps write tables", None)
            else:
                self.findings.unknown(f"{self.place}.table", "table", name, known)
        return table

    def source(self, name: str) -> Source | None:
        """Find the table or view that a step reads; not a view with params, which only a request for it brings."""
        source = self.schema.source(name)
        if source is None:
            self.findings.unknown(f"{self.place}.from", "table or view", name, self.schema.source_names)
        elif name in self.schema.views and self.schema.params[name].fields:
            hint = "read its table, with a where that says what the view's filter does"
            self.report("from", f"the view {name} has params, which a step can't give", hint)
            return None
        return source

    def condition(self, key: str, text: str) -> Expression | None:
        """Check a condition that is evaluated in process, or, where it reads other rows, by Postgres."""
        return deciding_expression(f"{self.place}.{key}", text, self.related, self.findings)
