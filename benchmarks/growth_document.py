"""A large document as a team would grow one: many tables, views and endpoints that say much the same few rules."""

from collections.abc import Iterator
from typing import Any

OWNED = "row.owner == auth.user.id"
MIDDLEWARE = [
    {
        "name": "at_most",
        "params": {"limit": {"type": "text", "default": "600/minute"}},
        "steps": [{"do": "rate_limit", "limit": "=params.limit", "by": "auth.user.id"}],
    },
    {
        "name": "paid",
        "steps": [
            {"do": "require", "that": 'auth.user.plan == "pro"', "status": 403, "message": "This is part of Pro."}
        ],
    },
]


def document(endpoints: int = 1000, views: int = 300, tables: int = 100) -> dict[str, Any]:
    """Give a document with so many of each; it has no findings."""
    return {
        "rowgate": 1,
        "project": {"name": "Growth"},
        "roles": [{"name": f"role_{number}"} for number in range(10)],
        "users": {"columns": [{"name": "plan", "type": "enum", "values": ["free", "pro"], "default": "free"}]},
        "tables": [_table(number) for number in range(tables)],
        "views": [_view(number, tables) for number in range(views)],
        "middleware": [*MIDDLEWARE, *(_owns(number) for number in range(tables))],
        "endpoints": [_endpoint(number, tables) for number in range(endpoints)],
    }


def _table(number: int) -> dict[str, Any]:
    columns: list[dict[str, Any]] = [
        {"name": "owner", "type": "user", "required": True, "on_delete": "cascade"},
        {"name": "title", "type": "text", "required": True, "min_length": 1, "max_length": 200},
        {"name": "amount", "type": "decimal", "precision": 12, "scale": 2, "min": 0},
        {"name": "status", "type": "enum", "values": ["draft", "sent", "paid"], "default": "draft", "required": True},
        {"name": "sent_at", "type": "timestamp"},
    ]
    if number:
        columns.append({"name": "parent", "type": "reference", "table": f"table_{number // 2}"})
    return {"name": f"table_{number}", "columns": columns, "indexes": [["owner", "created_at"]]}


def _view(number: int, tables: int) -> dict[str, Any]:
    table = number % tables
    columns: list[Any] = ["id", "title", "amount", "status", "created_at"]
    if number % 3 == 0:
        columns.append({"name": "late", "value": 'row.status == "sent" && row.sent_at < now - duration("720h")'})
    kinds: list[dict[str, Any]] = [
        {"filter": OWNED, "access": "authenticated", "order": ["created_at desc", "id desc"]},
        {"filter": 'row.status != "draft"', "access": {"roles": [f"role_{number % 10}"]}},
        {"filter": OWNED, "allow": ["select", "insert", "update"], "presets": {"owner": "=auth.user.id"}},
    ]
    return {"name": f"view_{number}", "table": f"table_{table}", "columns": columns, **kinds[number // tables % 3]}


def _owns(number: int) -> dict[str, Any]:
    steps = [
        {"do": "fetch", "from": f"table_{number}", "id": "input.record_id", "as": "record"},
        {"do": "require", "that": 'record.owner == auth.user.id || "role_0" in auth.user.roles', "status": 403},
    ]
    return {"name": f"owns_{number}", "steps": steps}


def _endpoint(number: int, tables: int) -> dict[str, Any]:
    table = f"table_{number % tables}"
    fields = {
        "title": {"type": "text", "required": True, "min_length": 1, "max_length": 200},
        "amount": {"type": "decimal", "precision": 12, "scale": 2, "min": 0},
    }
    at_most = {"use": "at_most", "with": {"limit": "30/minute"}}
    record = {"path": {"record_id": {"type": "uuid"}}}
    owned = {"input": record, "middleware": [at_most, f"owns_{number % tables}"]}
    kinds = (
        {"method": "POST", "input": {"body": fields}, "middleware": [at_most], "steps": list(_creates(table))},
        {"method": "GET", **owned, "steps": [{"do": "respond", "body": "=record"}]},
        {"method": "PATCH", **owned, "input": {**record, "body": fields}, "steps": list(_changes(table))},
        {"method": "GET", "middleware": ["paid"], "steps": list(_lists(table))},
    )
    kind = number // tables % len(kinds)
    at = f"/thing_{number}" if kind in (0, 3) else f"/thing_{number}/{{record_id}}"
    return {"name": f"endpoint_{number}", "path": at, "access": "authenticated", **kinds[kind]}


def _creates(table: str) -> Iterator[dict[str, Any]]:
    rules = [
        {"rule": 'input.title.trim() != ""', "field": "title", "message": "A title needs more than spaces."},
        {"rule": "input.amount == null || input.amount < 1000000", "field": "amount", "message": "That is too much."},
    ]
    yield {"do": "validate", "rules": rules}
    said = {"owner": "=auth.user.id", "title": "=input.title", "amount": "=input.amount"}
    yield {"do": "insert", "table": table, "set": said, "as": "record"}
    yield {"do": "respond", "status": 201, "body": "=record"}


def _changes(table: str) -> Iterator[dict[str, Any]]:
    yield {"do": "require", "that": 'record.status == "draft"', "status": 409, "message": "It was sent."}
    said = {"title": "=input.title", "amount": "=input.amount"}
    yield {"do": "update", "table": table, "id": "record.id", "set": said, "as": "record"}
    yield {"do": "respond", "body": "=record"}


def _lists(table: str) -> Iterator[dict[str, Any]]:
    yield {
        "do": "list", "from": table, "where": 'item.owner == auth.user.id && item.status != "draft"',
        "order": ["created_at desc"], "limit": 50, "as": "records",
    }  # fmt: skip
    yield {"do": "respond", "body": {"at": "=now", "records": "=records"}, "headers": {"X-Total": "=size(records)"}}
