"""Documents that say everything once, and the junk that may stand in place of any part of them."""

import copy
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]

TEXT = {"type": "text"}
COLUMNS: list[dict[str, Any]] = [
    {
        "name": "a",
        "type": "text",
        "required": True,
        "min_length": 1,
        "max_length": 9,
        "pattern": "[a-z]+",
        "default": "x",
    },
    {"name": "b", "type": "integer", "min": 1, "max": 9, "default": 2, "index": True},
    {"name": "c", "type": "decimal", "precision": 5, "scale": 2, "min": 0.5, "default": 1.5},
    {"name": "d", "type": "enum", "values": ["p", "q"], "default": "p", "unique": True},
    {"name": "e", "type": "user", "on_delete": "cascade"},
    {"name": "f", "type": "reference", "table": "t", "on_delete": "set_null"},
    {"name": "g", "type": "json", "default": {"k": [1, 1.5, None]}},
    {"name": "h", "type": "timestamp", "default": "=now", "was": "i"},
    {"name": "j", "type": "float", "array": True, "default": [1.5]},
    {"name": "l", "type": "date", "default": "2027-01-31", "description": "When"},
    {"name": "m", "type": "bigint", "default": 7},
    {"name": "n", "type": "boolean", "default": False},
    {"name": "o", "type": "uuid", "default": "=uuid()"},
    {"name": "s", "type": "text", "format": "slug", "default": "s"},
]
PAIR = [{"name": "a", "type": "text"}, {"name": "b", "type": "integer"}]


def table(columns: list[Any], **more: Any) -> dict[str, Any]:
    return {"name": "t", "columns": columns, **more}


def endpoint(steps: list[Any], **more: Any) -> dict[str, Any]:
    return {"name": "e", "method": "POST", "path": "/e", "access": "public", "steps": steps, **more}


STEPS: list[list[dict[str, Any]]] = [
    [{"do": "fetch", "from": "t", "id": "input.id", "as": "x", "lock": True, "optional": True},
     {"do": "update", "table": "t", "id": "x.id", "set": {"a": "=input.a", "b": "=item.b + x.b"}, "expect": "one",
     "as": "y"},
     {"do": "respond", "status": 201, "body": {"k": ["=y.a", 1.5, None]}, "headers": {"X-A": "=y.a"}}],
    [{"do": "list", "from": "v", "where": "item.b > 1", "order": ["a desc"], "limit": 3, "offset": 1, "as": "x"},
     {"do": "for_each", "each": "x", "as": "y", "limit": 5, "steps": [{"do": "delete", "table": "t", "id": "y.id"}]}],
    [{"do": "count", "from": "t", "where": "item.a == input.a", "as": "x"},
     {"do": "exists", "from": "t", "where": "true", "as": "y"},
     {"do": "aggregate", "from": "t", "group_by": ["a"], "values": {"s": {"sum": "item.b"}}, "as": "z"}],
    [{"do": "insert", "table": "t", "set": {"a": "x"}, "on_conflict": {"columns": ["a"], "do": "update"}, "as": "x"},
     {"do": "insert", "table": "t", "rows": [{"a": "x"}, {"b": 1}], "as": "y"},
     {"do": "set", "values": {"q": "=input.a", "r": [1, "=1 + 1"]}}],
    [{"do": "require", "that": "input.a == 'x'", "status": 402, "code": "not.paid", "message": "Pay."},
     {"do": "validate", "rules": [{"rule": "size(input.a) > 1", "field": "a", "message": "Short."}]},
     {"do": "if", "when": "input.a == 'x'", "then": [{"do": "fail", "status": 400}], "else": [{"do": "respond"}]}],
    [{"do": "rate_limit", "limit": "5/minute", "by": "input.a", "scope": "s", "cost": 2},
     {"do": "quota", "max": 5, "from": "t", "where": "item.a == input.a", "message": "Enough.", "status": 402},
     {"do": "time_window", "from": "2027-01-01T00:00:00", "weekdays": ["mon"], "hours": "08:00-17:00",
      "timezone": "Europe/Zurich"}],
    [{"do": "http", "method": "POST", "url": "https://example.com/", "headers": {"X-A": "=secrets.k"},
      "json": {"a": "=input.a"}, "timeout": 3, "as": "x", "on_error": "bind"},
     {"do": "call", "use": "m", "with": {"p": 3}, "as": "y", "when": "true", "name": "called"}],
    [{"do": "sign_up", "email": "input.a", "password": "input.a", "set": {"n": "x"}, "as": "x"},
     {"do": "update_user", "user": "x.user.id", "email": "input.a", "set": {"n": "=input.a"}}],
    [{"do": "sign_in", "email": "input.a", "password": "input.a", "as": "x"},
     {"do": "issue_session", "user": "x.user.id", "as": "y"}],
]  # fmt: skip
INPUT = {"body": {"id": {"type": "uuid"}, "a": {"type": "text", "default": "x", "max_length": 9}}}
VIEW = {
    "name": "v", "table": "t", "columns": ["id", "a", {"name": "n", "value": "row.b * 2"}],
    "filter": "row.b > params.n",
    "params": {"n": {"type": "integer", "default": 1, "max": 9}}, "access": {"roles": ["r"]}, "order": ["a desc"],
    "allow": ["select", "insert"], "presets": {"b": "=params.n"}, "writable": ["a"], "max_rows": 5,
}  # fmt: skip
RELATED = {
    "name": "w", "table": "t", "access": "public",
    "columns": ["id", {"name": "n", "count": "t", "where": "item.b == row.b"},
                {"name": "o", "one": "t", "where": "item.id == row.id"},
                {"name": "l", "list": "t", "where": "item.b == row.b", "value": "item.a", "order": ["a"]},
                {"name": "s", "sum": "t", "of": "item.b", "where": "item.b > 1"}],
}  # fmt: skip
MIDDLEWARE = {
    "name": "m", "params": {"p": {"type": "integer", "default": 2, "min": 1}},
    "steps": [{"do": "require", "that": "params.p > 1"}],
}  # fmt: skip
TEST = {
    "name": "x", "as": "al", "given": {"users": [{"id": "al", "n": "x"}], "t": [{"id": "one", "a": "x"}]},
    "request": {"method": "POST", "path": "/api/e", "headers": {"X-A": "x"}, "body": {"a": "x"}},
    "expect": {"status": 204, "changed": {}},
}  # fmt: skip
ROLES = [{"name": "r", "description": "Reads"}]
USERS = {"columns": [{"name": "n", "type": "text", "default": "x", "self_editable": True, "max_length": 9}]}
T = table([{**PAIR[0], "unique": True}, PAIR[1]])


