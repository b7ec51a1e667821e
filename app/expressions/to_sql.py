"""Checked trees to SQL text with parameters; what has no answer is NULL, and nothing raises in Postgres."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from app.expressions import syntax
from app.expressions.check import Expression
from app.expressions.compiling import Environment
from app.expressions.dynamic_sql import compared, read_as
from app.expressions.evaluate import compile_value, folded
from app.expressions.library.conversion_sql import double_of_decimal
from app.expressions.library.signature import sql_position
from app.expressions.operations import INT_MIN, Unknown
from app.expressions.parameters import Parameters, Place
from app.expressions.problems import ExpressionErrors, Problem
from app.expressions.rows_sql import (
    Joins,
    SubqueryRow,
    among,
    counted,
    denied,
    is_strict,
    joins_rows,
    member,
    quantified,
    semi_join,
)
from app.expressions.sql_operators import arithmetic, comparison, from_json
from app.expressions.types import BOOL, DECIMAL, DOUBLE, DYN, INT, STRING, Enum, ListOf, Record, Type, pg_type
from app.expressions.undecided import Undecidable, undecided

__all__ = ["Parameters", "compile_kept", "compile_sql"]

MAX_SQL = 20_000  # characters
_NO_NAMES = frozenset[str]()

Column = Callable[[str, str], str]
Required = Callable[[str, str], bool]


def _unsure(_root: str, _name: str) -> bool:
    return False


def compile_sql(expression: Expression, column: Column, parameters: Parameters, required: Required = _unsure) -> str:
    """Give the SQL of an expression; `column(root, name)` gives that of a row's column.

    `required(root, name)` says that a column is never null.

    What touches no row is evaluated in process and bound as one parameter, NULL where it has no answer. Raises
    ExpressionErrors (`expression.no_sql`, with the place) for what SQL can't say.
    """
    writer = Writer(expression, column, parameters, required)
    text = writer.write(folded(expression.tree), top=True)
    if writer.problems:
        raise ExpressionErrors(writer.problems)
    return text


def compile_kept(
    expression: Expression, column: Column, parameters: Parameters, row: str, required: Required
) -> tuple[str, Undecidable]:
    """Give the SQL of a condition over the rows of a subquery, called `row`, and where it has no answer.

    Raises what `compile_sql` does.
    """
    writer = Writer(expression, column, parameters, required)
    tree = folded(expression.tree)
    kept = writer.write(tree, top=True), undecided(writer, tree, row)
    if writer.problems:
        raise ExpressionErrors(writer.problems)
    return kept


class Writer:
    """The state of one compilation."""

    def __init__(
        self,
        expression: Expression,
        column: Column,
        parameters: Parameters,
        required: Required,
    ) -> None:
        """Take the expression, and what knows the rows' columns."""
        self.expression = expression
        self.column = column
        self.parameters = parameters
        self.problems: list[Problem] = []
        self.variables: dict[str, str | SubqueryRow] = {}
        self.joins: Joins | None = None
        self._required = required
        self._bound: dict[int, tuple[syntax.Node, str]] = {}
        self._said: dict[int, tuple[syntax.Node, tuple[bool, frozenset[str]]]] = {}

    def refuse(self, node: syntax.Node, what: str, hint: str | None = None) -> str:
        """Note that a node can't be said in SQL."""
        message = f"{what} can't be said {self.parameters.place.value}, and this reads the row"
        self.problems.append(Problem(node.line, node.column, message, hint, "expression.no_sql"))
        return "NULL"

    def touches(self, node: syntax.Node) -> bool:
        """Say whether a node reads a row."""
        reads, names = self._speaks_of(node)
        return reads or any(map(self.is_row, names))

    def _speaks_of(self, node: syntax.Node) -> tuple[bool, frozenset[str]]:
        """Say whether a node reads rows that no name stands for, and name all names in it; looks through each once."""
        if (known := self._said.get(id(node))) is not None:
            return known[1]
        if isinstance(node, syntax.Name):
            found = False, frozenset({node.name})
        elif isinstance(node, syntax.AllRows | syntax.Followed):
            found = True, _NO_NAMES
        else:
            found = False, _NO_NAMES
            for part in syntax.parts(node):
                reads, names = self._speaks_of(part)
                found = found[0] or reads, found[1] | names if names else found[1]
        self._said[id(node)] = node, found  # with the node, whose id is then nobody else's
        return found

    def is_row(self, name: str) -> bool:
        """Say whether a name stands for a row that lives in SQL, or for a value of one."""
        return name in self.variables or name in self.expression.rows

    def row_of(self, root: str) -> str:
        """Give what tells the row of a name from all others."""
        row = self.variables.get(root)
        return row.alias if isinstance(row, SubqueryRow) else root

    def column_sql(self, root: str, name: str) -> str:
        """Give the SQL of a row's column."""
        row = self.variables.get(root)
        return row.column(name) if isinstance(row, SubqueryRow) else self.column(root, name)

    def never_null(self, root: str, name: str) -> bool:
        """Say whether a row's column always has a value."""
        row = self.variables.get(root)
        return row.never_null(name) if isinstance(row, SubqueryRow) else self._required(root, name)

    def write(self, node: syntax.Node, *, top: bool = False) -> str:
        """Write a node; `top` says that NULL and false are the same to whoever asks."""
        if not self.touches(node):
            return self.bound(node)
        if self.joins is None:
            return semi_join(self, node) if top and joins_rows(node) else self._written(node, top)
        if is_strict(node):
            return self._written(node, top)
        # No answer here may still be one around it: a row that isn't there mustn't leave the whole without one.
        with self.apart():
            return self._written(node, top)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Write what may not become a part of the semi-join around it."""
        joins, self.joins = self.joins, None
        yield
        self.joins = joins

    def _written(self, node: syntax.Node, top: bool) -> str:
        text = _WRITERS[type(node)](self, node, top)
        if len(text) <= MAX_SQL:
            return text
        # Operations that must never raise name their operands more than once, so nested ones grow by their depth.
        problem = Problem(
            node.line,
            node.column,
            "this is too deep for SQL",
            "compute a part of it outside the row",
            "expression.bounds",
        )
        self.problems.append(problem)
        return "NULL"

    def bound(self, node: syntax.Node) -> str:
        """Bind what touches no row as one parameter, however often it is written."""
        if id(node) not in self._bound:
            text = self.literal(node) if isinstance(node, syntax.Literal) else self._computed(node)
            self._bound[id(node)] = node, text  # with the node, whose id is then nobody else's
        return self._bound[id(node)][1]

    def _computed(self, node: syntax.Node) -> str:
        whole = Expression(self.expression.text, node, node.type, self.expression.paths, frozenset(), constant=False)
        compute = compile_value(whole)

        def evaluate(env: Environment) -> Any:
            try:
                return compute(env)
            except Unknown:
                return None

        return self.parameters.add(evaluate, pg_type(node.type))

    def literal(self, node: syntax.Literal) -> str:
        """Bind what never changes; of two words Postgres can plan by what they are."""
        if isinstance(node.value, bool):
            return "true" if node.value else "false"
        if isinstance(node.value, dict | list) and pg_type(node.type) == "jsonb":
            return self.refuse(node, "a list or map of mixed values")
        return self.parameters.constant(node.value, pg_type(node.type))

    def truth(self, node: syntax.Node, *, top: bool = False) -> str:
        """Write a condition; a dynamic value counts where it is a boolean."""
        text = self.write(node, top=top)
        return from_json(text, BOOL) or text if node.type == DYN else text


def _name(writer: Writer, node: syntax.Name, _top: bool) -> str:
    value = writer.variables.get(node.name)
    if isinstance(value, str):
        return value
    return writer.refuse(node, f"the whole of {node.name}", f"name one of its columns: {node.name}.id")


def _field(writer: Writer, node: syntax.Field, _top: bool) -> str:
    operand, text = node.operand, None
    if isinstance(operand, syntax.Name) and isinstance(operand.type, Record):
        text = writer.column_sql(operand.name, node.name)
    elif isinstance(operand, syntax.Followed):
        text = member(writer, node, operand)
    if text is not None:
        return f"NULLIF({text}, 'null'::jsonb)" if node.type == DYN else text
    if operand.type != DYN:
        return writer.refuse(node, "a field of this value")
    key = writer.parameters.constant(node.name, "text")
    return f"NULLIF(({writer.write(operand)} -> {key}), 'null'::jsonb)"


def _has(writer: Writer, node: syntax.Has, _top: bool) -> str:
    if not isinstance(node.operand.type, Record):
        operand, key = writer.write(node.operand), writer.parameters.constant(node.name, "text")
        return f"coalesce(jsonb_typeof({operand}) = 'object' AND {operand} ? {key}, false)"
    field = syntax.Field(line=node.line, column=node.column, operand=node.operand, name=node.name)
    field = dataclasses.replace(field, type=node.operand.type.fields[node.name])
    return f"({writer.write(field)} IS NOT NULL)"


def _null_test(writer: Writer, node: syntax.NullTest, _top: bool) -> str:
    return f"({writer.write(node.operand)} IS {'NOT ' if node.negated else ''}NULL)"


def _unary(writer: Writer, node: syntax.Unary, top: bool) -> str:
    if top and node.operator == "!" and (test := denied(writer, node.operand)) is not None:
        return test
    if node.operator == "!":
        return f"(NOT {writer.truth(node.operand)})"
    operand = writer.write(node.operand)
    if node.operand.type == INT:
        return f"(CASE WHEN {operand} > {INT_MIN} THEN -({operand}::bigint) END)"
    return writer.refuse(node, "a negated dynamic value") if node.operand.type == DYN else f"(-({operand}))"


def _logic(writer: Writer, node: syntax.Logic, top: bool) -> str:
    joined = " AND " if node.operator == "&&" else " OR "
    return f"({joined.join(writer.truth(item, top=top) for item in node.items)})"


def _conditional(writer: Writer, node: syntax.Conditional, _top: bool) -> str:
    condition = writer.truth(node.condition)
    then, otherwise = writer.write(node.then), writer.write(node.otherwise)
    return f"(CASE WHEN {condition} THEN {then} WHEN NOT {condition} THEN {otherwise} END)"


def _binary(writer: Writer, node: syntax.Binary, top: bool) -> str:
    if node.operator == "in":
        return _membership(writer, node, top)
    if DYN in (node.left.type, node.right.type):
        return compared(writer, node)
    left, right = writer.write(node.left), writer.write(node.right)
    if node.operator in ("==", "!=", "<", "<=", ">", ">="):
        return comparison(node.operator, node.left.type, left, right)
    text = arithmetic(node.operator, node.left.type, node.right.type, left, right)
    return text or writer.refuse(node, f"{node.operator} of these types", "compute it in a step, or outside the row")


def _membership(writer: Writer, node: syntax.Binary, top: bool) -> str:
    left, right = node.left, node.right
    if (found := among(writer, node, top=top)) is not None:
        return found
    if isinstance(right, syntax.Literal) and right.value == []:
        return f"(CASE WHEN {writer.write(left)} IS NOT NULL THEN false END)"
    if not isinstance(right.type, ListOf) or DYN in (left.type, right.type.element) or not _flat(right.type.element):
        return writer.refuse(node, "in of this container")
    if isinstance(right, syntax.ListLiteral) and writer.touches(right):
        value = writer.write(left)
        options = [comparison("==", left.type, value, writer.write(item)) for item in right.items]
        return f"({' OR '.join(options)})"
    value = writer.write(left)
    test = f"({value} = ANY({writer.write(right)}))"
    # Of an empty list Postgres answers false, also for a null: unknown, unless nobody can tell the two apart.
    return test if top else f"(CASE WHEN {value} IS NOT NULL THEN {test} END)"


def _flat(kind: Type) -> bool:
    return isinstance(kind, Enum) or pg_type(kind) != "jsonb"


def _list(writer: Writer, node: syntax.ListLiteral, _top: bool) -> str:
    items = ", ".join(writer.write(item) for item in node.items)
    kind = pg_type(node.type)
    return f"ARRAY[{items}]::{kind}" if kind != "jsonb" else writer.refuse(node, "a list of these")


def _call(writer: Writer, node: syntax.FunctionCall, _top: bool) -> str:
    if (count := counted(writer, node)) is not None:
        return count
    write = None
    if len(node.overloads) == 1:
        (overload,) = node.overloads
        is_minded = writer.parameters.place is Place.INDEX and overload.varies(node.arguments)
        write = None if is_minded else overload.sql
    text = None
    if write is not None and all(argument.type != DYN for argument in node.arguments):
        text = write([writer.write(argument) for argument in node.arguments], node.arguments)
    if len(node.arguments) == 1 and node.arguments[0].type == DYN:
        text = read_as(node.function, writer.write(node.arguments[0]))
    hint = "compute it outside the row, or keep it in a column"
    return text or writer.refuse(node, f"{node.function}()", hint)


def _index(writer: Writer, node: syntax.Index, _top: bool) -> str:
    kind, index = node.operand.type, node.index
    operand = writer.write(node.operand)
    if isinstance(kind, ListOf) and _flat(kind.element) and kind.element != DYN:
        position = writer.write(index)
        return f"(CASE WHEN {position} BETWEEN 0 AND 2147483646 THEN ({operand})[{sql_position(position)} + 1] END)"
    if kind == DYN and index.type == STRING:
        return f"NULLIF(({operand} -> {writer.write(index)}), 'null'::jsonb)"
    if kind == DYN and index.type == INT:
        position = writer.write(index)
        inside = f"jsonb_typeof({operand}) = 'array' AND {position} BETWEEN 0 AND 2147483646"
        return f"(CASE WHEN {inside} THEN NULLIF(({operand} -> {sql_position(position)}), 'null'::jsonb) END)"
    return writer.refuse(node, "an index of this value")


_ANSWERS = {
    "exists": "CASE WHEN bool_or(b) THEN true WHEN count(*) = count(b) THEN false END",
    "all": "CASE WHEN NOT bool_and(b) THEN false WHEN count(*) = count(b) THEN true END",
    "exists_one": "CASE WHEN count(*) = count(b) THEN count(*) FILTER (WHERE b) = 1 END",
}


def _comprehension(writer: Writer, node: syntax.Comprehension, top: bool) -> str:
    if (asked := quantified(writer, node, top=top)) is not None:
        return asked
    answer, kind = _ANSWERS.get(node.macro), node.operand.type
    if answer is None or not (isinstance(kind, ListOf) and _flat(kind.element) and kind.element != DYN):
        return writer.refuse(node, f"{node.macro}() of this value", "exists, all and exists_one of arrays can be said")
    if writer.parameters.place is not Place.STATEMENT:
        return writer.refuse(node, f"{node.macro}()", "keep the items in a table of their own")
    operand = writer.write(node.operand)
    outer, name = writer.variables, f"v{len(writer.variables)}"
    writer.variables = {**outer, node.variable: f"{name}.e"}
    body = writer.truth(node.body)
    writer.variables = outer
    # Of a null in the list nothing is known but what the body says of it.
    folded = f"(SELECT {answer} FROM (SELECT {body} AS b FROM unnest({operand}) AS {name} (e)) AS {name}b)"
    return f"(CASE WHEN {operand} IS NOT NULL THEN {folded} END)"


def _convert(writer: Writer, node: syntax.Convert, _top: bool) -> str:
    operand = writer.write(node.operand)
    kind = node.operand.type
    if kind == DYN:
        return from_json(operand, node.type) or writer.refuse(node, "a JSON value of this type")
    if node.type == DECIMAL:
        return f"({operand})::numeric"
    if node.type == DOUBLE and kind == INT:
        return f"({operand})::double precision"
    if node.type == DOUBLE:
        return double_of_decimal(operand)
    return operand if pg_type(kind) == pg_type(node.type) else writer.refuse(node, "this conversion")


def _unsupported(what: str) -> Callable[[Writer, Any, bool], str]:
    return lambda writer, node, _top: writer.refuse(node, what)


_WRITERS: dict[type, Callable[[Writer, Any, bool], str]] = {
    syntax.Name: _name,
    syntax.Field: _field,
    syntax.Has: _has,
    syntax.NullTest: _null_test,
    syntax.Unary: _unary,
    syntax.Binary: _binary,
    syntax.Logic: _logic,
    syntax.Conditional: _conditional,
    syntax.ListLiteral: _list,
    syntax.FunctionCall: _call,
    syntax.Convert: _convert,
    syntax.Index: _index,
    syntax.MapLiteral: _unsupported("a map"),
    syntax.AllRows: _unsupported("a list of whole rows"),
    syntax.Followed: _unsupported("a whole row"),
    syntax.Comprehension: _comprehension,
}
