"""Typing of an expression: names, operators and functions against a scope, with every problem found at once."""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any

from app.errors import near
from app.expressions import syntax
from app.expressions.calls import function_call
from app.expressions.library.table import NAMESPACES
from app.expressions.operands import common, compared, converted, operate
from app.expressions.parse import SHORT, parse
from app.expressions.parse import forget as forget_parsed
from app.expressions.problems import ExpressionErrors, Problem, caret
from app.expressions.related import followed, rows_named
from app.expressions.relation import Relation
from app.expressions.scope import Expression, Scope
from app.expressions.shorthand import Spelling, shadowed_hint, unknown_hint
from app.expressions.types import (
    BOOL,
    DURATION,
    DYN,
    INT,
    NULL,
    NUMBERS,
    SECRET,
    STRING,
    TYPE,
    TYPE_NAMES,
    WELL_KNOWN_TYPES,
    ListOf,
    MapOf,
    Record,
    Type,
    describe,
    exactly,
    holds_secret,
    one_set,
)

__all__ = ["Expression", "ExpressionErrors", "Problem", "Scope", "caret", "check", "forget"]

_MOST = 4_096
# What was checked, by all that it rests on; what is known there by its identity stands beside it, and so lives on.
_REMEMBERED: dict[tuple[object, ...], tuple[Expression, tuple[object, ...]]] = {}


def check(text: str, scope: Scope, expected: Type | None = None, *, bare: Scope | None = None) -> Expression:
    """Parse and type an expression; raises ExpressionErrors with every problem.

    Where `expected` is given, the value is converted to it: a literal now, a number or a dynamic value when it runs.
    With `bare` it is a condition: a single `=` compares, and a name that nothing has is a column of the one row there.
    """
    if bare is None:
        return _checked(text, text, scope, expected, None)
    spelling = Spelling(text, bare)
    try:
        return _checked(text, spelling.text, scope, expected, spelling)
    except ExpressionErrors as errors:
        raise ExpressionErrors(spelling.said_of(problem) for problem in errors.problems) from None


def _checked(said: str, text: str, scope: Scope, expected: Type | None, spelling: Spelling | None) -> Expression:
    """Check a text; where it rests on nothing but types and rules that are the same, it is what it was before."""
    names, called = _named(text) if len(text) <= SHORT else (None, ())
    if names is None or not all(name in scope.names for name in names):
        return _anew(said, text, scope, expected, spelling)
    types, rules = [scope.names[name] for name in names], [scope.rules.get(name) for name in called]
    wanted = None if expected is None else exactly(expected)
    where = (scope.rows, scope.secrets, scope.related, spelling is None)
    key = (said, text, wanted, where, *map(exactly, types), *map(id, rules))
    known = _REMEMBERED.get(key)
    if known is not None:
        return known[0]
    made = _anew(said, text, scope, expected, spelling)
    if not made.reads:  # rows that it reads are noted by whom they are asked of, each time
        if len(_REMEMBERED) >= _MOST:
            _REMEMBERED.clear()
        _REMEMBERED[key] = made, (expected, *types, *rules)
    return made


