"""Rows whose bytes are counted while Postgres reads them: the statement fails as soon as they are too many.

A window's running sum is known row by row, so what lies behind the limit is never read, made into JSON or sent.
"""

from collections.abc import Iterable

from app.database.quoting import quoted

ROW = "rowgate_row"
WHOLE_ROW = f"{ROW}.*"  # since the bare name would be a column that is called so
BETWEEN = 2  # bytes between two rows of a list, or its brackets

_WITHIN = "rowgate_measured.rowgate_bytes <= {most} OR rowgate.too_large()"
_RUNNING = "sum(coalesce(octet_length({text}), 0) + {between}) OVER (ROWS UNBOUNDED PRECEDING) AS rowgate_bytes"


def measured_values(value: str, rows: str, most: str) -> str:
    """Write what stands behind FROM: `value` of each row of a SELECT, which it names ROW, as the column `value`.

    `most` is how many bytes the list of them may have. The OFFSET keeps a value from being made twice.
    """
    running = _RUNNING.format(text="rowgate_value.value::text", between=BETWEEN)
    values = f"SELECT {value} AS value FROM ({rows}) {ROW} OFFSET 0"
    within = _WITHIN.format(most=most)
    return f"(SELECT rowgate_value.value, {running} FROM ({values}) rowgate_value) rowgate_measured WHERE {within}"


def measured_rows(rows: str, names: Iterable[str], most: str) -> str:
    """Write the SELECT of the columns of rows that have at most so many bytes as JSON."""
    listed = ", ".join(f"rowgate_measured.{quoted(name)}" for name in names)
    running = _RUNNING.format(text=f"row_to_json({WHOLE_ROW})::text", between=BETWEEN)
    within = _WITHIN.format(most=most)
    return f"SELECT {listed} FROM (SELECT {WHOLE_ROW}, {running} FROM ({rows}) {ROW}) rowgate_measured WHERE {within}"
