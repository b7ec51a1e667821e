"""The condition that says which row: its id, as an expression that Postgres decides by the primary key."""

from app.expressions import syntax
from app.expressions.check import Expression
from app.expressions.types import BOOL
from app.relations.schema import Table


def id_is(table: Table, given: Expression, root: str = "item") -> Expression:
    """Give `item.id == <given>`; `given` was checked against the type of the id and keeps its place."""
    at = {"line": given.tree.line, "column": given.tree.column}
    row = syntax.Name(name=root, type=table.record, **at)
    key = syntax.Field(operand=row, name="id", type=table.columns["id"].type, **at)
    tree = syntax.Binary(operator="==", left=key, right=given.tree, type=BOOL, **at)
    paths = given.paths | {f"{root}.id"}
    return Expression(
        f"{root}.id == ({given.text})", tree, BOOL, paths, given.rows | {root}, constant=False, reads=given.reads
    )
