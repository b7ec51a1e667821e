"""Which values may have no answer, since an input that they need may be null: found when they are saved."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.expressions import syntax
from app.expressions.scope import Scope
from app.expressions.types import Record

Paths = frozenset[str]
NONE: Paths = frozenset()
ALL = "*"  # among the sure paths: what has no answer is no failure here


@dataclass(frozen=True, slots=True)
class Unanswered:
    """An operation that has no answer where an input is null: the operation's node, its words, the input's path."""

    node: syntax.Node
    operation: str
    path: str


def path_of(node: syntax.Node) -> str | None:
    """Give the dotted path that a node is; None where it is anything else."""
    match node:
        case syntax.Convert(operand=operand):
            return path_of(operand)
        case syntax.Name(name=name):
            return name
        case syntax.Field(operand=operand, name=name):
            around = path_of(operand)
            return None if around is None else f"{around}.{name}"
    return None


def unanswered(node: syntax.Node, scope: Scope) -> Iterator[Unanswered]:
    """Yield the operations of a value that have no answer where an input of the scope is null."""
    if ALL not in scope.sure:
        yield from _Nulls(scope).without_answer(node, scope.sure)


def null_by(node: syntax.Node, scope: Scope) -> str | None:
    """Give the path of the input for which a value is null where that is; None where it isn't by any."""
    return _Nulls(scope).null_by(node, scope.sure)


def sure_where(node: syntax.Node, holds: bool) -> Paths:
    """Give the paths that surely have a value where a condition is true, or where it is false."""
    match node:
        case syntax.NullTest(operand=operand, negated=negated):
            return _surely(operand) if negated == holds else NONE
        case syntax.Has(operand=operand, name=name):
            around = path_of(operand)
            return frozenset({f"{around}.{name}"}) if holds and around is not None else NONE
        case syntax.Unary(operator="!", operand=operand):
            return sure_where(operand, not holds)
        case syntax.Logic(operator=operator, items=items) if (operator == "&&") == holds:
            return NONE.union(*(sure_where(item, holds) for item in items))
        case syntax.Binary(left=left, right=right):
            return _surely(left) | _surely(right)
        case syntax.FunctionCall(arguments=arguments):
            return NONE.union(*map(_surely, arguments))
    return NONE


def sure_unless(node: syntax.Node) -> Paths:
    """Give the paths that surely have a value where a condition is false or has no answer."""
    match node:
        case syntax.NullTest(negated=False):
            return sure_where(node, holds=False)
        case syntax.Unary(operator="!", operand=syntax.Has() | syntax.NullTest() as operand):
            return sure_where(operand, holds=True)
        case syntax.Logic(operator="||", items=items):
            return NONE.union(*map(sure_unless, items))
    return NONE


def _surely(node: syntax.Node) -> Paths:
    """Give the paths that have a value where this has one."""
    path = path_of(node)
    if path is not None:
        return frozenset({path})
    if isinstance(node, syntax.Binary | syntax.Unary | syntax.FunctionCall | syntax.Index):
        return NONE.union(*map(_surely, _operands(node)))
    return NONE


def _operands(node: syntax.Node) -> Iterable[syntax.Node]:
    """Give the parts without which a node has no answer."""
    match node:
        case syntax.FunctionCall(arguments=arguments, overloads=overloads):
            return () if any(overload.nulls for overload in overloads) else arguments
        case syntax.Binary() | syntax.Unary() | syntax.Index():
            return syntax.parts(node)
        case syntax.Comprehension(operand=operand):
            return (operand,)
        case syntax.Conditional(condition=condition):
            return (condition,)
        case syntax.Logic(items=items):
            return items
    return ()


class _Nulls:
    """Asks a tree over the inputs of a scope that may be null."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def without_answer(self, node: syntax.Node, sure: Paths) -> Iterator[Unanswered]:
        """Yield the operations without an answer; `sure` are the paths that have a value here."""
        if isinstance(node, syntax.NullTest | syntax.Has):
            return  # what has no answer counts as null
        for operand in _operands(node):
            known = sure | self._beside(node, operand)
            if (path := self.null_by(operand, known)) is not None:
                yield Unanswered(node, _words(node), path)
        for part in syntax.parts(node):
            yield from self.without_answer(part, sure | self._beside(node, part))

    def _beside(self, node: syntax.Node, part: syntax.Node) -> Paths:
        """Give the paths that have a value wherever the answer of a part decides."""
        match node:
            case syntax.Conditional(condition=condition) if part is not condition:
                return sure_where(condition, part is node.then)
            case syntax.Logic(operator=operator, items=items):
                # What is unknown is absorbed where another item decides, whichever stands first.
                return NONE.union(*(sure_where(item, operator == "&&") for item in items if item is not part))
        return NONE

    def null_by(self, node: syntax.Node, sure: Paths) -> str | None:
        """Give the path of the input for which a value may be null; None where it has one, or isn't known to miss."""
        match node:
            case syntax.Convert(operand=operand):
                return self.null_by(operand, sure)
            case syntax.Conditional(condition=condition, then=then, otherwise=otherwise):
                return self.null_by(then, sure | sure_where(condition, holds=True)) or self.null_by(
                    otherwise, sure | sure_where(condition, holds=False)
                )
            case syntax.Name(name=name):
                return name if name in self._scope.unsent | self._scope.undecided and name not in sure else None
            case syntax.Field(operand=operand, name=name):
                path = path_of(node)
                if path is None or path in sure:
                    return None
                kind = operand.type
                if isinstance(kind, Record) and name in kind.nullable:
                    return path
                return self.null_by(operand, sure)
        return None


def _words(node: syntax.Node) -> str:
    match node:
        case syntax.FunctionCall(function=name) | syntax.Comprehension(macro=name):
            return name
        case syntax.Binary(operator=sign) | syntax.Unary(operator=sign) | syntax.Logic(operator=sign):
            return sign
        case syntax.Index():
            return "[…]"
    return "? :"
