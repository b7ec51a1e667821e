"""The example backend, as people meet it: refusals first."""

from typing import Any

import pytest
import pytest_asyncio

from tests.backend import Backend, Person
from tests.turns import Turns

NOBODYS = "018f0000-0000-7000-8000-00000000000a"


DOCUMENT = "documents.yaml"


@pytest_asyncio.fixture(loop_scope="module")
async def backend(turns: Turns) -> Backend:
    return await turns.next()


async def created(person: Person, **body: Any) -> dict[str, Any]:
    answer = await person.post("/api/documents", {"title": "Plan", "amount": 12.5, **body})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_a_stranger_is_asked_to_sign_in_before_the_body_is_read(backend: Backend) -> None:
    answer = await backend.client.post("/api/documents", content=b"not json at all")
    assert (answer.status_code, answer.json()["code"]) == (401, "access.sign_in_required")
    assert answer.headers["www-authenticate"] == 'Bearer realm="rowgate"'
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("token", ["x", "a.b.c", "", "eyJhbGciOiJub25lIn0.e30."])
async def test_a_bad_credential_is_refused_also_where_none_is_needed(backend: Backend, token: str) -> None:
    answer = await backend.client.get("/api/status", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.token_invalid")


async def test_the_middleware_refuses_another_persons_document(backend: Backend) -> None:
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    document = await created(alice)
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/submit")):
        body = {"json": {"title": "Mine"}} if method == "PATCH" else {}
        answer = await bob.call(method, f"/api/documents/{document['id']}{path}", **body)
        assert answer.status_code == 403
        assert answer.json()["detail"] == "This document belongs to somebody else."
    assert (await alice.get(f"/api/documents/{document['id']}")).json() == document


async def test_through_the_view_another_persons_document_is_not_there(backend: Backend) -> None:
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    document = await created(alice)
    theirs = await bob.get(f"/api/my/documents/{document['id']}")
    nobodys = await bob.get(f"/api/my/documents/{NOBODYS}")
    assert (theirs.status_code, nobodys.status_code) == (404, 404)
    without_id = [{**answer.json(), "request_id": ""} for answer in (theirs, nobodys)]
    assert without_id[0] == without_id[1]
    assert (await bob.get("/rest/v1/my_documents")).json() == []
    assert [row["id"] for row in (await alice.get("/rest/v1/my_documents")).json()] == [document["id"]]


async def test_a_free_user_does_not_export_and_a_pro_user_does(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    await created(alice)
    refused = await alice.get("/api/export")
    assert (refused.status_code, refused.json()["code"]) == (403, "plan.pro_required")
    await backend.sql("UPDATE data.users SET plan = 'pro' WHERE id = $1", alice.id)
    answer = await alice.get("/api/export")
    assert answer.status_code == 200
    assert (answer.headers["x-total"], len(answer.json()["documents"])) == ("1", 1)


async def test_after_the_deadline_nothing_is_submitted(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    document = await created(alice)
    answer = await alice.post(f"/api/documents/{document['id']}/enter-contest")
    assert (answer.status_code, answer.json()["detail"]) == (403, "The contest is closed.")
    assert (await alice.get(f"/api/documents/{document['id']}")).json()["status"] == "draft"


async def test_the_sixth_try_in_a_minute_is_refused_and_says_when_to_come_back(backend: Backend) -> None:
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    document = await created(alice)
    path = f"/api/documents/{document['id']}/submit"
    assert [(await alice.post(path)).status_code for _ in range(5)] == [200] * 5
    refused = await alice.post(path)
    assert (refused.status_code, refused.json()["code"]) == (429, "chain.rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit-policy"] == '"at_most";q=5;w=60'
    assert (await bob.post(path)).status_code == 403  # another person's count is another


async def test_strangers_are_limited_by_their_address_whatever_they_claim(backend: Backend) -> None:
    answers = [
        await backend.client.get("/api/status", headers={"X-Forwarded-For": f"10.0.0.{index}"}) for index in range(31)
    ]
    assert [answer.status_code for answer in answers] == [200] * 30 + [429]


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"title": "input.required"}),
        ({"title": ""}, {"title": "input.length"}),
        ({"title": 5, "amount": "x"}, {"title": "input.type", "amount": "input.type"}),
        ({"title": "x", "amount": 1.005}, {"amount": "input.scale"}),
        ({"title": "x", "owner_user_id": NOBODYS}, {"owner_user_id": "input.unknown_field"}),
        ({"title": None}, {"title": "input.null"}),
    ],
)
async def test_bad_input_names_every_field_and_reaches_no_table(
    backend: Backend, body: dict[str, Any], errors: dict[str, str]
) -> None:
    alice = await backend.sign_up("alice")
    answer = await alice.post("/api/documents", body)
    assert answer.status_code == 422
    assert {error["loc"][-1]: error["code"] for error in answer.json()["errors"]} == errors
    assert await backend.sql("SELECT FROM data.documents") == []


