"""The reference pages and the schema of a document, made from what reads and serves: `make reference` writes them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from app.auth.admin_access import EDITOR, VIEWER, Owner
from app.auth.route_limits import RouteLimits
from app.cli.schema import schema_text
from app.control_plane.router import admin_document, admin_router
from app.definitions.project import Project
from app.expressions import grammar
from app.steps.document_schema import document_schema, models
from app.steps.registry import KINDS

ROOT = Path(__file__).parents[2]
Json = Mapping[str, Any]
RANKS = {VIEWER.dependency: "viewer", EDITOR.dependency: "editor", get_args(Owner)[1].dependency: "owner"}
KEYS = """# Every key of a document

Made from the models that read a document; a test holds it to them. A key that doesn't stand here is refused. What is
**bold** has to be said; every other key may be left out.

An *expression* is a text of the rule language ([language.md](language.md)). In a value, a text that begins with `=` is
one.

Editors complete and check a document by the same: `rowgate init` writes `rowgate.schema.json` beside it, `rowgate
schema` prints it, and a comment in the document names it:

```yaml
# yaml-language-server: $schema=rowgate.schema.json
rowgate: 1
```
"""
ROUTES = """# Every route of the admin API

Made from the routes themselves; a test holds it to them. All of it is served below `/admin/v1`, to admins by the token
of `POST /admin/v1/sign-in` and to API keys with an admin role: a *viewer* reads, an *editor* changes definitions and
users, an *owner* everything.

Bodies and answers stand in `/admin/v1/openapi.json` and on `/admin/v1/docs` of a running server, the codes of refusals
in [errors.md](errors.md).
"""


def keys_page() -> str:
    """Make docs/reference.md."""
    schema = document_schema()
    parts: Json = {"Project": schema, **schema["$defs"]}
    told = [model.__name__ for model in models([Project])]
    pages = [KEYS, *(_part(name, parts[name]) for name in told if name != "StepDef"), _steps(parts)]
    return "\n".join(pages)


def _part(name: str, schema: Json) -> str:
    said = next((one for one in schema.get("anyOf", ()) if "properties" in one), schema)
    short = "\nOr a text alone: its name.\n" if said is not schema else ""
    return f"## {_title(name)}\n\n{_flat(said['description'])}\n{short}\n{_table(said, meant=True)}"


def _steps(parts: Json) -> str:
    common = {name: said for name, said in parts["step_fetch"]["properties"].items() if name in {"do", "name", "when"}}
    kinds = [
        f"### {kind}\n\n[What it does](steps.md#{kind}).\n\n{_table(_own(parts[f'step_{kind}']), meant=False)}"
        for kind in sorted(KINDS)
    ]
    every = {**common, "do": parts["StepDef"]["properties"]["do"]}
    head = f"## {_title('StepDef')}\n\n{_flat(parts['StepDef']['description'])}\n"
    return "\n".join([head, _table({"properties": every, "required": ["do"]}, meant=True), *kinds])


def _own(step: Json) -> Json:
    shared = {"do", "name"} if "when" in step["required"] else {"do", "name", "when"}
    return {**step, "properties": {name: said for name, said in step["properties"].items() if name not in shared}}


def _table(schema: Json, *, meant: bool) -> str:
    required = schema.get("required", ())
    lines = ["| key | takes | by itself |", "| --- | --- | --- |"]
    if meant:
        lines = [f"{lines[0]} what |", f"{lines[1]} --- |"]
    # What everybody says first comes first, as a person would write it.
    for name, said in sorted(schema["properties"].items(), key=lambda one: (one[0] != "name", one[0] not in required)):
        key = f"**`{name}`**" if name in required else f"`{name}`"
        cells = [key, _takes(said), _default(said), *([_flat(said.get("description", ""))] if meant else [])]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _default(said: Json) -> str:
    default = said.get("default")
    return "" if default in (None, [], {}) or isinstance(default, dict) else f"`{_json(default)}`"


def _json(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _takes(said: Json) -> str:
    if "$ref" in said:
        name = said["$ref"].rsplit("/", 1)[1]
        return f"[{_title(name).lower()}](#{_title(name).lower().replace(' ', '-')})"
    if "const" in said or "enum" in said:
        return ", ".join(f"`{_json(one)}`" for one in said.get("enum", (said.get("const"),)))
    if "anyOf" in said or "oneOf" in said:
        forms = [one for one in said.get("anyOf", said.get("oneOf", ())) if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(map(_takes, forms)))
    return _typed(said)


def _typed(said: Json) -> str:
    match said.get("type"):
        case "array":
            return f"a list: {_takes(said['items'])}"
        case "object":
            inner = [*said.get("patternProperties", {}).values(), said.get("additionalProperties")]
            return f"a map: {_takes(inner[0])}" if isinstance(inner[0], dict) and inner[0] else "a map"
        case "string":
            return "a name" if said.get("pattern", "").startswith("^[a-z]") else "a text"
        case "integer" | "number":
            return "a number" + _bounds(said)
        case "boolean":
            return "`true`, `false`"
        case _:
            return "any value"


def _bounds(said: Json) -> str:
    low, above, high = said.get("minimum"), said.get("exclusiveMinimum"), said.get("maximum")
    least = f" of at least {low:,}" if low is not None else f" above {above:,}" if above is not None else ""
    return least + (f"{' and' if least else ' of'} at most {high:,}" if high is not None else "")


def _title(model: str) -> str:
    """Say a model's name in words: `PolicyTestDef` is a policy test."""
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", model.removesuffix("Def"))
    return words.capitalize()


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def routes_page() -> str:
    """Make docs/admin-routes.md."""
    ranks = dict(_ranked())
    sections: dict[str, list[str]] = {}
    for path, methods in admin_document()["paths"].items():
        for method, said in methods.items():
            rank = ranks[method.upper(), path]
            sections.setdefault(said["tags"][0], []).append(_route(method.upper(), path, rank, said))
    head = "| route | for | what | query |\n| --- | --- | --- | --- |\n"
    pages = [f"## {tag.capitalize()}\n\n{head}" + "\n".join(rows) + "\n" for tag, rows in sections.items()]
    return "\n".join([ROUTES, *pages])


def _route(method: str, path: str, rank: str, said: Json) -> str:
    query = [f"`{one['name']}`" for one in said.get("parameters", ()) if one["in"] == "query"]
    what = _flat(said["description"]).replace("|", "\\|")
    return f"| `{method} {path.removeprefix('/admin/v1')}` | {rank} | {what} | {', '.join(query)} |"


def _ranked() -> Iterator[tuple[tuple[str, str], str]]:
    """Give the rank that each route asks for, by its method and path."""
    for found in iter_route_contexts(admin_router(RouteLimits()).routes):
        route = found.original_route
        assert isinstance(route, APIRoute)
        rank = next((RANKS[one] for one in _calls(route.dependant) if one in RANKS), "anybody")
        for method in route.methods or ():
            yield (method, str(found.path)), rank


def _calls(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from _calls(inner)


PAGES = {
    ROOT / "docs" / "reference.md": keys_page,
    ROOT / "docs" / "admin-routes.md": routes_page,
    ROOT / "examples" / "rowgate.schema.json": schema_text,
}

if __name__ == "__main__":
    for page, make in PAGES.items():
        page.write_text(make())
    if not grammar.are_current():
        grammar.TABLES.write_bytes(grammar.tables())
