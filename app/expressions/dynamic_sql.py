"""JSON values in SQL: compared with what has a type, and read as one."""

from typing import TYPE_CHECKING

from app.expressions import syntax
from app.expressions.library.table import TABLE
from app.expressions.parameters import Place
from app.expressions.sql_operators import comparison, from_json
from app.expressions.types import BOOL, DECIMAL, DYN, INT, STRING, Type, pg_type

if TYPE_CHECKING:
    from app.expressions.to_sql import Writer


def compared(writer: "Writer", node: syntax.Binary) -> str:
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


def _as_json(writer: "Writer", node: syntax.Node) -> str | None:
    if node.type == DYN:
        return writer.write(node)
    if node.type not in _JSON_LIKE and pg_type(node.type) != "text":
        return None
    if isinstance(node, syntax.Literal):
        return writer.parameters.constant(node.value, "jsonb")
    if writer.parameters.place is Place.INDEX:
        return writer.refuse(node, "a value beside a JSON value", "compare with a value that is written out")
    return f"to_jsonb({writer.write(node)})"


def read_as(function: str, text: str) -> str | None:
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
