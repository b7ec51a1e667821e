"""Stored definitions to a runtime: whatever can't be compiled is closed, and all else is served."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from app.compiler.compile import compile_project
from app.compiler.paths import Route
from app.compiler.runtime import Broken, Closed, Runtime
from app.definitions.endpoints import SEGMENT, EndpointDef
from app.definitions.project import EMPTY, KINDS, Project, name_findings, part_of
from app.definitions.stored import Stored
from app.errors import Finding, refusing
from app.expressions.library.table import TABLE
from app.relations.memory import MEMORY, Memory

_METHODS: tuple[str, ...] = get_args(EndpointDef.model_fields["method"].annotation)
# Kinds of which one that is broken can be told apart; what another kind says holds for the whole backend.
_ALONE = frozenset({"rules", "views", "middleware", "endpoints", "tests"})

Parts = Mapping[str, tuple[Finding, ...]]


def compile_stored(stored: Stored, revision: int = 0, memory: Memory = MEMORY) -> Runtime:
    """Give the runtime of what can be served; its `broken` names what can't, and its `doubts` what is only doubted.

    A definition that has a finding is taken out, and what depends on it then has one of its own.
    """
    parts: dict[str, tuple[Finding, ...]] = {one.place: one.findings for one in stored.unread}
    project = stored.project
    while not _is_all(project, parts):
        routes, unplaced = _routes(stored, parts)
        views = frozenset(part.removeprefix("views/") for part in parts if part.startswith("views/"))
        findings = name_findings(project)
        runtime = None
        if not findings:
            runtime, findings = compile_project(project, revision, closed=Closed(routes, views), memory=memory)
        if runtime is not None:
            broken = Broken(parts, unplaced=unplaced)
            return dataclasses.replace(runtime, broken=broken, doubts=tuple(findings))
        found: dict[str, tuple[Finding, ...]] = {}
        for finding in refusing(findings):
            part = part_of(finding.place)
            found[part] = (*found.get(part, ()), finding)
        parts |= found
        before, project = project, _without(project, found)
        if project == before:
            break
    return nothing_served(revision, parts)


def nothing_served(revision: int, parts: Parts) -> Runtime:
    """Give the runtime of a revision of which nothing is served."""
    runtime, _ = compile_project(EMPTY, revision)
    assert runtime is not None  # noqa: S101 - an empty project has no findings
    return dataclasses.replace(runtime, broken=Broken(parts, everything=True))


def _is_all(project: Project, parts: Iterable[str]) -> bool:
    """Say whether nothing can be served beside these: tables, roles, what runs everywhere, what is unknown.

    A call of a rule that is gone is a mistake, but where the language has a function of that name.
    """
    everywhere = {f"middleware/{use.use}" for use in project.project.middleware} | {f"rules/{name}" for name in TABLE}
    return any(part.partition("/")[0] not in _ALONE or part in everywhere for part in parts)


def _without(project: Project, parts: Iterable[str]) -> Project:
    gone = set(parts)
    update = {
        section: tuple(one for one in getattr(project, section) if f"{section}/{one.name}" not in gone)
        for section in KINDS
    }
    return project.model_copy(update=update)


def _routes(stored: Stored, parts: Iterable[str]) -> tuple[tuple[Route, ...], bool]:
    """Give the routes of the endpoints that are broken, and whether there is one whose path nothing tells."""
    said: dict[str, Mapping[str, object]] = {}
    for endpoint in stored.project.endpoints:
        said[f"endpoints/{endpoint.name}"] = {"method": endpoint.method, "path": endpoint.path}
    said |= {one.place: one.shown for one in stored.unread}
    routes: list[Route] = []
    unplaced = False
    for part in parts:
        if part.startswith("endpoints/"):
            found = list(_route(said.get(part, {})))
            unplaced = unplaced or not found
            routes += found
    return tuple(dict.fromkeys(routes)), unplaced


def _route(said: Mapping[str, object]) -> Iterator[Route]:
    """Give what an endpoint answers, as far as it can be read; each method where that one can't."""
    method, path = said.get("method"), said.get("path")
    if isinstance(path, str) and all(map(SEGMENT.fullmatch, path.removeprefix("/").split("/"))):
        for one in [method] if method in _METHODS else _METHODS:
            yield one, path