async def test_rules_over_the_input_are_all_tried(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    answer = await alice.post("/api/documents", {"title": "  ", "amount": 1000000})
    assert answer.status_code == 422
    assert [error["message"] for error in answer.json()["errors"]] == [
        "A title needs more than spaces.",
        "That is too much.",
    ]


async def test_a_patch_writes_what_was_sent_and_a_null_that_was_sent(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    document = await created(alice)
    path = f"/api/documents/{document['id']}"
    after = (await alice.call("PATCH", path, json={"title": "Other"})).json()
    assert (after["title"], after["amount"]) == ("Other", 12.5)
    after = (await alice.call("PATCH", path, json={"amount": None})).json()
    assert (after["title"], after["amount"]) == ("Other", None)


async def test_a_null_into_a_required_column_is_refused(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    document = await created(alice)
    answer = await alice.call("PATCH", f"/api/documents/{document['id']}", json={"title": None})
    assert (answer.status_code, answer.json()["code"]) == (422, "db.not_null")


async def test_a_role_opens_and_closes_at_the_very_next_request(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    assert (await alice.get("/api/support/documents")).status_code == 403
    await backend.sql("INSERT INTO rowgate.user_roles VALUES ($1, 'support')", alice.id)
    assert (await alice.get("/api/support/documents")).status_code == 200
    await backend.sql("DELETE FROM rowgate.user_roles")
    assert (await alice.get("/api/support/documents")).status_code == 403


async def test_support_may_read_what_belongs_to_others(backend: Backend) -> None:
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    document = await created(alice)
    await backend.sql("INSERT INTO rowgate.user_roles VALUES ($1, 'support')", bob.id)
    assert (await bob.get(f"/api/documents/{document['id']}")).status_code == 200


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rowgate.accounts SET disabled_at = now()",
        "UPDATE rowgate.sessions SET revoked_at = now()",
        "DELETE FROM data.users",
    ],
)
async def test_who_is_disabled_signed_out_or_gone_is_refused_at_once(backend: Backend, statement: str) -> None:
    alice = await backend.sign_up("alice")
    assert (await alice.get("/rest/v1/my_documents")).status_code == 200
    await backend.sql(statement)
    assert (await alice.get("/rest/v1/my_documents")).status_code == 401
    assert (await alice.get("/api/status")).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/api/documents/", 404),
        ("GET", "/api//status", 404),
        ("GET", "/api/STATUS", 404),
        ("POST", "/api/status", 405),
        ("GET", "/rest/v1/documents", 404),
        ("GET", "/rest/v1/users", 404),
        ("POST", "/rest/v1/my_documents", 405),
        ("GET", "/nothing", 404),
    ],
)
async def test_what_is_not_defined_is_not_reachable(backend: Backend, method: str, path: str, status: int) -> None:
    answer = await backend.client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


async def test_a_request_id_of_the_caller_is_kept_if_it_is_plain(backend: Backend) -> None:
    for sent, kept in (("abc-1", True), ("x" * 65, False), ("a\tb", False)):
        answer = await backend.client.get("/api/status", headers={"X-Request-Id": sent})
        assert (answer.headers["x-request-id"] == sent) is kept


async def test_a_head_request_is_answered_without_a_body(backend: Backend) -> None:
    answer = await backend.client.head("/api/status")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_steps_that_run_off_the_end_answer_204(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    document = await created(alice)
    answer = await alice.call("DELETE", f"/api/documents/{document['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await alice.get(f"/api/documents/{document['id']}")).status_code == 404


async def test_numbers_and_times_keep_every_digit(backend: Backend) -> None:
    alice = await backend.sign_up("alice")
    answer = await alice.call(
        "POST",
        "/api/documents",
        content=b'{"title": "x", "amount": 900000.10}',
        headers={"Content-Type": "application/json"},
    )
    assert b'"amount":900000.10' in answer.content
    listed = await alice.get("/rest/v1/my_documents")
    assert b'"amount":900000.10' in listed.content


async def test_the_openapi_document_lists_what_there_is(backend: Backend) -> None:
    document = (await backend.client.get("/openapi.json")).json()
    assert document["paths"]["/api/documents/{record_id}"].keys() == {"get", "patch", "delete"}
    assert "/rest/v1/my_documents" in document["paths"]
    body = document["paths"]["/api/documents"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["title"]


async def test_the_server_is_alive_and_ready(backend: Backend) -> None:
    assert (await backend.client.get("/healthz")).json() == {"status": "alive"}
    assert (await backend.client.get("/readyz")).status_code == 200
