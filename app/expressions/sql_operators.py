"""What the operators do in SQL: the same answers as in process, and NULL where those have none."""

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

_LEAST, _MOST = "-9223372036854775808", "9223372036854775807"
_TEXT_OPERATORS = {"==": "=", "!=": "<>"}
# Python's instants end at the years 1 and 9999; Postgres' go on, and an infinite one has no difference.
_INSTANTS = "timestamptz '0001-01-01 00:00:00+00' AND timestamptz '9999-12-31 23:59:59.999999+00'"
_SPANS = "interval '-3652059 days' AND interval '3652059 days'"
_LARGEST_DECIMAL = "1e1000"


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
        return f"({left} {operator} {right})"
    return _instants(operator, kind, other, left, right)


def _integers(operator: str, left: str, right: str) -> str:
    if operator == "%":
        return f"(CASE WHEN {right} = 0 OR ({right} = -1 AND {left} = {_LEAST}) THEN NULL ELSE {left} % {right} END)"
    if operator == "/":
        exact = f"div({left}::numeric, NULLIF({right}, 0)::numeric)"
    else:
        exact = f"({left}::numeric {operator} {right}::numeric)"
    return f"(CASE WHEN {exact} BETWEEN {_LEAST} AND {_MOST} THEN {exact}::bigint END)"


def _decimals(operator: str, left: str, right: str) -> str | None:
    if operator not in {"+", "-", "*"}:
        return None
    small = f"abs({left}) < {_LARGEST_DECIMAL} AND abs({right}) < {_LARGEST_DECIMAL}"
    return f"(CASE WHEN {small} THEN {left} {operator} {right} END)"


def _instants(operator: str, kind: Type, other: Type, left: str, right: str) -> str | None:
    if operator == "-" and kind == other == TIMESTAMP:
        return f"(CASE WHEN isfinite({left}) AND isfinite({right}) THEN {left} - {right} END)"
    if {kind, other} == {TIMESTAMP, DURATION} and (kind == TIMESTAMP or operator == "+") and operator in {"+", "-"}:
        instant, span = (left, right) if kind == TIMESTAMP else (right, left)
        moved = f"{instant} {operator} {span}"
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
        fits = f"CASE WHEN {plain}::numeric BETWEEN {_LEAST} AND {_MOST} THEN {plain}::bigint END"
        return f"(CASE WHEN {number} AND {plain} ~ '^-?[0-9]{{1,19}}$' THEN {fits} END)"
    if kind == DECIMAL:
        return f"(CASE WHEN {number} THEN {plain}::numeric END)"
    if kind == DOUBLE:
        fits = f"CASE WHEN abs({plain}::numeric) < 1e308 THEN {plain}::double precision END"
        return f"(CASE WHEN {number} THEN {fits} END)"
    return None
