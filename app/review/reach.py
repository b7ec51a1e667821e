"""What a chain asks before it goes on, and which rows it then reaches: what two versions of it are compared by."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from app.definitions.endpoints import EndpointDef
from app.definitions.project import Project
from app.definitions.steps import StepDef
from app.definitions.views import ViewDef
from app.expressions.syntax import Binary, Field, ListLiteral, MapLiteral, Name, Node, walk
from app.limits.limit import BadLimit, parse_limit
from app.review.implication import Meant, Passes, Untrue, all_of, any_of, form, literal
from app.review.meaning import HERE, Names, call, join, less, meant, parsed, put, seen_through, shown
from app.review.renames import Renames
from app.steps.registry import KINDS

_WORDS = {
    "fetch": "reads", "list": "reads", "count": "reads", "exists": "reads", "aggregate": "reads",
    "insert": "inserts", "update": "updates", "delete": "deletes", "http": "calls another service",
    "sign_up": "signs people up", "sign_in": "signs people in", "issue_session": "issues sessions",
    "update_user": "changes accounts",
}  # fmt: skip
# What chooses rows is compared as a rule, and what an answer looks like, or how long it takes, lets nobody in.
_CHOOSING = frozenset({
    "from", "table", "id", "where", "as", "message", "status", "code", "order", "lock", "expect", "limit", "offset",
    "timeout", "retries",
})  # fmt: skip
_RULES = frozenset({"email", "password", "user"})

_LARGE = 200
# What a `respond` that refuses holds anybody to; a `fail` in its place is stricter, since it undoes what was written.
_REFUSED = call("answered by a refusal")


@dataclass(frozen=True, slots=True)
class Check:
    """What has to be true for a request to go on, where and how the definition says it; `inside` is under what.

    `is_stated` says that the definition states it as a rule; else it is that a step doesn't refuse by itself.
    """

    rule: Node
    said: str
    kind: str
    place: str
    inside: tuple[Node, ...]
    is_stated: bool = True


@dataclass(frozen=True, slots=True)
class Reached:
    """What a step does: in words, for which rows, and by field what else it says; `lasts` whatever is refused later.

    `seen` is what an answer shows of it where it only reads, and so does nothing else; None where it does something.
    `chosen` says which rows those are of which it takes only some; None where it takes all.
    """

    what: str
    rows: Node
    rest: Mapping[str, Node]
    kind: str
    source: str | None
    place: str
    inside: tuple[Node, ...]
    lasts: bool = False
    seen: str | None = None
    chosen: str | None = None

    @property
    def writes(self) -> bool:
        """Say whether it writes rows."""
        return self.kind in KINDS and KINDS[self.kind].writes


@dataclass(slots=True)
class Reach:
    """All that a chain asks and reaches: in order, the middleware that it is made of, and the conditions in it.

    `shown` is what its answers show, each with the rule under which it does.
    """

    events: list[Check | Reached] = field(default_factory=list)
    shown: list[tuple[Node, Node]] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    conditions: list[tuple[str, Node]] = field(default_factory=list)

    @property
    def checks(self) -> list[Check]:
        """Give what it asks."""
        return [one for one in self.events if isinstance(one, Check)]

    @property
    def reached(self) -> list[Reached]:
        """Give what it reaches."""
        return [one for one in self.events if isinstance(one, Reached)]


def reach_of(project: Project, said: EndpointDef | ViewDef, renamed: Renames) -> Reach:
    """Follow the chain of an endpoint or a view, middleware and own steps."""
    kind = "endpoints" if isinstance(said, EndpointDef) else "views"
    walker = _Walker(project, renamed, f"{kind}/{said.name}")
    names: Names = {}
    skipped: Sequence[str] = ()
    if isinstance(said, EndpointDef):
        skipped = said.skip
        for rule in said.rules:
            walker.ask(walker.tree(rule.rule, names), rule.rule, "rules")
    shared = [use for use in project.project.middleware if use.use not in skipped]
    for use in (*shared, *said.middleware):
        walker.use(use.use, use.arguments, names)
    if isinstance(said, EndpointDef):
        walker.steps(said.steps, names)
    else:
        # What ends the chain before its rows are read keeps them from whom it answers.
        walker.found.events.append(Reached("shows its rows", walker.here(), {}, kind, None, walker.place, ()))
    return walker.found


class _Walker:
    """Follows a chain.

    `inside` are the conditions under which the steps here run; `ended` those under which a step before has ended the
    chain, and `answered` those of them with an answer that is no refusal. `written` stands for all that steps before
    may have changed, and so for what is read.
    """

    def __init__(self, project: Project, renamed: Renames, place: str) -> None:
        self.middleware = {one.name: one for one in project.middleware}
        self.views = {one.name: one for one in project.views}
        self.renamed = renamed
        self.found = Reach()
        self.place = place
        self.inside: list[Node] = []
        self.ended: list[Node] = []
        self.answered: list[Node] = []
        self.written = ""

    def tree(self, text: str, names: Names, item: str | None = None) -> Node:
        """Read a rule, with the names of now, and what steps bound put in their place."""
        tables = {} if item is None else {"item": self.views[item].table if item in self.views else item}
        node = parsed(text.strip().removeprefix("=").strip())
        return put(self.renamed.rule(node, tables) if self.renamed else node, names)

    def value(self, said: Any, names: Names, item: str | None = None) -> Node:
        """Read a value: a literal, in which any text that begins with `=` is a rule."""
        if isinstance(said, str) and said.startswith("="):
            return self.tree(said, names, item)
        if isinstance(said, Mapping):
            pairs = sorted((str(key), self.value(one, names, item)) for key, one in said.items())
            return MapLiteral(**HERE, entries=tuple((literal(key), one) for key, one in pairs))
        if isinstance(said, list | tuple):
            return ListLiteral(**HERE, items=tuple(self.value(one, names, item) for one in said))
        return literal(said)

    def ask(self, rule: Node, said: str, kind: str, *, is_stated: bool = True) -> None:
        """Note a rule; it is asked only where the step runs and nothing has answered before."""
        skipped = [Untrue(**HERE, operand=one) for one in self.inside]
        asked = any_of([*skipped, *self.answered, rule])
        self.found.events.append(Check(asked, said, kind, self.place, tuple(self.inside), is_stated))

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
        definition = self.middleware[name]
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
                getattr(self, f"_{step.do}", self._other)(step, step.fields, names)
            if condition is not None:
                join(names, before, names, condition)

    def _require(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        self.ask(self.tree(said["that"], names), said["that"], "require")

    def _validate(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        for rule in said["rules"]:
            self.ask(self.tree(rule["rule"], names), rule["rule"], "validate")

    def _fail(self, _step: StepDef, _said: Mapping[str, Any], _names: Names) -> None:
        self.ask(literal(False), "fail", "fail")

    def _quota(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        where = self.tree(said["where"], names, said["from"])
        counted = call("rows", literal(self.renamed.source(said["from"])), where)
        most = self.value(said["max"], names)
        told = f"quota of {said['max']} {said['from']} where {said['where']}"
        self.ask(less(counted, most), told, "quota")

    def _rate_limit(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        if said.get("dry_run"):
            return
        by = literal(None) if said.get("by") is None else self.tree(said["by"], names)
        rest = [self.value(said.get(key), names) for key in ("scope", "cost", "count", "on_store_failure")]
        limit = self.value(said["limit"], names)
        try:
            read = parse_limit(getattr(limit, "value", None))
        except BadLimit:
            self.ask(less(call("hits", by, *rest), limit), f"rate_limit {said['limit']}", "rate_limit")
            return
        hits = call("hits", by, *rest, literal(read.period))
        self.ask(less(hits, literal(read.amount)), f"rate_limit {said['limit']}", "rate_limit")

    def _time_window(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        open_ = {key: one for key, one in said.items() if key not in ("status", "code", "message")}
        self.ask(call("open", self.value(open_, names)), "time_window", "time_window")

    def _if(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        when = self.tree(said["when"], names)
        then, otherwise = dict(names), dict(names)
        with self.at(f"{self.place}.then"), self.under(when):
            self.steps(said["then"], then)
        with self.at(f"{self.place}.else"), self.under(Untrue(**HERE, operand=when)):
            self.steps(said.get("else", ()), otherwise)
        join(names, then, otherwise, when)

    def _for_each(self, step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        each = self.tree(said["each"], names)
        most = said.get("limit", KINDS[step.do].body.model_fields["limit"].default)
        self.ask(less(call("items", each), literal(most)), f"for_each {said['each']}", step.do)
        source = each.source if isinstance(each, Meant) else None
        inner = {**names, said["as"]: replace(meant("item of", each), source=source, is_item=True)}
        with self.under(call("has items", each)):
            self.steps(said["steps"], inner)
        inner.pop(said["as"])
        join(names, inner, dict(names), each)

    def _call(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        inner = dict(names)
        self.use(said["use"], said.get("with", {}), inner)
        if "as" in said:
            made = [one for key, one in sorted(inner.items()) if names.get(key) is not one]
            names[said["as"]] = meant(f"call {said['use']}", *made)

    def _set(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        for name, value in said["values"].items():
            made = self.value(value, names)
            # Values made of values made of values grow fast: a large one is taken as a whole.
            names[name] = made if sum(1 for _ in islice(walk(made), _LARGE)) < _LARGE else meant("set", made)

    def _respond(self, step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        for key in ("body", "headers"):
            self.found.shown += [(one, self.here()) for one in shown(self.value(said.get(key), names))]
        ends = all_of(list(self.inside))
        if KINDS[step.do].refuses(said):
            self.ask(_REFUSED, f"respond {said.get('status')}", step.do)
        if self.written or not KINDS[step.do].refuses(said):
            # What was written before is kept: no later rule keeps anybody from it.
            self.answered.append(ends)
        self.ended.append(ends)

    def _other(self, step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        """Note what a step asks and does beyond the chain, and what it binds."""
        kind, source = KINDS[step.do], said.get("from") or said.get("table")
        window, through = seen_through(source, self.views, self.renamed)
        rows = [*window, self._rows(said, source, names)]
        rest = {
            key: self.value(self._named(key, one, source), names, source)
            for key, one in said.items()
            if key not in _CHOOSING and key not in _RULES
        }
        rest |= {key: self.tree(said[key], names) for key in _RULES if said.get(key) is not None}
        words = _WORDS.get(step.do, f"does {step.do}")
        what = words if source is None else f"{words} {self.renamed.source(source)}"
        if step.do == "http":
            what = f"{words}, {said.get('url')}"
        meaning = f"{what} {sorted(rest)} {through} {self.written}"
        if kind.refuses(said):
            more = tuple(call(key, one) for key, one in sorted(rest.items()))
            more += (call("expect", literal(said.get("expect"))),)
            passes = Passes(**HERE, what=meaning, rows=all_of(rows), rest=more, grows=kind.grows)
            self.ask(passes, _said(step, source), step.do, is_stated=False)
        inside = tuple(self.inside)
        seen = f"{step.do} {what} {said.get('group_by')} {said.get('values')}"
        read = seen if "from" in said else None
        lasts, chosen = kind.lasts(said), form(all_of(rows)) if kind.picks(said) else None
        told = Reached(what, self.here(rows), rest, step.do, source, self.place, inside, lasts, read, chosen)
        self.found.events.append(told)
        if read is None and not told.lasts:
            text = " ".join((self.written, what, form(told.rows), *(form(one) for _, one in sorted(rest.items()))))
            self.written = hashlib.sha256(text.encode()).hexdigest()
        if isinstance(said.get("as"), str):
            bound = meant(meaning, *rows, *(one for _, one in sorted(rest.items())))
            names[said["as"]] = replace(bound, shown=seen, is_written=told.writes, source=source)

    def _named(self, key: str, said: Any, source: str | None) -> Any:
        """Give what is set under the columns' new names."""
        if key != "set" or source is None:
            return said
        return {self.renamed.of(source).get(name, name): value for name, value in said.items()}

    def _rows(self, said: Mapping[str, Any], source: str | None, names: Names) -> Node:
        if said.get("id") is not None:
            item = Field(**HERE, operand=Name(**HERE, name="item"), name="id")
            return Binary(**HERE, operator="==", left=item, right=self.tree(said["id"], names))
        return literal(True) if said.get("where") is None else self.tree(said["where"], names, source)


def _said(step: StepDef, source: str | None) -> str:
    """Say a step in short, for whoever reads what has become of it."""
    words = [step.do, source or ""]
    words += [f"{word} {step.fields[key]}" for key, word in (("where", "where"), ("id", "of id")) if key in step.fields]
    return " ".join(filter(None, words))
