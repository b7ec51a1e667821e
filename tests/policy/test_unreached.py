"""After a change only those tests run that it can reach; whatever it is, the verdict is that of running all of them."""

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest

from app.changes.files import load_file
from app.compiler.check import check_project
from app.compiler.checked_tests import CompiledTest
from app.definitions.project import Project, parse_project
from app.policy_tests import run
from app.policy_tests.result import Result
from app.policy_tests.run import run_tests
from app.policy_tests.runner import Runner
from tests.backend import EXAMPLES
from tests.policy.backend import backend, project_of

TESTS = """
- {name: listed, as: {}, request: {method: GET, path: /rest/v1/folder_list}, expect: {status: 200}}
- {name: open, now: "2026-01-01T00:00:00Z", request: {method: GET, path: /api/open}, expect: {status: 200}}
- {name: closed, now: "2027-01-01T00:00:00Z", request: {method: GET, path: /api/open}, expect: {status: 403}}
- {name: nowhere, request: {method: GET, path: /api/nothing}, expect: {status: 404, code: route.not_found}}
- name: renamed
  as: {id: me}
  given: {documents: [{id: d, owner: me, title: a}]}
  request: {method: POST, path: "/api/documents/{d}/title", body: {title: b}}
  expect: {status: 200}
"""
EVERY = ["listed", "open", "closed", "nowhere", "renamed"]
SECTIONS = ("views", "middleware", "endpoints", "rules", "tables", "users", "project")
CHANGES = 12
RULES = ["true", "false", "auth.signed_in", "auth.user.email == null"]
OTHERS: dict[Any, list[Any]] = {
    "filter": RULES, "where": RULES, "that": RULES, "rule": RULES, "when": RULES, "status": [201, 409, 418],
    "access": ["public", "authenticated"], "allow": [["select"], ["insert"]], "max_rows": [1], "limit": [1, "1/hour"],
    "required": [True, False], "optional": [True, False], "skip": [[]],
}  # fmt: skip


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the tests that were run, as they are."""
    names: list[str] = []
    real = run.run_test

    async def noted(held: Any, runtime: Any, test: CompiledTest) -> Result:
        names.append(test.said.name)
        return await real(held, runtime, test)

    monkeypatch.setattr(run, "run_test", noted)
    return names


def changed(section: str, index: int, **parts: object) -> Project:
    document = backend(TESTS)
    document[section][index] |= parts
    return project_of(document)


async def test_a_change_runs_the_tests_that_it_can_reach(migrated_url: str, ran: list[str]) -> None:
    runner = Runner(migrated_url)

    async def judged(project: Project) -> list[str]:
        ran.clear()
        verdict = await runner.judge(project)
        assert (verdict.count, verdict.failures) == (len(EVERY), ())
        return sorted(ran)

    always = ["nowhere"]  # whatever is served may answer it
    assert await judged(project_of(backend(TESTS))) == sorted(EVERY)
    assert await judged(project_of(backend(TESTS))) == always
    roles = {**backend(TESTS), "roles": [{"name": "support"}, {"name": "clerk"}, {"name": "more"}]}
    assert await judged(project_of(roles)) == always
    said = [*backend()["middleware"][0]["steps"], {"do": "require", "that": "auth.signed_in"}]
    assert await judged(changed("middleware", 0, steps=said)) == sorted([*always, "renamed"])
    assert await judged(changed("views", 1, max_rows=7)) == sorted([*always, "listed"])
    assert await judged(changed("endpoints", 3, description="When it is open.")) == sorted([*always, "open", "closed"])
    assert await judged(changed("tables", 0, columns=[{"name": "title", "type": "text"}])) == sorted(EVERY)
    tests = backend(TESTS)
    tests["tests"][1]["now"] = "2026-01-02T00:00:00Z"
    assert await judged(project_of(tests)) == sorted([*always, "open"])


async def test_a_test_that_failed_runs_again(migrated_url: str, ran: list[str]) -> None:
    runner = Runner(migrated_url)
    document = backend(TESTS)
    document["tests"][0]["expect"]["status"] = 204
    for _ in range(2):
        ran.clear()
        verdict = await runner.judge(project_of(copy.deepcopy(document)))
        assert [one.place for one in verdict.failures] == ["tests/listed"]
        assert "listed" in ran


def leaves(said: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything that is said."""
    items = said.items() if isinstance(said, dict) else enumerate(said) if isinstance(said, list) else ()
    for key, one in items:
        yield (*path, key)
        yield from leaves(one, (*path, key))


def altered(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Give the document with something else in one place of its definitions, or without it."""
    made = copy.deepcopy(document)
    section = chance.choice([one for one in SECTIONS if made.get(one)])
    paths = list(leaves(made[section]))
    deciding = [path for path in paths if path[-1] in OTHERS]
    *way, last = chance.choice(deciding if deciding and chance.random() < 0.7 else paths)
    here = made[section]
    for key in way:
        here = here[key]
    if last in OTHERS:
        here[last] = chance.choice(OTHERS[last])
    else:
        del here[last]
    return made


async def test_whatever_is_changed_no_test_that_would_fail_is_left_out(migrated_url: str, ran: list[str]) -> None:
    chance, document = random.Random(5), load_file(EXAMPLES / "documents.yaml")
    runner = Runner(migrated_url)
    assert not (await runner.judge(project_of(document))).failures
    seen, left_out, failed = 0, 0, 0
    while seen < CHANGES:
        project, _ = parse_project(altered(document, chance))
        if project is None or check_project(project):
            continue
        seen += 1
        ran.clear()
        judged = await runner.judge(project)
        left_out += len(project.tests) - len(ran)
        everything = await run_tests(migrated_url, project)
        assert [one.place for one in judged.failures] == [one.place for one in everything.failed]
        failed += len(everything.failed)
    assert left_out > CHANGES
    assert failed > CHANGES // 2
