"""What definitions allow and yet is seldom meant: findings that refuse nothing."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import permutations
from typing import Any

from app.compiler.compile import checked_rules
from app.compiler.stored import compile_stored
from app.definitions.access import RolesAccess
from app.definitions.auth import HOOKS
from app.definitions.endpoints import TIMEOUT, EndpointDef
from app.definitions.middleware import MiddlewareDef
from app.definitions.project import Project, dump_definition
from app.definitions.stored import Stored
from app.definitions.views import ViewDef
from app.errors import Finding
from app.expressions.check import Expression
from app.expressions.evaluate import folded
from app.expressions.syntax import Binary, Conditional, FunctionCall, Literal, Logic, Node, NullTest, Unary
from app.expressions.types import BOOL
from app.relations.memory import MEMORY, Memory
from app.relations.schema import item_type
from app.review.auth_doubts import auth_doubts
from app.review.implication import Meant, Untrue, form
from app.review.meaning import nodes_in, paths_in, rule_of
from app.review.reach import Chains
from app.review.reached import Check, Reach, Reached
from app.review.renames import NONE
from app.review.resting import calls_in
from app.review.row_doubts import row_doubts
from app.review.surface import hook_chain, hooks_of, steps_of, surface_of, tables_written
from app.review.view_doubts import doubt, has_user, paths_read, view_doubts
from app.steps.kind import Asks, Means
from app.steps.registry import KINDS

Followed = Sequence[tuple[EndpointDef | ViewDef, Reach]]
Rules = Sequence[tuple[str, Expression]]

_HOST = re.compile(r"\s*https?://[^/?#]+[/?#]")
_OPPOSITES = {("==", "!="), ("!=", "=="), ("<", ">="), (">=", "<"), (">", "<="), ("<=", ">")}
_NAMING = frozenset({"name", "description", "message", "table", "from", "as", "field", "path", "columns", "tags"})


def access_matrix(project: Project, memory: Memory = MEMORY) -> dict[str, Any]:
    """Give `surface`, a row for each endpoint and view, `hooks`, and `findings`, with a place, a code and a hint."""
    found = [one.shown() for one in doubts(project, memory)]
    return {"surface": surface_of(project), "hooks": hooks_of(project), "findings": found}


def stored_matrix(stored: Stored) -> dict[str, Any]:
    """Give the matrix of what is served, and before its doubts what is broken and what would not be saved so today."""
    runtime = compile_stored(stored)
    broken = [
        replace(one, place=place, message=f"broken and not served: {one}", code="definitions.broken")
        for place, findings in runtime.broken.parts.items()
        for one in findings
    ]
    matrix = access_matrix(runtime.project)
    found = [one.shown() for one in (*broken, *runtime.doubts)]
    return {**matrix, "findings": [*found, *matrix["findings"]]}


def doubts(project: Project, memory: Memory = MEMORY) -> list[Finding]:
    """Give what is allowed and yet seldom meant."""
    following = Chains(project, NONE)
    surface: list[EndpointDef | ViewDef] = [*project.endpoints, *project.views]
    chains, rules = [(one, following.reach(one)) for one in surface], checked_rules(project, memory)
    found = [
        *_public_writes(project, chains, following.middleware),
        *view_doubts(project),
        *_ids_of_others(project, chains),
        *_late_checks(chains),
        *_always_true(rules),
        *row_doubts(project, rules),
        *_urls_from_input(chains),
        *_cut_short(project, chains, following.middleware),
        *_trusted(project, chains),
        *_unused(project, [*(reach for _, reach in chains), *map(following.reach, _hooks(project))], rules),
    ]
    return list({(one.place, one.code): one for one in found}.values())


def _ids_of_others(project: Project, chains: Followed) -> Iterator[Finding]:
    """Find rows of people that are chosen by an input, in a chain where no rule asks whose they are."""
    owned = {table.name for table in project.tables if has_user(table.columns)}
    shown = {view.table for view in project.views if view.rule("select").access == "public"}
    speaks_of_caller = _speaking_of_caller(project)
    for endpoint, reach in chains:
        if isinstance(endpoint, ViewDef) or isinstance(endpoint.access, RolesAccess):
            continue
        asked = [one.rule for one in reach.checks if one.asks.is_of_callers]
        if any(speaks_of_caller(rule) for rule in asked):
            continue
        for one in reach.reached:
            is_public = one.seen is not None and one.source in shown
            if not one.named(Means.ID) or one.source not in owned or is_public:
                continue
            if _reads(one.rows, "input", deep=False) and not speaks_of_caller(one.rows):
                yield doubt(
                    one.place, "id_without_owner",
                    f"a row of {one.source} is chosen by an input, and nobody asks whose it is",
                    "require that its user column is auth.user.id, or read it through a view with such a filter",
                )  # fmt: skip


def _speaking_of_caller(project: Project) -> Callable[[Node], bool]:
    """Give what says so of rules; of one that many chains share once. Each of them is held by its chain."""
    known: dict[int, bool] = {}

    def speaks(rule: Node) -> bool:
        if id(rule) not in known:
            known[id(rule)] = _speaks_of_caller(project, rule)
        return known[id(rule)]

    return speaks


def _speaks_of_caller(project: Project, rule: Node) -> bool:
    """Say whether a rule is about who calls: the id, a role, a flag; or compares the caller with a row."""
    paths = paths_read(project, rule)
    flags = {f"auth.user.{column.name}" for column in project.users.columns if item_type(column) == BOOL}
    if paths & {"auth.user.id", "auth.user.email", "auth.user.roles", *flags}:
        return True
    is_about_row = any(isinstance(one, Meant) for one in nodes_in(rule)) or "item" in paths
    return is_about_row and any(path.startswith("auth.user.") for path in paths)


def _reads(rule: Node, root: str, *, deep: bool) -> bool:
    return any(path.split(".")[0] == root for path in paths_in(rule, deep=deep))


def _late_checks(chains: Followed) -> Iterator[Finding]:
    for _, reach in chains:
        written: list[Reached] = []
        for one in reach.events:
            if isinstance(one, Reached):
                written += [one] if one.writes else []
                continue
            # A check of what the write gave is one that can only come behind it.
            if not written or not one.asks.is_check:
                continue
            about = any(isinstance(node, Meant) and node.is_written for node in nodes_in(one.rule))
            if not about and any(not _excluded(one, write) for write in written):
                yield doubt(
                    one.place, "check_after_write", "this check comes behind a step that writes",
                    "put it first: what is refused then costs nothing, and no call has been made",
                )  # fmt: skip


def _excluded(check: Check, write: Reached) -> bool:
    """Say whether the two stand in the two branches of one `if`."""
    here, there = {form(one) for one in check.inside}, {form(one) for one in write.inside}
    return any(isinstance(one, Untrue) and form(one.operand) in there for one in check.inside) or any(
        isinstance(one, Untrue) and form(one.operand) in here for one in write.inside
    )


def _always_true(rules: Rules) -> Iterator[Finding]:
    stated = {name for kind in KINDS.values() if kind.asks is Asks.RULE for name in kind.named(Means.RULE)}
    for place, expression in rules:
        is_rule = place.rpartition(".")[2] in {"filter", "rule", *stated}
        if expression.type == BOOL and is_rule and _is_true(folded(expression.tree)):
            yield doubt(place, "always_true", f"this rule always holds: {expression.text}", "say what it is to check")


def _is_true(tree: Node) -> bool:
    """Say whether a condition holds whatever its parts are, as far as its form shows that."""
    match tree:
        case Literal(value=value):
            return value is True
        case Binary(operator="==" | "<=" | ">=" as operator, left=left, right=right):
            return form(left) == form(right) or (operator == ">=" and _is_size(left) and _is_none(right))
        case Logic(operator="||", items=items):
            return any(map(_is_true, items)) or any(_opposite(*pair) for pair in permutations(items, 2))
        case Logic(operator="&&", items=items):
            return all(map(_is_true, items))
        case Conditional(then=then, otherwise=otherwise):
            return _is_true(then) and _is_true(otherwise)
    return False


def _is_size(node: Node) -> bool:
    return isinstance(node, FunctionCall) and node.function == "size"


def _is_none(node: Node) -> bool:
    return isinstance(node, Literal) and node.value == 0


def _opposite(left: Node, right: Node) -> bool:
    if isinstance(right, Unary) and right.operator == "!":
        return form(left) == form(right.operand)
    if isinstance(left, NullTest) and isinstance(right, NullTest):
        return left.negated != right.negated and form(left.operand) == form(right.operand)
    if isinstance(left, Binary) and isinstance(right, Binary) and (left.operator, right.operator) in _OPPOSITES:
        return form(left.left) == form(right.left) and form(left.right) == form(right.right)
    return False


def _urls_from_input(chains: Followed) -> Iterator[Finding]:
    for _, reach in chains:
        for one in reach.reached:
            for key in one.named(Means.ADDRESS):
                # A literal without a path reads nothing, and so isn't doubted either.
                paths = {path.split(".")[0] for path in paths_in(one.rest[key], deep=False)}
                if not _has_host(one.rest[key]) and paths & {"input", "request", "params"}:
                    yield doubt(
                        f"{one.place}.{key}", "url_from_input", "a caller says where this call goes",
                        'begin the address with a host of its own: ="https://api.example.com/" + input.id',
                    )  # fmt: skip


def _has_host(url: Node) -> bool:
    """Say whether the definition itself says which host is called: what comes behind it can't add to its name."""
    if isinstance(url, Conditional):
        return _has_host(url.then) and _has_host(url.otherwise)
    return _HOST.match(_beginning(url)) is not None


