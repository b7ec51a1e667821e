"""What a chain asks before it goes on, and which rows it then reaches: what two versions of it are compared by."""

import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from app.compiler.implication import Meant, Untrue, all_of, any_of, form, literal
from app.compiler.renames import Renames
from app.definitions.endpoints import EndpointDef
from app.definitions.project import Project
from app.definitions.steps import StepDef
from app.definitions.views import ViewDef
from app.expressions.parse import parse
from app.expressions.syntax import Binary, Call, Field, Has, ListLiteral, MapLiteral, Name, Node, parts, rebuilt, walk
from app.rate_limits import BadLimit, parse_limit
from app.steps.registry import KINDS

_HERE: Any = {"line": 1, "column": 1}
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

parsed = functools.lru_cache(4096)(parse)


@dataclass(frozen=True, slots=True)
class Check:
    """What has to be true for a request to go on, where and how the definition says it; `inside` is under what."""

    rule: Node
    said: str
    kind: str
    place: str
    inside: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Reached:
    """What a step does: in words, for which rows, and by field what else it says."""

    what: str
    rows: Node
    rest: Mapping[str, Node]
    kind: str
    source: str | None
    place: str
    inside: tuple[Node, ...]

    @property
    def writes(self) -> bool:
        """Say whether it writes rows."""
        return self.kind in KINDS and KINDS[self.kind].writes


@dataclass(slots=True)
class Reach:
    """All that a chain asks and reaches: in order, the middleware that it is made of, and the conditions in it."""

    events: list[Check | Reached] = field(default_factory=list)
    shown: list[Node] = field(default_factory=list)
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


Names = dict[str, Node]


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
    return walker.found


