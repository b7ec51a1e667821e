"""The effect of a change on access: who gains and who loses, at which endpoint or view, and why."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from app.compiler.compile import checked_rules
from app.definitions.auth import HOOKS
from app.definitions.endpoints import EndpointDef
from app.definitions.project import Project
from app.definitions.views import ViewDef
from app.review.auth_effects import auth_effects
from app.review.chain_effects import chain_effects, rule_effect
from app.review.effect import ANONYMOUS_USERS, Effect, Verb, access_effects, gained, lost, who_may, who_may_use
from app.review.input_effects import InputEffect, input_effects
from app.review.meaning import related, rule_of
from app.review.pairing import paired
from app.review.reach import Chains
from app.review.renames import NONE, Renames, renames
from app.review.resting import resting_on
from app.review.surface import hook_chain
from app.review.view_effects import UNREADABLE, ViewChange, kept_actions, view_effects, whole_view

__all__ = ["Effect", "effects"]


def effects(old: Project, new: Project) -> tuple[Effect, ...]:
    """Compare who gets in before and after; both projects have been checked."""
    comparison = _Comparison(old, new, renames(old, new))
    found = [*comparison.endpoints(), *comparison.views(), *comparison.users(), *comparison.auth(), *comparison.rules()]
    return tuple(dict.fromkeys(found))


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
            yield lost(f"endpoints/{one.name}", one.access, "calling it")

    def _endpoint(self, before: EndpointDef | None, after: EndpointDef) -> Iterator[Effect]:
        where = f"endpoints/{after.name}"
        if before is None:
            yield gained(where, after.access, "calling it")
        elif not self._is_untouched(before, after):
            yield from access_effects(where, before.access, after.access, "calling it", self.renamed)
            yield from self._inputs(where, after, input_effects(before.input, after.input))
            yield from self._chain(where, before, after, "calling it")

    def views(self) -> Iterator[Effect]:
        pairs, gone = paired(self.old.views, self.new.views)
        for before, after in pairs:
            if before is None:
                yield from whole_view(after, gained)
            elif not self._is_untouched(before, after) or self._shows_all(before, after):
                yield from view_effects(ViewChange(self.old, self.new, self.renamed, before, after))
                if self.renamed.source(before.table) == after.table:
                    yield from self._chain(f"views/{after.name}", before, after, kept_actions(before, after))
        for one in gone:
            yield from whole_view(one, lost)

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

    def _inputs(self, where: str, after: EndpointDef, found: Iterator[InputEffect]) -> Iterator[Effect]:
        for one in found:
            what = f"calling it with another {one.name}"
            yield Effect(where, who_may(after.access), one.effect, what, one.because, one.effect != "loses")

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
        for key in HOOKS:
            yield from self._hook(key)
        if self.new.auth.anonymous and not self.old.auth.anonymous:
            yield from self._anonymous_users()

    def _hook(self, key: str) -> Iterator[Effect]:
        """Compare what is asked about a new account, and done for it."""
        before, after = hook_chain(self.old, key), hook_chain(self.new, key)
        if (before.middleware or after.middleware) and not self._is_untouched(before, after):
            yield from self._chain(f"auth.{key}", before, after, "an account")

    def _anonymous_users(self) -> Iterator[Effect]:
        """Name all that is open to whoever is signed in: anybody may become an anonymous user."""
        because = "auth.anonymous is true now, and access is who is signed in"
        for one in self.new.endpoints:
            if one.access == "authenticated":
                yield Effect(f"endpoints/{one.name}", ANONYMOUS_USERS, "gains", "calling it", because, wider=True)
        for view in self.new.views:
            if actions := [rule.action for rule in view.rules if rule.access == "authenticated"]:
                yield Effect(f"views/{view.name}", ANONYMOUS_USERS, "gains", ", ".join(actions), because, wider=True)

    def rules(self) -> Iterator[Effect]:
        """Find what rests on a view's rows or a named rule that is another one now."""
        changed = {f"views/{name}" for name in self._changed_views} | self._changed_rules.keys()
        if not changed:
            return
        resting = resting_on(checked_rules(self.new), changed, self._read_views())
        # What becomes of a rule that rests on another one that changed, too, its own text doesn't say.
        became = {name: "may_gain" if name in resting else verb for name, verb in self._changed_rules.items()}
        for part, found in sorted(resting.items()):
            if part.startswith("rules/"):
                continue
            verb: Verb | None = found.verb(became)
            if verb is not None:
                because = f"{', '.join(sorted(found.names))}, which its rules rest on, changed"
                yield Effect(part, "who comes here", verb, "what its rules decide", because, verb != "loses")

    def _read_views(self) -> dict[str, set[str]]:
        """Give the views that each endpoint and view reads by steps and columns."""
        parts = {f"endpoints/{one.name}": one for one in self.new.endpoints}
        views = {f"views/{one.name}": one for one in self.new.views}
        chains = Chains(self.new, NONE)
        read = {part: chains.reach(one).sources for part, one in (parts | views).items()}
        read |= {part: read[part] | related(one) for part, one in views.items()}
        return {part: {f"views/{name}" for name in names} & views.keys() for part, names in read.items()}

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
        who = who_may_use(after)
        try:
            told = list(chain_effects((self.old, before, self.renamed), (self.new, after, NONE)))
        except UNREADABLE:
            because = "its chain was saved by another version of Rowgate and can't be compared"
            yield Effect(where, who, "may_gain", what, because, wider=True)
            return
        for found in told:
            yield Effect(where, who, found.effect, found.what or what, found.because, found.effect != "loses")
