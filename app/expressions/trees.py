"""Trees that no text says: made by hand, to be compared with those that rules are."""

from typing import Any

from app.expressions.syntax import Binary, FunctionCall, Literal, Node

HERE: Any = {"line": 1, "column": 1}
ROWS = "rows"


def literal(value: Any) -> Literal:
    """Give a value as a tree."""
    return Literal(**HERE, value=value)


def term(function: str, *arguments: Node) -> FunctionCall:
    """Give a term that no rule can say: it is the same where all of it is."""
    return FunctionCall(**HERE, function=function, arguments=arguments, method=False)


def less(left: Node, right: Node) -> Binary:
    """Give `left < right`."""
    return Binary(**HERE, operator="<", left=left, right=right)


def rows(table: str, where: Node) -> FunctionCall:
    """Give how many rows of a table or view a rule over `item` holds for."""
    return term(ROWS, literal(table), where)
