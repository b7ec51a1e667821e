"""Checked trees to SQL text with parameters; what has no answer is NULL, and nothing raises in Postgres."""

import dataclasses
from collections.abc import Callable
from typing import Any

from app.expressions import syntax
from app.expressions.check import Expression
from app.expressions.compiling import Environment
from app.expressions.evaluate import compile_value, folded
from app.expressions.library.conversions import double_of_decimal
from app.expressions.library.signature import sql_position
from app.expressions.library.table import TABLE
from app.expressions.operations import INT_MIN, Unknown
from app.expressions.problems import ExpressionErrors, Problem
from app.expressions.sql_operators import arithmetic, comparison, from_json
from app.expressions.types import BOOL, DECIMAL, DOUBLE, DYN, INT, STRING, Enum, ListOf, Record, Type, pg_type
from app.expressions.undecided import Undecided, undecided

MAX_SQL = 20_000  # characters

Evaluate = Callable[[Environment], Any]
Column = Callable[[str, str], str]
Required = Callable[[str, str], bool]


class Parameters:
    """The parameters of one statement in the making."""

    def __init__(self) -> None:
        """Begin with none."""
        self._evaluators: list[Evaluate] = []

    def add(self, evaluate: Evaluate, pg: str) -> str:
        """Add a value that is computed for each run; gives `$n::pg`."""
        self._evaluators.append(evaluate)
        return f"${len(self._evaluators)}::{pg}"

    def constant(self, value: Any, pg: str) -> str:
        """Add a value that never changes."""
        return self.add(lambda _env: value, pg)

    @property
    def evaluators(self) -> tuple[Evaluate, ...]:
        """Give the closures that compute the parameters, in their order."""
        return tuple(self._evaluators)


def compile_sql(expression: Expression, column: Column, parameters: Parameters) -> str:
    """Give the SQL of an expression; `column(root, name)` gives that of a row's column.

    What touches no row is evaluated in process and bound as one parameter, NULL where it has no answer. Raises
    ExpressionErrors (`expression.no_sql`, with the place) for what SQL can't say.
    """
    writer = Writer(expression, column, parameters)
    text = writer.write(folded(expression.tree), top=True)
    if writer.problems:
        raise ExpressionErrors(writer.problems)
    return text


def compile_kept(
    expression: Expression, column: Column, parameters: Parameters, row: str, required: Required
) -> tuple[str, Undecided]:
    """Give the SQL of a condition over the rows of a subquery, called `row`, and where it has no answer.

    `required(root, name)` says that a column is never null. Raises what `compile_sql` does.
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
        required: Required = lambda _root, _name: False,
    ) -> None:
        """Take the expression, and what knows the rows' columns."""
        self.expression = expression
        self.column = column
        self.parameters = parameters
        self.required = required
        self.problems: list[Problem] = []
        self.variables: dict[str, str] = {}
        self._bound: dict[int, tuple[syntax.Node, str]] = {}

    def refuse(self, node: syntax.Node, what: str, hint: str | None = None) -> str:
        """Note that a node can't be said in SQL."""
        message = f"{what} can't be said in SQL, and this reads the row"
        self.problems.append(Problem(node.line, node.column, message, hint, "expression.no_sql"))
        return "NULL"

    def touches(self, node: syntax.Node) -> bool:
        """Say whether a node reads a row."""
        if isinstance(node, syntax.Name):
            return node.name in self.variables or node.name in self.expression.rows
        return any(self.touches(part) for part in syntax.parts(node))

    def write(self, node: syntax.Node, *, top: bool = False) -> str:
        """Write a node; `top` says that NULL and false are the same to whoever asks."""
        if not self.touches(node):
            return self.bound(node)
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
    if node.name in writer.variables:
        return writer.variables[node.name]
    return writer.refuse(node, f"the whole of {node.name}", f"name one of its columns: {node.name}.id")


def _field(writer: Writer, node: syntax.Field, _top: bool) -> str:
    operand = node.operand
    if isinstance(operand, syntax.Name) and isinstance(operand.type, Record):
        text = writer.column(operand.name, node.name)
        return f"NULLIF({text}, 'null'::jsonb)" if node.type == DYN else text
    if operand.type != DYN:
        return writer.refuse(node, "a field of this value")
    key = writer.parameters.constant(node.name, "text")
    return f"NULLIF(({writer.write(operand)} -> {key}), 'null'::jsonb)"


