"""What a rule in a chain means: its tree, with what steps before it have bound put in the place of names."""

import functools
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace

from app.definitions.views import ViewColumnDef, ViewDef
from app.expressions.parse import parse
from app.expressions.syntax import Field, Has, Name, Node, parts, rebuilt
from app.expressions.trees import HERE, literal
from app.review.implication import Meant, form
from app.review.renames import Renames

Names = dict[str, Node]
"""What names stand for at a place in a chain."""

parsed = functools.lru_cache(4096)(parse)


def meant(what: str, *made_of: Node) -> Meant:
    """Give what a step binds: the same where it is made of the same in the same way."""
    text = " ".join((what, *map(form, made_of)))
    return Meant(**HERE, meaning=hashlib.sha256(text.encode()).hexdigest(), made_of=made_of)


def join(names: Names, one: Names, other: Names, condition: Node) -> None:
    """Let names mean what they mean in two branches, of which a condition chooses one."""
    both = {key: (one.get(key), other.get(key)) for key in {**one, **other}}
    for key, (left, right) in both.items():
        known = [literal(None) if side is None else side for side in (left, right)]
        names[key] = known[0] if form(known[0]) == form(known[1]) else meant("either", condition, *known)


def put(node: Node, names: Names) -> Node:
    """Put what steps bound in the place of its names."""
    if isinstance(node, Name):
        return names.get(node.name, node)
    if isinstance(node, Field) and isinstance(node.operand, Name) and node.operand.name == "params":
        return names.get(f"params.{node.name}", node)
    return rebuilt(node, lambda part: put(part, names))


def nodes_in(node: Node, *, deep: bool = True) -> Iterator[Node]:
    """Yield the nodes of a rule, each once; `deep` those too of the rules that what it reads rests on."""
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if not isinstance(one, Meant) or deep:
            waiting += parts(one)


def paths_in(node: Node, *, deep: bool = True) -> set[str]:
    """Name the dotted paths that a rule reads."""
    return {path for one in nodes_in(node, deep=deep) if (path := _path(one)) is not None}


def _path(node: Node) -> str | None:
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Field | Has):
        before = _path(node.operand)
        return None if before is None else f"{before}.{node.name}"
    return None


def shown(node: Node) -> list[Node]:
    """Give what a value shows of the rows and names that it reads."""
    if isinstance(node, Meant):
        return [Name(**HERE, name=node.shown or node.meaning)]
    if isinstance(node, Name):
        return [node]
    found = [one for part in parts(node) for one in shown(part)]
    if isinstance(node, Field) and isinstance(node.operand, Field | Name | Meant) and len(found) == 1:
        return [replace(node, operand=found[0])]
    return found


def rule_of(said: str | None, renamed: Renames, table: str) -> Node:
    """Give a view's rule over `row`; where there is none, everything holds."""
    if said is None:
        return literal(True)
    node = parsed(said.strip().removeprefix("=").strip())
    return renamed.rule(node, {"row": table}) if renamed else node


def related(view: ViewDef) -> frozenset[str]:
    """Name the tables and views that a view's computed columns read."""
    columns = () if view.columns == "all" else view.columns
    return frozenset(one.relation for one in columns if one.relation is not None)


def seen_through(name: str | None, views: Mapping[str, ViewDef], renamed: Renames) -> tuple[list[Node], str]:
    """Give the rule that a view adds, over `item`, and what its computed columns mean; of a table there is nothing."""
    view = views.get(name or "")
    if view is None:
        return [], ""
    item: Names = {"row": Name(**HERE, name="item")}
    columns = () if view.columns == "all" else view.columns
    computed = [_computed(one, view, views, renamed) for one in columns if one.source is not None]
    return [put(rule_of(view.rule("select").filter, renamed, view.table), item)], " ".join(computed)


def _computed(column: ViewColumnDef, view: ViewDef, views: Mapping[str, ViewDef], renamed: Renames) -> str:
    rules = (column.value, column.where, column.of)
    told = [form(rule_of(one, renamed, view.table)) for one in rules]
    if column.relation is not None:
        others = {key: one for key, one in views.items() if key != view.name}  # views may show each other
        rows, through = seen_through(column.relation, others, renamed)
        told += [renamed.source(column.relation), *map(form, rows), through]
    return " ".join((column.name, str(column.source), *told))
