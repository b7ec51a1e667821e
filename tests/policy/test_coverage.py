"""Coverage names what is served with the callers that no test has sent there, and what no test sees of rules."""

import copy
from typing import Any

import pytest

from app.changes.files import load_text
from app.compiler.compile import compile_project
from app.policy_tests.coverage import pairs_of
from app.policy_tests.report import shown, told
from app.policy_tests.runner import Runner
from tests.policy.backend import backend, one, project_of, ran


async def untried(url: str, *tests: str) -> set[str]:
    document: dict[str, Any] = backend("\n".join(one(text, f"t{index}") for index, text in enumerate(tests)) or "[]")
    report = await ran(url, document)
    assert report.coverage.of == 17
    return {str(one) for one in report.coverage.untried}


async def test_without_tests_everything_is_untried_as_everybody_it_tells_apart(migrated_url: str) -> None:
    assert await untried(migrated_url) == {
        "endpoint rename: anonymous", "endpoint rename: signed in",
        "endpoint soft_refusal: anonymous", "endpoint soft_refusal: signed in",
        "endpoint tidy: anonymous", "endpoint tidy: signed in without the role",
        "endpoint tidy: support", "endpoint tidy: clerk",
        "endpoint open_now: anonymous", "endpoint slow: anonymous",
        "view my_documents select: anonymous", "view my_documents select: signed in",
        "view my_documents insert: anonymous", "view my_documents insert: signed in",
        "view my_documents update: anonymous", "view my_documents update: signed in",
        "view folder_list select: anonymous",
    }  # fmt: skip


async def test_a_test_tries_one_thing_as_one_caller_whatever_comes(migrated_url: str) -> None:
    before = await untried(migrated_url)
    tidy = "request: {path: /rest/v1/rpc/tidy, method: POST, body: {}}\nexpect: {status: 500}"
    view = "request: {path: /rest/v1/my_documents, method: PUT, body: {}}\nexpect: {status: 500}"
    after = await untried(
        migrated_url,
        f"as: {{roles: [clerk]}}\n{tidy}",
        f"as: {{}}\n{tidy}",
        view,
        "as: {}\nrequest: {path: /api/open}\nexpect: {status: 403}",
        "request: {path: /api/nothing}\nexpect: {status: 404, code: route.not_found}",
    )
    # Somebody signed in is no stranger, and a path that isn't served is nothing that is tried.
    assert before - after == {
        "endpoint tidy: clerk",
        "endpoint tidy: signed in without the role",
        "view my_documents insert: anonymous",
    }


async def test_each_pair_names_its_tests_as_what_they_expect(migrated_url: str) -> None:
    rename = "request: {path: /rest/v1/rpc/tidy, method: POST, body: {}}"
    tests = [
        one(f"as: {{roles: [clerk]}}\n{rename}\nexpect: {{status: 200}}", "clerk_may"),
        one(f"as: {{roles: [clerk]}}\n{rename}\nexpect: {{status: 409}}", "clerk_may_not_twice"),
        one(f"as: {{}}\n{rename}\nexpect: {{status: 403}}", "others_may_not"),
    ]
    runtime, findings = compile_project(project_of(backend("\n".join(tests))))
    assert runtime is not None, findings
    pairs = [pair.shown() for pair in pairs_of(runtime)]
    assert len(pairs) == 17
    tidy = {one["caller"]: (one["let_in"], one["refused"]) for one in pairs if one["name"] == "tidy"}
    assert tidy == {
        "anonymous": ([], []),
        "signed in without the role": ([], ["others_may_not"]),
        "clerk": (["clerk_may"], ["clerk_may_not_twice"]),
        "support": ([], []),
    }


RULES = """
- {name: has_written, params: {document: {type: uuid}},
   that: "documents.exists(d, d.id == params.document && d.owner == auth.user.id)"}
- {name: may_read, params: {document: {type: uuid}},
   that: 'has_written(params.document) || "support" in auth.user.roles'}
- {name: nobody_asks, that: auth.signed_in}
"""
GIVEN = """
given:
  users: [{id: alice}, {id: bob}]
  documents: [{id: plan, owner: alice, title: Plan}]
request: {path: /rest/v1/readable}
"""
OWN, HIDDEN, HELP = (
    f"as: {caller}\n{GIVEN}expect: {{status: 200, rows: {rows}}}"
    for caller, rows in (("alice", 1), ("bob", 0), ("{id: bob, roles: [support]}", 1))
)


def ruled(*tests: str) -> dict[str, Any]:
    document = backend("\n".join(one(text, f"t{index}") for index, text in enumerate(tests)) or "[]")
    view = {"name": "readable", "table": "documents", "columns": ["id", "title"], "filter": "may_read(row.id)"}
    return {**document, "views": [*document["views"], view], "rules": load_text(RULES)}


@pytest.mark.parametrize(
    ("tests", "without"),
    [
        ((), ["has_written: true", "has_written: false", "may_read: true", "may_read: false"]),
        ((OWN,), ["has_written: false", "may_read: false"]),
        ((HIDDEN,), ["has_written: true", "may_read: true"]),
        ((HELP,), ["has_written: true", "has_written: false", "may_read: false"]),
        ((HELP, HIDDEN), ["has_written: true"]),
        ((OWN, HIDDEN), []),
        ((OWN, HIDDEN.replace("rows: 0", "rows: 9")), ["has_written: false", "may_read: false"]),
    ],
    ids=["no test", "its own", "another's", "support", "support and another's", "both", "one that fails"],
)
async def test_a_rule_is_seen_where_a_test_would_fail_without_a_value_of_it(
    migrated_url: str, tests: tuple[str, ...], without: list[str]
) -> None:
    coverage = (await ran(migrated_url, ruled(*tests))).coverage
    always = ["rule nobody_asks: true", "rule nobody_asks: false"]
    assert [str(one) for one in coverage.unseen] == [*(f"rule {one}" for one in without), *always]
    assert coverage.of_rules == 6


async def test_what_is_seen_of_rules_is_told(migrated_url: str) -> None:
    report = shown(await ran(migrated_url, ruled(OWN)))
    assert report["coverage"]["rules"]["untried"][0] == {"name": "has_written", "value": False}
    assert (report["coverage"]["rules"]["of"], report["coverage"]["rules"]["tried"]) == (6, 2)
    assert told(report).split("\n")[-4:] == [
        "Of rules, no test would fail without these, 4 of 6:",
        "  rule has_written: false",
        "  rule may_read: false",
        "  rule nobody_asks: true, false",
    ]
    whole = ruled(OWN, HIDDEN)
    del whole["rules"][2]
    assert told(shown(await ran(migrated_url, whole))).endswith("\nEvery rule is seen true and false: 4 of 4.")
    assert "ule" not in told(shown(await ran(migrated_url, backend()))).rpartition("Not tried yet")[2]


async def test_a_report_makes_no_later_change_run_more_tests(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, project = Runner(migrated_url), project_of(ruled(OWN, HIDDEN))
    await runner.judge(project)
    await runner.run(project)
    monkeypatch.setattr("app.policy_tests.run.run_test", None)
    verdict = await runner.judge(copy.copy(project))
    assert (verdict.count, verdict.failures) == (2, ())
