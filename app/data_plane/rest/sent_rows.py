"""The rows that a write sends, held against the columns of its view."""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from app.compiler.runtime import CompiledView
from app.data_plane.rest.dialect.refusals import FieldsUnknown, KeysDiffer
from app.definitions.validation import Validator
from app.errors import FieldError, near
from app.http.json_body import parse_json
from app.http.long_json import AT_ONCE, SLICE, sliced
from app.steps.refusals import InputRefused

MAX_ROWS = 10_000
FEW = 64  # rows that are checked in one turn of the loop
Rows = Sequence[Mapping[str, Any]]
_REFUSED = "The row is not what the view takes."


def rows_of(
    sent: Any, columns: Sequence[str] | None, *, missing_is_default: bool
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Give the rows, each with the same keys, and the keys; raises KeysDiffer."""
    rows = sent if isinstance(sent, list) else [sent]
    if len(rows) > MAX_ROWS or not all(isinstance(row, dict) for row in rows):
        raise KeysDiffer("All object keys must match", hint=f"Send a row, or a list of at most {MAX_ROWS:,} rows.")
    if columns is None:
        if any(row.keys() != rows[0].keys() for row in rows):
            hint = "Send the same columns in each row, or name them by columns=."
            raise KeysDiffer("All object keys must match", hint=hint)
        return rows, tuple(rows[0]) if rows else ()
    if missing_is_default:
        return [{name: row[name] for name in columns if name in row} for row in rows], tuple(columns)
    return [{name: row.get(name) for name in columns} for row in rows], tuple(columns)


def lines_of(body: bytes) -> Generator[None, None, list[Any]]:
    """Give what each line says as JSON, and pause where that has been much; empty lines say nothing."""
    rows, size = [], 0
    for line in body.split(b"\n"):
        if line and not line.isspace():
            rows.append(parse_json(line) if len(line) <= AT_ONCE else (yield from sliced(line)))
        size += len(line)
        if size > SLICE:
            size = 0
            yield
    return rows


def the_row(sent: Any) -> Any:
    """Give the one row of a body that may also be a list of one; of an empty list none."""
    if not isinstance(sent, list):
        return sent
    if len(sent) > 1:
        raise KeysDiffer("One row is wanted here, and the body has more.", hint="Send an object, or a list of one.")
    return sent[0] if sent else {}


def refuse_unknown(view: CompiledView, names: Sequence[str]) -> None:
    """Raise FieldsUnknown with every name that is no column of the view; a hidden one is as unknown as any."""
    shown = view.source.shown
    if unknown := [name for name in names if name not in shown]:
        raise FieldsUnknown(view.name, unknown, hint=near(unknown[0][:64], shown))


def checked_rows(
    validator: Validator, rows: Rows, ready: Callable[[Rows], list[object]], first: int = 0
) -> Generator[None, None, list[object]]:
    """Give what `ready` makes of new rows, numbered from `first`, and pause behind each few.

    Raises InputRefused with every field that fails.
    """
    checked: list[object] = []
    errors: list[FieldError] = []
    alone = len(rows) == 1 and not first
    for index, row in enumerate(rows, first):
        if index % FEW == FEW - 1:
            yield
        values, wrong = validator.read(row)
        if not errors:
            checked += ready([values])
        place: tuple[Any, ...] = ("body",) if alone else ("body", index)
        errors += [FieldError((*place, *one.loc), one.code, one.message) for one in wrong]
    if errors:
        raise InputRefused(_REFUSED, errors=errors[:100])
    return checked


def validated_changes(validator: Validator, row: Mapping[str, Any]) -> dict[str, Any]:
    """Give the values that rows are to be changed to; raises InputRefused with every field that fails."""
    values, wrong = validator.read_partial(row)
    if wrong:
        raise InputRefused(_REFUSED, errors=[FieldError(("body", *one.loc), one.code, one.message) for one in wrong])
    return values
