"""Value fields: a literal, or `=` and an expression, however deep, compiled to one closure with its type."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from app.expressions.check import Expression, Scope
from app.expressions.evaluate import compile_value
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
from app.relations.findings import Findings
from app.relations.statement import Evaluator

_INT64 = range(-(2**63), 2**63)
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Value:
    """A compiled value field. `expression` is set where the whole field is one; `literal` where nothing is computed.

    `sent` is the name of an optional input where that input is the whole value: an entry that was not sent is left out.
    `reads` are the dotted paths that its expressions read.
    """

    type: Type
    evaluate: Evaluator
    expression: Expression | None = None
    literal: Any = _MISSING
    sent: str | None = None
    reads: frozenset[str] = frozenset()

    def always(self) -> "Value":
        """Give the value of an entry that is never left out."""
        return self if self.sent is None else replace(self, sent=None)

    @property
    def is_literal(self) -> bool:
        """Say whether the value is the same for every request."""
        return self.literal is not _MISSING


def literal_value(value: Any, kind: Type) -> Value:
    """Make the value that never changes."""
    return Value(kind, lambda _env: value, literal=value)


def compile_field(
    said: Any, place: str, scope: Scope, findings: Findings, expected: Type | None = None
) -> Value | None:
    """Compile a value field; None after a finding.

    Where a type is expected, a literal is read as one of it (`"12.50"` into a decimal, `"2027-01-31"` into a date).
    """
    if isinstance(said, str) and said.startswith("="):
        return _expression(said, place, scope, findings, expected)
    if isinstance(said, str) and said.startswith("\\="):
        said = said[1:]
    if expected is not None and expected != DYN:
        return _literal(said, place, findings, expected)
    if isinstance(said, Mapping):
        return _object(said, place, scope, findings)
    if isinstance(said, list | tuple):
        return _list(said, place, scope, findings)
    return literal_value(said, type_of_literal(said))


def _expression(said: str, place: str, scope: Scope, findings: Findings, expected: Type | None) -> Value | None:
    expression = findings.expression(place, said, scope, expected)
    if expression is None:
        return None
    if expression.rows:
        # It reads the row in the statement: only SQL can evaluate it.
        return Value(expression.type, _no_row, expression)
    return Value(
        expression.type,
        compile_value(expression),
        expression,
        sent=_whole_input(expression.text),
        reads=expression.paths,
    )


def _no_row(_env: Any) -> Any:
    raise AssertionError("a value that reads the row is compiled to SQL")


def _whole_input(text: str) -> str | None:
    root, _, name = text.strip().partition(".")
    return name if root == "input" and name.isidentifier() else None


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


def _object(said: Mapping[str, Any], place: str, scope: Scope, findings: Findings) -> Value | None:
    parts = {str(key): compile_field(item, f"{place}.{key}", scope, findings) for key, item in said.items()}
    known = {key: part for key, part in parts.items() if part is not None}
    if len(known) < len(parts):
        return None
    kind = Record(place.rpartition(".")[2], {key: part.type for key, part in known.items()})
    if all(part.is_literal for part in known.values()):
        return literal_value({key: part.literal for key, part in known.items()}, kind)
    closures = tuple((key, part.evaluate) for key, part in known.items())
    return Value(kind, lambda env: {key: evaluate(env) for key, evaluate in closures}, reads=_reads(known.values()))


def _list(said: "list[Any] | tuple[Any, ...]", place: str, scope: Scope, findings: Findings) -> Value | None:
    parts = [compile_field(item, f"{place}/{index}", scope, findings) for index, item in enumerate(said)]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    kinds = {part.type for part in known}
    kind = ListOf(kinds.pop() if len(kinds) == 1 else DYN)
    if all(part.is_literal for part in known):
        return literal_value([part.literal for part in known], kind)
    closures = tuple(part.evaluate for part in known)
    return Value(kind, lambda env: [evaluate(env) for evaluate in closures], reads=_reads(known))


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