def documents() -> list[dict[str, Any]]:
    """Give small documents that are sound; together they say each kind of thing once."""
    found: list[dict[str, Any]] = [{"tables": [T, table(PAIR) | {"name": "u"}]}]
    found += [{"tables": [table([column])]} for column in COLUMNS]
    found.append({"tables": [table(COLUMNS, id="bigint", timestamps=False, indexes=[["a", "b"]], unique=[["a", "c"]])]})
    keyed = [*PAIR, {"name": "q", "type": "reference", "table": "t", "column": "r", "on_delete": "cascade"},
             {"name": "r", "type": "text", "unique": True}]  # fmt: skip
    found.append({"tables": [table(
        keyed, id={"type": "text", "max_length": 9}, unique=[["a", "b"], {"columns": ["b"], "where": "row.b > 1"}],
        references=[{"columns": ["a", "b"], "table": "t", "to": ["a", "b"], "on_delete": "set_null"}],
    )]})  # fmt: skip
    checks = [{"rule": "row.b > 1 && row.c < 9.5", "message": "No."}]
    found.append({"tables": [table(COLUMNS[1:3], checks=checks, indexes=[{"columns": ["b"], "concurrently": True}])]})
    found.append({"roles": ROLES, "users": USERS})
    found.append({"roles": ROLES, "tables": [T], "views": [VIEW]})
    found.append({"tables": [T], "views": [RELATED]})
    plain = {"name": "v", "table": "t", "columns": "all", "access": "public"}
    found += [
        {"users": USERS, "tables": [T], "views": [plain], "middleware": [MIDDLEWARE],
         "endpoints": [endpoint(steps, input=INPUT)]}
        for steps in STEPS
    ]  # fmt: skip
    lines = {"type": "list", "of": {"type": "object", "fields": {"a": {**TEXT, "required": True}}}, "max_length": 3}
    inputs = {"path": {"q": {"type": "integer"}}, "query": {"r": {**TEXT, "array": True}}, "headers": {"s": TEXT},
              "body": {"lines": lines, "when": {"type": "date", "default": "2027-01-31"}}}  # fmt: skip
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    found.append({
        "project": {"name": "p", "middleware": ["m"], "http_allow": ["example.com:80"], "cors_origins": ["https://a.b"]},
        "middleware": [MIDDLEWARE],
        "endpoints": [endpoint(
            [{"do": "respond", "body": "=input"}], path="/e/{q}", input=inputs, middleware=[{"use": "m",
            "with": {"p": 4}}],
            rules=[{"rule": "size(input.lines) > 1", "field": "lines"}], timeout=5, body_limit=9, tags=["x"],
            isolation="serializable", responses={"200": {"description": "Yes", "schema": schema}},
        )],
    })  # fmt: skip
    found.append({
        "users": USERS, "tables": [T], "tests": [TEST],
        "endpoints": [endpoint([{"do": "set", "values": {"x": "=input.a"}}], input=INPUT)],
    })  # fmt: skip
    return [{"rowgate": 1, **one} for one in found]


