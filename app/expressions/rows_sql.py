"""Other rows in SQL: a reference followed is a join or a look-up, a list of rows a subquery that is never built."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.expressions import syntax
from app.expressions.sql_operators import comparison
from app.expressions.types import BOOL, DECIMAL, DOUBLE, DYN, INT, ListOf, pg_type
from app.expressions.undecided import column_of, undecided

if TYPE_CHECKING:
    from app.expressions.to_sql import Writer

_ONE_COLUMN = "take one of a row's columns: .map(m, m.team_id)"


@dataclass(frozen=True, slots=True)
class SubqueryRow:
    """A variable that stands for a row of a subquery."""

    alias: str
    column: Callable[[str], str]
    never_null: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Selected:
    """A list of rows as a subquery; `decided` say that every row was kept or left out for sure.

    `value` is what `map` takes of each row, `filled` says that it is never null.
    """

    named: str
    conditions: tuple[str, ...]
    row: SubqueryRow
    decided: tuple[str, ...] = ()
    value: str | None = None
    filled: bool = False

    def select(self, shown: str, *conditions: str) -> str:
        """Write the SELECT of the rows for which these conditions hold too."""
        where = " AND ".join((*self.conditions, *(f"({one})" for one in conditions)))
        return f"SELECT{shown} FROM {self.named}{f' WHERE {where}' if where else ''}"

    def exists(self, condition: str) -> str:
        """Write the test that there is one of the rows for which a condition holds."""
        return f"EXISTS ({self.select('', condition)})"

    def sure(self, answer: str, *, top: bool) -> str:
        """Give the answer where every row is decided."""
        if not self.decided:
            return answer
        decided = " AND ".join(self.decided)
        return f"({decided} AND {answer})" if top else f"(CASE WHEN {decided} THEN {answer} END)"

    def kept(self, holds: str, decided: str | None) -> "Selected":
        """Give the rows for which a condition holds."""
        more = () if decided is None else (decided,)
        return replace(self, conditions=(*self.conditions, f"({holds})"), decided=(*self.decided, *more))


def selected(writer: "Writer", node: syntax.Node) -> Selected | None:
    """Give the subquery of a list of rows, or of values taken of them; None for any other list."""
    with writer.apart():
        return _selected(writer, node)


def _selected(writer: "Writer", node: syntax.Node) -> Selected | None:
    match node:
        case syntax.AllRows(name=name):
            alias = writer.parameters.alias()
            relation = writer.expression.reads[name]
            rows = relation.rows_sql(alias, writer.parameters)
            return Selected(rows.named, rows.conditions, SubqueryRow(alias, rows.column, relation.never_null))
        case syntax.Convert(operand=operand, type=ListOf(element=kind)):
            return _widened(writer, operand, pg_type(kind)) if kind in (DECIMAL, DOUBLE) else None
        case syntax.Comprehension(macro="filter" | "map" as macro, operand=operand, variable=variable):
            base = selected(writer, operand)
            if base is None:
                return None
            kept = node.body if macro == "filter" else node.condition
            with _bound(writer, variable, base):
                base = base if kept is None else _kept(writer, base, kept)
                return base if macro == "filter" else _taken(writer, base, node.body)
    return None


def _kept(writer: "Writer", base: Selected, condition: syntax.Node) -> Selected:
    holds = writer.truth(condition, top=True)
    return base.kept(holds, undecided(writer, condition, base.row.alias).none_among(base.exists))


def _taken(writer: "Writer", base: Selected, body: syntax.Node) -> Selected:
    """Give what `map` takes: a column, of which a null is one, and no answer is none."""
    if isinstance(body, syntax.Name) and base.value is not None:
        return base
    column = column_of(writer, body)
    if column is None or column.row != base.row.alias or body.type == DYN:
        writer.refuse(body, "map() of rows by this", _ONE_COLUMN)
        return replace(base, value="NULL")
    return replace(base, value=writer.write(body), filled=column.never_null)


def _widened(writer: "Writer", operand: syntax.Node, pg: str) -> Selected | None:
    base = selected(writer, operand)
    is_whole = isinstance(operand.type, ListOf) and operand.type.element == INT
    return replace(base, value=f"({base.value})::{pg}") if base is not None and base.value and is_whole else None


@contextmanager
def _bound(writer: "Writer", variable: str, base: Selected) -> Iterator[None]:
    """Let a variable stand for a row of the subquery, or for what was taken of it."""
    outer = writer.variables
    writer.variables = {**outer, variable: base.row if base.value is None else base.value}
    yield
    writer.variables = outer


def quantified(writer: "Writer", node: syntax.Comprehension, *, top: bool) -> str | None:
    """Write exists, all or exists_one over rows; None for any other list, and for other macros."""
    if node.macro not in ("exists", "all", "exists_one"):
        return None
    base = selected(writer, node.operand)
    if base is None:
        return None
    with _bound(writer, node.variable, base):
        if node.macro == "exists":
            answer = _exists(writer, base, node.body, top=top)
        elif node.macro == "all":
            answer = _all(writer, base, node.body, top=top)
        else:
            answer = _counted(_kept(writer, replace(base, decided=()), node.body), " LIMIT 2", " = 1")
    return base.sure(answer, top=top)


def _exists(writer: "Writer", base: Selected, body: syntax.Node, *, top: bool) -> str:
    found = _found(writer, base, body)
    if top:
        return found
    decided = undecided(writer, body, base.row.alias).none_among(base.exists)
    return found if decided is None else f"(CASE WHEN {found} THEN true WHEN {decided} THEN false END)"


def _found(writer: "Writer", base: Selected, body: syntax.Node) -> str:
    """Write the test that there is a row; what its conditions' references lead to is joined to it."""
    joins: Joins = {}
    parts = []
    for item in body.items if isinstance(body, syntax.Logic) and body.operator == "&&" else (body,):
        writer.joins = joins if joins_rows(item) else None
        parts.append(writer.truth(item, top=True))
        writer.joins = None
    named = ", ".join((base.named, *(one.named for one in joins.values())))
    return replace(base, named=named).exists(" AND ".join((*(one.link for one in joins.values()), *parts)))


