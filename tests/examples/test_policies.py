"""The tests that examples carry pass, each of them can fail, and they try everything that they say they try."""

from textwrap import dedent

import pytest

from app.changes.files import load_file, load_text
from app.definitions.project import parse_project
from app.policy_tests.run import Report, run_tests
from tests.backend import EXAMPLES


async def report_of(url: str, name: str, **instead: object) -> Report:
    project, findings = parse_project({**load_file(EXAMPLES / name), **instead})
    assert project is not None, findings
    return await run_tests(url, project)


@pytest.mark.parametrize("page", ["README.md", "docs/policy-tests.md"])
async def test_the_tests_that_a_page_shows_pass(migrated_url: str, page: str) -> None:
    lines = (EXAMPLES.parent / page).read_text().split("\n")
    begin = next(index for index, line in enumerate(lines) if line.strip() == "tests:")
    end = next(index for index in range(begin + 1, len(lines)) if lines[index][:1] not in ("", " "))
    shown = load_text(dedent("\n".join(lines[begin:end])))
    report = await report_of(migrated_url, "documents.yaml", tests=shown["tests"])
    assert [result.passed for result in report.results] == [True] * len(shown["tests"])


@pytest.mark.parametrize(("name", "least"), [("documents.yaml", 30), ("shop.yaml", 19), ("teams.yaml", 70)])
async def test_the_tests_of_an_example_pass(migrated_url: str, name: str, least: int) -> None:
    report = await report_of(migrated_url, name)
    assert [(result.name, *map(str, result.failures)) for result in report.failed] == []
    assert len(report.results) >= least


@pytest.mark.parametrize("name", ["documents.yaml", "teams.yaml"])
async def test_the_tests_of_an_example_try_everything(migrated_url: str, name: str) -> None:
    coverage = (await report_of(migrated_url, name)).coverage
    assert [str(one) for one in (*coverage.untried, *coverage.unseen)] == []


async def test_without_the_check_of_the_owner_the_tests_of_papers_fail(migrated_url: str) -> None:
    middleware = load_file(EXAMPLES / "documents.yaml")["middleware"]
    middleware[0]["steps"][1]["that"] = "auth.signed_in"
    report = await report_of(migrated_url, "documents.yaml", middleware=middleware)
    assert {result.name for result in report.failed} == {
        f"bob_does_not_{what}_what_is_alices" for what in ("read", "change", "delete", "submit")
    }
    (read,) = [result for result in report.failed if result.name == "bob_does_not_read_what_is_alices"]
    assert [check["rules"][0]["text"] for check in read.let_by] == ["auth.signed_in"]


@pytest.mark.parametrize(
    ("rule", "that", "failed"),
    [
        ("belongs_to", "auth.signed_in", "dan_sees_the_own_team"),
        ("leads", "belongs_to(params.team)", "a_member_makes_no_leads"),
        ("owns", "true", "others_add_no_task"),
    ],
)
async def test_a_rule_of_the_teams_that_lets_more_in_fails_their_tests(
    migrated_url: str, rule: str, that: str, failed: str
) -> None:
    rules = [
        {**one, "that": that} if one["name"] == rule else one for one in load_file(EXAMPLES / "teams.yaml")["rules"]
    ]
    report = await report_of(migrated_url, "teams.yaml", rules=rules)
    assert failed in {result.name for result in report.failed}
