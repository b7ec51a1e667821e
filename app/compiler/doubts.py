"""What definitions allow and yet is seldom meant: findings that refuse nothing."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import permutations
from typing import Any

from app.compiler.access import chain_of, surface_of, tables_written
from app.compiler.compile import checked_rules
from app.definitions.access import RolesAccess
from app.definitions.columns import ColumnDef
from app.definitions.endpoints import EndpointDef
from app.definitions.project import Project, dump_definition, dump_project
from app.definitions.steps import StepDef
from app.definitions.views import ViewDef
from app.errors import Finding
from app.expressions.evaluate import folded
from app.expressions.syntax import Binary, Literal, Logic, Node, Unary
from app.expressions.types import BOOL
from app.steps.registry import KINDS

_CHECKS = frozenset({"require", "validate", "quota", "time_window", "rate_limit"})
_BY_ID = frozenset({"fetch", "update", "delete"})
_FIXED_HOST = re.compile(r"\s*[\"']https?://[^/\"'?#]+[/?#]")
_RULE = re.compile(r"\.(?:that|filter|rule)$")


def access_matrix(project: Project) -> dict[str, Any]:
    """Give `surface`, a row for each endpoint and view, and `findings`, each with a place, a code and a hint."""
    return {"surface": surface_of(project), "findings": [one.shown() for one in doubts(project)]}


def doubts(project: Project) -> list[Finding]:
    """Give what is allowed and yet seldom meant."""
    return [
        *_public_writes(project),
        *_open_views(project),
        *_ids_of_others(project),
        *_late_checks(project),
        *_always_true(project),
        *_urls_from_input(project),
        *_trusted(project),
        *_unused(project),
    ]


def _steps(project: Project, endpoint: EndpointDef) -> list[tuple[str, StepDef]]:
    """Give the steps of an endpoint's whole chain, each with its place."""
    by_name = {one.name: one for one in project.middleware}
    found = []
    for name in chain_of(project, endpoint):
        steps = by_name[name].steps if name in by_name else ()
        found += [(f"middleware/{name}.steps/{step.name or index}", step) for index, step in enumerate(steps)]
    own = enumerate(endpoint.steps)
    return found + [(f"endpoints/{endpoint.name}.steps/{step.name or index}", step) for index, step in own]


def _said(step: StepDef) -> str:
    return json.dumps(step.as_said(), default=str)


def _ids_of_others(project: Project) -> Iterator[Finding]:
    """Find rows of people that are chosen by an input, in a chain where no rule speaks of who calls."""
    owned = {table.name for table in project.tables if _has_user(table.columns)}
    shown = {view.table for view in project.views if view.access == "public"}
    for endpoint in project.endpoints:
        steps = _steps(project, endpoint)
        if isinstance(endpoint.access, RolesAccess) or any("auth.user" in _said(step) for _, step in steps):
            continue
        for place, step in steps:
            chosen = str(step.fields.get("id") or step.fields.get("where") or "")
            table = step.fields.get("table") or step.fields.get("from")
            is_public = step.do == "fetch" and table in shown
            if step.do in _BY_ID and table in owned and not is_public and "input." in chosen:
                yield _doubt(
                    place, "id_without_owner", f"a row of {table} is chosen by an input, and nobody asks whose it is",
                    "require that its user column is auth.user.id, or read it through a view with such a filter",
                )  # fmt: skip


def _late_checks(project: Project) -> Iterator[Finding]:
    for endpoint in project.endpoints:
        written: set[str] | None = None
        for place, step in _steps(project, endpoint):
            # A check of what the write gave is one that can only come behind it.
            about = written is not None and any(re.search(rf"\b{name}\b", _said(step)) for name in written)
            if step.do in _CHECKS and written is not None and not about:
                yield _doubt(
                    place, "check_after_write", "this check comes behind a step that writes",
                    "put it first: what is refused then costs nothing, and no call has been made",
                )  # fmt: skip
            kind = KINDS.get(step.do)
            if kind is not None and kind.writes:
                written = (written or set()) | {str(name) for name in [step.fields.get("as")] if name}


def _always_true(project: Project) -> Iterator[Finding]:
    for place, expression in checked_rules(project):
        if expression.type == BOOL and _RULE.search(place) and _is_true(folded(expression.tree)):
            yield _doubt(place, "always_true", f"this rule always holds: {expression.text}", "say what it is to check")


def _is_true(tree: Node) -> bool:
    """Say whether a condition holds whatever its parts are, as far as its form shows that."""
    match tree:
        case Literal(value=value):
            return value is True
        case Binary(operator="==" | "<=" | ">=", left=left, right=right):
            return _same(left, right)
        case Logic(operator="||", items=items):
            return any(map(_is_true, items)) or any(_opposite(*pair) for pair in permutations(items, 2))
        case Logic(operator="&&", items=items):
            return all(map(_is_true, items))
    return False


def _opposite(left: Node, right: Node) -> bool:
    if isinstance(right, Unary) and right.operator == "!":
        return _same(left, right.operand)
    if isinstance(left, Binary) and isinstance(right, Binary) and {left.operator, right.operator} == {"==", "!="}:
        return _same(left.left, right.left) and _same(left.right, right.right)
    return False


def _same(left: Any, right: Any) -> bool:
    """Compare trees wherever they stand."""
    if isinstance(left, Node):
        if type(left) is not type(right):
            return False
        names = [one.name for one in fields(left) if one.name not in ("line", "column")]
        return all(_same(getattr(left, name), getattr(right, name)) for name in names)
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def _urls_from_input(project: Project) -> Iterator[Finding]:
    for endpoint in project.endpoints:
        for place, step in _steps(project, endpoint):
            url = step.fields.get("url")
            if step.do != "http" or not isinstance(url, str) or not url.startswith("="):
                continue
            if re.search(r"\b(input|request|params)\b", url) and not _FIXED_HOST.match(url[1:]):
                yield _doubt(
                    f"{place}.url", "url_from_input", "a caller says where this call goes",
                    'begin the address with a host of its own: ="https://api.example.com/" + input.id',
                )  # fmt: skip


def _public_writes(project: Project) -> Iterator[Finding]:
    for endpoint in project.endpoints:
        if endpoint.access == "public" and not chain_of(project, endpoint) and tables_written(project, endpoint):
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
    used |= {name for one in chains for name in chain_of(project, one)}
    called = set(re.findall(r'"use": "(\w+)"', text))
    for one in project.middleware:
        if one.name not in used | called:
            yield _doubt(
                f"middleware/{one.name}", "unused_middleware", "nothing uses this middleware", "use it or drop it"
            )


def _doubt(place: str, code: str, message: str, hint: str) -> Finding:
    return Finding(place, message, hint, f"access.{code}")
