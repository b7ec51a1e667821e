"""What the database refuses is told as an input is: by what a column asks, and by all columns that it is about."""

from typing import Any

import pytest

from tests.backend import serving

OPTIONS: dict[str, tuple[dict[str, Any], Any, str]] = {
    "longest": ({"type": "text", "max_length": 3}, "four", "At most 3 characters are wanted."),
    "between": (
        {"type": "text", "min_length": 2, "max_length": 3},
        "x",
        "At least 2 and at most 3 characters are wanted.",
    ),
    "formed": ({"type": "text", "format": "slug"}, "No", "A slug is wanted, such as my-first-page."),
    "patterned": ({"type": "text", "pattern": "[a-z]+"}, "1", "The text doesn't have the form that is wanted."),
    "least": ({"type": "decimal", "min": 1.5}, 1, "A number of at least 1.5 is wanted."),
    "several": ({"type": "integer", "array": True, "max": 9}, [3, 10], "A number of at most 9 is wanted."),
}


def document() -> dict[str, Any]:
    return {
        "rowgate": 1,
        "tables": [
            {"name": "kept", "columns": [{"name": name, **said} for name, (said, _, _) in OPTIONS.items()]},
            {
                "name": "slots", "columns": [{"name": name, "type": "integer"} for name in "abcd"],
                "unique": [["a"], ["b", "c"], {"columns": ["c", "d"], "where": "row.d > 5"}],
            },
        ],
        "views": [{"name": "all_slots", "table": "slots", "access": "public", "allow": ["select", "insert"]}],
        "endpoints": [
            {
                "name": f"keep_{name}", "method": "POST", "path": f"/{name}", "access": "public",
                "input": {"body": {"value": {
                    "type": said["type"], "array": said.get("array", False),
                }}},
                "steps": [{"do": "insert", "table": "kept", "set": {name: "=input.value"}}],
            }
            for name, (said, _, _) in OPTIONS.items()
        ],
    }  # fmt: skip


async def test_a_refusal_says_what_the_option_asks(migrated_url: str) -> None:
    async with serving(migrated_url, document()) as backend:
        for name, (_, value, sentence) in OPTIONS.items():
            answer = await backend.client.post(f"/api/{name}", json={"value": value})
            refusal = answer.json()
            assert (answer.status_code, refusal["code"], refusal["detail"]) == (422, "db.check", sentence)
            assert refusal["errors"] == [{"loc": [name], "code": "db.check", "message": sentence}]


@pytest.mark.parametrize(
    ("row", "columns", "sentence"),
    [
        ({"a": 1}, ["a"], "A value that has to be unique is taken."),
        ({"b": 1, "c": 2}, ["b", "c"], "Values that have to be unique together are taken."),
        ({"c": 2, "d": 6}, ["c", "d"], "Values that have to be unique together are taken."),
    ],
)
async def test_values_that_are_unique_together_are_told_as_such(
    migrated_url: str, row: dict[str, int], columns: list[str], sentence: str
) -> None:
    async with serving(migrated_url, document()) as backend:
        assert (await backend.client.post("/rest/v1/all_slots", json=row)).status_code == 201
        refusal = (await backend.client.post("/rest/v1/all_slots", json=row)).json()
        assert (refusal["rowgate_code"], refusal["detail"]) == ("db.unique", sentence)
        told = [{"loc": [name], "code": "db.unique", "message": sentence} for name in columns]
        assert refusal["errors"] == told
