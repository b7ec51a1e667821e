"""What the database refuses for an option of a column is told by what the option asks, as an input's refusal is."""

from typing import Any

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
        "tables": [{"name": "kept", "columns": [{"name": name, **said} for name, (said, _, _) in OPTIONS.items()]}],
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
