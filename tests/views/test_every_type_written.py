"""Every type of column written with every kind of value, by views and by steps: kept or refused, never a 500."""

import copy
from typing import Any

from tests.backend import Backend
from tests.views import every_type
from tests.views.every_type import COLUMNS, ROWS, rows, small_and_large

DOCUMENT = copy.deepcopy(every_type.DOCUMENT)
INPUTS = {column["name"]: {key: value for key, value in column.items() if key != "name"} for column in COLUMNS}
SENT = {name: f"=input.{name}" for name in INPUTS}
DOCUMENT["tables"].append({"name": "keys", "columns": [{"name": "key", "type": "text", "unique": True}]})
DOCUMENT["views"].append({
    "name": "keys_seen", "table": "keys", "columns": ["key"], "access": "public", "allow": ["select", "insert"],
})  # fmt: skip
DOCUMENT["endpoints"] = [
    {"name": "change", "method": "POST", "path": "/change", "access": "public", "input": {"body": INPUTS}, "steps": [
        {"do": "update", "table": "things", "where": 'item.label == "small"', "set": SENT, "as": "changed"},
        {"do": "respond", "body": "=changed"},
    ]},
    {"name": "add", "method": "POST", "path": "/add", "access": "public", "input": {"body": INPUTS}, "steps": [
        {"do": "insert", "table": "things", "set": SENT, "as": "added"}, {"do": "respond", "body": "=added"},
    ]},
    {"name": "add_all", "method": "POST", "path": "/add_all", "access": "public", "steps": [
        {"do": "insert", "table": "things", "rows": "=input.rows", "as": "added"}, {"do": "respond", "body": "=added"},
    ], "input": {"body": {"rows": {"type": "list", "of": {"type": "object", "fields": INPUTS}}}}},
]  # fmt: skip
ODD: list[Any] = [
    None, [], [None], [[1]], [[]], {}, {"a": [1]}, "", "x", "null", "{1}", 0, 1.5, -1, 2**31, 2**63, 10**39, 1e300,
    True, [True], ["x", 1], [2**31],
    "infinity", "0001-01-01", "9999-12-31T23:59:59.999999Z", "x" * 5000, ["x" * 5000] * 3,
]  # fmt: skip


async def test_every_value_is_kept_or_refused(backend: Backend) -> None:
    for statement in ROWS:
        await backend.sql(statement)
    assert (await backend.client.post("/rest/v1/plain", json=rows())).status_code == 201
    for name in INPUTS:
        for value in ODD:
            for method, path, body in (
                ("POST", "/rest/v1/plain", {name: value}),
                ("PATCH", "/rest/v1/plain?label=eq.none", {name: value}),
                ("POST", "/api/change", {name: value}),
                ("POST", "/api/add", {name: value}),
                ("POST", "/api/add_all", {"rows": [{name: value}]}),
            ):
                answer = await backend.client.request(method, path, json=body)
                assert answer.status_code in (200, 201, 204, 400, 409, 422), (path, body, answer.text)


async def test_an_array_that_was_not_sent_is_left_as_it_is(backend: Backend) -> None:
    for statement in ROWS:
        await backend.sql(statement)
    assert (await backend.client.post("/rest/v1/plain", json=rows())).status_code == 201
    for column in COLUMNS:
        small, large = small_and_large(column)
        answer = await backend.client.post("/api/change", json={column["name"]: large})
        assert answer.status_code == 200, answer.text
        (row,) = answer.json()
        assert row[column["name"]] == large
        back = await backend.client.post("/api/change", json={column["name"]: small})
        others = {name: value for name, value in rows()[0].items() if name in row}
        assert {name: back.json()[0][name] for name in others} == others


async def test_a_value_that_no_index_can_hold_is_refused(backend: Backend) -> None:
    # Beyond what a page of an index takes, and of a kind that doesn't compress.
    key = "".join(chr(0x4E00 + (n * n * 7919) % 20_000) for n in range(20_000))
    answer = await backend.client.post("/rest/v1/keys_seen", json={"key": key})
    assert (answer.status_code, answer.json()["rowgate_code"]) == (400, "query.bad_value"), answer.text
