"""What the operators do to values: one table for the check, the evaluator and the types of both."""

import decimal
import math
import operator
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.errors import RowgateError
from app.expressions.types import (
    BOOL,
    BYTES,
    DATE,
    DECIMAL,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    LIST,
    MAP,
    NULL,
    NUMBERS,
    STRING,
    TIMESTAMP,
    Type,
    wider,
)

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
_DEEPEST_VALUE = 200

# Exact or an error: Inexact traps, so a sum or product never loses a digit. The bounds are those of Postgres' numeric.
EXACT = decimal.Context(
    prec=2_000,
    Emax=131_071,
    Emin=-16_383,
    traps=[decimal.Overflow, decimal.InvalidOperation, decimal.DivisionByZero, decimal.Inexact],
)
_QUOTIENT = decimal.Context(
    prec=38,
    rounding=decimal.ROUND_HALF_UP,
    Emax=131_071,
    Emin=-16_383,
    traps=[decimal.Overflow, decimal.InvalidOperation, decimal.DivisionByZero],
)


class EvaluationError(RowgateError):
    """An expression had no answer when it ran; the sentence holds no value, the place is `line` and `column`."""

    status = 500
    code = "expression.failed"

    def __init__(self, detail: str, line: int = 0, column: int = 0) -> None:
        """Keep the sentence and the place in the expression's text."""
        super().__init__(detail)
        self.line = line
        self.column = column


class Unknown(EvaluationError):
    """A null or an error inside an expression: `&&` and `||` absorb it where the other side decides."""


class BoundsExceeded(EvaluationError):
    """The expression did too much work; nothing absorbs this."""

    code = "expression.bounds"


def kind_of(value: Any) -> Type:
    """Give the type of a value as it stands at run time; lists and maps are of dynamic values."""
    for python, kind in _KINDS:
        if isinstance(value, python):
            return kind
    return NULL


_KINDS: tuple[tuple[type, Type], ...] = (
    (str, STRING),
    (bool, BOOL),
    (int, INT),
    (float, DOUBLE),
    (Decimal, DECIMAL),
    (dict, MAP),
    (list, LIST),
    (datetime, TIMESTAMP),
    (date, DATE),
    (timedelta, DURATION),
    (bytes, BYTES),
)


def to_double(value: int | float | Decimal) -> float:
    """Widen a number to a double; one past its range is an error."""
    result = float(value)
    if math.isinf(result) and not isinstance(value, float):
        raise Unknown("a number does not fit in a double")
    return result


def to_decimal(value: int | Decimal) -> Decimal:
    """Widen an int to a decimal, exactly."""
    return Decimal(value)


WIDEN: Mapping[Type, Callable[[Any], Any]] = {DECIMAL: to_decimal, DOUBLE: to_double}


def _int64(value: int) -> int:
    if not INT_MIN <= value <= INT_MAX:
        raise Unknown("an int went past 64 bits")
    return value


def _truncated(left: int, right: int) -> int:
    if right == 0:
        raise Unknown("division by zero")
    quotient = abs(left) // abs(right)
    return _int64(quotient if (left < 0) == (right < 0) else -quotient)


def _remainder(left: int, right: int) -> int:
    if right == 0:
        raise Unknown("division by zero")
    if left == INT_MIN and right == -1:
        raise Unknown("an int went past 64 bits")
    return left - right * _truncated(left, right)


def _finite(apply: Callable[[float, float], float]) -> Callable[[float, float], float]:
    def double(left: float, right: float) -> float:
        result = apply(left, right)
        if math.isinf(result) and not (math.isinf(left) or math.isinf(right)):
            raise Unknown("a double went past its range")
        return result

    return double


Operation = Callable[[Any, Any], Any]

