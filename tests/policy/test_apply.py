"""A change whose tests fail is not made, whichever way it comes; nothing is changed, and each failure is told."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.definitions.project import KINDS
from tests.backend import Backend, serving
from tests.policy.backend import backend as document
from tests.policy.backend import one

HIDDEN = """
as: bob
given: {users: [{id: alice}, {id: bob}], documents: [{id: plan, owner: alice, title: Plan}]}
request: {path: /rest/v1/my_documents}
expect: {status: 200, rows: 0}
"""
TESTS = "\n".join([one(HIDDEN, "hidden"), one("request: {path: /api/open}\nexpect: {status: 403}", "closed")])
EVERYTHING = """
SELECT (SELECT revision FROM rowgate.live), (SELECT count(*) FROM rowgate.revisions),
    (SELECT count(*) FROM rowgate.definitions), to_regclass('data.extra')::text
"""


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, document(TESTS)) as backend:
        yield backend


def loosened() -> dict[str, Any]:
    """Give the document with a view that shows everybody's rows, and a table more."""
    changed = document(TESTS)
    changed["views"][0]["filter"] = "auth.signed_in"
    changed["tables"].append({"name": "extra"})
    return changed


async def refused(backend: Backend, method: str, path: str, **more: Any) -> dict[str, Any]:
    """Ask for a change, and hold it to have changed nothing."""
    before = await backend.sql(EVERYTHING)
    answer = await backend.client.request(method, f"/admin/v1{path}", **more)
    assert (answer.status_code, answer.json()["code"]) == (409, "test.failed"), answer.text
    assert await backend.sql(EVERYTHING) == before
    said: dict[str, Any] = answer.json()
    return said


async def test_a_document_whose_test_fails_is_refused_with_what_came(backend: Backend) -> None:
    root = await backend.admin()
    said = await refused(backend, "PUT", "/config", json=loosened(), headers=root)
    assert said["detail"] == "A test fails, and nothing was changed."
    (error,) = said["errors"]
    assert (error["loc"], error["code"]) == (["tests/hidden"], "test.failed")
    assert error["message"] == "expect.rows: expected 0 rows, and came 1 rows (decided by stage execute)"
    bob = await backend.sign_up("bob")
    await backend.sql("INSERT INTO data.users (email) VALUES ('alice@example.com')")
    await backend.sql(
        "INSERT INTO data.documents (owner, title) SELECT id, 'A' FROM data.users WHERE email LIKE 'alice%'"
    )
    assert (await bob.get("/rest/v1/my_documents")).json() == []


async def test_an_edit_of_one_definition_is_refused_too(backend: Backend) -> None:
    root = await backend.admin()
    await refused(backend, "PATCH", "/views/my_documents", json={"filter": "auth.signed_in"}, headers=root)
    access = {"expect": {"status": 200}}
    await refused(backend, "PATCH", "/tests/closed", json=access, headers=root)
    wrong = {"name": "wrong", "request": {"path": "/api/open"}, "expect": {"status": 200}}
    await refused(backend, "POST", "/tests", json=wrong, headers=root)


async def test_going_back_to_a_revision_whose_test_fails_is_refused(backend: Backend) -> None:
    root = await backend.admin()
    # Another instance, which doesn't run tests, has saved it; and somebody has put it right.
    await backend.apply(loosened())
    await backend.apply(document(TESTS), destroy={"extra"})
    await refused(backend, "POST", "/revisions/2/restore", headers=root)


async def test_a_plan_names_the_tests_that_would_refuse_it(backend: Backend) -> None:
    root = await backend.admin()
    before = await backend.sql(EVERYTHING)
    planned = await backend.client.post("/admin/v1/config/plan", json=loosened(), headers=root)
    rehearsed = await backend.client.patch(
        "/admin/v1/views/my_documents?dry_run=true", json={"filter": "auth.signed_in"}, headers=root
    )
    for answer in (planned, rehearsed):
        assert answer.status_code == 200
        tests = answer.json()["tests"]
        assert (tests["count"], [one["place"] for one in tests["failures"]]) == (2, ["tests/hidden"])
    assert await backend.sql(EVERYTHING) == before


async def test_tests_are_definitions_like_the_others(backend: Backend) -> None:
    root = await backend.admin()
    listed = await backend.client.get("/admin/v1/tests", headers=root)
    assert [one["name"] for one in listed.json()] == ["hidden", "closed"]
    found = await backend.client.get("/admin/v1/tests/closed", headers=root)
    assert found.json() == {"name": "closed", "request": {"path": "/api/open"}, "expect": {"status": 403}}
    body = {"name": "other", "request": {"path": "/rest/v1/my_documents"}, "expect": {"status": 401}}
    made = await backend.client.post("/admin/v1/tests", json=body, headers=root)
    assert (made.status_code, made.json()) == (201, body)
    renamed = await backend.client.patch("/admin/v1/tests/other", json={"name": "strangers"}, headers=root)
    assert renamed.json()["name"] == "strangers"
    exported = (await backend.client.get("/admin/v1/config", headers=root)).json()
    assert [one["name"] for one in exported["tests"]] == ["hidden", "closed", "strangers"]
    etag = {"If-Match": (await backend.client.get("/admin/v1/config", headers=root)).headers["etag"]}
    gone = await backend.client.delete("/admin/v1/tests/closed", headers={**root, **etag})
    assert gone.status_code == 204
    bad = {**body, "name": "bad", "request": {"path": "/rest/v1/my_document"}}
    unsound = await backend.client.post("/admin/v1/tests", json=bad, headers=root)
    assert (unsound.status_code, unsound.json()["errors"][0]["loc"]) == (422, ["tests/bad.request.path"])


async def test_a_viewer_runs_the_live_tests_or_those_of_a_draft_and_changes_nothing(backend: Backend) -> None:
    root = await backend.admin()
    made = await backend.client.post("/admin/v1/api-keys", json={"name": "ci", "admin_role": "viewer"}, headers=root)
    viewer = {"Authorization": f"Bearer {made.json()['key']}"}
    before = await backend.sql(EVERYTHING)
    live = await backend.client.post("/admin/v1/test", headers=viewer)
    assert (live.status_code, live.json()["passed"], live.json()["failed"]) == (200, 2, 0)
    draft = await backend.client.post("/admin/v1/test", json=loosened(), headers=viewer)
    assert (draft.json()["passed"], draft.json()["failed"]) == (1, 1)
    assert draft.json()["tests"][0]["decided"]["rows_after_filter"] == 1
    bad = await backend.client.post("/admin/v1/test", json={"rowgate": 1, "tests": [{}]}, headers=viewer)
    assert (bad.status_code, bad.json()["code"]) == (422, "definition.invalid")
    assert (await backend.client.post("/admin/v1/test")).status_code == 401
    assert await backend.sql(EVERYTHING) == before


def test_every_kind_of_definition_has_its_routes_and_its_place_in_the_store() -> None:
    assert list(KINDS) == ["roles", "tables", "rules", "views", "middleware", "endpoints", "tests"]
