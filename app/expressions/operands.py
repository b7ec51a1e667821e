"""How two operands are brought to one type: literals read, numbers widened, dynamic values left to run time."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from app.errors import near
from app.expressions import syntax
from app.expressions.library.ranges import FROM_TEXT
from app.expressions.operations import ARITHMETIC, ORDERED, WIDEN, EvaluationError
from app.expressions.types import (
    BOOL,
    DYN,
    LIST,
    NULL,
    NUMBERS,
    RANGES,
    STRING,
    UUID,
    Enum,
    ListOf,
    MapOf,
    Record,
    Type,
    assignable,
    describe,
    wider,
)

Fitted = tuple[syntax.Node, syntax.Node, Type]


def converted(node: syntax.Node, wanted: Type) -> syntax.Node | None:
    """Give the node as a value of the wanted type, or None where it can't be one."""
    if wanted in (node.type, DYN) or node.type == NULL:
        return node
    if isinstance(node, syntax.Literal):
        return _literal(node, wanted)
    if isinstance(node, syntax.ListLiteral) and isinstance(wanted, ListOf):
        items = [converted(item, wanted.element) for item in node.items]
        kept = tuple(item for item in items if item is not None)
        return dataclasses.replace(node, items=kept, type=wanted) if len(kept) == len(items) else None
    if not assignable(node.type, wanted):
        return None
    return syntax.Convert(line=node.line, column=node.column, operand=node, type=wanted)


def _literal(node: syntax.Literal, wanted: Type) -> syntax.Node | None:
    if node.type == STRING:
        value = read_text(node.value, wanted)
        return None if value is None else dataclasses.replace(node, value=value, type=wanted)
    if wider(node.type, wanted) == wanted:
        return dataclasses.replace(node, value=WIDEN[wanted](node.value), type=wanted)
    return None


def read_text(text: str, wanted: Type) -> Any:
    """Read a string as a uuid, date, timestamp, duration or word of an enum; None where it is none."""
    if isinstance(wanted, Enum):
        return text if text in wanted.values else None
    read = FROM_TEXT.get(wanted)
    if read is None:
        return None
    try:
        return read(text)
    except (EvaluationError, ValueError, OverflowError):
        return None


def common(nodes: Sequence[syntax.Node]) -> tuple[syntax.Node, ...] | None:
    """Bring nodes to one type, nulls aside; None where there is none."""
    kinds = [node.type for node in nodes if node.type != NULL]
    for wanted in dict.fromkeys(sorted(kinds, key=_strength, reverse=True)):
        fitted = [converted(node, wanted) for node in nodes]
        kept = tuple(node for node in fitted if node is not None)
        if len(kept) == len(fitted):
            return kept
    return None if kinds else tuple(nodes)


def _strength(kind: Type) -> int:
    if kind == DYN:
        return 4
    if kind in NUMBERS:
        return 1 + NUMBERS.index(kind)
    return 1 if kind in FROM_TEXT or isinstance(kind, Enum) else 0


def compared(operator: str, left: syntax.Node, right: syntax.Node) -> Fitted | str:
    """Bring the two sides of a comparison to one type; a sentence where they have none."""
    if operator == "in":
        return _membership(left, right)
    if DYN in (left.type, right.type) or NULL in (left.type, right.type):
        return left, right, BOOL
    fitted = _alike(left, right)
    if fitted is None:
        return _refusal(operator, left, right)
    kind = fitted[0].type
    if _item(kind) in RANGES:
        return _NO_RANGES
    if operator not in ("==", "!=") and not (kind in ORDERED or kind == UUID or isinstance(kind, Enum)):
        return f"{describe(kind)} has no order"
    return (*fitted, BOOL)


_NO_RANGES = "rules don't compare ranges: lower(x), upper(x), x.contains(value) and x.overlaps(y) are there for them"


def _item(kind: Type) -> Type:
    return kind.element if isinstance(kind, ListOf) else kind


