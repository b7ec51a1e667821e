"""Coverage: which kinds of callers no test has sent to an endpoint or a view."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.compiler.checked_tests import CompiledTest, TestCaller
from app.compiler.runtime import AccessLevel, Runtime
from app.compiler.test_targets import Served

STRANGER, SIGNED_IN, WITHOUT_ROLE = "anonymous", "signed in", "signed in without the role"


@dataclass(frozen=True, slots=True)
class Untried:
    """An endpoint, or an action of a view, that no test has tried as one kind of caller."""

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
class Coverage:
    """How many pairs of what is served and who may ask there are, and those that are untried."""

    of: int
    untried: tuple[Untried, ...]

    def shown(self) -> dict[str, Any]:
        """Give the members of an answer."""
        return {"of": self.of, "tried": self.of - len(self.untried), "untried": [one.shown() for one in self.untried]}


def coverage_of(runtime: Runtime) -> Coverage:
    """Hold what is served against the tests."""
    tried = {pair for test in runtime.tests for pair in _tried(runtime, test)}
    wanted = [Untried(what, path, caller) for what, path, access in _surface(runtime) for caller in callers_of(access)]
    return Coverage(len(wanted), tuple(one for one in wanted if (one.what, one.caller) not in tried))


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
