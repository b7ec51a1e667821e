"""A row's JSON made by Postgres: the very bytes that are made here of the row as values."""

from app.database.quoting import quoted
from app.expressions import types
from app.expressions.types import Enum, ListOf, Type
from app.relations.source import Source

_ALIKE = frozenset({
    types.STRING, types.BOOL, types.INT, types.UUID, types.DATE, types.TIME, types.INTEGER_RANGE, types.BIGINT_RANGE,
    types.DECIMAL_RANGE, types.DATE_RANGE, types.TIMESTAMP_RANGE,
})  # fmt: skip
_PLACES = 6  # behind the point, up to which Python writes a decimal out
# What Python has no moment for stays Postgres' text.
_MOMENT = (
    "CASE WHEN {0} >= timestamptz '0001-01-01 00:00:00+00' AND {0} < timestamptz '10000-01-01 00:00:00+00'"
    """ THEN replace(to_char({0}, 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00'), '.000000', '') ELSE {0}::text END"""
)
_DIGITS = "ltrim(split_part(abs({0})::text, '.', 2), '0')"
_SMALL = (
    "CASE WHEN scale({0}) > 6 AND abs({0}) < 0.000001 THEN (CASE WHEN {0} = 0 THEN '0E-' || scale({0})"
    r" ELSE CASE WHEN {0} < 0 THEN '-' ELSE '' END || regexp_replace({1}, '^(.)(.+)$', '\1.\2') || 'E-'"
    " || (scale({0}) - length({1}) + 1) END)::json ELSE to_json({0}) END"
)


def row_json(source: Source, row: str) -> str | None:
    """Write the text of a row, which `row` names; None where Postgres writes a column otherwise."""
    columns = [(name, _column(source, name, f"{row}.{quoted(name)}")) for name in source.shown]
    if any(text is None for _, text in columns):
        return None
    listed = ", ".join(f"{text} AS {quoted(name)}" for name, text in columns)
    return f"(SELECT row_to_json(rowgate_shown)::text FROM (SELECT {listed}) rowgate_shown)"


def measured(made: str, most: str) -> str:
    """Write a text that was made so; where it has more than `most` bytes, the statement fails."""
    fits = f"octet_length(rowgate_made.made) <= {most} OR rowgate.too_large()"
    return f"(SELECT CASE WHEN {fits} THEN rowgate_made.made END FROM (SELECT {made} AS made OFFSET 0) rowgate_made)"


def _column(source: Source, name: str, text: str) -> str | None:
    kind = source.shown[name]
    if kind == types.TIMESTAMP:
        return _MOMENT.format(text)
    if kind == types.DECIMAL:
        return text if _is_written_out(source, name) else _SMALL.format(text, _DIGITS.format(text))
    return text if _is_alike(kind) else None


def _is_alike(kind: Type) -> bool:
    if isinstance(kind, ListOf):
        kind = kind.element
    return kind in _ALIKE or isinstance(kind, Enum)


def _is_written_out(source: Source, name: str) -> bool:
    """Say whether a decimal has too few places for Python to write it by its exponent."""
    if name in source.computed:
        return False
    said = source.table.columns[name].said
    return said.precision is not None and (said.scale or 0) <= _PLACES
