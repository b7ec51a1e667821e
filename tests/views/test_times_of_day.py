"""Times of day: columns, inputs and rules, the same in SQL and in process."""

from typing import Any

import pytest

from tests.backend import Backend

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [
        {
            "name": "shop_rows",
            "columns": [
                {"name": "name", "type": "text"},
                {"name": "opens", "type": "time", "required": True},
                {"name": "closes", "type": "time", "default": "18:30"},
            ],
            "checks": [{"rule": "row.opens < row.closes", "message": "It closes before it opens."}],
        }
    ],
    "views": [
        {
            "name": "shops", "table": "shop_rows", "access": "public", "allow": ["select", "insert"],
            "columns": ["name", "opens", "closes", {"name": "early", "value": 'row.opens < "07:30"'},
                        {"name": "said", "value": 'string(row.opens) + "-"'}],
        },
        {
            "name": "open_shops", "table": "shop_rows", "access": "public", "columns": ["name"], "order": ["name"],
            "params": {"at": {"type": "time", "required": True}},
            "filter": "row.opens <= params.at && params.at < row.closes",
        },
    ],
    "endpoints": [
        {
            "name": "late", "method": "GET", "path": "/late", "access": "public",
            "input": {"query": {"at": {"type": "time", "required": True}}},
            "steps": [
                {"do": "aggregate", "from": "shop_rows", "values": {"last": {"max": "item.closes"}}, "as": "all"},
                {"do": "respond", "body": {
                    "late": '=input.at > "18:00"', "at": "=input.at", "last": "=all.last",
                    "same": '=input.at == time("18:00:00.50")', "kind": "=type(input.at) == time",
                }},
            ],
        },
    ],
}  # fmt: skip


async def test_times_are_written_filtered_ordered_and_read(backend: Backend) -> None:
    rows = [{"name": "a", "opens": "07:00", "closes": "12:00"}, {"name": "b", "opens": "08:00:00.50"}]
    for row in rows:
        answer = await backend.client.post("/rest/v1/shops", json=row)
        assert answer.status_code == 201, answer.text
    shown = (await backend.client.get("/rest/v1/shops?opens=gt.06:00&order=opens")).json()
    assert shown == [
        {"name": "a", "opens": "07:00:00", "closes": "12:00:00", "early": True, "said": "07:00:00-"},
        {"name": "b", "opens": "08:00:00.5", "closes": "18:30:00", "early": False, "said": "08:00:00.5-"},
    ]
    for at, names in {"07:00": ["a"], "08:00:00.5": ["a", "b"], "12:00": ["b"], "18:30": []}.items():
        found = await backend.client.get(f"/rest/v1/open_shops?at={at}")
        assert [row["name"] for row in found.json()] == names
    wrong = await backend.client.post("/rest/v1/shops", json={"opens": "19:00"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "23514")
    answer = await backend.client.get("/api/late?at=18:00:00.5")
    assert answer.json() == {"late": True, "at": "18:00:00.5", "last": "18:30:00", "same": True, "kind": True}


@pytest.mark.parametrize("said", ["24:00", "7:00", "07:60", "07:00Z", "07:00:00.1234567", 7])
async def test_what_is_no_time_of_day_is_refused(backend: Backend, said: Any) -> None:
    answer = await backend.client.post("/rest/v1/shops", json={"opens": said})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "opens"])
