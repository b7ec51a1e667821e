"""A table with a column of each type there is, plain and as an array where one may be, and values for them."""

from collections.abc import Iterator
from typing import Any

from app.compiler.check import check_project
from app.definitions.column_types import COLUMN_TYPES
from app.definitions.project import parse_project

_ID = "00000000-0000-4000-8000-00000000000"
# Of each type two values, the smaller one first, as JSON has them.
VALUES: dict[str, tuple[Any, Any]] = {
    "text": ("apple", "banana"),
    "integer": (1, 2),
    "bigint": (1, 2**40),
    "decimal": (1, 2.5),
    "float": (1.5, 2.5),
    "boolean": (False, True),
    "date": ("2026-01-01", "2026-02-01"),
    "time": ("08:00:00", "18:00:30.5"),
    "uuid": (f"{_ID}1", f"{_ID}2"),
    "timestamp": ("2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"),
    "integer_range": ("[1,5)", "[5,9)"),
    "bigint_range": ("[1,5)", "[5,1099511627776)"),
    "decimal_range": ("[0.5,1]", "(1,2.5]"),
    "date_range": ("[2026-01-01,2026-02-01)", "[2026-02-01,)"),
    "timestamp_range": (
        '["2026-01-01 00:00:00+00","2026-02-01 00:00:00+00")',
        '["2026-02-01 00:00:00+00","2026-03-01 00:00:00.5+00")',
    ),
    "json": (1, 2),
    "enum": ("apple", "banana"),
    "user": (f"{_ID}1", f"{_ID}2"),
    "reference": (f"{_ID}1", f"{_ID}2"),
}
_NEEDED: dict[str, dict[str, Any]] = {"enum": {"values": ["apple", "banana"]}, "reference": {"table": "others"}}


def _columns() -> Iterator[dict[str, Any]]:
    for kind in COLUMN_TYPES:
        yield {"name": f"c_{kind}", "type": kind, **_NEEDED.get(kind, {})}
        yield {"name": f"c_{kind}_list", "type": kind, "array": True, **_NEEDED.get(kind, {})}
    yield {"name": "c_exact", "type": "decimal", "precision": 6, "scale": 2}
    yield {"name": "c_exact_list", "type": "decimal", "precision": 6, "scale": 2, "array": True}
    yield {"name": "c_number", "type": "reference", "table": "numbered"}


def _document(columns: list[dict[str, Any]]) -> dict[str, Any]:
    names = [column["name"] for column in columns]
    return {
        "rowgate": 1,
        "tables": [
            {"name": "others", "columns": [{"name": "label", "type": "text"}]},
            {"name": "numbered", "id": "bigint", "columns": [{"name": "label", "type": "text"}]},
            {"name": "things", "columns": [{"name": "label", "type": "text"}, *columns]},
        ],
        "views": [
            {"name": "numbers", "table": "numbered", "columns": ["id", "label"], "access": "public"},
            {"name": "plain", "table": "things", "columns": ["id", "label", *names], "access": "public",
             "allow": ["select", "insert", "update", "delete"]},
        ],
    }  # fmt: skip


def _accepted() -> list[dict[str, Any]]:
    """Give the columns that a document may have."""
    columns = list(_columns())
    project, _ = parse_project(_document(columns))
    assert project is not None
    refused = {finding.place.split(".")[1] for finding in check_project(project)}
    return [column for column in columns if f"columns/{column['name']}" not in refused]


COLUMNS = _accepted()
NAMES = [column["name"] for column in COLUMNS]
DOCUMENT = _document(COLUMNS)


def small_and_large(column: dict[str, Any]) -> tuple[Any, Any]:
    """Give a small and a large value of a column; of an array the large one has the small one's item too."""
    small, large = (1, 2) if column.get("table") == "numbered" else VALUES[column["type"]]
    return ([small], [small, large]) if column.get("array") else (small, large)


ROWS = (
    f"INSERT INTO data.users (id, email) VALUES ('{_ID}1', 'a@example.com'), ('{_ID}2', 'b@example.com')",
    f"INSERT INTO data.others (id) VALUES ('{_ID}1'), ('{_ID}2')",
    "INSERT INTO data.numbered DEFAULT VALUES",
    "INSERT INTO data.numbered DEFAULT VALUES",
)


def rows() -> list[dict[str, Any]]:
    """Give a row with the small values, one with the large ones, and one of nulls."""
    pairs = {column["name"]: small_and_large(column) for column in COLUMNS}
    small, large = ({name: pair[index] for name, pair in pairs.items()} for index in (0, 1))
    return [{"label": "small", **small}, {"label": "large", **large}, {"label": "none", **dict.fromkeys(pairs)}]
