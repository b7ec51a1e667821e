"""Rows that come as CSV (RFC 4180), whose first line names the columns, as the rows that JSON would be."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

from app.compiler.runtime import ViewWriting
from app.data_plane.rest.dialect.refusals import KeysDiffer
from app.definitions.column_types import ANY_JSON, ANY_TEXT, ColumnType
from app.definitions.columns import ColumnDef
from app.http.json_body import BadJson, check_text, parse_json

_HINT = "The first line names the columns, and each line has as many fields."
_ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",{}\\]+)', re.DOTALL)
_ARRAY = re.compile(rf"\{{(?:(?:{_ITEM.pattern})(?:,(?!\}})|(?=\}})))*\}}", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def csv_rows(writing: ViewWriting, body: bytes) -> list[dict[str, Any]]:
    """Give the rows; raises KeysDiffer for what is no CSV, and leaves what isn't of its column's type a text.

    `NULL` is null, and so is an empty field, but for a text.
    """
    lines = csv_lines(body)
    if not lines:
        raise KeysDiffer("The body has no line that names the columns.", hint=_HINT)
    names, *others = lines
    return csv_objects(writing, csv_names(names), others)


def csv_names(names: list[str]) -> list[str]:
    """Give the columns that the first line names; raises KeysDiffer."""
    if len(set(names)) < len(names):
        raise KeysDiffer("A column stands twice in the first line.", hint=_HINT)
    return names


def csv_objects(writing: ViewWriting, names: Sequence[str], others: Sequence[list[str]]) -> list[dict[str, Any]]:
    """Give the rows of the lines behind the first; raises KeysDiffer."""
    if any(len(line) != len(names) for line in others):
        raise KeysDiffer("All lines must have same number of fields", hint=_HINT)
    columns, kinds = writing.writable.columns, writing.kinds
    return [
        {name: csv_value(columns.get(name), kinds.get(name), text) for name, text in zip(names, line, strict=True)}
        for line in others
    ]


def csv_lines(body: bytes, *, begins: bool = True) -> list[list[str]]:
    """Give the fields of each line, where a body `begins` behind a byte order mark; raises KeysDiffer."""
    try:
        text = check_text(body.decode("utf-8-sig" if begins else "utf-8"))
        csv.field_size_limit(max(csv.field_size_limit(), len(text)))
        return [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except (UnicodeDecodeError, csv.Error):
        raise KeysDiffer("The body is not CSV in UTF-8.", hint=_HINT) from None


def csv_value(said: ColumnDef | None, kind: ColumnType | None, text: str) -> Any:
    """Give the value of a field as JSON would have it, by its column; a text where it can't be one of the column's."""
    if said is None or kind is None:
        return None if text in ("NULL", "") else text
    if text == "NULL" or (text == "" and (said.array or kind.rule != ANY_TEXT)):
        return None
    if said.array:
        items = items_of(text)
        return text if items is None else [_plain(kind, one) if isinstance(one, str) else one for one in items]
    return _plain(kind, text)


def items_of(text: str) -> list[Any] | None:
    """Read the items of a list, written as JSON or as Postgres writes arrays; None where it is neither."""
    if _ARRAY.fullmatch(text):
        found = _ITEM.finditer(text)
        return [_ESCAPED.sub(r"\1", one[1]) if one[2] is None else one[2] for one in found]
    sent = _json(text)
    return sent if isinstance(sent, list) else None


def _plain(kind: ColumnType, text: str) -> Any:
    if kind.rule == ANY_JSON:
        return _json(text)
    read = kind.from_csv or kind.from_text
    return text if read is None else read(text)


def _json(text: str) -> Any:
    try:
        return parse_json(text.encode())
    except BadJson:
        return text
