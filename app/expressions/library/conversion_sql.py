"""Conversions in SQL: what a text has to be like, and a value that is there only where it can be converted."""

from app.expressions.operations import INT_MAX, INT_MIN

LONGEST_NUMBER = 2_000
DATES = "date '0001-01-01' AND date '9999-12-31'"
INT64 = f"BETWEEN {INT_MIN} AND {INT_MAX}"
IS_INT = "{0} ~ '^-?[0-9]{{1,19}}$'"
IS_NUMBER = (
    f"char_length({{0}}) <= {LONGEST_NUMBER} AND "
    "{0} ~ '^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{{1,3}})?$'"
)


def when(condition: str, then: str) -> str:
    """Give the SQL of a value that is there under a condition, and else null."""
    return f"(CASE WHEN {condition} THEN {then} END)"


def double_of_decimal(text: str) -> str:
    """Give the SQL of a decimal as a double: past 1e308 there is none, below 1e-307 it is zero."""
    small = f"CASE WHEN abs({text}) >= 1e-307 THEN ({text})::double precision ELSE 0 END"
    return when(f"abs({text}) < 1e308", small)


DOUBLE_OF_TEXT = (
    "(CASE WHEN {0} IN ('NaN', 'Infinity', '-Infinity') THEN ({0})::double precision"
    f" WHEN {IS_NUMBER} THEN {double_of_decimal('({0})::numeric')} END)"
)