def _has(writer: Writer, node: syntax.Has, top: bool) -> str:
    if not isinstance(node.operand.type, Record):
        operand, key = writer.write(node.operand), writer.parameters.constant(node.name, "text")
        return f"coalesce(jsonb_typeof({operand}) = 'object' AND {operand} ? {key}, false)"
    field = syntax.Field(line=node.line, column=node.column, operand=node.operand, name=node.name)
    field = dataclasses.replace(field, type=node.operand.type.fields[node.name])
    return f"({writer.write(field, top=top)} IS NOT NULL)"


def _null_test(writer: Writer, node: syntax.NullTest, _top: bool) -> str:
    return f"({writer.write(node.operand)} IS {'NOT ' if node.negated else ''}NULL)"


def _unary(writer: Writer, node: syntax.Unary, _top: bool) -> str:
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
        return _dynamic(writer, node)
    left, right = writer.write(node.left), writer.write(node.right)
    if node.operator in ("==", "!=", "<", "<=", ">", ">="):
        return comparison(node.operator, node.left.type, left, right)
    text = arithmetic(node.operator, node.left.type, node.right.type, left, right)
    return text or writer.refuse(node, f"{node.operator} of these types", "compute it in a step, or outside the row")


def _dynamic(writer: Writer, node: syntax.Binary) -> str:
    """Compare with a JSON value: of what the other side is."""
    other = node.right.type if node.left.type == DYN else node.left.type
    if node.operator in ("==", "!="):
        sides = [_as_json(writer, side) for side in (node.left, node.right)]
        if None in sides:
            return writer.refuse(node, "a JSON value beside a value of this type")
        return f"({sides[0]} {'=' if node.operator == '==' else '<>'} {sides[1]})"
    if node.operator not in ("<", "<=", ">", ">=") or other == DYN:
        return writer.refuse(node, f"{node.operator} of a JSON value", "say of which type it is: int(row.data.size)")
    kind = DECIMAL if other == INT else other
    typed = [
        from_json(writer.write(side), kind) if side.type == DYN else writer.write(side)
        for side in (node.left, node.right)
    ]
    if None in typed:
        return writer.refuse(node, f"{node.operator} of a JSON value beside this type")
    return comparison(node.operator, kind, str(typed[0]), str(typed[1]))


_JSON_LIKE = (BOOL, INT, DECIMAL)


def _as_json(writer: Writer, node: syntax.Node) -> str | None:
    if node.type == DYN:
        return writer.write(node)
    if node.type in _JSON_LIKE or pg_type(node.type) == "text":
        return f"to_jsonb({writer.write(node)})"
    return None


def _membership(writer: Writer, node: syntax.Binary, top: bool) -> str:
    left, right = node.left, node.right
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
    write = node.overloads[0].sql if len(node.overloads) == 1 else None
    text = None
    if write is not None and all(argument.type != DYN for argument in node.arguments):
        text = write([writer.write(argument) for argument in node.arguments], node.arguments)
    if len(node.arguments) == 1 and node.arguments[0].type == DYN:
        text = _json_as(node.function, writer.write(node.arguments[0]))
    hint = "compute it outside the row, or keep it in a column"
    return text or writer.refuse(node, f"{node.function}()", hint)


def _json_as(function: str, text: str) -> str | None:
    """Read a JSON value by a conversion: as what it is when it runs, a number or a text."""
    if function not in ("int", "double", "decimal", "string", "bool"):
        return None
    plain = f"({text} #>> '{{}}')"
    if function == "string":
        return f"(CASE WHEN jsonb_typeof({text}) IN ('string', 'number', 'boolean') THEN {plain} END)"
    numbers = _converted(function, DECIMAL, f"{plain}::numeric") or "NULL"
    texts = _converted(function, STRING, plain) or "NULL"
    same = f" WHEN 'boolean' THEN {plain}::boolean" if function == "bool" else ""
    return f"(CASE jsonb_typeof({text}) WHEN 'number' THEN {numbers} WHEN 'string' THEN {texts}{same} END)"


def _converted(function: str, kind: Type, text: str) -> str | None:
    overload = next((found for found in TABLE[function].overloads if found.fits((kind,)) is not None), None)
    return overload.sql([text], []) if overload is not None and overload.sql is not None else None


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


def _comprehension(writer: Writer, node: syntax.Comprehension, _top: bool) -> str:
    answer, kind = _ANSWERS.get(node.macro), node.operand.type
    if answer is None or not (isinstance(kind, ListOf) and _flat(kind.element) and kind.element != DYN):
        return writer.refuse(node, f"{node.macro}() of this value", "exists, all and exists_one of arrays can be said")
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
    syntax.Comprehension: _comprehension,
}