def places(node: Any, path: Path = ()) -> Iterator[Path]:
    """Give the way to every node."""
    yield path
    for key, item in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from places(item, (*path, key))


def replaced(document: Any, path: Path, change: str, junk: Any) -> Any:
    """Give the document with a node replaced by junk, gone, under another key, or with junk beside it."""
    if not path:
        return junk
    document = parent = copy.copy(document)
    *way, key = path
    for one in way:  # what isn't on the way is shared
        parent[one] = copy.copy(parent[one])
        parent = parent[one]
    if change == "gone":
        del parent[key]
    elif change == "key" and isinstance(parent, dict):
        parent[_word(junk)] = parent.pop(key)
    elif change == "beside" and isinstance(parent, dict):
        parent[_word(junk)] = junk
    elif change == "beside":
        parent.insert(key, junk)
    else:
        parent[key] = junk
    return document


def _word(junk: Any) -> Any:
    return junk if isinstance(junk, str | int | float | bytes) else type(junk).__name__


def _deep(depth: int, kind: type) -> Any:
    found: Any = kind()
    for _ in range(depth):
        found = [found] if kind is list else {"type": "object", "fields": {"a": found}}
    return found


NASTY: list[Any] = [
    None, True, False, 0, 1, -1, 2, 7, 10**18, 2**31, 2**63, -(2**63) - 1, 10**39, 10**41, 10**400, 0.0, -0.0, 0.5,
    1e300,
    5e-324, float("nan"), float("inf"), -float("inf"), Decimal("1E+1000"), Decimal("NaN"),
    Decimal("0.12345678901234567890"), date(2027, 1, 31), datetime(2027, 1, 31, tzinfo=UTC), b"bytes", {1, 2},
    object(), "", " ", "a", "x", "t", "v", "e", "m", "r", "id", "users", "08", "1e3", "1e999999999", "-1E+999999999",
    "yes", "=", "==", "=now", "=now()", "=today", "=uuid()", "=random_token(24)", "=random_token(0)",
    "=random_token(99999999)", "now()", "= now", "\\=x", "=input", "=input.a", "=input.a.b", "=row.a", "=item.a",
    "=auth.user.id",
    "=secrets.k", "=[1, 2]", '={"a": 1}', "=x.y", "=1/0", "=1 +", "=" + "(" * 99, "=size(t)", "true", "null",
    "1 == 1", "item.a",
    "(", "[", "(?i)a", "a{1000}", "(a{500}){500}", "\\p{L}", "^$", "\x00", "a\x00b", "\ud800", "\udfff\ud800",
    "\ufeff", "\u2028",
    "\x85", "\x7f", "\x1b[31m", "\U0001f600", "é", "ß" * 99, "a" * 64, "a" * 9999, "x; DROP TABLE t", "'", '"', "$1",
    "%s", ":a", "{0}",
    "{a}", "/e/{a}", "/..", "//", "2027-01-31", "2027-02-31", "2027-01-31T00:00:00Z", "0001-01-01",
    "9999-12-31T23:59:59+00:00",
    "Europe/Zurich", "../../etc/passwd", "10/minute", "1/0", "99999999999999999999/second", "https://example.com", "http://[",
    "018f2b6c-9f1e-7cc3-8000-0123456789ab", "NaN", "Infinity", "1_000", "١٢", "pg_x", "rowgate_x", "A", "a-b",
    [], {}, [None], [[]], [{}], {"": None}, {"a": 1}, {"a": {"b": 1}}, {1: 2}, {None: 1}, {"\x00": 1}, {"\ud800": 1},
    ["a"], ["a", "a"],
    ["x", 1], {"do": "respond"}, [{"do": "respond"}], [{"do": "nothing"}], {"type": "text"}, {"type": "object",
    "fields": {}},
    {"type": "list", "of": {"type": "json"}}, {"roles": []}, {"roles": ["r"]}, {"name": "a"}, [{"name": "a",
    "type": "text"}],
    {"use": "m"}, {"select": {}}, {"sum": "item.b"}, {"body": {"a": {"type": "text"}}}, {"$ref": "#"},
    {"$ref": "#/a"}, {"type": 1},
    _deep(30, list), _deep(70, list), _deep(3000, list), _deep(15, dict), _deep(40, dict), _deep(500, dict),
    list(range(2000)),
]  # fmt: skip
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.dates(), st.datetimes(), st.text(max_size=20)
)
junk = st.one_of(
    st.sampled_from(NASTY),
    st.sampled_from(NASTY),
    st.recursive(
        scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)),
        max_leaves=5,
    ),
)
