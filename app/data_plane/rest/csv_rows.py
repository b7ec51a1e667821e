"""Rows that come as CSV (RFC 4180), whose first line names the columns, as the rows that JSON would be."""

import csv
import io
import re
from typing import Any

from app.compiler.runtime import ViewWriting
from app.data_plane.rest.dialect.refusals import KeysDiffer
from app.definitions.columns import ColumnDef
from app.http.json_body import BadJson, check_text, parse_json

_HINT = "The first line names the columns, and each line has as many fields."
_ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"|([^",{}\\]+)', re.DOTALL)
_ARRAY = re.compile(rf"\{{(?:(?:{_ITEM.pattern})(?:,(?!\}})|(?=\}})))*\}}", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SHORT_ZONE = re.compile(r"(?<=:\d\d)([.\d]*[+-]\d\d)$")
_FLAGS = {"t": True, "f": False, "true": True, "false": False}


def csv_rows(writing: ViewWriting, body: bytes) -> list[dict[str, Any]]:
    """Give the rows; raises KeysDiffer for what is no CSV, and leaves what isn't of its column's type a text.

    `NULL` is null, and so is an empty field, but for a text.
    """
    lines = _lines(body)
    if not lines:
        raise KeysDiffer("The body has no line that names the columns.", hint=_HINT)
    names, *others = lines
    if len(set(names)) < len(names):
        raise KeysDiffer("A column stands twice in the first line.", hint=_HINT)
    if any(len(line) != len(names) for line in others):
        raise KeysDiffer("All lines must have same number of fields", hint=_HINT)
    columns = writing.writable.columns
    return [
        {name: _value(columns.get(name), text, writing) for name, text in zip(names, line, strict=True)}
        for line in others
    ]


def _lines(body: bytes) -> list[list[str]]:
    try:
        text = check_text(body.decode("utf-8-sig"))
        csv.field_size_limit(max(csv.field_size_limit(), len(text)))
        return [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except (UnicodeDecodeError, csv.Error):
        raise KeysDiffer("The body is not CSV in UTF-8.", hint=_HINT) from None


def _value(said: ColumnDef | None, text: str, writing: ViewWriting) -> Any:
    if text == "NULL" or (text == "" and (said is None or said.array or said.type != "text")):
        return None
    if said is None:
        return text
    if said.array:
        items = _items(text)
        return text if items is None else [_plain(said, one, writing) if isinstance(one, str) else one for one in items]
    return _plain(said, text, writing)


def _items(text: str) -> list[Any] | None:
    """Read the items of a list, written as JSON or as Postgres writes arrays; None where it is neither."""
    if _ARRAY.fullmatch(text):
        found = _ITEM.finditer(text)
        return [_ESCAPED.sub(r"\1", one[1]) if one[2] is None else one[2] for one in found]
    sent = _json(text)
    return sent if isinstance(sent, list) else None


def _plain(said: ColumnDef, text: str, writing: ViewWriting) -> Any:
    kind = said.described_with(writing.bigints)
    if said.type == "json":
        return _json(text)
    if said.type == "boolean":
        return _FLAGS.get(text, text)
    if said.type == "timestamp":
        return _SHORT_ZONE.sub(r"\1:00", text)
    return text if kind.from_text is None else kind.from_text(text)


def _json(text: str) -> Any:
    try:
        return parse_json(text.encode())
    except BadJson:
        return text