def denied(writer: "Writer", node: syntax.Node) -> str | None:
    """Write `!node` where NULL and false are the same, for exists and in over rows; None for anything else."""
    match node:
        case syntax.Comprehension(macro="exists", operand=operand, variable=variable, body=body):
            base = selected(writer, operand)
            if base is None:
                return None
            with _bound(writer, variable, base):
                decided = undecided(writer, body, base.row.alias).none_among(base.exists)
                tests = [f"NOT {_found(writer, base, body)}", *([] if decided is None else [decided])]
        case syntax.Binary(operator="in", left=left, right=right):
            base = selected(writer, right)
            if base is None or base.value is None:
                return None
            value = writer.write(left)
            tests = [f"{value} IS NOT NULL", f"NOT {base.exists(comparison('==', left.type, base.value, value))}"]
            tests += [] if base.filled else [f"NOT {base.exists(f'{base.value} IS NULL')}"]
        case _:
            return None
    return base.sure(f"({' AND '.join(tests)})", top=True)


def _all(writer: "Writer", base: Selected, body: syntax.Node, *, top: bool) -> str:
    unknown = undecided(writer, body, base.row.alias)
    decided, against = unknown.none_among(base.exists), base.exists(f"NOT {unknown.condition}")
    if decided is None:
        return f"(NOT {against})"
    if top:
        return f"(NOT {base.exists(f'({unknown.condition}) IS NOT TRUE')})"
    return f"(CASE WHEN {against} THEN false WHEN {decided} THEN true END)"


def _counted(base: Selected, limit: str = "", test: str = "") -> str:
    count = f"((SELECT count(*) FROM ({base.select('')}{limit}) {base.row.alias}n){test})"
    return base.sure(count, top=False)


def counted(writer: "Writer", node: syntax.FunctionCall) -> str | None:
    """Write how many rows there are; None for what is no `size` of rows."""
    base = selected(writer, node.arguments[0]) if node.function == "size" else None
    return None if base is None else _counted(base)


def among(writer: "Writer", node: syntax.Binary, *, top: bool) -> str | None:
    """Write whether a value is one of those taken of rows; None for any other container."""
    base = selected(writer, node.right)
    if base is None:
        return None
    if base.value is None:
        return writer.refuse(node, "in of whole rows", _ONE_COLUMN)
    left = writer.write(node.left)
    found = base.exists(comparison("==", node.left.type, base.value, left))
    if not top:
        missing = "" if base.filled else f" WHEN {base.exists(f'{base.value} IS NULL')} THEN NULL"
        found = f"(CASE WHEN {left} IS NULL THEN NULL WHEN {found} THEN true{missing} ELSE false END)"
    return base.sure(found, top=top)


@dataclass(frozen=True, slots=True)
class Joined:
    """A row that a reference leads to, as a part of a semi-join."""

    named: str
    link: str
    column: Callable[[str], str]


Joins = dict[tuple[str, str, str], Joined]


def member(writer: "Writer", node: syntax.Field, row: syntax.Followed) -> str:
    """Write a member of the row that a reference leads to: by the join that is being made, else by a look-up."""
    refers = writer.write(row.operand)
    if writer.joins is None:
        found = _joined(writer, row, refers)
        return f"(SELECT {found.column(node.name)} FROM {found.named} WHERE {found.link})"
    key = row.table, row.key, refers
    if key not in writer.joins:
        writer.joins[key] = _joined(writer, row, refers)
    return writer.joins[key].column(node.name)


def _joined(writer: "Writer", row: syntax.Followed, refers: str) -> Joined:
    rows = writer.expression.reads[row.table].rows_sql(writer.parameters.alias(), writer.parameters)
    return Joined(rows.named, f"{rows.column(row.key)} = {refers}", rows.column)


_STRICT = (
    syntax.Field, syntax.Followed, syntax.Index, syntax.Convert, syntax.Unary, syntax.Binary, syntax.FunctionCall,
)  # fmt: skip


def is_strict(node: syntax.Node) -> bool:
    """Say whether a node has no answer where one of its operands has none: then a join that finds no row is as good."""
    if isinstance(node, syntax.FunctionCall):
        return not any(overload.nulls for overload in node.overloads)
    if isinstance(node, syntax.Binary) and node.operator == "in":
        return not isinstance(node.right, syntax.ListLiteral)
    return isinstance(node, _STRICT)


def joins_rows(node: syntax.Node) -> bool:
    """Say whether a condition can be one test for the rows that its references lead to."""
    return node.type == BOOL and is_strict(node) and any(isinstance(one, syntax.Followed) for one in syntax.walk(node))


def semi_join(writer: "Writer", node: syntax.Node) -> str:
    """Write a condition of which NULL and false are the same as one test for the rows that its references lead to."""
    joins: Joins = {}
    writer.joins = joins
    text = writer.truth(node, top=True)
    writer.joins = None
    if not joins:
        return text
    named = ", ".join(one.named for one in joins.values())
    return f"EXISTS (SELECT FROM {named} WHERE {' AND '.join((*(one.link for one in joins.values()), text))})"
