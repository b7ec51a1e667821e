"""The rows that a write sends, held against the columns of its view."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.compiler.runtime import CompiledView
from app.data_plane.rest.dialect.refusals import FieldsUnknown, KeysDiffer
from app.definitions.validation import Validator
from app.errors import FieldError, near
from app.http.json_body import parse_json
from app.steps.refusals import InputRefused

MAX_ROWS = 10_000
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


def lines_of(body: bytes) -> list[Any]:
    """Give what each line says as JSON; empty lines say nothing."""
    return [parse_json(line) for line in body.split(b"\n") if line and not line.isspace()]


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


def validated(validator: Validator, rows: Sequence[Mapping[str, Any]], first: int = 0) -> list[dict[str, Any]]:
    """Give the values of new rows, numbered from `first`; raises InputRefused with every field that fails."""
    checked, errors = [], []
    alone = len(rows) == 1 and not first
    for index, row in enumerate(rows, first):
        values, wrong = validator.read(row)
        checked.append(values)
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
