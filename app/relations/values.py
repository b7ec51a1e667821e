"""Value fields: a literal, or `=` and an expression, however deep, compiled to one closure with its type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.database.statement import Environment, Evaluator
from app.expressions import syntax
from app.expressions.check import Expression, Scope
from app.expressions.compiling import constant
from app.expressions.evaluate import compile_value
from app.expressions.nulls import null_by
from app.expressions.operands import read_text
from app.expressions.types import (
    BOOL,
    DECIMAL,
    DOUBLE,
    DYN,
    INT,
    NULL,
    STRING,
    Enum,
    ListOf,
    MapOf,
    Record,
    Type,
    describe,
)
from app.relations.bound_row import BoundRow
from app.relations.findings import Findings

_INT64 = range(-(2**63), 2**63)
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Value:
    """A compiled value field. `expression` is set where the whole field is one; `literal` where nothing is computed.

    `sent` says whether it was sent, where an input that may not have been is the whole value; its entry is left out
    then. `reads` are the dotted paths that its expressions read.
    """

    type: Type
    evaluate: Evaluator
    expression: Expression | None = None
    literal: Any = _MISSING
    sent: Callable[[Environment], bool] | None = None
    reads: frozenset[str] = frozenset()

    def may_be_null(self, scope: Scope) -> bool:
        """Say whether it is null where an input of the scope is, or always."""
        if self.is_literal:
            return self.literal is None
        return self.expression is not None and null_by(self.expression.tree, scope) is not None

    def is_sent(self, env: Environment) -> bool:
        """Say whether the entry that it is the whole value of is there."""
        return self.sent is None or self.sent(env)

    @property
    def is_literal(self) -> bool:
        """Say whether the value is the same for every request."""
        return self.literal is not _MISSING


def literal_value(value: Any, kind: Type) -> Value:
    """Make the value that never changes."""
    return Value(kind, constant(value), literal=value)


def compile_field(
    said: Any, place: str, scope: Scope, findings: Findings, expected: Type | None = None, *, whole: bool = False
) -> Value | None:
    """Compile a value field; None after a finding.

    Where a type is expected, a literal is read as one of it (`"12.50"` into a decimal, `"2027-01-31"` into a date).
    `whole` is for what goes out: it keeps the entries of its objects that are inputs which weren't sent, as null, and
    of a bound row's column it takes what is shown.
    """
    if isinstance(said, str) and said.startswith("="):
        return _expression(said, place, scope, findings, expected, whole=whole)
    if isinstance(said, str) and said.startswith("\\="):
        said = said[1:]
    elif isinstance(said, str) and _is_path(said, scope):
        hint = f"write ={said} for its value, or ='{said}' if the text is meant"
        findings.report(place, f"this is the text {said!r}", hint, stricter=True)
    if isinstance(said, list | tuple) and (expected is None or expected == DYN or isinstance(expected, ListOf)):
        element = expected.element if isinstance(expected, ListOf) else None
        parts = [
            compile_field(one, f"{place}/{i}", scope, findings, element, whole=whole) for i, one in enumerate(said)
        ]
        return _list(parts, place, findings, expected)
    if expected is not None and expected != DYN:
        return _literal(said, place, findings, expected)
    if isinstance(said, Mapping):
        entries = {
            str(key): compile_field(one, f"{place}.{key}", scope, findings, whole=whole) for key, one in said.items()
        }
        return _object(entries, place, findings, whole=whole)
    return literal_value(said, type_of_literal(said))


def _expression(
    said: str, place: str, scope: Scope, findings: Findings, expected: Type | None, *, whole: bool
) -> Value | None:
    expression = findings.expression(place, said, scope, expected)
    if expression is None:
        return None
    if expression.rows:
        # It reads the row in the statement: only SQL can evaluate it.
        return Value(expression.type, _no_row, expression)
    shown = _shown(expression.tree) if whole else None
    evaluate, sent = shown or compile_value(expression), _sent(expression.tree, scope)
    if sent is None:
        findings.answered(place, expression, scope)
    given = evaluate if sent is None else (lambda env: evaluate(env) if sent(env) else None)
    return Value(expression.type, given, expression, sent=sent, reads=expression.paths)


def _shown(tree: syntax.Node) -> Evaluator | None:
    """Give what reads a column of a bound row, and of objects in it, as it is shown; None of any other value."""
    match tree:
        case syntax.Name(name=root):
            return lambda env: env.get(root)
        case syntax.Field(operand=syntax.Name(type=Record()) | syntax.Field(type=Record()) as operand, name=name):
            around = _shown(operand)
        case _:
            return None
    if around is None:
        return None

    def shown(env: Environment) -> object:
        value = around(env)
        return value.shown(name) if isinstance(value, BoundRow) else None if value is None else value.get(name)

    return shown


def _is_path(said: str, scope: Scope) -> bool:
    """Say whether a text is spelled like the path to something that there is, such as input.title."""
    root, *fields = said.split(".")
    kind = scope.names.get(root) if fields else None
    for name in fields:
        if not isinstance(kind, Record) or name not in kind.fields:
            return False
        kind = kind.fields[name]
    return kind is not None


def _no_row(_env: Any) -> Any:
    raise AssertionError("a value that reads the row is compiled to SQL")


def _sent(tree: syntax.Node, scope: Scope) -> Callable[[Environment], bool] | None:
    """Give what says whether a value was sent, at whatever depth it stands; None where something is always there."""
    path: list[str] = []
    types: list[Type] = []
    node = tree.operand if isinstance(tree, syntax.Convert) else tree
    while True:
        match node:
            case syntax.Field(operand=operand, name=name):
                pass
            case syntax.Index(operand=operand, index=syntax.Literal(value=str(name))):
                pass
            case syntax.Name(name=root):
                break
            case _:
                return None
        path.insert(0, name)
        types.insert(0, operand.type)
        node = operand
    return _all_there((root, *path)) if _may_miss(root, path, types, scope) else None


def _may_miss(root: str, path: Sequence[str], types: Sequence[Type], scope: Scope) -> bool:
    """Say whether something on the way to a value may not have been sent; only of what is sent may a part miss."""
    is_input, may_miss = root in scope.unsent, root in scope.unsent
    for name, kind in zip(path, types, strict=True):
        if isinstance(kind, Record):
            is_input = is_input or kind.optional is not None
            may_miss = may_miss or name in (kind.optional or ())
        else:
            may_miss = may_miss or is_input  # a key of json
    return may_miss


def _all_there(path: Sequence[str]) -> Callable[[Environment], bool]:
    def sent(env: Environment) -> bool:
        value: Any = env
        for name in path:
            if value is None:
                return False
            if type(value) is not dict and not isinstance(value, Mapping):
                return True  # it is evaluated, and says what is wrong with it
            if name not in value:
                return False
            value = value[name]
        return True

    return sent


def _literal(said: Any, place: str, findings: Findings, expected: Type) -> Value | None:
    value = read_literal(said, expected)
    if value is _MISSING:
        findings.report(place, f"a value of the type {describe(expected)} is needed here", _hint(said))
        return None
    return literal_value(value, expected)


def _hint(said: Any) -> str | None:
    if isinstance(said, str) and ("." in said or "(" in said):
        return f"a value that is computed begins with =, such as {'=' + said!r}"
    return None


def _object(parts: Mapping[str, Value | None], place: str, findings: Findings, *, whole: bool) -> Value | None:
    known = {key: part for key, part in parts.items() if part is not None}
    if len(known) < len(parts) or _reads_row(known.values(), place, findings):
        return None
    optional = frozenset() if whole else frozenset(key for key, part in known.items() if part.sent is not None)
    kind = Record(place.rpartition(".")[2], {key: part.type for key, part in known.items()}, optional or None)
    if all(part.is_literal for part in known.values()):
        return literal_value({key: part.literal for key, part in known.items()}, kind)
    always = tuple((key, part.evaluate) for key, part in known.items())
    entries = tuple((key, part.evaluate, part.is_sent) for key, part in known.items())

    def evaluate(env: Environment) -> Any:
        if not optional:
            return {key: value(env) for key, value in always}
        return {key: value(env) for key, value, is_sent in entries if is_sent(env)}

    return Value(kind, evaluate, reads=_reads(known.values()))


def _list(parts: Sequence[Value | None], place: str, findings: Findings, expected: Type | None) -> Value | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or _reads_row(known, place, findings):
        return None
    kinds = {part.type for part in known}
    kind = expected if isinstance(expected, ListOf) else ListOf(kinds.pop() if len(kinds) == 1 else DYN)
    if all(part.is_literal for part in known):
        return literal_value([part.literal for part in known], kind)
    closures = tuple(part.evaluate for part in known)
    return Value(kind, lambda env: [evaluate(env) for evaluate in closures], reads=_reads(known))


def _reads_row(parts: Iterable[Value], place: str, findings: Findings) -> bool:
    """Report a part that reads the row in the statement: such a one is a value by itself, or none."""
    found = any(part.expression is not None and part.expression.rows for part in parts)
    if found:
        hint = "fetch the row in a step before, and read it by its name"
        findings.report(place, "a part of an object or a list can't read the row that is written", hint)
    return found


def _reads(parts: Iterable[Value]) -> frozenset[str]:
    return frozenset().union(*(part.reads for part in parts))


def type_of_literal(value: Any) -> Type:
    """Give the type of a value as YAML or JSON has it."""
    for python, kind in ((bool, BOOL), (int, INT), (float, DOUBLE), (Decimal, DECIMAL), (str, STRING)):
        if isinstance(value, python):
            return kind
    if value is None:
        return NULL
    return ListOf(DYN) if isinstance(value, list | tuple) else MapOf(STRING, DYN) if isinstance(value, Mapping) else DYN


def read_literal(value: Any, wanted: Type) -> Any:
    """Read a literal of a document as a value of the wanted type; `_MISSING` where it is none. Null fits every type."""
    if value is None or wanted == DYN:
        return value
    if isinstance(wanted, ListOf):
        if not isinstance(value, list | tuple):
            return _MISSING
        items = [read_literal(item, wanted.element) for item in value]
        return _MISSING if any(item is _MISSING for item in items) else items
    if isinstance(value, str) and wanted == STRING:
        return value
    if isinstance(value, str):
        return _text(value, wanted)
    return _number(value, wanted)


def _text(value: str, wanted: Type) -> Any:
    if isinstance(wanted, Enum):
        return value if value in wanted.values else _MISSING
    found = read_text(value, wanted)
    if found is None and wanted == DECIMAL:
        try:
            number = Decimal(value)
        except ArithmeticError:
            return _MISSING
        return number if number.is_finite() else _MISSING
    return _MISSING if found is None else found


def _number(value: Any, wanted: Type) -> Any:
    if isinstance(value, bool):
        return value if wanted == BOOL else _MISSING
    if isinstance(value, int) and wanted == INT:
        return value if value in _INT64 else _MISSING
    if isinstance(value, int | float | Decimal) and wanted == DECIMAL:
        return Decimal(str(value))
    if isinstance(value, int | float | Decimal) and wanted == DOUBLE:
        return float(value)
    return _MISSING


def is_missing(value: Any) -> bool:
    """Say whether `read_literal` found no value."""
    return value is _MISSING
