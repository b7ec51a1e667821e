"""The surface as a matrix: each endpoint and view, who gets in, and through which middleware."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.compiler.chain import kinds_in
from app.compiler.runtime import PERMANENT, access_level
from app.definitions.actions import ActionRule
from app.definitions.auth import HOOKS
from app.definitions.endpoints import EndpointDef
from app.definitions.middleware import MiddlewareDef
from app.definitions.project import Project
from app.definitions.steps import UseDef
from app.definitions.views import ViewDef
from app.steps.kind import Fields, Kind, Means


def surface_of(project: Project) -> list[dict[str, Any]]:
    """Give a row for each endpoint and view."""
    middleware = project.middleware_by_name()
    endpoints = (_endpoint(project, one, middleware) for one in project.endpoints)
    return [*endpoints, *map(_view_of(project), project.views)]


def hooks_of(project: Project) -> list[dict[str, Any]]:
    """Give a row for each hook of sign-up that is said: the middleware that it is, and the tables that it writes."""
    chains, by_name = [hook_chain(project, key) for key in HOOKS], project.middleware_by_name()
    return [
        {"name": one.name, "middleware": one.middleware[0].use, "writes": sorted(tables_written(project, one, by_name))}
        for one in chains
        if one.middleware
    ]


def hook_chain(project: Project, key: str) -> EndpointDef:
    """Give a hook as an endpoint that anybody may call: that is what reviews chains, and what the hook amounts to."""
    name: str | None = getattr(project.auth, key)
    skipped = tuple(use.use for use in project.project.middleware)
    uses = () if name is None else (UseDef(use=name),)
    # Not checked: it has no steps of its own.
    return EndpointDef.model_construct(
        name=key, method="POST", path=f"/{key}", access="public", middleware=uses, skip=skipped, steps=()
    )


def chain_of(project: Project, definition: EndpointDef | ViewDef) -> list[UseDef]:
    """Give the middleware that runs before an endpoint or a view, in order."""
    skipped = definition.skip if isinstance(definition, EndpointDef) else ()
    shared = [use for use in project.project.middleware if use.use not in skipped]
    return [*shared, *definition.middleware]


def steps_of(
    project: Project, definition: EndpointDef | ViewDef, middleware: Mapping[str, MiddlewareDef]
) -> Iterator[tuple[Kind, Fields]]:
    """Yield every step of an endpoint or a view as its kind and its fields: of the project's `middleware`, its own."""
    own = definition.steps if isinstance(definition, EndpointDef) else ()
    return kinds_in([*chain_of(project, definition), *own], middleware)


def _endpoint(project: Project, said: EndpointDef, middleware: Mapping[str, MiddlewareDef]) -> dict[str, Any]:
    return {
        "kind": "endpoint",
        "name": said.name,
        "methods": [said.method],
        "path": f"/api{said.path}",
        "access": access_level(said.access).described,
        "middleware": [use.use for use in chain_of(project, said)],
        "writes": sorted(tables_written(project, said, middleware)),
    }


def _view_of(project: Project) -> Any:
    def row(said: ViewDef) -> dict[str, Any]:
        return {
            "kind": "view",
            "name": said.name,
            "allow": list(said.allow),
            "path": f"/rest/v1/{said.name}",
            "access": access_level(said.access).described,
            "middleware": [use.use for use in chain_of(project, said)],
            "filter": said.filter,
            "actions": {rule.action: _action(rule) for rule in said.rules},
            "writes": [said.table] if set(said.allow) - {"select"} else [],
        }

    return row


def _action(rule: ActionRule) -> dict[str, Any]:
    return {
        "access": access_level(rule.access).described,
        "filter": rule.filter,
        "check": None if rule.check is None else rule.check.text,
    }


def tables_written(project: Project, said: EndpointDef, middleware: Mapping[str, MiddlewareDef]) -> frozenset[str]:
    """Name the tables that an endpoint writes, by its middleware or by itself."""
    steps = steps_of(project, said, middleware)
    return frozenset(kind.said(fields, Means.TABLE) for kind, fields in steps if kind.writes)


def table(surface: Sequence[Mapping[str, Any]], hooks: Sequence[Mapping[str, Any]] = ()) -> str:
    """Write the matrix for a reader: what is called, by whom, through which middleware, and what it writes."""
    rows = [_cells(row) for row in surface]
    rows += [
        ("hook", f"auth.{one['name']}", "new accounts", _further([one["middleware"]], one["writes"])) for one in hooks
    ]
    widths = [max((len(row[index]) for row in rows), default=0) for index in range(3)]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _who(access: Any) -> str:
    words = {"public": "everybody", "authenticated": "signed in", PERMANENT: "signed in with an address"}
    return f"roles {', '.join(access)}" if isinstance(access, list) else words[access]


def _cells(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    who = _who(row["access"])
    if row["kind"] == "view":
        by_words: dict[str, list[str]] = {}
        for action, said in row["actions"].items():
            by_words.setdefault(_who(said["access"]), []).append(action)
        several = [f"{words} ({', '.join(actions)})" for words, actions in by_words.items()]
        who = ", ".join(several) if len(several) > 1 else next(iter(by_words), who)
    called = "view" if row["kind"] == "view" else row["methods"][0]
    return called, row["path"], who, _further(row["middleware"], row["writes"])


def _further(middleware: Sequence[str], written: Sequence[str]) -> str:
    through = f"through {', '.join(middleware)}" if middleware else ""
    writes = f"writes {', '.join(written)}" if written else ""
    return "; ".join(filter(None, (through, writes)))
