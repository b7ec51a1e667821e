"""Chains followed: what each asks before it goes on, and which rows it then reaches."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from app.definitions.endpoints import EndpointDef
from app.definitions.project import Project
from app.definitions.steps import StepDef, UseDef
from app.definitions.views import ViewDef
from app.expressions.problems import ExpressionErrors
from app.expressions.syntax import Binary, Field, ListLiteral, MapLiteral, Name, Node, walk
from app.expressions.trees import HERE, literal, term
from app.review.implication import Meant, Passes, Untrue, all_of, any_of, form
from app.review.meaning import Names, join, meant, parsed, put, seen_through, shown
from app.review.reached import Check, Reach, Reached
from app.review.renames import Renames
from app.steps.kind import Asks, Does, Fields, Kind, Means, Rows
from app.steps.registry import KINDS

_LARGE = 200
_COMPARED = frozenset({Means.VALUE, Means.COLUMNS, Means.SHAPE, Means.ADDRESS})


def reach_of(project: Project, said: EndpointDef | ViewDef, renamed: Renames) -> Reach:
    """Follow the chain of an endpoint or a view, middleware and own steps."""
    return Chains(project, renamed).reach(said)


class Chains:
    """The chains of a project: middleware that several of them begin with, used alike, is followed once."""

    def __init__(self, project: Project, renamed: Renames) -> None:
        """Take a project, and under which names its tables are followed."""
        self.middleware = project.middleware_by_name()
        self.views = {one.name: one for one in project.views}
        self.renamed = renamed
        self._shared = project.project.middleware
        self._begun: dict[tuple[tuple[str, str], ...], tuple[_Walker, Names]] = {}

    def reach(self, said: EndpointDef | ViewDef) -> Reach:
        """Follow the chain of an endpoint or a view, middleware and own steps."""
        if isinstance(said, EndpointDef):
            asking = _Walker(self, f"endpoints/{said.name}")
            for rule in said.rules:
                asking.ask(asking.tree(rule.rule, {}), rule.rule, "rules", Asks.INPUT)
            shared = [use for use in self._shared if use.use not in said.skip]
            walker, names = self._behind([*shared, *said.middleware], asking.place)
            walker.found.events[:0] = asking.found.events
            walker.steps(said.steps, names)
        else:
            walker, _ = self._behind([*self._shared, *said.middleware], f"views/{said.name}")
            # What ends the chain before its rows are read keeps them from whom it answers.
            walker.found.events.append(Reached("shows its rows", walker.here(), {}, None, None, walker.place, ()))
        return walker.found

    def _behind(self, uses: Sequence[UseDef], place: str) -> "tuple[_Walker, Names]":
        """Give who has followed these uses, for one chain alone, and the names that are known then."""
        walker, names = _Walker(self, place), Names()
        for count, use in enumerate(uses, 1):
            key = tuple((one.use, repr(one.arguments)) for one in uses[:count])
            if key not in self._begun:
                walker, names = walker.copy(place), dict(names)
                walker.use(use.use, use.arguments, names)
                self._begun[key] = walker, names
            walker, names = self._begun[key]
        return walker.copy(place), dict(names)


@dataclass(frozen=True, slots=True)
class _StepMeaning:
    """What a step does, to which rows, and what else it says; `meaning` differs where what comes of it does."""

    kind: Kind
    what: str
    rows: list[Node]
    rest: Mapping[str, Node]
    source: str | None
    meaning: str
    seen: str

    @property
    def bound(self) -> Node:
        """Give what a name stands for that it binds."""
        bound = meant(self.meaning, *self.rows, *(one for _, one in sorted(self.rest.items())))
        if self.kind.does is None:
            return bound
        return replace(bound, shown=self.seen, is_written=self.kind.writes, source=self.source)


class _Walker:
    """Follows a chain.

    `inside` are the conditions under which the steps here run; `ended` those under which a step before has ended the
    chain, and `answered` those of them with an answer that is no refusal. `written` stands for all that steps before
    may have changed, and so for what is read.
    """

    def __init__(self, chains: Chains, place: str) -> None:
        self.chains = chains
        self.middleware, self.views, self.renamed = chains.middleware, chains.views, chains.renamed
        self.found = Reach()
        self.place = place
        self.inside: list[Node] = []
        self.ended: list[Node] = []
        self.answered: list[Node] = []
        self.written = ""

    def copy(self, place: str) -> "_Walker":
        """Give one that has followed the same, and goes on from a place without this one."""
        made, found = _Walker(self.chains, place), self.found
        made.found = Reach(
            list(found.events), list(found.shown), set(found.used), set(found.sources), list(found.conditions)
        )
        made.ended, made.answered, made.written = list(self.ended), list(self.answered), self.written
        return made

    def tree(self, text: str, names: Names, item: str | None = None) -> Node:
        """Read a rule, with the names of now, and what steps bound put in their place."""
        tables = {} if item is None else {"item": self.views[item].table if item in self.views else item}
        node = parsed(text.strip().removeprefix("=").strip())
        return put(self.renamed.rule(node, tables) if self.renamed else node, names)

    def value(self, said: Any, names: Names, item: str | None = None) -> Node:
        """Read a value: a literal, in which any text that begins with `=` is a rule."""
        if isinstance(said, str) and said.startswith("="):
            with suppress(ExpressionErrors):  # what is a rule here was checked: this is a text, such as a message
                return self.tree(said, names, item)
        if isinstance(said, Mapping):
            pairs = sorted((str(key), self.value(one, names, item)) for key, one in said.items())
            return MapLiteral(**HERE, entries=tuple((literal(key), one) for key, one in pairs))
        if isinstance(said, list | tuple):
            return ListLiteral(**HERE, items=tuple(self.value(one, names, item) for one in said))
        return literal(said)

    def ask(self, rule: Node, said: str, kind: str, asks: Asks, *, is_stated: bool = True) -> None:
        """Note a rule; it is asked only where the step runs and nothing has answered before."""
        skipped = [Untrue(**HERE, operand=one) for one in self.inside]
        asked = any_of([*skipped, *self.answered, rule])
        self.found.events.append(Check(asked, said, kind, asks, self.place, tuple(self.inside), is_stated))

    def here(self, rows: Sequence[Node] = ()) -> Node:
        """Give the rule under which these rows are reached here."""
        return all_of([*self.inside, *(Untrue(**HERE, operand=one) for one in self.ended), *rows])

    @contextmanager
    def under(self, condition: Node | None) -> Iterator[None]:
        """Follow steps that run only where a condition holds."""
        if condition is None:
            yield
            return
        self.found.conditions.append((self.place, condition))
        self.inside.append(condition)
        yield
        self.inside.pop()

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Follow what stands at a place."""
        before, self.place = self.place, place
        yield
        self.place = before

    def use(self, name: str, arguments: Mapping[str, Any], names: Names) -> None:
        """Follow a middleware with its arguments; what it binds is known behind it."""
        definition = self.middleware.get(name)
        if definition is None:  # what needs it is broken, and closed until it is there
            return
        self.found.used.add(name)
        outer = {key: one for key, one in names.items() if key.startswith("params.")}
        given = {
            f"params.{key}": self.value(arguments.get(key, param.default), names)
            for key, param in definition.params.items()
        }
        names.update(given)
        with self.at(f"middleware/{name}"):
            self.steps(definition.steps, names)
        for key in given:
            del names[key]
        names.update(outer)

    def steps(self, said: Sequence[Any], names: Names) -> None:
        """Follow steps in order."""
        for index, one in enumerate(said):
            step = one if isinstance(one, StepDef) else StepDef.model_validate(one)
            condition = None if step.when is None else self.tree(step.when, names)
            before = dict(names)
            with self.at(f"{self.place}.steps/{step.name or index}"), self.under(condition):
                self.step(step, names)
            if condition is not None:
                join(names, before, names, condition)

    def step(self, step: StepDef, names: Names) -> None:
        """Follow a step by what its kind says of it: what it asks, shows and does, what runs inside, what it binds."""
        kind, said, told = KINDS[step.do], step.fields, self._told(step, names)
        if kind.refuses(said):
            self._refusal(step, told, names)
        if kind.answers:
            self._answer(kind, said, names)
        if kind.does is not None:
            self._done(told, kind.does, said)
        self._inside(kind, said, names)
        for key in kind.named(Means.BINDS):
            if isinstance(said.get(key), str) and not kind.named(Means.USES):
                names[said[key]] = told.bound
        for key in kind.named(Means.NAMES):
            self._set(step.do, said[key], names)

    def _told(self, step: StepDef, names: Names) -> _StepMeaning:
        """Tell what a step does, for which rows, and what else it says."""
        kind, said = KINDS[step.do], step.fields
        source = kind.said(said, Means.TABLE)
        self.found.sources |= {source} if source is not None else set()
        window, through = seen_through(source, self.views, self.renamed)
        rest = {}
        for key, one in said.items():
            means = kind.fields.get(key, Means.VALUE)
            if means in _COMPARED:
                rest[key] = self.value(self._renamed(means, one, source), names, source)
            elif means is Means.RULE and one is not None:
                rest[key] = self.tree(one, names)
        words = [f"does {step.do}" if kind.does is None else kind.does.words]
        words += [] if source is None else [self.renamed.source(source)]
        what = ", ".join((" ".join(words), *(str(said.get(key)) for key in kind.named(Means.ADDRESS))))
        rows = [*window, self._rows(kind, said, source, names)]
        meaning = f"{what} {sorted(rest)} {through} {self.written}"
        seen = " ".join((step.do, what, *(str(said.get(key)) for key in kind.named(Means.SHAPE))))
        return _StepMeaning(kind, what, rows, rest, source, meaning, seen)

    def _refusal(self, step: StepDef, told: _StepMeaning, names: Names) -> None:
        """Note the rules that a step states; of one that states none, that it doesn't refuse."""
        kind, said = told.kind, step.fields
        asks = kind.asks or Asks.RULE
        if kind.rules is not None:
            for one in kind.rules(said, _Reading(self, names)):
                self.ask(one.rule, one.said, step.do, asks)
            return
        rest = tuple(term(key, one) for key, one in sorted(told.rest.items()))
        rest += tuple(term(key, literal(said.get(key))) for key in kind.named(Means.EXPECTS))
        grows = kind.does is not None and kind.does.grows
        passes = Passes(**HERE, what=told.meaning, rows=all_of(told.rows), rest=rest, grows=grows)
        self.ask(passes, _in_short(step, told), step.do, asks, is_stated=False)

    def _answer(self, kind: Kind, said: Fields, names: Names) -> None:
        for key in kind.named(Means.SHOWS):
            self.found.shown += [(one, self.here()) for one in shown(self.value(said.get(key), names))]
        ends = all_of(list(self.inside))
        if self.written or not kind.refuses(said):
            # What was written before is kept: no later rule keeps anybody from it.
            self.answered.append(ends)
        self.ended.append(ends)

    def _done(self, told: _StepMeaning, does: Does, said: Fields) -> None:
        rows, lasts = self.here(told.rows), does.lasts(said)
        seen = told.seen if does.rows is Rows.READ else None
        chosen = form(all_of(told.rows)) if does.picks(said) else None
        inside = tuple(self.inside)
        self.found.events.append(
            Reached(told.what, rows, told.rest, told.kind, told.source, self.place, inside, lasts, seen, chosen)
        )
        if seen is None and not lasts:
            rest = (form(one) for _, one in sorted(told.rest.items()))
            text = " ".join((self.written, told.what, form(rows), *rest))
            self.written = hashlib.sha256(text.encode()).hexdigest()

    def _inside(self, kind: Kind, said: Fields, names: Names) -> None:
        """Follow what a step runs: a middleware that it uses, steps inside it."""
        for key in kind.named(Means.USES):
            inner = dict(names)
            self.use(said[key], kind.said(said, Means.WITH) or {}, inner)
            if name := kind.said(said, Means.BINDS):
                made = [one for key, one in sorted(inner.items()) if names.get(key) is not one]
                names[name] = meant(f"from {said[key]}", *made)
        if kind.named(Means.STEPS):
            self._branches(kind, said, names)

    def _branches(self, kind: Kind, said: Fields, names: Names) -> None:
        ran, other, items = dict(names), dict(names), [said[key] for key in kind.named(Means.ITEM)]
        by: Node = literal(True)
        under: Node | None = None
        for key in kind.named(Means.CONDITION):
            under = by = self.tree(said[key], names)
        for key in kind.named(Means.EACH):
            by = self.tree(said[key], names)
            under = term("has items", by)
            source = by.source if isinstance(by, Meant) else None
            ran |= dict.fromkeys(items, replace(meant("item of", by), source=source, is_item=True))
        for key in kind.named(Means.STEPS):
            with self.at(self._within(key)), self.under(under):
                self.steps(said[key], ran)
        for key in kind.named(Means.OTHERWISE):
            with self.at(self._within(key)), self.under(Untrue(**HERE, operand=by)):
                self.steps(said.get(key) or (), other)
        for name in items:
            del ran[name]
        join(names, ran, ran if under is None else other, by)

    def _within(self, key: str) -> str:
        """Give the place of the steps in a field; `steps` stands in the place of each of them already."""
        return self.place if key == "steps" else f"{self.place}.{key}"

    def _set(self, do: str, said: Mapping[str, Any], names: Names) -> None:
        for name, value in said.items():
            made = self.value(value, names)
            # Values made of values made of values grow fast: a large one is taken as a whole.
            names[name] = made if sum(1 for _ in islice(walk(made), _LARGE)) < _LARGE else meant(do, made)

    def _renamed(self, means: Means, said: Any, source: str | None) -> object:
        """Give what is set under the columns' new names."""
        if means is not Means.COLUMNS or source is None or not isinstance(said, Mapping):
            return said
        return {self.renamed.of(source).get(name, name): value for name, value in said.items()}

    def _rows(self, kind: Kind, said: Fields, source: str | None, names: Names) -> Node:
        id_, where = kind.said(said, Means.ID), kind.said(said, Means.WHERE)
        if id_ is not None:
            item = Field(**HERE, operand=Name(**HERE, name="item"), name="id")
            return Binary(**HERE, operator="==", left=item, right=self.tree(id_, names))
        return literal(True) if where is None else self.tree(where, names, source)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a kind reads its rules by: a walker and the names that are known where the step stands."""

    walker: _Walker
    names: Names

    def rule(self, text: str, table: str | None = None) -> Node:
        return self.walker.tree(text, self.names, table)

    def value(self, said: Any, table: str | None = None) -> Node:
        return self.walker.value(said, self.names, table)

    def called(self, table: str) -> str:
        return self.walker.renamed.source(table)


def _in_short(step: StepDef, told: _StepMeaning) -> str:
    """Say a step in short, for whoever reads what has become of it."""
    words = [step.do, told.source or ""]
    for means, word in ((Means.WHERE, "where"), (Means.ID, "of id")):
        words += [f"{word} {step.fields[key]}" for key in told.kind.named(means) if key in step.fields]
    return " ".join(filter(None, words))
