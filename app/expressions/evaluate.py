"""Checked trees to Python closures; a null or an error inside is unknown, and what is unknown never grants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.expressions import syntax
from app.expressions.check import Expression
from app.expressions.check import forget as forget_checked
from app.expressions.compiling import BUDGET, RELATED, Budget, Closure, Environment, State, flat, placed, unknown
from app.expressions.conversion import to_type
from app.expressions.library.table import TABLE
from app.expressions.loops import compile_call, compile_comprehension, compile_membership
from app.expressions.operations import (
    ARITHMETIC,
    ORDER,
    BoundsExceeded,
    EvaluationError,
    Unknown,
    dynamic_arithmetic,
    dynamic_order,
    equals,
    kind_of,
    negate,
)
from app.expressions.selecting import compile_field, compile_has, compile_index
from app.expressions.types import BOOL, BYTES, DYN, INT, STRING, ListOf

__all__ = [
    "BUDGET",
    "BoundsExceeded",
    "Budget",
    "EvaluationError",
    "Unknown",
    "compile_condition",
    "compile_value",
    "forget",
]


def compile_value(expression: Expression) -> Closure:
    """Give the closure that computes the value; where there is no answer it raises EvaluationError with the place.

    A tree that many places share has one closure.
    """
    known = _REMEMBERED.get(id(expression.tree))
    if known is None:
        if len(_REMEMBERED) >= _MOST:
            _REMEMBERED.clear()
        known = _REMEMBERED[id(expression.tree)] = expression.tree, _compiled(expression.tree)
    return known[1]


_MOST = 4_096
# A tree that stands here lives, and so is the only one.
_REMEMBERED: dict[int, tuple[syntax.Node, Closure]] = {}
_FOLDED: dict[int, tuple[syntax.Node, syntax.Node]] = {}


def forget() -> None:
    """Forget what was parsed, checked and compiled."""
    forget_checked()
    _REMEMBERED.clear()
    _FOLDED.clear()


def _compiled(tree: syntax.Node) -> Closure:
    state = State(_COMPILERS)
    closure = state.compile(folded(tree))
    if not state.budgeted:
        return closure

    def value(env: Environment) -> Any:
        return closure(env if BUDGET in env else {**env, BUDGET: Budget()})

    return value


def folded(tree: syntax.Node) -> syntax.Node:
    """Give the tree with its constant parts computed; one that has no answer stays as it is.

    A tree that many places share is folded once.
    """
    known = _FOLDED.get(id(tree))
    if known is None:
        if len(_FOLDED) >= _MOST:
            _FOLDED.clear()
        known = _FOLDED[id(tree)] = tree, _folded(tree)
    return known[1]


def _folded(node: syntax.Node) -> syntax.Node:
    if isinstance(node, syntax.Literal | syntax.Name):
        return node
    if _constant(node, frozenset()):
        state = State(_COMPILERS)
        try:
            value = state.compile(node)({BUDGET: Budget()})
        except EvaluationError:
            return node
        return syntax.Literal(line=node.line, column=node.column, type=node.type, value=value)
    node = syntax.rebuilt(node, _folded)
    match node:
        case syntax.Logic(operator=operator, items=items) if any(_decides(operator, item) for item in items):
            return syntax.Literal(line=node.line, column=node.column, type=BOOL, value=operator == "||")
        case syntax.Conditional(condition=syntax.Literal(value=bool() as chosen)):
            return node.then if chosen else node.otherwise
    return node


def _decides(operator: str, item: syntax.Node) -> bool:
    return isinstance(item, syntax.Literal) and item.value is (operator == "||")


def _constant(node: syntax.Node, variables: frozenset[str]) -> bool:
    """Say whether a node reads nothing but these variables, and always gives the same."""
    match node:
        case syntax.Name(name=name):
            return name in variables
        case syntax.AllRows():
            return False
        case syntax.FunctionCall(function=name) if not TABLE[name].pure:
            return False
        case syntax.Comprehension(operand=operand, variable=variable, body=body, condition=condition):
            inner = variables | {variable}
            parts = [body] if condition is None else [body, condition]
            return _constant(operand, variables) and all(_constant(part, inner) for part in parts)
    return all(_constant(part, variables) for part in syntax.parts(node))


def compile_condition(expression: Expression) -> Callable[[Environment], bool]:
    """Give the closure that says whether the condition holds: unknown, error, null and anything but true is False."""
    closure = compile_value(expression)

    def condition(env: Environment) -> bool:
        try:
            return closure(env) is True
        except EvaluationError:
            return False

    return condition


def _literal(_state: State, node: syntax.Literal) -> Closure:
    value = node.value
    return lambda _env: value


def _name(_state: State, node: syntax.Name) -> Closure:
    name = node.name
    return lambda env: env.get(name)


def _rows(_state: State, node: syntax.AllRows) -> Closure:
    name = node.name

    def rows(env: Environment) -> Any:
        if name not in env.get(RELATED, {}):
            raise unknown(node, "rows of other tables are not at hand here")
        return env[RELATED][name]

    return rows


def _followed(state: State, node: syntax.Followed) -> Closure:
    inner, name, key = state.compile(node.operand), node.table, node.key

    def followed(env: Environment) -> Any:
        value = inner(env)
        if value is None:
            return None
        if name not in env.get(RELATED, {}):
            raise unknown(node, "rows of other tables are not at hand here")
        return next((row for row in env[RELATED][name] if row[key] == value), None)

    return followed


def _null_test(state: State, node: syntax.NullTest) -> Closure:
    inner, negated = state.compile(node.operand), node.negated

    def null_test(env: Environment) -> bool:
        try:
            return (inner(env) is None) is not negated
        except Unknown:
            return not negated

    return null_test


def _unary(state: State, node: syntax.Unary) -> Closure:
    inner = state.compile(node.operand)
    if node.operator == "-":
        apply = placed(node, negate)

        def negated(env: Environment) -> Any:
            value = inner(env)
            if value is None:
                raise unknown(node)
            return apply(value)

        return negated

    def inverted(env: Environment) -> bool:
        value = inner(env)
        if value is True:
            return False
        if value is False:
            return True
        raise unknown(node, "a condition is null or no boolean")

    return inverted


def _logic(state: State, node: syntax.Logic) -> Closure:
    items = tuple(state.compile(item) for item in node.items)
    decides = node.operator == "||"

    def logic(env: Environment) -> bool:
        undecided = False
        for item in items:
            try:
                value = item(env)
            except Unknown:
                undecided = True
                continue
            if value is decides:
                return value is True
            if value is None or not isinstance(value, bool):
                undecided = True
        if undecided:
            raise unknown(node, "no side decides, and one is unknown")
        return not decides

    return logic


def _conditional(state: State, node: syntax.Conditional) -> Closure:
    condition, then, otherwise = (state.compile(part) for part in (node.condition, node.then, node.otherwise))

    def conditional(env: Environment) -> Any:
        value = condition(env)
        if value is True:
            return then(env)
        if value is False:
            return otherwise(env)
        raise unknown(node, "the condition is null or no boolean")

    return conditional


def _binary(state: State, node: syntax.Binary) -> Closure:
    if node.operator in ("==", "!="):
        return _equality(state, node)
    if node.operator == "in":
        return compile_membership(state, node)
    left, right = state.compile(node.left), state.compile(node.right)
    operation = placed(node, _order(node) if node.operator in ORDER else _arithmetic(node))
    grows = (node.operator == "+" and node.type in (STRING, BYTES, DYN)) or isinstance(node.type, ListOf)
    if grows:
        state.budgeted = True

    def binary(env: Environment) -> Any:
        first, second = left(env), right(env)
        if first is None or second is None:
            raise unknown(node)
        if grows and isinstance(first, (str, bytes, list)) and isinstance(second, (str, bytes, list)):
            env[BUDGET].build(len(first) + len(second))
        return operation(first, second)

    return binary


def _order(node: syntax.Binary) -> Callable[[object, object], object]:
    dynamic = DYN in (node.left.type, node.right.type)
    return dynamic_order(node.operator) if dynamic else ORDER[node.operator]


def _arithmetic(node: syntax.Binary) -> Callable[[object, object], object]:
    found = ARITHMETIC.get((node.operator, node.left.type, node.right.type))
    return found[0] if found else dynamic_arithmetic(node.operator)


def _equality(state: State, node: syntax.Binary) -> Closure:
    left, right = state.compile(node.left), state.compile(node.right)
    wanted = node.operator == "=="
    if not (flat(node.left.type) and flat(node.right.type)):
        same = placed(node, equals)
        state.budgeted = True

        def equality(env: Environment) -> bool:
            first, second = left(env), right(env)
            if first is None or second is None:
                raise unknown(node)
            return bool(same(first, second, env[BUDGET].compare)) is wanted

        return equality

    def flat_equality(env: Environment) -> bool:
        first, second = left(env), right(env)
        if first is None or second is None:
            raise unknown(node)
        return bool(first == second) is wanted

    return flat_equality


def _list(state: State, node: syntax.ListLiteral) -> Closure:
    items = tuple(state.compile(item) for item in node.items)
    return lambda env: [item(env) for item in items]


def _map(state: State, node: syntax.MapLiteral) -> Closure:
    entries = tuple((state.compile(key), state.compile(value)) for key, value in node.entries)

    def build(env: Environment) -> dict[Any, object]:
        built: dict[object, object] = {}
        for key, value in entries:
            name = key(env)
            if kind_of(name) not in (STRING, INT, BOOL) or name in built:
                raise unknown(node, "a key of a map is null, no string, or there twice")
            built[name] = value(env)
        return built

    return build


def _convert(state: State, node: syntax.Convert) -> Closure:
    inner = state.compile(node.operand)
    apply = placed(node, lambda value: to_type(value, node.type))

    def convert(env: Environment) -> Any:
        value = inner(env)
        return None if value is None else apply(value)

    return convert


_COMPILERS: dict[type, Callable[[State, Any], Closure]] = {
    syntax.Literal: _literal,
    syntax.Name: _name,
    syntax.AllRows: _rows,
    syntax.Followed: _followed,
    syntax.Field: compile_field,
    syntax.Index: compile_index,
    syntax.Has: compile_has,
    syntax.NullTest: _null_test,
    syntax.Unary: _unary,
    syntax.Binary: _binary,
    syntax.Logic: _logic,
    syntax.Conditional: _conditional,
    syntax.ListLiteral: _list,
    syntax.MapLiteral: _map,
    syntax.FunctionCall: compile_call,
    syntax.Comprehension: compile_comprehension,
    syntax.Convert: _convert,
}
