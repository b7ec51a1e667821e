"""Where a condition over the rows of a subquery has no answer: what was nothing to compare with must not count as no.

In SQL a row without an answer is left out like one that is false; whoever negates or counts what is left has to know.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.expressions import syntax
from app.expressions.types import BOOL, DOUBLE, DYN, INT, NUMBERS, ListOf

if TYPE_CHECKING:
    from app.expressions.to_sql import Writer

_COMPARED = frozenset({"==", "!=", "<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class Comparand:
    """The SQL of what a condition compares and may be null; `row` names the row of the subquery that it is read of."""

    text: str
    row: str | None


@dataclass(frozen=True, slots=True)
class Undecidable:
    """When a condition has no answer: only where one of `around`, or of a row's own `inside`, is null.

    `around` is the same for every row. `inside` is None where that can't be told from the condition's form. `sure` are
    conditions that must hold besides, and that always have an answer where nothing `around` is null.
    """

    condition: str
    around: tuple[str, ...]
    inside: tuple[str, ...] | None
    sure: tuple[str, ...] = ()

    def none_among(self, exists: Callable[[str], str]) -> str | None:
        """Give the SQL that says that no row is undecided, never NULL; None where none can be.

        `exists` writes the test that there is one of the rows for which something holds.
        """
        none = f"({self.condition}) IS NULL"
        scanned = f"NOT {exists(none)}"
        given = " AND ".join(f"{text} IS NOT NULL" for text in self.around)
        if self.inside == ():
            return f"({given} OR {scanned})" if given else None
        empty = [f"({' OR '.join(f'{text} IS NULL' for text in self.inside)})"] if self.inside else []
        few = f"NOT {exists(' AND '.join((*self.sure, *empty, none)))}"
        return f"(CASE WHEN {given} THEN {few} ELSE {scanned} END)" if given and few != scanned else few


DECIDED = Undecidable("true", (), ())  # of no condition


def undecided(writer: "Writer", node: syntax.Node, row: str) -> Undecidable:
    """Say when a condition over a subquery's row of this name has no answer."""
    condition = writer.truth(node)
    several = isinstance(node, syntax.Logic) and node.operator == "&&" and all(one.type == BOOL for one in node.items)
    items = node.items if isinstance(node, syntax.Logic) and several else (node,)
    around: dict[str, None] = {}
    inside: dict[str, None] | None = {}
    sure = []
    for item in items:
        operands = _operands(writer, item)
        mine = [] if operands is None else [one.text for one in operands if one.row == row]
        around |= dict.fromkeys(one.text for one in operands or () if one.row != row)
        inside = None if operands is None or inside is None else inside | dict.fromkeys(mine)
        if operands is not None and not mine and writer.touches(item):
            sure.append(writer.truth(item))
    return Undecidable(condition, tuple(around), None if inside is None else tuple(inside), tuple(sure))


def _operands(writer: "Writer", node: syntax.Node) -> list[Comparand] | None:
    """Give what has to be null for a node to be NULL; None where it may be so by other ways too."""
    if not writer.touches(node):
        value = node.value if isinstance(node, syntax.Literal) else None
        return [] if value is not None else [Comparand(writer.write(node), None)]
    column = column_of(writer, node)
    if column is not None:
        return [] if column.never_null else [Comparand(writer.write(node), column.row)]
    match node:
        case syntax.NullTest() | syntax.Has():
            return []
        case syntax.Convert(operand=operand, type=kind) if operand.type == INT and kind in NUMBERS:
            return _operands(writer, operand)
    if (found := _given_list(writer, node)) is not None:
        left = _operands(writer, found[0])
        return None if left is None else [*left, found[1]]
    parts = _plain_parts(node)
    return None if parts is None else _of_all(_operands(writer, part) for part in parts)


@dataclass(frozen=True, slots=True)
class ColumnOf:
    """A column of a row that is called `row`, or of one that its references lead to."""

    row: str
    never_null: bool


def column_of(writer: "Writer", node: syntax.Node) -> ColumnOf | None:
    """Say of which row a node is a column; None for anything else, and for JSON, in which a null is a value."""
    match node:
        case syntax.Field(operand=syntax.Name(name=root), name=name) if node.type != DYN and writer.is_row(root):
            return ColumnOf(writer.row_of(root), writer.never_null(root, name))
        case syntax.Field(operand=syntax.Followed(operand=operand, table=table), name=name) if node.type != DYN:
            column = column_of(writer, operand)
            filled = writer.expression.reads[table].never_null(name)
            return None if column is None else ColumnOf(column.row, column.never_null and filled)
    return None


def _plain_parts(node: syntax.Node) -> tuple[syntax.Node, ...] | None:
    """Give the parts of a node that has an answer wherever each of them has."""
    match node:
        case syntax.Unary(operator="!", operand=operand) if operand.type == BOOL:
            return (operand,)
        case syntax.Logic(items=items) if all(item.type == BOOL for item in items):
            return items
        case syntax.Binary(operator=operator, left=left, right=right) if operator in _COMPARED:
            return None if DYN in (left.type, right.type) else (left, right)
        case syntax.Binary(operator="in", left=left, right=syntax.ListLiteral(items=items, type=ListOf(element=kind))):
            return None if kind in (DYN, DOUBLE) else (left, *items)
        case syntax.Binary(operator="in", left=left, right=syntax.Literal(value=list() as values)):
            return None if None in values else (left,)
    return None


def _given_list(writer: "Writer", node: syntax.Node) -> tuple[syntax.Node, Comparand] | None:
    """Give what a list that isn't of the row is looked through for, and what is null where the list holds a null."""
    match node:
        case syntax.Binary(operator="in", left=left, right=right) if not writer.touches(right):
            match right.type:
                case ListOf(element=kind) if kind not in (DYN, DOUBLE) and not isinstance(right, syntax.ListLiteral):
                    text = writer.write(right)
                    whole = f"(CASE WHEN array_position({text}, NULL) IS NULL THEN {text} END)"
                    return left, Comparand(whole, None)
    return None


def _of_all(found: Iterable[list[Comparand] | None]) -> list[Comparand] | None:
    gathered: list[Comparand] = []
    for operands in found:
        if operands is None:
            return None
        gathered += operands
    return gathered


def answer_sql(exists: Callable[[str], str], holds: str, unknown: Undecidable) -> str:
    """Write whether there is a row for which a condition holds: NULL where none does and one is undecided."""
    decided = unknown.none_among(exists)
    found = exists(holds)
    return found if decided is None else f"(CASE WHEN {found} THEN true WHEN {decided} THEN false END)"
