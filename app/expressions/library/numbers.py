"""Functions of numbers, as in CEL's math extension."""

import decimal
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING

from app.expressions.library.signature import Function, Kinds, Overload, Sql, function, plain
from app.expressions.operations import EXACT, INT_MIN, WIDEN, Unknown, dynamic_order, is_nan, kind_of
from app.expressions.types import DECIMAL, DOUBLE, DYN, INT, NUMBERS, ListOf, Type, pg_type, wider

if TYPE_CHECKING:
    from app.expressions.syntax import Node


def _numbers(kinds: Kinds) -> Type | None:
    """Give the type that numbers of these types widen to."""
    if not kinds or any(kind not in (*NUMBERS, DYN) for kind in kinds):
        return None
    return DYN if DYN in kinds else reduce(lambda left, right: wider(left, right) or DYN, kinds)


def _extreme(symbol: str) -> Callable[..., object]:
    beats = dynamic_order(symbol)

    def choose(*values: object) -> object:
        options = list(values[0]) if len(values) == 1 and isinstance(values[0], list) else list(values)
        if not options or any(kind_of(value) not in NUMBERS or is_nan(value) for value in options):
            raise Unknown("the greatest and the least are taken of one number or more, none of them NaN")
        best = reduce(lambda left, right: right if beats(right, left) else left, options)
        kind = reduce(lambda left, right: wider(left, right) or left, map(kind_of, options))
        return best if kind_of(best) == kind else WIDEN[kind](best)

    return choose


def _extreme_sql(name: str) -> Sql:
    def write(texts: Sequence[str], nodes: "Sequence[Node]") -> str | None:
        kind = _numbers([node.type for node in nodes])
        if kind not in (INT, DECIMAL):
            return None
        # Postgres leaves nulls out of account, and here they make the answer unknown.
        known = " AND ".join(f"{text} IS NOT NULL" for text in texts)
        wide = ", ".join(f"({text})::{pg_type(kind)}" for text in texts)
        return f"(CASE WHEN {known} THEN {name}({wide}) END)"

    return write


def _listed(kinds: Kinds) -> Type | None:
    match kinds:
        case [ListOf(element=element)] if element in (*NUMBERS, DYN):
            return element
    return None


def _abs_int(value: int) -> int:
    if value == INT_MIN:
        raise Unknown("an int went past 64 bits")
    return abs(value)


def _round_decimal(value: Decimal) -> Decimal:
    # A tie goes away from zero, and what comes out is as long as it went in: Postgres' round is the same.
    return value.to_integral_value(decimal.ROUND_HALF_UP, EXACT) if value.is_finite() else value


def _round_double(value: float) -> float:
    if not math.isfinite(value) or abs(value) >= 2**52:
        return value
    whole = math.trunc(value)
    rest = abs(value - whole)
    return math.copysign(abs(whole) + 1 if rest >= 0.5 else abs(whole), value)


def _choice(name: str, doc: str, symbol: str, sql: str) -> Function:
    choose = _extreme(symbol)
    return function(
        name,
        doc,
        Overload(_listed, choose),
        Overload(_numbers, choose, _extreme_sql(sql)),
        walks=True,
    )


FUNCTIONS: tuple[Function, ...] = (
    _choice("math.greatest", "The greatest of several numbers, or of a list of them.", ">", "greatest"),
    _choice("math.least", "The least of several numbers, or of a list of them.", "<", "least"),
    function(
        "math.abs",
        "The number without its sign.",
        plain((INT,), INT, _abs_int, f"(CASE WHEN {{0}} > {INT_MIN} THEN abs(({{0}})::bigint) END)"),
        plain((DECIMAL,), DECIMAL, Decimal.copy_abs, "abs({0})"),
        plain((DOUBLE,), DOUBLE, abs, "abs({0})"),
    ),
    function(
        "math.round",
        "The nearest whole number; of two equally near the one further from zero.",
        plain((INT,), INT, lambda value: value, "{0}"),
        plain((DECIMAL,), DECIMAL, _round_decimal, "round({0})"),
        plain((DOUBLE,), DOUBLE, _round_double),
    ),
)
