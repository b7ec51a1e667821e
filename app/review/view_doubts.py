"""What views allow and yet is seldom meant: rows of everybody, wide writes, values that tell of other rows."""

from collections.abc import Iterator, Sequence

from app.definitions.access import RolesAccess
from app.definitions.actions import ActionRule
from app.definitions.columns import ColumnDef
from app.definitions.project import Project
from app.definitions.views import ViewDef
from app.errors import Finding
from app.expressions.syntax import FunctionCall, Literal, Logic, Node
from app.review.meaning import nodes_in, paths_in, rule_of
from app.review.renames import NONE
from app.review.view_effects import settable


def view_doubts(project: Project) -> Iterator[Finding]:
    """Give the doubts about which rows views show and let be written."""
    for view in project.views:
        yield from _rows_of_everybody(project, view)
        yield from _written_as_read(project, view)
        yield from _tells_of_others(project, view)


def doubt(place: str, code: str, message: str, hint: str) -> Finding:
    """Give a doubt about access."""
    return Finding(place, message, hint, f"access.{code}")


def has_user(columns: Sequence[ColumnDef]) -> bool:
    """Say whether rows with these columns are some user's."""
    return any(column.described.table == "users" for column in columns)


def paths_read(project: Project, rule: Node) -> set[str]:
    """Name the dotted paths that a rule reads, and the rules with names that it calls."""
    said = {one.name: one for one in project.rules}
    found, waiting, seen = paths_in(rule), [rule], set[str]()
    while waiting:
        calls = {one.function for one in nodes_in(waiting.pop()) if isinstance(one, FunctionCall)} & said.keys() - seen
        seen |= calls
        trees = [rule_of(said[name].that, NONE, "") for name in calls]
        found |= {path for tree in trees for path in paths_in(tree)}
        waiting += trees
    return found


def _asks(project: Project, rule: Node) -> bool:
    """Say whether a rule is about who calls."""
    return any(path.startswith("auth.user") for path in paths_read(project, rule))


def _rows_of_everybody(project: Project, view: ViewDef) -> Iterator[Finding]:
    if not any(table.name == view.table and has_user(table.columns) for table in project.tables):
        return
    read = view.rule("select")
    for rule in [read] if "select" in view.allow or not view.allow else view.rules:
        condition = rule.filter if rule.check is None or rule.filters else rule.check.text
        if not _asks(project, rule_of(condition, NONE, view.table)) and not isinstance(rule.access, RolesAccess):
            yield doubt(
                f"views/{view.name}.filter", "rows_of_everybody", f"rows of {view.table} are users' own, and all show",
                "compare the user column with auth.user.id, or ask for a role",
            )  # fmt: skip


def _written_as_read(project: Project, view: ViewDef) -> Iterator[Finding]:
    """Find what may change the rows of others that a filter, which asks for the caller or something else, shows."""
    read = rule_of(view.rule("select").filter, NONE, view.table)
    if "select" not in view.allow or not _asks(project, read) or not _holds_for_others(project, read):
        return
    for rule in view.rules:
        if rule.action not in ("update", "delete") or isinstance(rule.access, RolesAccess):
            continue
        if _holds_for_others(project, rule_of(rule.filter, NONE, view.table)):
            yield doubt(
                rule.place_of("filter") if "filter" in rule.own else f"views/{view.name}.allow",
                "write_as_wide_as_read",
                f"rows of others that the filter shows may be changed too, by {rule.action}",
                f"say for which rows it is: allow: {{{rule.action}: {{filter: …}}}}",
            )


def _holds_for_others(project: Project, rule: Node) -> bool:
    """Say whether a rule may hold for a row without asking who calls."""
    match rule:
        case Logic(operator="||", items=items):
            return any(_holds_for_others(project, one) for one in items)
        case Logic(items=items):
            return all(_holds_for_others(project, one) for one in items)
        case Literal(value=value):
            return value is True
    return not _asks(project, rule)


def _tells_of_others(project: Project, view: ViewDef) -> Iterator[Finding]:
    """Find values that clients choose and that are unique among rows which they may not see."""
    table = next((one for one in project.tables if one.name == view.table), None)
    if table is None or ("select" in view.allow and view.rule("select").filter is None):
        return
    of_somebody = {column.name for column in table.columns if column.target is not None}
    groups = [(column.name,) for column in table.columns if column.unique] + [one.columns for one in table.unique]
    for group in groups:
        rules = [rule for rule in view.rules if _chosen(project, view, rule, group)]
        if rules and not of_somebody & set(group):
            names = ", ".join(group)
            yield doubt(
                f"views/{view.name}.allow", "unique_tells",
                f"whether {names} is taken tells whoever may {rules[0].action} of rows that this view doesn't show",
                f"make it unique within the owner or team (unique: [[owner, {names}]]), or let nobody give it here",
            )  # fmt: skip


def _chosen(project: Project, view: ViewDef, rule: ActionRule, group: Sequence[str]) -> bool:
    return rule.action in ("insert", "update") and bool(set(settable(project, view, rule.action)) & set(group))