ARITHMETIC: Mapping[tuple[str, Type, Type], tuple[Operation, Type]] = {
    ("+", INT, INT): (lambda a, b: _int64(a + b), INT),
    ("-", INT, INT): (lambda a, b: _int64(a - b), INT),
    ("*", INT, INT): (lambda a, b: _int64(a * b), INT),
    ("/", INT, INT): (_truncated, INT),
    ("%", INT, INT): (_remainder, INT),
    ("+", DOUBLE, DOUBLE): (_finite(operator.add), DOUBLE),
    ("-", DOUBLE, DOUBLE): (_finite(operator.sub), DOUBLE),
    ("*", DOUBLE, DOUBLE): (_finite(operator.mul), DOUBLE),
    ("/", DOUBLE, DOUBLE): (_finite(operator.truediv), DOUBLE),
    ("+", DECIMAL, DECIMAL): (EXACT.add, DECIMAL),
    ("-", DECIMAL, DECIMAL): (EXACT.subtract, DECIMAL),
    ("*", DECIMAL, DECIMAL): (EXACT.multiply, DECIMAL),
    ("/", DECIMAL, DECIMAL): (_QUOTIENT.divide, DECIMAL),
    ("%", DECIMAL, DECIMAL): (EXACT.remainder, DECIMAL),
    ("+", STRING, STRING): (operator.add, STRING),
    ("+", BYTES, BYTES): (operator.add, BYTES),
    ("+", TIMESTAMP, DURATION): (operator.add, TIMESTAMP),
    ("+", DURATION, TIMESTAMP): (operator.add, TIMESTAMP),
    ("+", DURATION, DURATION): (operator.add, DURATION),
    ("-", TIMESTAMP, TIMESTAMP): (operator.sub, DURATION),
    ("-", TIMESTAMP, DURATION): (operator.sub, TIMESTAMP),
    ("-", DURATION, DURATION): (operator.sub, DURATION),
    ("+", LIST, LIST): (operator.add, LIST),
}
ORDERED = (*NUMBERS, STRING, BYTES, BOOL, TIMESTAMP, DURATION, DATE)
ORDER: Mapping[str, Operation] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def guarded(operation: Callable[..., Any], *arguments: Any) -> Any:
    """Apply an operation; whatever Python raises for these values is an expression without an answer."""
    try:
        return operation(*arguments)
    except EvaluationError:
        raise
    except (ArithmeticError, ValueError, TypeError, LookupError) as error:
        raise Unknown(_SENTENCES.get(type(error), "the operation has no result for these values")) from None


_SENTENCES: Mapping[type, str] = {
    ZeroDivisionError: "division by zero",
    decimal.DivisionByZero: "division by zero",
    OverflowError: "a value went past its range",
    decimal.Overflow: "a value went past its range",
}


def negate(value: Any) -> Any:
    """Give `-value`; a value that is no number is an error."""
    kind = kind_of(value)
    if kind == INT:
        return _int64(-value)
    if kind == DECIMAL:
        return value.copy_negate()
    if kind in (DOUBLE, DURATION):
        return guarded(operator.neg, value)
    raise Unknown("only a number or a duration can be negated")


def dynamic_arithmetic(symbol: str) -> Operation:
    """Give the operation that chooses by the values it meets; unfit values are an error."""

    def apply(left: Any, right: Any) -> Any:
        left, right, kind, other = _widened(left, right)
        found = ARITHMETIC.get((symbol, kind, other))
        if found is None:
            raise Unknown(f"these two types have no {symbol}")
        return found[0](left, right)

    return apply


def dynamic_order(symbol: str) -> Operation:
    """Give the comparison that chooses by the values it meets; values of two kinds have no order."""
    compare = ORDER[symbol]

    def apply(left: Any, right: Any) -> Any:
        left, right, kind, other = _widened(left, right)
        if kind != other or kind not in ORDERED:
            raise Unknown(f"these two types have no {symbol}")
        return compare(left, right)

    return apply


def _widened(left: Any, right: Any) -> tuple[Any, Any, Type, Type]:
    kind, other = kind_of(left), kind_of(right)
    common = wider(kind, other)
    if common is None or kind == other:
        return left, right, kind, other
    widen = WIDEN[common]
    return (left if kind == common else widen(left)), (right if other == common else widen(right)), common, common


def equals(left: Any, right: Any, depth: int = 0) -> bool:
    """Say whether two values of any kind are equal; of two kinds they are not, save numbers. Inner nulls are equal."""
    if depth > _DEEPEST_VALUE:
        raise Unknown("a value is nested too deep to be compared")
    left, right, kind, other = _widened(left, right)
    if kind != other:
        return False
    if kind == LIST:
        return len(left) == len(right) and all(equals(a, b, depth + 1) for a, b in zip(left, right, strict=True))
    if kind == MAP:
        return left.keys() == right.keys() and all(equals(left[key], right[key], depth + 1) for key in left)
    return bool(left == right)


def holds(value: Any, kind: Type) -> bool:
    """Say whether a value met at run time is of a scalar type, any list, or any map."""
    return kind == DYN or kind_of(value) == kind
