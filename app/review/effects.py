"""The effect of a change on access: who gains and who loses, at which endpoint or view, and why."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from app.compiler.compile import access_level, checked_rules
from app.definitions.access import Access
from app.definitions.endpoints import EndpointDef
from app.definitions.project import Project
from app.definitions.views import ViewDef
from app.expressions.problems import ExpressionErrors
from app.review.auth_effects import auth_effects
from app.review.chain_effects import chain_effects, rule_effect
from app.review.implication import form
from app.review.input_effects import InputEffect, field_effects, input_effects
from app.review.meaning import related, rule_of
from app.review.pairing import paired
from app.review.renames import NONE, Renames, renames
from app.review.resting import resting_on

Verb = Literal["gains", "loses", "may_gain"]
# What was saved once is not refused now because it can't be read: it counts as wider, and can be replaced.
_UNREADABLE = (ExpressionErrors, LookupError, TypeError, ValueError, RecursionError)
_SAID = {"gains": "gains", "loses": "loses", "may_gain": "may gain"}


@dataclass(frozen=True, slots=True)
class Effect:
    """Who gains or loses what, where, and because of what.

    `wider` says that somebody gets, or may get, into more of what was there before; what is new takes nothing from
    anybody's protection, and isn't wider.
    """

    where: str
    who: str
    effect: Verb
    what: str
    because: str
    wider: bool

    @property
    def sentence(self) -> str:
        """Say it, without its place."""
        return f"{self.who} {_SAID[self.effect]} {self.what}, because {self.because}"

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence}"

    def shown(self) -> dict[str, Any]:
        """Give the members of an answer."""
        return asdict(self)


def effects(old: Project, new: Project) -> tuple[Effect, ...]:
    """Compare who gets in before and after; both projects have been checked."""
    comparison = _Comparison(old, new, renames(old, new))
    found = [*comparison.endpoints(), *comparison.views(), *comparison.users(), *comparison.auth(), *comparison.rules()]
    return tuple(dict.fromkeys(found))


def who_may(access: Access) -> str:
    """Say in words whom an access level lets in."""
    level = access_level(access)
    if level.public:
        return "everybody"
    if not level.roles:
        return "who is signed in"
    return f"the role {', '.join(sorted(level.roles))}" if len(level.roles) == 1 else (
        f"the roles {', '.join(sorted(level.roles))}"
    )  # fmt: skip


@dataclass(frozen=True)
class _Comparison:
    old: Project
    new: Project
    renamed: Renames

    def endpoints(self) -> Iterator[Effect]:
        pairs, gone = paired(self.old.endpoints, self.new.endpoints)
        routes = {(one.method, one.path): one for one in gone}
        for before, after in pairs:
            # What answers where another one did takes its place, whatever it is called.
            was = before or routes.pop((after.method, after.path), None)
            yield from self._endpoint(was, after)
            if was in gone:
                gone.remove(was)
        for one in gone:
            yield _lost(f"endpoints/{one.name}", one.access, "calling it")

    def _endpoint(self, before: EndpointDef | None, after: EndpointDef) -> Iterator[Effect]:
        where = f"endpoints/{after.name}"
        if before is None:
            yield _gained(where, after.access, "calling it")
        elif not self._is_untouched(before, after):
            yield from self._access(where, before.access, after.access, "calling it")
            yield from self._inputs(where, after, input_effects(before.input, after.input))
            yield from self._chain(where, before, after, "calling it")

    def views(self) -> Iterator[Effect]:
        pairs, gone = paired(self.old.views, self.new.views)
        for before, after in pairs:
            if before is None:
                yield _gained(f"views/{after.name}", after.access, ", ".join(after.allow))
            elif not self._is_untouched(before, after) or self._shows_all(before, after):
                yield from self._view(before, after)
        for one in gone:
            yield _lost(f"views/{one.name}", one.access, ", ".join(one.allow))

    def _is_untouched(self, before: EndpointDef | ViewDef, after: EndpointDef | ViewDef) -> bool:
        """Say whether nothing can have changed: most of a large project has not, and is not looked at."""
        shared = self.old.middleware == self.new.middleware and self.old.project == self.new.project
        return before == after and shared and not self.renamed and not self._reads_changed(after)

    def _reads_changed(self, said: EndpointDef | ViewDef) -> bool:
        """Say whether a chain may read through a view that has changed: then it reads something else."""
        if not self._changed_views:
            return False
        steps = repr(said.steps) if isinstance(said, EndpointDef) else ""
        return any(repr(name) in steps or repr(name) in self._in_middleware for name in self._changed_views)

    @functools.cached_property
    def _changed_views(self) -> frozenset[str]:
        """Name the views that are otherwise now, and those that show rows of them."""
        before = {one.name: one for one in self.old.views}
        found = frozenset(one.name for one in self.new.views if one != before.get(one.name, one))
        while more := {one.name for one in self.new.views if related(one) & found} - found:
            found |= more
        return found

    @functools.cached_property
    def _in_middleware(self) -> str:
        return repr(self.new.middleware)

    def _shows_all(self, before: ViewDef, after: ViewDef) -> bool:
        return "all" in (before.columns, after.columns) and (
            self.old.tables != self.new.tables or self.old.users != self.new.users
        )

    def _view(self, before: ViewDef, after: ViewDef) -> Iterator[Effect]:
        where, who = f"views/{after.name}", who_may(after.access)
        kept = [action for action in after.allow if action in before.allow]
        actions = ", ".join(kept)
        yield from self._access(where, before.access, after.access, actions)
        for action in after.allow:
            if action not in kept:
                yield Effect(where, who, "gains", action, "it is allowed now", wider=True)
        for action in before.allow:
            if action not in kept:
                yield Effect(where, who_may(before.access), "loses", action, "it is allowed no longer", wider=False)
        if self.renamed.source(before.table) != after.table:
            because = f"it is a view of {after.table} now, and was one of {before.table}"
            yield Effect(where, who, "may_gain", actions, because, wider=True)
            return
        yield from self._rows(where, before, after, actions)
        yield from self._inputs(where, after, field_effects(before.params, after.params))
        yield from self._chain(where, before, after, actions)
        yield from self._columns(where, before, after)
        yield from self._presets(where, before, after)

    def _inputs(self, where: str, after: EndpointDef | ViewDef, found: Iterator[InputEffect]) -> Iterator[Effect]:
        for one in found:
            what = f"calling it with another {one.name}"
            yield Effect(where, who_may(after.access), one.effect, what, one.because, one.effect != "loses")

    def _rows(self, where: str, before: ViewDef, after: ViewDef, actions: str) -> Iterator[Effect]:
        new = rule_of(after.filter, NONE, after.table)
        try:
            found: Verb | None = rule_effect(rule_of(before.filter, self.renamed, before.table), new)
        except _UNREADABLE:
            found = "may_gain"
        params = before.params != after.params and "params." in (after.filter or "")
        if found is None and params:
            found = "may_gain"
        if found is not None:
            because = f"the filter {_told(before.filter)} became {_told(after.filter)}"
            if before.filter == after.filter:
                because = "the params that its filter reads have changed"
            yield Effect(where, who_may(after.access), found, f"rows ({actions})", because, found != "loses")

    def _columns(self, where: str, before: ViewDef, after: ViewDef) -> Iterator[Effect]:
        who, fresh = who_may(after.access), self._fresh(after.table)
        called = self.renamed.of(before.table)
        old = {called.get(name, name): said for name, said in _shown(self.old, before).items()}
        new = _shown(self.new, after)
        for name, said in new.items():
            if name not in old:
                yield Effect(where, who, "gains", f"the column {name}", "it is shown now", name not in fresh)
            elif said is not None and said != old[name]:
                yield Effect(where, who, "may_gain", f"the column {name}", "it is computed otherwise now", wider=True)
        for name in old:
            if name not in new:
                yield Effect(where, who, "loses", f"the column {name}", "it is shown no longer", wider=False)
        yield from self._settable(where, before, after)

    def _settable(self, where: str, before: ViewDef, after: ViewDef) -> Iterator[Effect]:
        who, called, fresh = who_may(after.access), self.renamed.of(before.table), self._fresh(after.table)
        old, new = {called.get(name, name) for name in _settable(self.old, before)}, _settable(self.new, after)
        if not set(before.allow) - {"select"}:
            return  # nothing could be written before: that writing is allowed now says it
        for name in sorted(new - old):
            yield Effect(where, who, "gains", f"setting {name}", "clients may set it now", name not in fresh)
        for name in sorted(old - new):
            yield Effect(where, who, "loses", f"setting {name}", "clients may set it no longer", wider=False)

    def _presets(self, where: str, before: ViewDef, after: ViewDef) -> Iterator[Effect]:
        called = self.renamed.of(before.table)
        old = {called.get(name, name): value for name, value in before.presets.items()}
        free, settable = {called.get(name, name) for name in _settable(self.old, before)}, _settable(self.new, after)
        written, fresh = set(before.allow) & {"insert", "update"}, self._fresh(after.table)
        for name in after.presets if written else ():
            if name not in {*old, *free, *fresh}:
                because = f"its preset is {_told(after.presets[name])} now, and nothing set it"
                yield Effect(where, who_may(after.access), "may_gain", f"rows with another {name}", because, wider=True)
        for name, value in old.items():
            if name in after.presets and _value(before, value, self.renamed) != _value(
                after, after.presets[name], NONE
            ):
                because = f"its preset {_told(value)} became {_told(after.presets[name])}"
                yield Effect(where, who_may(after.access), "may_gain", f"rows with another {name}", because, wider=True)
            elif name not in after.presets and name not in settable:
                because = "no preset sets it now"
                yield Effect(where, who_may(after.access), "may_gain", f"rows without {name}", because, wider=True)

    def _fresh(self, table: str) -> frozenset[str]:
        """Name the columns that the table, or the table's own self, didn't have before."""
        names = {self.renamed.source(one.name): set(one.column_names) for one in self.old.tables}
        called = {self.renamed.source(one.name): self.renamed.of(one.name) for one in self.old.tables}
        old = {called.get(table, {}).get(name, name) for name in names.get(table, set())}
        now = next((set(one.column_names) for one in self.new.tables if one.name == table), set())
        return frozenset(now - old)

    def users(self) -> Iterator[Effect]:
        """Find what people may newly change of their own rows."""
        for before, after in paired(self.old.users.columns, self.new.users.columns)[0]:
            was = before is not None and before.self_editable
            if was != after.self_editable:
                verb: Verb = "gains" if after.self_editable else "loses"
                because = f"self_editable is {str(after.self_editable).lower()} now"
                wider = after.self_editable and before is not None
                yield Effect(f"users.columns/{after.name}", "who is signed in", verb, "changing it", because, wider)

    def auth(self) -> Iterator[Effect]:
        """Find who may newly get an account or a session."""
        for one in auth_effects(self.old.auth, self.new.auth):
            yield Effect(f"auth.{one.key}", one.who, one.effect, one.what, one.because, one.wider)

    def rules(self) -> Iterator[Effect]:
        """Find what rests on a view's rows or a named rule that is another one now."""
        changed = {f"views/{name}" for name in self._changed_views} | self._changed_rules.keys()
        if not changed:
            return
        resting = resting_on(checked_rules(self.new), changed)
        # What becomes of a rule that rests on another one that changed, too, its own text doesn't say.
        became = {name: "may_gain" if name in resting else verb for name, verb in self._changed_rules.items()}
        for part, found in sorted(resting.items()):
            if part.startswith("rules/"):
                continue
            verb: Verb | None = found.verb(became)
            if verb is not None:
                because = f"{', '.join(sorted(found.names))}, which its rules rest on, changed"
                yield Effect(part, "who comes here", verb, "what its rules decide", because, verb != "loses")

    @functools.cached_property
    def _changed_rules(self) -> dict[str, Verb | None]:
        """Give the rules with names that say something else now, and what becomes of those whom each lets through."""
        before = {one.name: one for one in self.old.rules}
        found: dict[str, Verb | None] = {}
        for one in self.new.rules:
            was = before.get(one.name, one)
            if (was.that, was.params) != (one.that, one.params):
                effect = rule_effect(rule_of(was.that, NONE, ""), rule_of(one.that, NONE, ""))
                found[f"rules/{one.name}"] = effect if was.params == one.params else "may_gain"
        return found

    def _chain(
        self, where: str, before: EndpointDef | ViewDef, after: EndpointDef | ViewDef, what: str
    ) -> Iterator[Effect]:
        who = who_may(after.access)
        try:
            told = list(chain_effects((self.old, before, self.renamed), (self.new, after, NONE)))
        except _UNREADABLE:
            because = "its chain was saved by another version of Rowgate and can't be compared"
            yield Effect(where, who, "may_gain", what, because, wider=True)
            return
        for found in told:
            yield Effect(where, who, found.effect, found.what or what, found.because, found.effect != "loses")

    def _access(self, where: str, before: Access, after: Access, what: str) -> Iterator[Effect]:
        old, new = access_level(before), access_level(after)
        held = frozenset(self.renamed.roles.get(role, role) for role in old.roles)
        because = f"access is {who_may(after)} now, and was {who_may(before)}"
        if new.public != old.public:
            verb: Verb = "gains" if new.public else "loses"
            who = "everybody" if new.public else f"everybody but {who_may(after)}"
            yield Effect(where, who, verb, what, because, new.public)
        elif not new.public and bool(new.roles) != bool(held):
            verb = "loses" if new.roles else "gains"
            who = "who is signed in without the role" if new.roles else "who is signed in"
            yield Effect(where, who, verb, what, because, not new.roles)
        else:
            for role in sorted(new.roles - held):
                yield Effect(where, f"the role {role}", "gains", what, because, wider=True)
            for role in sorted(held - new.roles):
                yield Effect(where, f"the role {role}", "loses", what, because, wider=False)


def _gained(where: str, access: Access, what: str) -> Effect:
    return Effect(where, who_may(access), "gains", what, "it is new", wider=False)


def _lost(where: str, access: Access, what: str) -> Effect:
    return Effect(where, who_may(access), "loses", what, "it is gone", wider=False)


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


def _settable(project: Project, view: ViewDef) -> set[str]:
    """Name the columns that clients may set."""
    if not set(view.allow) - {"select", "delete"}:
        return set()
    plain = {name for name, said in _shown(project, view).items() if said is None}
    given = {one.name for table in project.tables if table.name == view.table for one in table.defined}
    named = plain & given if view.writable is None else plain & set(view.writable)
    return named - set(view.presets)
