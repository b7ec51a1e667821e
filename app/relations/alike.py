"""Which parts of a rule come to the same in Python and in Postgres, whatever stands in the row."""

from app.expressions import syntax
from app.expressions.types import BOOL, DECIMAL, DOUBLE, INT, STRING, UUID, Enum, ListOf, Record, Type

_ALIKE = (syntax.Literal, syntax.Name, syntax.Field, syntax.NullTest, syntax.Logic)
_COMPARES = frozenset({"==", "!=", "<", "<=", ">", ">="})


def is_alike(node: syntax.Node) -> bool:
    """Say whether Python and Postgres give the same for a node, whatever somebody else has written into the row.

    A column of times may hold an infinite one, which Python has not.
    """
    match node:
        case syntax.Binary(operator=operator):
            compares = operator in _COMPARES or (operator == "in" and isinstance(node.right.type, ListOf))
            return compares and _is_plain(node.left.type) and _is_plain(node.right.type)
        case syntax.Unary(operator=operator):
            return operator == "!"
        case syntax.Field(operand=operand):
            return isinstance(operand.type, Record) and _is_field_of_names(operand)
    return isinstance(node, _ALIKE)


def _is_field_of_names(node: syntax.Node) -> bool:
    while isinstance(node, syntax.Field):
        node = node.operand
    return isinstance(node, syntax.Name)


def _is_plain(kind: Type) -> bool:
    if isinstance(kind, ListOf):
        kind = kind.element
    return kind in (BOOL, DECIMAL, DOUBLE, INT, STRING, UUID) or isinstance(kind, Enum)
