"""What the operators do in SQL: the same answers as in process, and NULL where those have none."""

from app.expressions.library.conversion_sql import double_of_decimal
from app.expressions.operations import INT_MAX, INT_MIN
from app.expressions.types import (
    BOOL,
    DECIMAL,
    DOUBLE,
    DURATION,
    INT,
    STRING,
    TIMESTAMP,
    Enum,
    Type,
)

_TEXT_OPERATORS = {"==": "=", "!=": "<>"}
# Python's instants end at the years 1 and 9999; Postgres' go on, and an infinite one has no difference.
_INSTANTS = "timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 23:59:59.999999+00'"
_SPANS = "interval '-9223372036.854775 s' AND interval '9223372036.854775 s'"
_LARGEST_DECIMAL, _SMALLEST_DIVISOR = "1e1000", "1e-900"


def comparison(operator: str, kind: Type, left: str, right: str) -> str:
    """Compare two values of one type; text is ordered by code point, and NaN equals nothing."""
    symbol = _TEXT_OPERATORS.get(operator, operator)
    ordered = operator not in _TEXT_OPERATORS
    if ordered and (kind == STRING or isinstance(kind, Enum)):
        return f'(({left}) COLLATE "C" {symbol} ({right}))'
    if kind == DOUBLE:
        answer = "true" if operator == "!=" else "false"
        nan = f"{left} = 'NaN'::double precision OR {right} = 'NaN'::double precision"
        return (
            f"(CASE WHEN {left} IS NOT NULL AND {right} IS NOT NULL"
            f" THEN CASE WHEN {nan} THEN {answer} ELSE {left} {symbol} {right} END END)"
        )
    return f"({left} {symbol} {right})"


def arithmetic(operator: str, kind: Type, other: Type, left: str, right: str) -> str | None:
    """Compute `left operator right`; None where SQL has no such operation that agrees to the last digit."""
    if kind == other == INT:
        return _integers(operator, left, right)
    if kind == other == DECIMAL:
        return _decimals(operator, left, right)
    if kind == other == STRING and operator == "+":
        return f"({left} || {right})"
    if kind == other == DURATION and operator in {"+", "-"}:
        return _bounded_span(f"{left} {operator} {right}")
    if kind == other == DOUBLE and operator in {"+", "-"}:
        return _doubles(operator, left, right)
    return _instants(operator, kind, other, left, right)


def _integers(operator: str, left: str, right: str) -> str:
    if operator == "%":
        return f"(CASE WHEN {right} = 0 OR ({right} = -1 AND {left} = {INT_MIN}) THEN NULL ELSE {left} % {right} END)"
    if operator == "/":
        exact = f"div({left}::numeric, NULLIF({right}, 0)::numeric)"
    else:
        exact = f"({left}::numeric {operator} {right}::numeric)"
    return f"(CASE WHEN {exact} BETWEEN {INT_MIN} AND {INT_MAX} THEN {exact}::bigint END)"


def _decimals(operator: str, left: str, right: str) -> str | None:
    if operator == "%":
        return None
    if operator == "/":
        fits = f"abs({left}) < {_LARGEST_DECIMAL} AND abs({right}) >= {_SMALLEST_DIVISOR}"
        return f"(CASE WHEN {fits} THEN trim_scale(round(div({left} * 1e39, {right}) * 1e-39, 38)) END)"
    small = f"abs({left}) < {_LARGEST_DECIMAL} AND abs({right}) < {_LARGEST_DECIMAL}"
    return f"(CASE WHEN {small} THEN {left} {operator} {right} END)"


def _bounded_span(text: str) -> str:
    return f"(CASE WHEN {text} BETWEEN {_SPANS} THEN {text} END)"


def _doubles(operator: str, left: str, right: str) -> str:
    """Add or subtract as IEEE 754 has it: Postgres raises where a sum of finite numbers is infinite."""
    exact = f"{left} {operator} {right}"
    # Past 8e307 both are halved to compare, which costs no digit there; what is below 1e290 tips no sum over.
    small = f"least(abs({left}), abs({right})) < 1e290 OR greatest(abs({left}), abs({right})) < 8e307"
    endless = f"greatest(abs({left}), abs({right})) > 1.7976931348623157e308"
    half = f"({left} * 0.5 {operator} {right} * 0.5)"
    infinite = f"sign{half} * 'Infinity'::double precision"
    sums = f"CASE WHEN abs{half} >= 8.98846567431158e307 THEN {infinite} ELSE {exact} END"
    known = f"{left} IS NOT NULL AND {right} IS NOT NULL"
    return f"(CASE WHEN {known} THEN CASE WHEN {small} OR {endless} THEN {exact} ELSE {sums} END END)"


def _instants(operator: str, kind: Type, other: Type, left: str, right: str) -> str | None:
    if operator == "-" and kind == other == TIMESTAMP:
        return f"(CASE WHEN isfinite({left}) AND isfinite({right}) THEN {_bounded_span(f'{left} - {right}')} END)"
    if {kind, other} == {TIMESTAMP, DURATION} and (kind == TIMESTAMP or operator == "+") and operator in {"+", "-"}:
        instant, span = (left, right) if kind == TIMESTAMP else (right, left)
        moved = f"(({instant} AT TIME ZONE 'UTC' {operator} {span}) AT TIME ZONE 'UTC')"
        inside = f"{instant} BETWEEN {_INSTANTS} AND {span} BETWEEN {_SPANS}"
        return f"(CASE WHEN {inside} THEN CASE WHEN {moved} BETWEEN {_INSTANTS} THEN {moved} END END)"
    return None


def from_json(text: str, kind: Type) -> str | None:
    """Read a jsonb value as one of a type; NULL where it is another, None where SQL can't tell."""
    plain = f"({text} #>> '{{}}')"
    if isinstance(kind, Enum):
        return None
    if kind == BOOL:
        return f"(CASE WHEN jsonb_typeof({text}) = 'boolean' THEN {plain}::boolean END)"
    if kind == STRING:
        return f"(CASE WHEN jsonb_typeof({text}) = 'string' THEN {plain} END)"
    number = f"jsonb_typeof({text}) = 'number'"
    if kind == INT:
        fits = f"CASE WHEN {plain}::numeric BETWEEN {INT_MIN} AND {INT_MAX} THEN {plain}::bigint END"
        return f"(CASE WHEN {number} AND {plain} ~ '^-?[0-9]{{1,19}}$' THEN {fits} END)"
    if kind == DECIMAL:
        return f"(CASE WHEN {number} THEN {plain}::numeric END)"
    if kind == DOUBLE:
        return f"(CASE WHEN {number} THEN {double_of_decimal(f'{plain}::numeric')} END)"
    return None
