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
    INT,
    LIST,
    MAP,
    NULL,
    NUMBERS,
    STRING,
    TIMESTAMP,
    TYPE,
    TYPE_NAMES,
    Scalar,
    Type,
    TypeName,
    wider,
)

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
MAX_BUILT = 1_048_576  # characters, bytes or elements that an expression builds
MAX_SPAN = timedelta(microseconds=(2**63 - 1) // 1_000)  # CEL counts nanoseconds in 64 bits
_DEEPEST_VALUE = 200

# Exact or an error: Inexact traps, so a sum or product never loses a digit. The bounds are those of Postgres' numeric.
EXACT = decimal.Context(
    prec=2_000,
    Emax=131_071,
    Emin=-16_383,
    traps=[decimal.Overflow, decimal.InvalidOperation, decimal.DivisionByZero, decimal.Inexact],
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


def check_built(size: int) -> None:
    """Raise BoundsExceeded for a string or list of more characters, bytes or elements than may be built."""
    if size > MAX_BUILT:
        raise BoundsExceeded("the expression builds strings and lists of more than 1 MiB")


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
    (TypeName, TYPE),
)


_TYPE_NAMES: Mapping[Type, TypeName] = {
    **{kind: TYPE_NAMES[kind.name] for _, kind in _KINDS if isinstance(kind, Scalar)},
    NULL: TYPE_NAMES["null_type"],
    LIST: TYPE_NAMES["list"],
    MAP: TYPE_NAMES["map"],
}


def type_name(value: Any) -> str:
    """Give the name of a value's type as `type(x)` gives it."""
    return _TYPE_NAMES[kind_of(value)].name


def bounded_span(span: timedelta) -> timedelta:
    """Give the duration; one of more than 292 years is an error, as in CEL."""
    if not -MAX_SPAN <= span <= MAX_SPAN:
        raise Unknown("a duration is longer than 292 years")
    return span


_WIDEST_DOUBLE = 308  # digits before the point


def is_nan(value: Any) -> bool:
    """Say whether a value of any kind is NaN."""
    return isinstance(value, float) and math.isnan(value)


def to_double(value: int | float | Decimal) -> float:
    """Widen a number to a double; one past 1e308 is an error, and one below 1e-307 is zero."""
    if isinstance(value, Decimal) and value:
        if value.adjusted() >= _WIDEST_DOUBLE:
            raise Unknown("a number does not fit in a double")
        if value.adjusted() < 1 - _WIDEST_DOUBLE:
            return 0.0
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


def _divide(left: float, right: float) -> float:
    """Divide as IEEE 754 has it: by zero comes an infinity, or NaN."""
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


_DIGITS = 38  # after the point, of a quotient
_WIDEST, _NARROWEST = 1_000, 900  # digits before the point of a dividend, after it of a divisor


def _quotient(left: Decimal, right: Decimal) -> Decimal:
    """Divide to 38 digits after the point, a tie away from zero, without zeros at the end."""
    if not right:
        raise Unknown("division by zero")
    if left.adjusted() >= _WIDEST or right.adjusted() < -_NARROWEST:
        raise Unknown("a number is too large or too small to be divided")
    cut = EXACT.divide_int(EXACT.scaleb(left, _DIGITS + 1), right)
    rounded = EXACT.scaleb(cut, -1).to_integral_value(decimal.ROUND_HALF_UP, EXACT)
    shown = EXACT.scaleb(rounded, -_DIGITS).normalize(EXACT)
    return EXACT.quantize(shown, Decimal(1)) if shown == shown.to_integral_value(context=EXACT) else shown


def _spans(apply: Callable[[Any, object], timedelta]) -> Callable[[object, object], timedelta]:
    return lambda left, right: bounded_span(apply(left, right))


Operation = Callable[[Any, Any], object]

ARITHMETIC: Mapping[tuple[str, Type, Type], tuple[Operation, Type]] = {
    ("+", INT, INT): (lambda a, b: _int64(a + b), INT),
    ("-", INT, INT): (lambda a, b: _int64(a - b), INT),
    ("*", INT, INT): (lambda a, b: _int64(a * b), INT),
    ("/", INT, INT): (_truncated, INT),
    ("%", INT, INT): (_remainder, INT),
    ("+", DOUBLE, DOUBLE): (operator.add, DOUBLE),
    ("-", DOUBLE, DOUBLE): (operator.sub, DOUBLE),
    ("*", DOUBLE, DOUBLE): (operator.mul, DOUBLE),
    ("/", DOUBLE, DOUBLE): (_divide, DOUBLE),
    ("+", DECIMAL, DECIMAL): (EXACT.add, DECIMAL),
    ("-", DECIMAL, DECIMAL): (EXACT.subtract, DECIMAL),
    ("*", DECIMAL, DECIMAL): (EXACT.multiply, DECIMAL),
    ("/", DECIMAL, DECIMAL): (_quotient, DECIMAL),
    ("%", DECIMAL, DECIMAL): (EXACT.remainder, DECIMAL),
    ("+", STRING, STRING): (operator.add, STRING),
    ("+", BYTES, BYTES): (operator.add, BYTES),
    ("+", TIMESTAMP, DURATION): (operator.add, TIMESTAMP),
    ("+", DURATION, TIMESTAMP): (operator.add, TIMESTAMP),
    ("+", DURATION, DURATION): (_spans(operator.add), DURATION),
    ("-", TIMESTAMP, TIMESTAMP): (_spans(operator.sub), DURATION),
    ("-", TIMESTAMP, DURATION): (operator.sub, TIMESTAMP),
    ("-", DURATION, DURATION): (_spans(operator.sub), DURATION),
    ("+", LIST, LIST): (operator.add, LIST),
}
ORDERED = (*NUMBERS, STRING, BYTES, BOOL, TIMESTAMP, DURATION, DATE)
ORDER: Mapping[str, Operation] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def guarded(operation: Callable[..., Any], *arguments: object) -> object:
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


def negate(value: Any) -> object:
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

    def apply(left: Any, right: object) -> object:
        left, right, kind, other = _widened(left, right)
        found = ARITHMETIC.get((symbol, kind, other))
        if found is None:
            raise Unknown(f"these two types have no {symbol}")
        return found[0](left, right)

    return apply


def dynamic_order(symbol: str) -> Operation:
    """Give the comparison that chooses by the values it meets; values of two kinds have no order."""
    compare = ORDER[symbol]

    def apply(left: Any, right: object) -> object:
        left, right, kind, other = _widened(left, right)
        if kind != other or kind not in ORDERED:
            raise Unknown(f"these two types have no {symbol}")
        return compare(left, right)

    return apply


def _widened(left: Any, right: object) -> tuple[object, object, Type, Type]:
    kind, other = kind_of(left), kind_of(right)
    common = wider(kind, other)
    if common is None or kind == other:
        return left, right, kind, other
    widen = WIDEN[common]
    return (left if kind == common else widen(left)), (right if other == common else widen(right)), common, common


def equals(left: Any, right: Any, spend: Callable[[int], None], depth: int = 0) -> bool:
    """Say whether two values of any kind are equal; of two kinds they are not, save numbers. Inner nulls are equal.

    `spend` is told the size of each list and map that is compared.
    """
    if depth > _DEEPEST_VALUE:
        raise Unknown("a value is nested too deep to be compared")
    left, right, kind, other = _widened(left, right)
    if kind != other:
        return False
    if kind not in (LIST, MAP):
        return bool(left == right)
    spend(len(left))
    if kind == LIST:
        pairs = zip(left, right, strict=False)
        return len(left) == len(right) and all(equals(a, b, spend, depth + 1) for a, b in pairs)
    return left.keys() == right.keys() and all(equals(left[key], right[key], spend, depth + 1) for key in left)