@functools.lru_cache(_MOST)
def _named(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name what a text names, and the functions that it calls."""
    nodes = list(syntax.walk(parse(text)))
    names = {one.name for one in nodes if isinstance(one, syntax.Name)}
    called = {one.function for one in nodes if isinstance(one, syntax.FunctionCall) and not one.method}
    return tuple(sorted(names)), tuple(sorted(called))


def forget() -> None:
    """Forget what was parsed and checked."""
    forget_parsed()
    _named.cache_clear()
    _REMEMBERED.clear()


def _anew(said: str, text: str, scope: Scope, expected: Type | None, spelling: Spelling | None) -> Expression:
    parsed = parse(text)
    checker = Checker(scope, spelling)
    tree = checker.node(parsed)
    if expected is not None and not checker.problems:
        tree = _expect(checker, tree, expected)
    if checker.problems:
        raise ExpressionErrors(checker.problems)
    roots = {path.partition(".")[0] for path in checker.paths}
    return Expression(
        text=said if spelling is None else spelling.text,
        tree=tree,
        type=tree.type,
        paths=one_set(frozenset(checker.paths)),
        rows=one_set(scope.rows & roots),
        constant=not checker.paths and not checker.reads,
        reads=checker.reads,
        said=said if spelling is not None and spelling.text != said else None,
    )


def _expect(checker: "Checker", tree: syntax.Node, expected: Type) -> syntax.Node:
    fitted = converted(tree, expected)
    if fitted is None:
        checker.report(tree, f"{describe(expected)} is wanted here, and this is {_called(tree)}")
        return tree
    if fitted.type == NULL and expected != DYN:
        # What is always null is a null of the wanted type: Postgres takes no text for a condition.
        return syntax.Literal(line=tree.line, column=tree.column, type=expected, value=None)
    return fitted


def _called(node: syntax.Node) -> str:
    if isinstance(node, syntax.Literal) and node.type == STRING:
        return f"{str(node.value)[:40]!r}"
    return describe(node.type)


class Checker:
    """The state of one check: its scope, the variables of the comprehensions around, the problems and paths so far.

    `spelling` is that of a condition; None of a value.
    """

    def __init__(self, scope: Scope, spelling: Spelling | None) -> None:
        self.scope, self.spelling = scope, spelling
        self.variables: dict[str, Type] = {}
        self.problems: list[Problem] = []
        self.paths: set[str] = set()
        self.reads: dict[str, Relation] = {}
        self.numbers = itertools.count(1)  # of what is named anew where a rule takes the place of its call

    def report(self, node: syntax.Node, message: str, hint: str | None = None, code: str = "type") -> None:
        self.problems.append(Problem(node.line, node.column, message, hint, f"expression.{code}"))

    def node(self, node: syntax.Node) -> syntax.Node:
        """Type a node whose value is used, so that it may carry no secret."""
        typed = self.selected(node)
        if not holds_secret(typed.type):
            return typed
        if self.scope.secrets and typed.type == SECRET:
            return dataclasses.replace(typed, type=STRING)
        self.report(typed, "a secret can't be used here", "only the parts of an http step may read secrets", "secret")
        return dataclasses.replace(typed, type=DYN)

    def selected(self, node: syntax.Node) -> syntax.Node:
        """Type a node of which only a part may be used."""
        return _TYPED[type(node)](self, node)


def _literal(_checker: Checker, node: syntax.Literal) -> syntax.Node:
    return node


def _name(checker: Checker, node: syntax.Name) -> syntax.Node:
    if node.name in checker.variables:
        return dataclasses.replace(node, type=checker.variables[node.name])
    if node.name not in checker.scope.names and node.name in TYPE_NAMES:
        return syntax.Literal(line=node.line, column=node.column, type=TYPE, value=TYPE_NAMES[node.name])
    if node.name not in checker.scope.names:
        return _bare(checker, node)
    checker.paths.add(node.name)
    return dataclasses.replace(node, type=checker.scope.names[node.name])


def _bare(checker: Checker, node: syntax.Name) -> syntax.Node:
    """Read a name that nothing has as the column of the one row, in a condition; else say whose it may be."""
    if node.name in checker.scope.relations and node.name not in NAMESPACES:
        return rows_named(checker, node)
    if checker.spelling is not None and not checker.variables and (owner := checker.spelling.owner(node.name)):
        checker.spelling.spell_out(node, owner)
        row = syntax.Name(line=node.line, column=node.column, name=owner)
        return checker.selected(syntax.Field(line=node.line, column=node.column, operand=row, name=node.name))
    hint = unknown_hint(node.name, checker.scope, checker.variables)
    checker.report(node, f"there is no {node.name[:64]!r} here", hint, "unknown_name")
    return node


def _member(checker: Checker, operand: syntax.Node, place: syntax.Node, name: str) -> Type:
    """Give the type of a member and note the path to it in place of the path to its operand."""
    path = _path(checker, operand)
    if path is not None:
        checker.paths.add(f"{path}.{name}")
    match operand.type:
        case Record(name=record, fields=fields):
            if name in fields:
                return fields[name]
            message = f"{record} has no field {name[:64]!r}"
            checker.report(place, message, near(name, fields), "unknown_name")
        case MapOf(value=value):
            return value
        case kind if kind not in (DYN, NULL):
            checker.report(place, f"{describe(kind)} has no fields")
    return DYN


def _path(checker: Checker, node: syntax.Node) -> str | None:
    match node:
        case syntax.Name(name=name) if name not in checker.variables:
            return name
        case syntax.Field(operand=operand, name=name):
            path = _path(checker, operand)
            return None if path is None else f"{path}.{name}"
        case syntax.Followed(operand=operand):
            return _path(checker, operand)
    return None


def _operand(checker: Checker, node: syntax.Node) -> syntax.Node:
    """Type the operand of a member without counting the path to the whole of it as read."""
    before = set(checker.paths)
    typed = checker.selected(node)
    path = _path(checker, typed)
    if path is not None and path not in before:
        checker.paths.discard(path)
    return followed(checker, typed)


def _dotted(node: syntax.Node) -> str:
    match node:
        case syntax.Name(name=name):
            return name
        case syntax.Field(operand=operand, name=name):
            return f"{_dotted(operand)}.{name}"
    return ""


def _field(checker: Checker, node: syntax.Field) -> syntax.Node:
    known = WELL_KNOWN_TYPES.get(_dotted(node)) if "google" not in checker.scope.names else None
    if known is not None:
        return syntax.Literal(line=node.line, column=node.column, type=TYPE, value=known)
    operand = _operand(checker, node.operand)
    return dataclasses.replace(node, operand=operand, type=_member(checker, operand, node, node.name))


def _has(checker: Checker, node: syntax.Has) -> syntax.Node:
    operand = _operand(checker, node.operand)
    if holds_secret(_member(checker, operand, node, node.name)):
        checker.report(node, "whether there is a secret can't be asked", None, "secret")
    return dataclasses.replace(node, operand=operand, type=BOOL)


def _index(checker: Checker, node: syntax.Index) -> syntax.Node:
    if isinstance(node.index, syntax.Literal) and isinstance(node.index.value, str):
        operand = _operand(checker, node.operand)
        if isinstance(operand.type, Record):
            field = syntax.Field(line=node.line, column=node.column, operand=operand, name=node.index.value)
            return dataclasses.replace(field, type=_member(checker, operand, node, field.name))
    operand, index = checker.node(node.operand), checker.node(node.index)
    match operand.type:
        case ListOf(element=result):
            wanted: Type = INT
        case MapOf(key=wanted, value=result):
            pass
        case kind:
            wanted = result = DYN
            if kind not in (DYN, NULL):
                checker.report(node, f"{describe(kind)} can't be indexed")
    fitted = index if index.type == DYN else converted(index, wanted)
    if fitted is None:
        checker.report(node, f"{describe(wanted)} is wanted as index, and this is {_called(index)}")
    return dataclasses.replace(node, operand=operand, index=fitted or index, type=result)


def _condition(checker: Checker, node: syntax.Node) -> syntax.Node:
    typed = checker.node(node)
    if typed.type not in (BOOL, DYN, NULL):
        checker.report(typed, f"a condition is wanted here, and this is {_called(typed)}")
    return typed


def _unary(checker: Checker, node: syntax.Unary) -> syntax.Node:
    if node.operator == "!":
        return dataclasses.replace(node, operand=_condition(checker, node.operand), type=BOOL)
    operand = checker.node(node.operand)
    if operand.type not in (*NUMBERS, DURATION, DYN, NULL):
        checker.report(node, f"{describe(operand.type)} can't be negated")
    return dataclasses.replace(node, operand=operand, type=operand.type)


def _logic(checker: Checker, node: syntax.Logic) -> syntax.Node:
    items = tuple(_condition(checker, item) for item in node.items)
    return dataclasses.replace(node, items=items, type=BOOL)


def _conditional(checker: Checker, node: syntax.Conditional) -> syntax.Node:
    condition = _condition(checker, node.condition)
    branches = (checker.node(node.then), checker.node(node.otherwise))
    joined = common(branches)
    if joined is None:
        first, second = (describe(branch.type) for branch in branches)
        checker.report(node, f"the two answers are of different types: {first} and {second}")
        return dataclasses.replace(node, condition=condition)
    then, otherwise = joined
    kind = otherwise.type if then.type == NULL else then.type
    return dataclasses.replace(node, condition=condition, then=then, otherwise=otherwise, type=kind)


def _binary(checker: Checker, node: syntax.Binary) -> syntax.Node:
    if node.operator in ("==", "!=") and (test := _null_test(checker, node)):
        return test
    left, right = checker.node(node.left), checker.node(node.right)
    found = (
        compared(node.operator, left, right) if node.operator in _COMPARISONS else operate(node.operator, left, right)
    )
    if isinstance(found, str):
        checker.report(node, found, shadowed_hint((node.left, node.right), checker.scope))
        refused: Type = BOOL if node.operator in _COMPARISONS else DYN
        return dataclasses.replace(node, left=left, right=right, type=refused)
    fitted_left, fitted_right, kind = found
    return dataclasses.replace(node, left=fitted_left, right=fitted_right, type=kind)


_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})


def _null_test(checker: Checker, node: syntax.Binary) -> syntax.Node | None:
    sides = [side for side in (node.left, node.right) if not (isinstance(side, syntax.Literal) and side.type == NULL)]
    if len(sides) == 2:
        return None
    operand = checker.node(sides[0]) if sides else node.left
    negated = node.operator == "!="
    return syntax.NullTest(line=node.line, column=node.column, operand=operand, negated=negated, type=BOOL)


def _list(checker: Checker, node: syntax.ListLiteral) -> syntax.Node:
    items = tuple(checker.node(item) for item in node.items)
    joined = common(items) if items else ()
    if joined is None:
        return dataclasses.replace(node, items=items, type=ListOf(DYN))
    element = next((item.type for item in joined if item.type != NULL), DYN)
    return dataclasses.replace(node, items=joined, type=ListOf(element))


def _map(checker: Checker, node: syntax.MapLiteral) -> syntax.Node:
    entries = tuple((checker.node(key), checker.node(value)) for key, value in node.entries)
    for key, _ in entries:
        if key.type not in (STRING, INT, BOOL, DYN):
            checker.report(key, f"{describe(key.type)} can't be the key of a map")
    keys = {key.type for key, _ in entries}
    values = {value.type for _, value in entries}
    kind = MapOf(keys.pop() if len(keys) == 1 else DYN, values.pop() if len(values) == 1 else DYN)
    return dataclasses.replace(node, entries=entries, type=kind)


def _comprehension(checker: Checker, node: syntax.Comprehension) -> syntax.Node:
    operand = checker.node(node.operand)
    match operand.type:
        case ListOf(element=element) | MapOf(key=element):
            pass
        case kind:
            element = DYN
            if kind not in (DYN, NULL):
                checker.report(node, f"{describe(kind)} has no elements for {node.macro}()")
    outer = checker.variables
    checker.variables = {**outer, node.variable: element}
    type_body = checker.node if node.macro == "map" else lambda body: _condition(checker, body)
    body = type_body(node.body)
    condition = _condition(checker, node.condition) if node.condition else None
    checker.variables = outer
    kinds: dict[str, Type] = {"map": ListOf(body.type), "filter": ListOf(element)}
    kind = kinds.get(node.macro, BOOL)
    return dataclasses.replace(node, operand=operand, body=body, condition=condition, type=kind)


_TYPED: dict[type, Callable[[Checker, Any], syntax.Node]] = {
    syntax.Literal: _literal,
    syntax.Name: _name,
    syntax.Field: _field,
    syntax.Index: _index,
    syntax.Has: _has,
    syntax.Unary: _unary,
    syntax.Logic: _logic,
    syntax.Binary: _binary,
    syntax.Conditional: _conditional,
    syntax.ListLiteral: _list,
    syntax.MapLiteral: _map,
    syntax.FunctionCall: function_call,
    syntax.Comprehension: _comprehension,
}
