"""Coverage names each endpoint and view with the callers that no test has sent there."""

from typing import Any

from tests.policy.backend import backend, one, ran


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
