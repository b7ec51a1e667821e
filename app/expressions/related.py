"""The check of what reads other rows: a reference that is followed, a table or view as the list of its rows."""

import dataclasses
from typing import TYPE_CHECKING

from app.expressions import syntax
from app.expressions.relation import MOST_HOPS, Relation
from app.expressions.types import ListOf, Record, Reference

if TYPE_CHECKING:
    from app.expressions.check import Checker

_ELSEWHERE = (
    "rows of other tables are read by a view's filter, a where, a require, a validate or a when: "
    "read them by a step before, and name what it binds"
)


def rows_named(checker: "Checker", node: syntax.Name) -> syntax.Node:
    """Type the name of a table or view: the list of its rows, or a mistake where they can't be read."""
    relation = _relation(checker, node, node.name)
    if relation is None:
        return node
    return syntax.AllRows(line=node.line, column=node.column, name=node.name, type=ListOf(relation.item))


def followed(checker: "Checker", operand: syntax.Node) -> syntax.Node:
    """Give the row that a column refers to, of which a member is wanted; anything else stays what it is."""
    reference = _reference(operand)
    if reference is None or reference.table not in checker.scope.relations:
        return operand
    hops = 1 + sum(isinstance(one, syntax.Followed) for one in syntax.walk(operand))
    if hops > MOST_HOPS:
        checker.report(operand, f"at most {MOST_HOPS} references are followed in a row", "ask the rows in between")
    relation = _relation(checker, operand, reference.table)
    line, column = operand.line, operand.column
    row = syntax.Followed(line=line, column=column, operand=operand, table=reference.table, key=reference.key)
    # Where its rows can't be read that has been said, and whatever members are asked for is no second mistake.
    return row if relation is None else dataclasses.replace(row, type=relation.item)


def _reference(operand: syntax.Node) -> Reference | None:
    match operand:
        case syntax.Field(operand=syntax.Node(type=Record(references=references)), name=name):
            return references.get(name)
    return None


def _relation(checker: "Checker", node: syntax.Node, name: str) -> Relation | None:
    """Find what rows a name stands for and note that they are read; None where they can't be."""
    found = checker.scope.relations.get(name)
    if found is None:
        return None
    if not checker.scope.related:
        checker.report(node, f"rows of {name} can't be read here", _ELSEWHERE, "no_rows")
        return None
    if isinstance(found, str):
        checker.report(node, f"rows of {name} can't be read here: {found}", "read its table instead", "no_rows")
        return None
    checker.reads[name] = found
    return found
