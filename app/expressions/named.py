"""Rules with names: a call becomes the rule itself, with the arguments in the place of its params.

A rule sees nothing of the place that calls it. Its loop variables get names that no expression can say, so that none of
them is taken for a name in an argument.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.expressions import syntax
from app.expressions.library.table import TABLE
from app.expressions.operands import converted
from app.expressions.types import BOOL, Type, describe

if TYPE_CHECKING:
    from app.expressions.check import Checker, Expression

PARAMS = "params"
_LARGEST, _DEEPEST = 5_000, 150  # nodes


@dataclass(frozen=True, slots=True)
class NamedRule:
    """A rule that was checked: its params in their order, and what they are put into."""

    name: str
    params: Mapping[str, Type]
    expression: "Expression"

    @property
    def signature(self) -> str:
        """Say how it is called."""
        return f"{self.name}({', '.join(self.params)})"


def rule_call(checker: "Checker", node: syntax.FunctionCall, rule: NamedRule | str) -> syntax.Node:
    """Put the rule in the place of a call; what is wrong with the call is reported there."""
    before = len(checker.problems)
    arguments = [checker.node(argument) for argument in node.arguments]
    failed = dataclasses.replace(node, arguments=tuple(arguments), type=BOOL)
    if isinstance(rule, str):
        checker.report(node, f"{node.function} can't be called here: {rule}")
        return failed
    if len(arguments) != len(rule.params):
        checker.report(node, f"{node.function} takes {len(rule.params)} arguments", f"write {rule.signature}")
        return failed
    given = {}
    for (name, wanted), argument in zip(rule.params.items(), arguments, strict=True):
        fitted = converted(argument, wanted)
        if fitted is None:
            checker.report(argument, f"{describe(wanted)} is wanted for {name}, and this is {describe(argument.type)}")
        elif any(isinstance(one, syntax.FunctionCall) and not TABLE[one.function].pure for one in syntax.walk(fitted)):
            checker.report(argument, "an argument that is another each time can't be given to a rule")
        else:
            given[name] = fitted
    if len(checker.problems) > before or not _reads(checker, node, rule):
        return failed
    checker.paths |= {path for path in rule.expression.paths if path.partition(".")[0] != PARAMS}
    put = _Put(node, given, checker.numbers).node(rule.expression.tree, {})
    if sum(1 for _ in syntax.walk(put)) > _LARGEST or _depth(put) > _DEEPEST:
        checker.report(node, f"{node.function} is too large with all the rules that it calls", None, "bounds")
        return failed
    return put


def _reads(checker: "Checker", node: syntax.Node, rule: NamedRule) -> bool:
    """Note the rows that a rule reads; report those that can't be read at the place of the call."""
    for name in rule.expression.reads:
        found = checker.scope.relations.get(name)
        if not checker.scope.related or found is None or isinstance(found, str):
            why = f": {found}" if isinstance(found, str) and checker.scope.related else ""
            message = f"{rule.name} reads rows of {name}, which can't be read here{why}"
            checker.report(
                node, message, "call it where Postgres decides: in a filter, where, require or when", "no_rows"
            )
            return False
        checker.reads[name] = found
    return True


class _Put:
    """Puts arguments in the place of params, in the call's place of the text."""

    def __init__(self, call: syntax.Node, given: Mapping[str, syntax.Node], numbers: Iterator[int]) -> None:
        self.call, self.given, self.numbers = call, given, numbers

    def node(self, node: syntax.Node, variables: Mapping[str, str]) -> syntax.Node:
        """Give a node of the rule as it is at the call; `variables` are the names of those of loops around it."""
        match node:
            case syntax.Field(operand=syntax.Name(name="params"), name=name) if PARAMS not in variables:
                return self.given[name]
            case syntax.Has(operand=syntax.Name(name="params"), name=name) if PARAMS not in variables:
                line, column = self.call.line, self.call.column
                return syntax.NullTest(line=line, column=column, operand=self.given[name], negated=True, type=BOOL)
            case syntax.Name(name=name) if name in variables:
                return self._here(dataclasses.replace(node, name=variables[name]))
            case syntax.Comprehension(operand=operand, variable=variable, body=body, condition=condition):
                fresh = f"{variable.partition('#')[0]}#{next(self.numbers)}"
                inner = {**variables, variable: fresh}
                return self._here(
                    dataclasses.replace(
                        node,
                        operand=self.node(operand, variables),
                        variable=fresh,
                        body=self.node(body, inner),
                        condition=None if condition is None else self.node(condition, inner),
                    )
                )
        return self._here(syntax.rebuilt(node, lambda part: self.node(part, variables)))

    def _here(self, node: syntax.Node) -> syntax.Node:
        return dataclasses.replace(node, line=self.call.line, column=self.call.column)


def _depth(node: syntax.Node) -> int:
    return 1 + max(map(_depth, syntax.parts(node)), default=0)
