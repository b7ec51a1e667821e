"""The effect of a change of a view: for each action, who may do it, with which rows and columns, before and after."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.definitions.access import Access
from app.definitions.actions import Action, ActionRule
from app.definitions.project import Project
from app.definitions.views import ViewDef
from app.expressions.problems import ExpressionErrors
from app.review.chain_effects import rule_effect
from app.review.effect import Effect, Verb, access_effects, who_may, who_may_use
from app.review.implication import form
from app.review.input_effects import field_effects
from app.review.meaning import rule_of
from app.review.renames import NONE, Renames

# What was saved once is not refused now because it can't be read: it counts as wider, and can be replaced.
UNREADABLE = (ExpressionErrors, LookupError, TypeError, ValueError, RecursionError)
_SETTING: tuple[Action, ...] = ("insert", "update")


@dataclass(frozen=True, slots=True)
class ViewChange:
    """A view before and after, each in its project."""

    old: Project
    new: Project
    renamed: Renames
    before: ViewDef
    after: ViewDef

    @property
    def where(self) -> str:
        """Name the view."""
        return f"views/{self.after.name}"

    @property
    def kept(self) -> list[Action]:
        """Give the actions that were allowed and are."""
        return [action for action in self.after.allow if action in self.before.allow]

    def rules(self, action: Action) -> tuple[ActionRule, ActionRule]:
        """Give what held for an action, and what does."""
        return self.before.rule(action), self.after.rule(action)

    def effect(self, action: Action, verb: Verb, what: str, because: str, *, wider: bool = True) -> Effect:
        """Give an effect on those who may do something now."""
        return Effect(self.where, who_may(self.after.rule(action).access), verb, what, because, wider)


def kept_actions(before: ViewDef, after: ViewDef) -> str:
    """Name the actions that were allowed and are."""
    return ", ".join(action for action in after.allow if action in before.allow)


def whole_view(said: ViewDef, effect: Callable[[str, Access, str], Effect]) -> Iterator[Effect]:
    """Tell of a view that is new, or gone: what each access level may do through it."""
    for access in said.accesses:
        what = ", ".join(rule.action for rule in said.rules if rule.access == access)
        yield effect(f"views/{said.name}", access, what)


def view_effects(change: ViewChange) -> Iterator[Effect]:
    """Compare a view with what it was, but for its chain."""
    before, after, where = change.before, change.after, change.where
    yield from _together(
        (action, one)
        for action in change.kept
        for one in access_effects(
            where, change.rules(action)[0].access, change.rules(action)[1].access, _ACTIONS, change.renamed
        )
    )
    for action in after.allow:
        if action not in change.kept:
            yield change.effect(action, "gains", action, "it is allowed now")
    for action in before.allow:
        if action not in change.kept:
            who = who_may(before.rule(action).access)
            yield Effect(where, who, "loses", action, "it is allowed no longer", wider=False)
    if change.renamed.source(before.table) != after.table:
        because = f"it is a view of {after.table} now, and was one of {before.table}"
        kept = kept_actions(before, after)
        yield Effect(where, who_may_use(after), "may_gain", kept, because, wider=True)
        return
    yield from _together(_rows(change))
    for found in field_effects(before.params, after.params):
        what = f"calling it with another {found.name}"
        yield Effect(where, who_may_use(after), found.effect, what, found.because, found.effect != "loses")
    yield from _columns(change)
    yield from _of_setting(change, _settable)
    yield from _of_setting(change, _presets)


_ACTIONS = "{actions}"  # stands for the names of the actions that an effect is on


def _together(found: Iterator[tuple[Action, Effect]]) -> Iterator[Effect]:
    """Tell what is the same of several actions once, with their names."""
    grouped: dict[Effect, list[str]] = {}
    for action, effect in found:
        grouped.setdefault(effect, []).append(action)
    for effect, actions in grouped.items():
        yield replace(effect, what=effect.what.replace(_ACTIONS, ", ".join(actions)))


def _of_setting(change: ViewChange, compare: Callable[[ViewChange, Action], Iterator[Effect]]) -> Iterator[Effect]:
    """Tell what may be set, once where it is so for every action by which something may be."""
    writing = [action for action in _SETTING if action in change.kept]
    grouped: dict[Effect, list[str]] = {}
    for action in writing:
        for effect in compare(change, action):
            grouped.setdefault(effect, []).append(action)
    for effect, actions in grouped.items():
        yield effect if actions == writing else replace(effect, what=f"{effect.what} ({', '.join(actions)})")


def _rows(change: ViewChange) -> Iterator[tuple[Action, Effect]]:
    for action in change.kept:
        before, after = change.rules(action)
        filters, checks = (before.filter, after.filter), _checks(before, after)
        for what, texts in (("filter", filters), ("check" if "check" in after.own | before.own else "filter", checks)):
            if texts is None:
                continue
            verb, because = _of_rule(change, texts, what)
            if verb is not None:
                yield action, change.effect(action, verb, f"rows ({_ACTIONS})", because, wider=verb != "loses")


def _checks(before: ActionRule, after: ActionRule) -> tuple[str | None, str | None] | None:
    """Give what rows had to be after an action, and have to; None where that is what the filter says."""
    if before.action == "update" and not (before.own | after.own) & {"check", "filter"}:
        return None
    if before.action not in _SETTING:
        return None
    said = (None if one.check is None else one.check.text for one in (before, after))
    return next(said), next(said)


def _of_rule(change: ViewChange, texts: tuple[str | None, str | None], what: str) -> tuple[Verb | None, str]:
    old, new = texts
    table = change.after.table
    try:
        found = rule_effect(rule_of(old, change.renamed, change.before.table), rule_of(new, NONE, table))
    except UNREADABLE:
        found = "may_gain"
    if found is None and change.before.params != change.after.params and "params." in (new or ""):
        found = "may_gain"
    if old == new:
        return found, f"the params that its {what} reads have changed"
    return found, f"the {what} {_told(old)} became {_told(new)}"


def _columns(change: ViewChange) -> Iterator[Effect]:
    fresh, called = _fresh(change), change.renamed.of(change.before.table)
    old = {called.get(name, name): said for name, said in _shown(change.old, change.before).items()}
    new = _shown(change.new, change.after)
    for name, said in new.items():
        what = f"the column {name}"
        if name not in old:
            yield change.effect("select", "gains", what, "it is shown now", wider=name not in fresh)
        elif said is not None and said != old[name]:
            yield change.effect("select", "may_gain", what, "it is computed otherwise now")
    for name in old:
        if name not in new:
            yield change.effect("select", "loses", f"the column {name}", "it is shown no longer", wider=False)


def _settable(change: ViewChange, action: Action) -> Iterator[Effect]:
    called, fresh = change.renamed.of(change.before.table), _fresh(change)
    old = {called.get(name, name) for name in settable(change.old, change.before, action)}
    new = set(settable(change.new, change.after, action))
    for name in sorted(new - old):
        yield change.effect(action, "gains", f"setting {name}", "clients may set it now", wider=name not in fresh)
    for name in sorted(old - new):
        yield change.effect(action, "loses", f"setting {name}", "clients may set it no longer", wider=False)


def _presets(change: ViewChange, action: Action) -> Iterator[Effect]:
    # What a view presets and an update leaves alone was for new rows, and counts as if it were for both.
    before, after = (
        rule.presets if "presets" in rule.own else view.presets
        for rule, view in zip(change.rules(action), (change.before, change.after), strict=True)
    )
    called, fresh = change.renamed.of(change.before.table), _fresh(change)
    old = {called.get(name, name): value for name, value in before.items()}
    free = {called.get(name, name) for name in settable(change.old, change.before, action)}
    for name in after:
        if name not in {*old, *free, *fresh}:
            because = f"its preset is {_told(after[name])} now, and nothing set it"
            yield change.effect(action, "may_gain", f"rows with another {name}", because)
    for name, value in old.items():
        new = after.get(name)
        if name in after and _value(change.before, value, change.renamed) != _value(change.after, new, NONE):
            because = f"its preset {_told(value)} became {_told(new)}"
            yield change.effect(action, "may_gain", f"rows with another {name}", because)
        elif name not in after and name not in settable(change.new, change.after, action):
            yield change.effect(action, "may_gain", f"rows without {name}", "no preset sets it now")


def _fresh(change: ViewChange) -> frozenset[str]:
    """Name the columns that the table, or the table's own self, didn't have before."""
    old, renamed, table = change.old, change.renamed, change.after.table
    names = {renamed.source(one.name): set(one.column_names) for one in old.tables}
    called = {renamed.source(one.name): renamed.of(one.name) for one in old.tables}
    known = {called.get(table, {}).get(name, name) for name in names.get(table, set())}
    now = next((set(one.column_names) for one in change.new.tables if one.name == table), set())
    return frozenset(now - known)


def _told(said: Any) -> str:
    return "none" if said is None else f"`{said}`"


def _value(view: ViewDef, said: Any, renamed: Renames) -> str:
    """Write a preset so that two are the same if they set the same."""
    is_rule = isinstance(said, str) and said.startswith("=")
    return form(rule_of(said, renamed, view.table)) if is_rule else repr(said)


def _plain(project: Project, table: str) -> Sequence[str]:
    if table == "users":
        return ("id", "email", "created_at", *(column.name for column in project.users.columns))
    return next((one.column_names for one in project.tables if one.name == table), ())


def _shown(project: Project, view: ViewDef) -> dict[str, Any]:
    """Give what a view shows: by name how it is computed, None for a plain column."""
    if view.columns == "all":
        return dict.fromkeys(_plain(project, view.table))
    return {one.name: one if one.source is not None else None for one in view.columns}


def settable(project: Project, view: ViewDef, action: Action) -> list[str]:
    """Name the columns that clients may set by an action."""
    plain = [name for name, said in _shown(project, view).items() if said is None]
    given = {one.name for table in project.tables if table.name == view.table for one in table.defined}
    return view.rule(action).takes(plain, frozenset(plain) - given)
