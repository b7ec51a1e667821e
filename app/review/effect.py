"""An effect on access: who gains or loses what, where, and because of what."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from app.compiler.runtime import access_level
from app.definitions.access import Access
from app.definitions.endpoints import EndpointDef
from app.definitions.views import ViewDef
from app.review.renames import Renames

Verb = Literal["gains", "loses", "may_gain"]
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


ANONYMOUS_USERS = "anonymous users"


def who_may(access: Access) -> str:
    """Say in words whom an access level lets in."""
    level = access_level(access)
    if level.public:
        return "everybody"
    if level.permanent:
        return "who is signed in with an address"
    if not level.roles:
        return "who is signed in"
    return f"the role {', '.join(sorted(level.roles))}" if len(level.roles) == 1 else (
        f"the roles {', '.join(sorted(level.roles))}"
    )  # fmt: skip


def who_may_use(said: EndpointDef | ViewDef) -> str:
    """Say in words whom an endpoint or the actions of a view let in."""
    return ", ".join(dict.fromkeys(map(who_may, said.accesses))) or who_may(said.access)


def gained(where: str, access: Access, what: str) -> Effect:
    """Give the effect of what is new."""
    return Effect(where, who_may(access), "gains", what, "it is new", wider=False)


def lost(where: str, access: Access, what: str) -> Effect:
    """Give the effect of what is gone."""
    return Effect(where, who_may(access), "loses", what, "it is gone", wider=False)


def access_effects(where: str, before: Access, after: Access, what: str, renamed: Renames) -> Iterator[Effect]:
    """Compare who is let in."""
    old, new = access_level(before), access_level(after)
    held = frozenset(renamed.roles.get(role, role) for role in old.roles)
    because = f"access is {who_may(after)} now, and was {who_may(before)}"
    if new.public != old.public:
        verb: Verb = "gains" if new.public else "loses"
        who = "everybody" if new.public else f"everybody but {who_may(after)}"
        yield Effect(where, who, verb, what, because, new.public)
    elif not new.public and bool(new.roles) != bool(held):
        verb = "loses" if new.roles else "gains"
        who = "who is signed in without the role" if new.roles else "who is signed in"
        yield Effect(where, who, verb, what, because, not new.roles)
    elif new.permanent != old.permanent:
        verb = "loses" if new.permanent else "gains"
        yield Effect(where, ANONYMOUS_USERS, verb, what, because, not new.permanent)
    else:
        for role in sorted(new.roles - held):
            yield Effect(where, f"the role {role}", "gains", what, because, wider=True)
        for role in sorted(held - new.roles):
            yield Effect(where, f"the role {role}", "loses", what, because, wider=False)