class _Walker:
    """`inside` are the conditions under which the steps here run, `ended` those under which a step before answered."""

    def __init__(self, project: Project, renamed: Renames, place: str) -> None:
        self.middleware = {one.name: one for one in project.middleware}
        self.views = {one.name: one.table for one in project.views}
        self.renamed = renamed
        self.found = Reach()
        self.place = place
        self.inside: list[Node] = []
        self.ended: list[Node] = []

    def tree(self, text: str, names: Names, item: str | None = None) -> Node:
        """Read a rule, with the names of now, and what steps bound put in their place."""
        tables = {} if item is None else {"item": self.views.get(item, item)}
        node = parsed(text.strip().removeprefix("=").strip())
        return _put(self.renamed.rule(node, tables) if self.renamed else node, names)

    def value(self, said: Any, names: Names, item: str | None = None) -> Node:
        """Read a value: a literal, in which any text that begins with `=` is a rule."""
        if isinstance(said, str) and said.startswith("="):
            return self.tree(said, names, item)
        if isinstance(said, Mapping):
            pairs = sorted((str(key), self.value(one, names, item)) for key, one in said.items())
            return MapLiteral(**_HERE, entries=tuple((literal(key), one) for key, one in pairs))
        if isinstance(said, list | tuple):
            return ListLiteral(**_HERE, items=tuple(self.value(one, names, item) for one in said))
        return literal(said)

    def ask(self, rule: Node, said: str, kind: str) -> None:
        """Note a rule; it is asked only where the step runs and nothing has answered before."""
        skipped = [Untrue(**_HERE, operand=one) for one in self.inside]
        asked = any_of([*skipped, *self.ended, rule])
        self.found.events.append(Check(asked, said, kind, self.place, tuple(self.inside)))

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
                _join(names, before, names, condition)

    def _require(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        self.ask(self.tree(said["that"], names), said["that"], "require")

    def _validate(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        for rule in said["rules"]:
            self.ask(self.tree(rule["rule"], names), rule["rule"], "validate")

    def _fail(self, _step: StepDef, _said: Mapping[str, Any], _names: Names) -> None:
        self.ask(literal(False), "fail", "fail")

    def _quota(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        where = self.tree(said["where"], names, said["from"])
        counted = _call("rows", literal(self.renamed.source(said["from"])), where)
        most = self.value(said["max"], names)
        told = f"quota of {said['max']} {said['from']} where {said['where']}"
        self.ask(_less(counted, most), told, "quota")

    def _rate_limit(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        if said.get("dry_run"):
            return
        by = literal(None) if said.get("by") is None else self.tree(said["by"], names)
        rest = [self.value(said.get(key), names) for key in ("scope", "cost", "count", "on_store_failure")]
        limit = self.value(said["limit"], names)
        try:
            read = parse_limit(getattr(limit, "value", None))
        except BadLimit:
            self.ask(_less(_call("hits", by, *rest), limit), f"rate_limit {said['limit']}", "rate_limit")
            return
        hits = _call("hits", by, *rest, literal(read.period))
        self.ask(_less(hits, literal(read.amount)), f"rate_limit {said['limit']}", "rate_limit")

    def _time_window(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        open_ = {key: one for key, one in said.items() if key not in ("status", "code", "message")}
        self.ask(_call("open", self.value(open_, names)), "time_window", "time_window")

    def _if(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        when = self.tree(said["when"], names)
        then, otherwise = dict(names), dict(names)
        with self.at(f"{self.place}.then"), self.under(when):
            self.steps(said["then"], then)
        with self.at(f"{self.place}.else"), self.under(Untrue(**_HERE, operand=when)):
            self.steps(said.get("else", ()), otherwise)
        _join(names, then, otherwise, when)

    def _for_each(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        each = self.tree(said["each"], names)
        source = each.source if isinstance(each, Meant) else None
        inner = {**names, said["as"]: replace(_meant("item of", each), source=source, is_item=True)}
        with self.under(_call("has items", each)):
            self.steps(said["steps"], inner)
        inner.pop(said["as"])
        _join(names, inner, dict(names), each)

    def _call(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        inner = dict(names)
        self.use(said["use"], said.get("with", {}), inner)
        if "as" in said:
            made = [one for key, one in sorted(inner.items()) if names.get(key) is not one]
            names[said["as"]] = _meant(f"call {said['use']}", *made)

    def _set(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        for name, value in said["values"].items():
            made = self.value(value, names)
            # Values made of values made of values grow fast: a large one is taken as a whole.
            names[name] = made if sum(1 for _ in islice(walk(made), _LARGE)) < _LARGE else _meant("set", made)

    def _respond(self, _step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        for key in ("body", "headers"):
            self.found.shown += _shown(self.value(said.get(key), names))
        self.ended.append(all_of(list(self.inside)))

    def _other(self, step: StepDef, said: Mapping[str, Any], names: Names) -> None:
        """Note what a step does beyond the chain, and what it binds."""
        source = said.get("from") or said.get("table")
        rows = [self._rows(said, source, names)]
        rest = {
            key: self.tree(one, names) if key in _RULES else self.value(self._named(key, one, source), names, source)
            for key, one in said.items()
            if key not in _CHOOSING
        }
        words = _WORDS.get(step.do, f"does {step.do}")
        what = words if source is None else f"{words} {self.renamed.source(source)}"
        if step.do == "http":
            what = f"{words}, {said.get('url')}"
        told = Reached(what, all_of([*self.inside, *rows]), rest, step.do, source, self.place, tuple(self.inside))
        self.found.events.append(told)
        if isinstance(said.get("as"), str):
            seen = f"{step.do} {what} {said.get('group_by')} {said.get('values')}"
            parts_ = [*rows, *(one for _, one in sorted(rest.items()))]
            bound = _meant(f"{what} {sorted(rest)}", *parts_)
            names[said["as"]] = replace(bound, shown=seen, is_written=told.writes, source=source)

    def _named(self, key: str, said: Any, source: str | None) -> Any:
        """Give what is set under the columns' new names."""
        if key != "set" or source is None:
            return said
        return {self.renamed.of(source).get(name, name): value for name, value in said.items()}

    def _rows(self, said: Mapping[str, Any], source: str | None, names: Names) -> Node:
        if said.get("id") is not None:
            item = Field(**_HERE, operand=Name(**_HERE, name="item"), name="id")
            return Binary(**_HERE, operator="==", left=item, right=self.tree(said["id"], names))
        return literal(True) if said.get("where") is None else self.tree(said["where"], names, source)


def _call(function: str, *arguments: Node) -> Call:
    return Call(**_HERE, function=function, arguments=arguments, method=False)


def _less(left: Node, right: Node) -> Binary:
    return Binary(**_HERE, operator="<", left=left, right=right)


def _meant(what: str, *made_of: Node) -> Meant:
    text = " ".join((what, *map(form, made_of)))
    return Meant(**_HERE, meaning=hashlib.sha256(text.encode()).hexdigest(), made_of=made_of)


def _join(names: Names, one: Names, other: Names, condition: Node) -> None:
    """Let names mean what they mean in two branches, of which a condition chooses one."""
    both = {key: (one.get(key), other.get(key)) for key in {**one, **other}}
    for key, (left, right) in both.items():
        known = [literal(None) if side is None else side for side in (left, right)]
        names[key] = known[0] if form(known[0]) == form(known[1]) else _meant("either", condition, *known)


def _put(node: Node, names: Names) -> Node:
    """Put what steps bound in the place of its names."""
    if isinstance(node, Name):
        return names.get(node.name, node)
    if isinstance(node, Field) and isinstance(node.operand, Name) and node.operand.name == "params":
        return names.get(f"params.{node.name}", node)
    return rebuilt(node, lambda part: _put(part, names))


def nodes_in(node: Node, *, deep: bool = True) -> Iterator[Node]:
    """Yield the nodes of a rule, each once; `deep` those too of the rules that what it reads rests on."""
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if not isinstance(one, Meant) or deep:
            waiting += parts(one)


def paths_in(node: Node, *, deep: bool = True) -> set[str]:
    """Name the dotted paths that a rule reads."""
    return {path for one in nodes_in(node, deep=deep) if (path := _path(one)) is not None}


def _path(node: Node) -> str | None:
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Field | Has):
        before = _path(node.operand)
        return None if before is None else f"{before}.{node.name}"
    return None


def _shown(node: Node) -> list[Node]:
    """Give what a value shows of the rows and names that it reads."""
    if isinstance(node, Meant):
        return [Name(**_HERE, name=node.shown or node.meaning)]
    if isinstance(node, Name):
        return [node]
    found = [one for part in parts(node) for one in _shown(part)]
    if isinstance(node, Field) and isinstance(node.operand, Field | Name | Meant) and len(found) == 1:
        return [replace(node, operand=found[0])]
    return found


def rule_of(said: str | None, renamed: Renames, table: str) -> Node:
    """Give a view's rule over `row`; where there is none, everything holds."""
    if said is None:
        return literal(True)
    node = parsed(said.strip().removeprefix("=").strip())
    return renamed.rule(node, {"row": table}) if renamed else node