def _beginning(url: Node) -> str:
    """Give the text that a URL surely begins with."""
    if isinstance(url, Binary) and url.operator == "+":
        left = _beginning(url.left)
        return left + _beginning(url.right) if isinstance(url.left, Literal) else left
    return url.value if isinstance(url, Literal) and isinstance(url.value, str) else ""


def _cut_short(project: Project, chains: Followed, middleware: Mapping[str, MiddlewareDef]) -> Iterator[Finding]:
    """Find calls out that may take longer, as they say, than the request that waits for them."""
    for one, _ in chains:
        steps = steps_of(project, one, middleware)
        longest = max((step.does.waits(fields) for step, fields in steps if step.does is not None), default=0.0)
        most = one.timeout if isinstance(one, EndpointDef) else TIMEOUT
        if longest > most:
            kind = "endpoints" if isinstance(one, EndpointDef) else "views"
            yield doubt(
                f"{kind}/{one.name}", "call_cut_short",
                f"a call out may take {longest:g} seconds, and the request ends after {most:g}",
                "say a shorter timeout at the call, or for an endpoint a longer one of its own",
            )  # fmt: skip


def _public_writes(project: Project, chains: Followed, middleware: Mapping[str, MiddlewareDef]) -> Iterator[Finding]:
    for one, reach in chains:
        if isinstance(one, ViewDef):
            open_ = {
                rule.place_of("access") for rule in one.rules if rule.action != "select" and rule.access == "public"
            }
        else:
            is_open = one.access == "public" and tables_written(project, one, middleware)
            open_ = {f"endpoints/{one.name}.access"} if is_open else set()
        if any(check.asks.is_bound for check in reach.checks):
            continue
        for place in sorted(open_):
            yield doubt(
                place, "public_write", "anybody may call this, and it writes",
                "limit it by a middleware, or ask for a sign-in",
            )  # fmt: skip