def _no_word(kind: Type, node: syntax.Node) -> bool:
    """Say whether a string written out, or one in a list written out, is no word of the enum."""
    if isinstance(node, syntax.ListLiteral):
        return any(_no_word(kind, item) for item in node.items)
    written = isinstance(node, syntax.Literal) and node.type == STRING
    return written and isinstance(kind, Enum) and converted(node, kind) is None


def _alike(left: syntax.Node, right: syntax.Node) -> tuple[syntax.Node, syntax.Node] | None:
    if _no_word(left.type, right) or _no_word(right.type, left):
        return None
    common_number = wider(left.type, right.type)
    if common_number is not None:
        pair = converted(left, common_number), converted(right, common_number)
        return (pair[0], pair[1]) if pair[0] and pair[1] else None
    if isinstance(left.type, Enum) and isinstance(right.type, Enum):
        return (left, right) if set(left.type.values) & set(right.type.values) else None
    if (fitted := converted(right, left.type)) is not None:
        return left, fitted
    if (fitted := converted(left, right.type)) is not None:
        return fitted, right
    return None


def _membership(left: syntax.Node, right: syntax.Node) -> Fitted | str:
    match right.type:
        case ListOf(element=element):
            return _element_of(left, right, element)
        case MapOf(key=key):
            fitted = left if left.type == DYN else converted(left, key)
            return (
                (fitted, right, BOOL) if fitted else f"a key here is {describe(key)}, and this is {describe(left.type)}"
            )
        case Record() if left.type in (STRING, DYN):
            return left, right, BOOL
        case kind if kind in (DYN, NULL):
            return left, right, BOOL
    return f"in looks into a list or a map, and this is {describe(right.type)}"


def _element_of(left: syntax.Node, right: syntax.Node, element: Type) -> Fitted | str:
    if left.type in (DYN, NULL) or element == DYN:
        return left, right, BOOL
    if left.type in RANGES or element in RANGES:
        return _NO_RANGES
    if _no_word(left.type, right) or _no_word(element, left):
        return _refusal("in", left, right)
    if isinstance(right, syntax.ListLiteral) and (fitted_list := converted(right, ListOf(left.type))) is not None:
        return left, fitted_list, BOOL
    number = wider(left.type, element)
    wanted = number or element
    fitted, listed = converted(left, wanted), converted(right, ListOf(wanted))
    if fitted is not None and listed is not None:
        return fitted, listed, BOOL
    if STRING in (left.type, element) and (isinstance(left.type, Enum) or isinstance(element, Enum)):
        return left, right, BOOL
    return _refusal("in", left, right)


def _refusal(operator: str, left: syntax.Node, right: syntax.Node) -> str:
    for side, other in ((left, right), (right, left)):
        if isinstance(side, syntax.Literal) and side.type == STRING and other.type != STRING:
            hint = near(side.value, other.type.values) if isinstance(other.type, Enum) else None
            return f"{side.value[:40]!r} can't be {describe(other.type)}" + (f"; {hint}" if hint else "")
    return f"{operator} can't compare {describe(left.type)} with {describe(right.type)}"


def operate(operator: str, left: syntax.Node, right: syntax.Node) -> Fitted | str:
    """Bring the two sides of `+ - * / %` to types that have the operator; a sentence where there are none."""
    if isinstance(left.type, ListOf) and isinstance(right.type, ListOf) and operator == "+":
        return _joined(left, right)
    if any(side.type in (DYN, NULL) for side in (left, right)):
        return left, right, DYN
    kind, other = _plain(left.type), _plain(right.type)
    number = wider(kind, other)
    found = ARITHMETIC.get((operator, number or kind, number or other))
    if found is None:
        return f"{describe(left.type)} {operator} {describe(right.type)} is not defined"
    fitted = (converted(left, number), converted(right, number)) if number else (left, right)
    return (fitted[0] or left, fitted[1] or right, found[1])


def _plain(kind: Type) -> Type:
    return STRING if isinstance(kind, Enum) else kind


def _joined(left: syntax.Node, right: syntax.Node) -> Fitted:
    joined = common((left, right))
    if joined is None:
        return left, right, LIST
    return joined[0], joined[1], joined[0].type
