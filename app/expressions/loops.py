"""Closures whose work grows with the data: calls, membership and comprehensions, all held by the budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.expressions import syntax
from app.expressions.compiling import BUDGET, Budget, Closure, Environment, State, flat, placed, unknown
from app.expressions.library.table import TABLE
from app.expressions.operations import Unknown, equals, kind_of
from app.expressions.types import BOOL, BYTES, DECIMAL, DYN, INT, STRING, ListOf

_TEXT_AN_ITERATION = 1_000
_NODES_AN_ITERATION = 4
_PARTS_AN_ITERATION = 8
_CALL, _SLOW = 6, 3  # parts that a call is worth, and an operator of decimals or of values that are typed late
_MOST_NODES = 100_000
_ELEMENTS_AN_ITERATION = 10


def compile_call(state: State, node: syntax.FunctionCall) -> Closure:
    """Compile a function or method: null in, unknown out."""
    arguments = tuple(state.compile(argument) for argument in node.arguments)
    run = placed(node, _dispatch(node))
    charged, walks = state.looping, TABLE[node.function].walks
    nulls = all(overload.nulls for overload in node.overloads)
    grows = node.type in (STRING, BYTES, DYN) or isinstance(node.type, ListOf)
    state.budgeted = state.budgeted or grows or walks

    def call(env: Environment) -> Any:
        values = [argument(env) for argument in arguments]
        if not nulls and any(value is None for value in values):
            raise unknown(node)
        if charged:
            env[BUDGET].iterate(sum(len(v) for v in values if isinstance(v, (str, bytes))) // _TEXT_AN_ITERATION)
        if walks:
            env[BUDGET].iterate(_nodes(values) // _NODES_AN_ITERATION)
        result = run(*values)
        if grows and isinstance(result, (str, bytes, list)):
            env[BUDGET].build(len(result))
        return result

    return call


def _nodes(value: Any) -> int:
    """Count the values in a value, as far as anybody may walk."""
    count, left = 0, [value]
    while left and count <= _MOST_NODES:
        found = left.pop()
        count += 1
        if isinstance(found, list):
            left += found
        elif isinstance(found, dict):
            left += found.values()
    return count


def _dispatch(node: syntax.FunctionCall) -> Callable[..., object]:
    overloads = node.overloads
    if all(argument.type != DYN for argument in node.arguments):
        return overloads[0].python

    chosen: dict[tuple[type, ...], Callable[..., object] | None] = {}

    def dispatch(*values: object) -> object:
        types = tuple(map(type, values))
        if types not in chosen:
            kinds = [kind_of(value) for value in values]
            chosen[types] = next((found.python for found in overloads if found.fits(kinds) is not None), None)
        run = chosen[types]
        if run is None:
            raise Unknown(f"{node.function} doesn't take these values")
        return run(*values)

    return dispatch


def compile_membership(state: State, node: syntax.Binary) -> Closure:
    """Compile `in`: a null in the list makes a miss unknown."""
    left, right = state.compile(node.left), state.compile(node.right)
    plain = isinstance(node.right.type, ListOf) and flat(node.right.type.element) and flat(node.left.type)
    charged = state.looping
    state.budgeted = state.budgeted or not plain
    contains = placed(node, _in_flat if plain else _in_any)

    def membership(env: Environment) -> bool:
        value, container = left(env), right(env)
        if value is None or container is None:
            raise unknown(node)
        if plain:
            if charged:
                env[BUDGET].iterate(len(container) // _ELEMENTS_AN_ITERATION)
            return bool(contains(value, container))
        if isinstance(container, list):
            env[BUDGET].compare(len(container))
        return bool(contains(value, container, env[BUDGET].compare))

    return membership


def _in_flat(value: object, container: list[object]) -> bool:
    if value in container:
        return True
    if None in container:
        raise Unknown("the list holds a null")
    return False


def _in_any(value: object, container: object, spend: Callable[[int], None]) -> bool:
    if isinstance(container, dict):
        return kind_of(value) in (STRING, INT, BOOL) and value in container
    if not isinstance(container, list):
        raise Unknown("this value is neither a list nor a map")
    if any(item is not None and equals(value, item, spend) for item in container):
        return True
    if None in container:
        raise Unknown("the list holds a null")
    return False


def _parts(node: syntax.Node) -> int:
    match node:
        case syntax.FunctionCall():
            return 1 + _CALL
        case syntax.Binary(left=left) if left.type in (DECIMAL, DYN):
            return 1 + _SLOW
    return 1


def compile_comprehension(state: State, node: syntax.Comprehension) -> Closure:
    """Compile all, exists, exists_one, filter and map; each element takes an iteration."""
    source = state.compile(node.operand)
    outer, state.looping, state.budgeted = state.looping, True, True
    body = state.compile(node.body)
    condition = state.compile(node.condition) if node.condition else None
    state.looping = outer
    variable, fold = node.variable, _FOLDS[node.macro]
    weight = 1 + sum(map(_parts, syntax.walk(node.body))) // _PARTS_AN_ITERATION

    def comprehension(env: Environment) -> Any:
        values = source(env)
        if not isinstance(values, (list, dict)):
            raise unknown(node, "what is looped over is null, or neither a list nor a map")
        budget: Budget = env[BUDGET]
        inner = dict(env)

        def at(value: Any, run: Closure) -> Any:
            inner[variable] = value
            return run(inner)

        def steps() -> Any:
            for value in values:
                budget.iterate(weight)
                yield value

        return fold(node, steps(), at, body, condition)

    return comprehension


def _true(node: syntax.Node, value: object) -> bool:
    if value is True or value is False:
        return bool(value)
    raise unknown(node, "a condition is null or no boolean")


def _decide(decides: bool) -> Callable[..., object]:
    def fold(node: syntax.Node, values: Any, at: Any, body: Closure, _condition: object) -> bool:
        undecided = False
        for value in values:
            try:
                if _true(node, at(value, body)) is decides:
                    return decides
            except Unknown:
                undecided = True
        if undecided:
            raise unknown(node, "no element decides, and one is unknown")
        return not decides

    return fold


def _exists_one(node: syntax.Node, values: Any, at: Any, body: Closure, _condition: object) -> bool:
    return sum(_true(node, at(value, body)) for value in values) == 1


def _filter(node: syntax.Node, values: Any, at: Any, body: Closure, _condition: object) -> list[object]:
    return [value for value in values if _true(node, at(value, body))]


def _mapped(node: syntax.Node, values: Any, at: Any, body: Closure, condition: Closure | None) -> list[object]:
    if condition is None:
        return [at(value, body) for value in values]
    return [at(value, body) for value in values if _true(node, at(value, condition))]


_FOLDS: dict[str, Callable[..., object]] = {
    "all": _decide(False),
    "exists": _decide(True),
    "exists_one": _exists_one,
    "filter": _filter,
    "map": _mapped,
}