def _trusted(project: Project, chains: Followed) -> Iterator[Finding]:
    """Find what people say of themselves in what decides: columns that they set, addresses that nobody confirmed."""
    paths = cache(lambda: _paths_of_rules(project, chains))
    for column in project.users.columns:
        if column.self_editable and f"auth.user.{column.name}" in paths():
            yield doubt(
                f"users.columns/{column.name}.self_editable", "self_editable_trusted",
                "people change this column themselves, and a rule reads it", "don't let a rule rest on it",
            )  # fmt: skip
    for number, one in enumerate(project.auth.providers):
        for name in (name for name in one.columns if f"auth.user.{name}" in paths()):
            yield doubt(
                f"auth.providers/{number}.columns/{name}", "claim_trusted",
                f"{one.name} may tell what people write of themselves there, and a rule reads it",
                "don't let a rule rest on it, unless the provider alone sets that claim",
            )  # fmt: skip
    yield from auth_doubts(project, paths)


def _paths_of_rules(project: Project, chains: Followed) -> set[str]:
    """Name the dotted paths that decide: in rules, in conditions, and in which rows are reached."""
    rules = [rule_of(one.text, NONE, view.table) for view in project.views for one in view.conditions]
    for _, reach in chains:
        rules += [one.rule for one in reach.checks if one.is_stated] + [one.rows for one in reach.reached]
        rules += [condition for _, condition in reach.conditions]
    return {path for rule in rules for path in paths_read(project, rule)}


def _hooks(project: Project) -> list[EndpointDef]:
    return [hook_chain(project, key) for key in HOOKS]


def _unused(project: Project, reaches: Sequence[Reach], rules: Rules) -> Iterator[Finding]:
    accesses = [one.access for one in project.endpoints] + [one.access for view in project.views for one in view.rules]
    let_in = {role for access in accesses if isinstance(access, RolesAccess) for role in access.roles}
    text = cache(lambda: _all_that_is_said(project))
    for role in project.roles:
        if role.name not in let_in and not re.search(rf"[\"']{role.name}[\"'\\]", text()):
            yield doubt(f"roles/{role.name}", "unused_role", "nothing asks for this role", "drop it, or ask for it")
    called = {name for _, rule in rules for name in calls_in(rule)}
    for named in project.rules:
        if named.name not in called:
            yield doubt(f"rules/{named.name}", "unused_rule", "nothing calls this rule", "call it or drop it")
    used = {use.use for use in project.project.middleware}
    used |= {name for reach in reaches for name in reach.used}
    for one in project.middleware:
        if one.name not in used:
            yield doubt(
                f"middleware/{one.name}", "unused_middleware", "nothing uses this middleware", "use it or drop it"
            )


def _all_that_is_said(project: Project) -> str:
    said = (*project.views, *project.middleware, *project.endpoints, project.project)
    return json.dumps([_without_names(dump_definition(one)) for one in said], default=str)


def _without_names(said: Any) -> object:
    """Leave out what can be spelled like a role and isn't one."""
    if isinstance(said, dict):
        return {key: _without_names(value) for key, value in said.items() if key not in _NAMING}
    return [_without_names(one) for one in said] if isinstance(said, list) else said
