"""The examples of docs/steps.md, and the backend around each: an endpoint that answers with what its step binds."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from app.steps.registry import KINDS

STEPS = (Path(__file__).parents[2] / "docs" / "steps.md").read_text()
FETCH: dict[str, Any] = {"do": "fetch", "from": "documents", "id": "input.record_id", "as": "document"}
AROUND: dict[str, Any] = {
    "rowgate": 1,
    "project": {"http_allow": ["api.pay.example:443"]},
    "users": {"columns": [{"name": "plan", "type": "enum", "values": ["free", "pro"], "default": "pro"}]},
    "tables": [
        {
            "name": "documents",
            "columns": [
                {"name": "owner_user_id", "type": "user"},
                {"name": "title", "type": "text"},
                {"name": "amount", "type": "decimal"},
            ],
        }
    ],
    "middleware": [
        {
            "name": "at_most",
            "params": {"limit": {"type": "text", "default": "1/minute"}},
            "steps": [{"do": "rate_limit", "limit": "=params.limit"}],
        }
    ],
}
INPUT = {
    "path": {"record_id": {"type": "uuid"}},
    "body": {
        **{name: {"type": "text"} for name in ("title", "email", "password")},
        "count": {"type": "integer", "required": True, "default": 1},
    },
}


@dataclass(frozen=True)
class Example:
    """A step as it stands in the docs, `number` of its heading's."""

    kind: str
    number: int
    step: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.kind}_{self.number}"

    @property
    def endpoint(self) -> dict[str, Any]:
        """Give the endpoint: a document is there before the step, and what the step binds is answered behind it."""
        before = [] if self.kind == "fetch" or KINDS[self.kind].first else [FETCH]
        shown = {name: f"={name}" for name in bound(self.step)}
        return {
            "name": self.name,
            "method": "POST",
            "path": f"/{self.name}/{{record_id}}",
            "access": "authenticated",
            "input": INPUT,
            "steps": [*before, self.step, *([{"do": "respond", "body": shown}] if shown else [])],
        }


def bound(step: dict[str, Any]) -> list[str]:
    """Name what a step binds for those that follow it."""
    if step["do"] == "if":
        return list(dict.fromkeys(name for one in (*step["then"], *step.get("else", [])) for name in bound(one)))
    return list(step["values"]) if step["do"] == "set" else [step["as"]] if "as" in step and "each" not in step else []


def examples() -> list[Example]:
    """Give every example, by the headings that they stand under."""
    found = []
    for section in re.split(r"^## ", STEPS, flags=re.MULTILINE)[1:]:
        kind = section.partition("\n")[0]
        blocks = re.findall(r"^```yaml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        found += [Example(kind, number, yaml.safe_load(block)) for number, block in enumerate(blocks, 1)]
    return found


def around(*listed: Example) -> dict[str, Any]:
    """Give a document with an endpoint for each of these."""
    return {**AROUND, "endpoints": [example.endpoint for example in listed]}
