"""Rules with names, checked: each before the first definition that calls it; those that call each other are refused."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from app.definitions.column_types import Keys
from app.definitions.named_rules import NamedRuleDef
from app.definitions.names import CEL_RESERVED
from app.definitions.project import Project
from app.expressions import syntax
from app.expressions.check import Scope
from app.expressions.library.table import NAMESPACES, TABLE
from app.expressions.named import PARAMS, NamedRule
from app.expressions.parse import MACROS
from app.expressions.types import TYPE_NAMES
from app.relations.findings import Findings
from app.relations.memory import Compilation
from app.relations.names import declared
from app.relations.readable import Readable, view_of
from app.relations.rules import deciding_expression

_WRONG = "there is something wrong with the rule itself"


class NamedRules(Mapping[str, NamedRule | str]):
    """Rules by name, each checked when it is first asked for; a text says why one can't be called."""

    def __init__(
        self, project: Project, keys: Keys, scope: Scope, findings: Findings, compilation: Compilation
    ) -> None:
        """Take what they are checked with; `world` has to be set before any is asked for."""
        self.definitions = {rule.name: rule for rule in project.rules}
        self.world: Mapping[str, Any] = {}
        self._keys, self._scope, self._findings, self._compilation = keys, scope, findings, compilation
        self._done: dict[str, NamedRule | str] = {}
        self._under_way: list[str] = []

    def __getitem__(self, name: str) -> NamedRule | str:
        if name in self._under_way:
            way = " > ".join((*self._under_way[self._under_way.index(name) :], name))
            return f"the rules call each other in a circle: {way}"
        if name not in self._done:
            said = self.definitions[name]
            self._under_way.append(name)
            given = (self._scope, *self._params(said))
            world = {**self.world, "rules": self}
            made = self._compilation.part(
                f"rule/{name}", said, given, world, partial(self._checked, said), self._findings
            )
            self._under_way.pop()
            self._done[name] = made or _WRONG
        return self._done[name]

    def __iter__(self) -> Any:
        return iter(self.definitions)

    def __len__(self) -> int:
        return len(self.definitions)

    def all(self, names: Mapping[str, object]) -> dict[str, NamedRule | str]:
        """Give all of them; `names` are the tables and views that there are."""
        for name in self.definitions:
            _check_name(name, names, self._findings)
        return {name: self[name] for name in self.definitions}

    def _params(self, said: NamedRuleDef) -> tuple[object, ...]:
        record = declared(PARAMS, said.params, self._keys)
        return (self._compilation.again(f"params of rule/{said.name}", said, record),)

    def _checked(self, said: NamedRuleDef, world: Mapping[str, Any]) -> NamedRule | None:
        place = f"rules/{said.name}.that"
        record = declared(PARAMS, said.params, self._keys)
        readable = Readable(world["tables"], world["definitions"], partial(_view, world))
        scope = self._scope.with_names(params=record).without("secrets")
        scope = scope.but(relations=readable, related=True, rules=world["rules"])
        expression = deciding_expression(place, said.that, scope, self._findings)
        if expression is None:
            return None
        if _whole_params(expression.tree):
            hint = f"name one of them: params.{next(iter(said.params), 'team')}"
            self._findings.report(place, "the whole of params can't be read here", hint)
            return None
        return NamedRule(said.name, record.fields, expression)


def _view(world: Mapping[str, Any], name: str) -> Any:
    """Give a view as a rule reads it: who may read it is asked where the rule is called."""
    said = world["definitions"][name]
    return view_of(said, (said.rule("select").access,), "come here", world["views"])


def _whole_params(node: syntax.Node) -> bool:
    match node:
        case syntax.Field(operand=syntax.Name(name="params")) | syntax.Has(operand=syntax.Name(name="params")):
            return False
        case syntax.Name(name=name):
            return name == PARAMS
        case syntax.Comprehension(variable="params", operand=operand):
            return _whole_params(operand)
    return any(map(_whole_params, syntax.parts(node)))


def _check_name(name: str, names: Mapping[str, object], findings: Findings) -> None:
    place, hint = f"rules/{name}.name", "choose another name"
    if name in names:
        findings.report(place, f"there is a table or view {name!r}", hint)
    elif name in CEL_RESERVED or name in TYPE_NAMES or name in NAMESPACES:
        findings.report(place, f"{name!r} is a word of the language", hint)
    elif name in TABLE or name in MACROS or name == "has":
        # A function that a later version adds yields to a rule of that name.
        findings.report(place, f"there is a function {name!r}", hint, stricter=True)
