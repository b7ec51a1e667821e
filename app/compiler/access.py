"""The surface as a matrix: each endpoint and view, who gets in, through which middleware, and what is doubtful."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.compiler.chain import written_tables
from app.compiler.compile import access_level
from app.definitions.access import RolesAccess
from app.definitions.columns import ColumnDef
from app.definitions.endpoints import EndpointDef
from app.definitions.middleware import MiddlewareDef
from app.definitions.project import Project, dump_definition, dump_project
from app.definitions.views import ViewDef
from app.errors import Finding


def access_matrix(project: Project) -> dict[str, Any]:
    """Give `surface`, a row for each endpoint and view, and `findings`, each with a place, a code and a hint."""
    return {
        "surface": [*(_endpoint(project, one) for one in project.endpoints), *map(_view_of(project), project.views)],
        "findings": [one.shown() for one in doubts(project)],
    }


def doubts(project: Project) -> list[Finding]:
    """Give what is allowed and yet seldom meant."""
    return [*_public_writes(project), *_open_views(project), *_trusted(project), *_unused(project)]


def _chain(project: Project, definition: EndpointDef | ViewDef) -> list[str]:
    skipped = definition.skip if isinstance(definition, EndpointDef) else ()
    shared = [use.use for use in project.project.middleware if use.use not in skipped]
    return [*shared, *(use.use for use in definition.middleware)]


def _endpoint(project: Project, said: EndpointDef) -> dict[str, Any]:
    return {
        "kind": "endpoint",
        "name": said.name,
        "methods": [said.method],
        "path": f"/api{said.path}",
        "access": access_level(said.access).described,
        "middleware": _chain(project, said),
        "writes": sorted(_writes(project, said)),
    }


def _view_of(project: Project) -> Any:
    def row(said: ViewDef) -> dict[str, Any]:
        return {
            "kind": "view",
            "name": said.name,
            "allow": list(said.allow),
            "path": f"/rest/v1/{said.name}",
            "access": access_level(said.access).described,
            "middleware": _chain(project, said),
            "filter": said.filter,
            "writes": [said.table] if set(said.allow) - {"select"} else [],
        }

    return row


def _writes(project: Project, said: EndpointDef) -> frozenset[str]:
    middleware: Mapping[str, MiddlewareDef] = {one.name: one for one in project.middleware}
    uses = [{"do": "call", "use": name} for name in _chain(project, said)]
    return written_tables([*uses, *said.steps], middleware)


def _public_writes(project: Project) -> Iterator[Finding]:
    for endpoint in project.endpoints:
        if endpoint.access == "public" and not _chain(project, endpoint) and _writes(project, endpoint):
            yield _doubt(
                f"endpoints/{endpoint.name}.access", "public_write", "anybody may call this, and it writes",
                "limit it by a middleware, or ask for a sign-in",
            )  # fmt: skip


def _open_views(project: Project) -> Iterator[Finding]:
    owned = {table.name for table in project.tables if _has_user(table.columns)}
    for view in project.views:
        if view.table in owned and "auth.user" not in (view.filter or "") and not isinstance(view.access, RolesAccess):
            yield _doubt(
                f"views/{view.name}.filter", "rows_of_everybody", f"rows of {view.table} are users' own, and all show",
                "compare the user column with auth.user.id, or ask for a role",
            )  # fmt: skip


def _has_user(columns: Sequence[ColumnDef]) -> bool:
    return any(column.type == "user" for column in columns)


def _trusted(project: Project) -> Iterator[Finding]:
    said = json.dumps([dump_definition(one) for one in _with_rules(project)], default=str)
    for column in project.users.columns:
        if column.self_editable and re.search(rf"\bauth\.user\.{column.name}\b", said):
            yield _doubt(
                f"users.columns/{column.name}.self_editable", "self_editable_trusted",
                "people change this column themselves, and a rule reads it", "don't let a rule rest on it",
            )  # fmt: skip


def _with_rules(project: Project) -> list[Any]:
    return [*project.views, *project.middleware, *project.endpoints]


def _unused(project: Project) -> Iterator[Finding]:
    document = dump_project(project)
    document.pop("roles", None)
    text = json.dumps(document, default=str)
    for role in project.roles:
        if not re.search(rf"[\"']{role.name}[\"'\\]", text):
            yield _doubt(f"roles/{role.name}", "unused_role", "nothing asks for this role", "drop it, or ask for it")
    used = {use.use for use in project.project.middleware}
    chains: list[EndpointDef | ViewDef] = [*project.endpoints, *project.views]
    used |= {name for one in chains for name in _chain(project, one)}
    called = set(re.findall(r'"use": "(\w+)"', text))
    for one in project.middleware:
        if one.name not in used | called:
            yield _doubt(
                f"middleware/{one.name}", "unused_middleware", "nothing uses this middleware", "use it or drop it"
            )


def _doubt(place: str, code: str, message: str, hint: str) -> Finding:
    return Finding(place, message, hint, f"access.{code}")
