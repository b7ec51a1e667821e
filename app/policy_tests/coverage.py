"""Coverage: which callers no test has sent to an endpoint or a view, and which rules no test sees true or false."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from app.compiler.checked_tests import CompiledTest, TestCaller
from app.compiler.runtime import AccessLevel, Runtime
from app.compiler.test_targets import Served
from app.definitions.project import Project

STRANGER, SIGNED_IN, WITHOUT_ROLE = "anonymous", "signed in", "signed in without the role"


@dataclass(frozen=True, slots=True)
class Untried:
    """An endpoint, or an action of a view, and one kind of caller, as whom no test may have tried it."""

    what: Served
    path: str
    caller: str

    def shown(self) -> dict[str, Any]:
        """Give the members of an answer."""
        place = {"kind": self.what.kind, "name": self.what.name, "action": self.what.action}
        return {**place, "path": self.path, "caller": self.caller}

    def __str__(self) -> str:
        action = f" {self.what.action}" if self.what.action else ""
        return f"{self.what.kind} {self.what.name}{action}: {self.caller}"


@dataclass(frozen=True, slots=True)
class Pair:
    """An endpoint or an action of a view, who asks, and the tests of that: by their names, as what they expect."""

    asked: Untried
    let_in: tuple[str, ...]
    refused: tuple[str, ...]

    def shown(self) -> dict[str, Any]:
        """Give the members of an answer."""
        return {**self.asked.shown(), "let_in": list(self.let_in), "refused": list(self.refused)}


@dataclass(frozen=True, slots=True)
class Unseen:
    """A rule with a name, and the value of it that no test rests on: all pass where it never has it."""

    name: str
    value: bool

    def shown(self) -> dict[str, Any]:
        """Give the members of an answer."""
        return {"name": self.name, "value": self.value}

    def __str__(self) -> str:
        return f"rule {self.name}: {str(self.value).lower()}"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many pairs of what is served and who may ask there are, and those that are untried; the same of rules.

    A rule with a name counts twice: true, and false.
    """

    of: int
    untried: tuple[Untried, ...]
    of_rules: int
    unseen: tuple[Unseen, ...]

    def shown(self) -> dict[str, Any]:
        """Give the members of an answer."""
        rules = _counted(self.of_rules, self.unseen)
        return {**_counted(self.of, self.untried), "rules": rules}


def _counted(of: int, untried: tuple[Untried, ...] | tuple[Unseen, ...]) -> dict[str, Any]:
    return {"of": of, "tried": of - len(untried), "untried": [one.shown() for one in untried]}


def without_a_value(project: Project) -> Iterator[tuple[Unseen, Project]]:
    """Give each value of each rule with a name, with the project in which the rule always says the other."""
    for rule in project.rules:
        for value in (True, False):
            decided = rule.model_copy(update={"that": str(not value).lower()})
            rules = tuple(decided if one is rule else one for one in project.rules)
            yield Unseen(rule.name, value), project.model_copy(update={"rules": rules})


def coverage_of(runtime: Runtime, unseen: tuple[Unseen, ...]) -> Coverage:
    """Hold what is served against the tests; `unseen` is what was found of rules."""
    pairs = list(pairs_of(runtime))
    untried = tuple(pair.asked for pair in pairs if not pair.let_in and not pair.refused)
    return Coverage(len(pairs), untried, 2 * len(runtime.project.rules), unseen)


def pairs_of(runtime: Runtime) -> Iterator[Pair]:
    """Give each endpoint and action of a view with each kind of caller, and the tests that send one to the other."""
    tried: dict[tuple[Served, str], list[CompiledTest]] = {}
    for test in runtime.tests:
        for pair in _tried(runtime, test):
            tried.setdefault(pair, []).append(test)
    for what, path, access in _surface(runtime):
        for caller in callers_of(access):
            tests = tried.get((what, caller), ())
            let_in = tuple(one.said.name for one in tests if one.said.expect.status < HTTPStatus.BAD_REQUEST)
            refused = tuple(one.said.name for one in tests if one.said.name not in let_in)
            yield Pair(Untried(what, path, caller), let_in, refused)


def _surface(runtime: Runtime) -> Iterable[tuple[Served, str, AccessLevel]]:
    for endpoint in runtime.endpoints.values():
        said = endpoint.definition
        yield Served("endpoint", endpoint.name), f"{said.method} /api{said.path}", endpoint.access
    for view in runtime.views.values():
        for action in view.definition.allow:
            yield Served("view", view.name, action), f"/rest/v1/{view.name}", view.access[action]


def access_to(runtime: Runtime, what: Served) -> AccessLevel:
    """Give who may call an endpoint, or do something through a view."""
    if what.kind == "endpoint":
        return runtime.endpoints[what.name].access
    return runtime.views[what.name].access[str(what.action)]


def callers_of(access: AccessLevel) -> list[str]:
    """Name the callers that an access level tells apart."""
    if access.public:
        return [STRANGER]
    if not access.roles:
        return [STRANGER, SIGNED_IN]
    return [STRANGER, WITHOUT_ROLE, *sorted(access.roles)]


def _tried(runtime: Runtime, test: CompiledTest) -> list[tuple[Served, str]]:
    if test.target is None:
        return []
    return [(test.target, caller) for caller in _as(access_to(runtime, test.target), test.caller)]


def _as(access: AccessLevel, caller: TestCaller) -> list[str]:
    if caller.kind == "anonymous":
        return [STRANGER]
    if not access.roles:
        return [SIGNED_IN]
    return sorted(access.roles & set(caller.roles)) or [WITHOUT_ROLE]
