"""Recent requests tell why somebody was refused, and show no credential."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from app.cli import why
from app.cli.command import app as command_line
from app.cli.server_client import ServerRefused
from app.cli.why import ask, told
from app.data_plane.request import Request
from app.data_plane.run import Plane, Run
from app.data_plane.seeing.recent import OTHERS, REFUSALS, SLOW, Recent, RequestsAsked
from app.errors import RowgateError
from tests.backend import Backend, serving


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, "documents.yaml") as backend:
        yield backend


async def test_a_refusal_is_found_by_its_id_with_the_rule_and_what_it_saw(backend: Backend) -> None:
    admin = await backend.admin()
    alice, bob = await backend.sign_up("alice"), await backend.sign_up("bob")
    document = (await alice.post("/api/documents", {"title": "Plan"})).json()
    refused = await bob.get(f"/api/documents/{document['id']}?token=very-secret", headers={"X-Request-Id": "why-1"})
    assert refused.status_code in {403, 422}
    refused = await bob.get(f"/api/documents/{document['id']}", headers={"X-Request-Id": "why-2"})
    assert refused.status_code == 403
    found = (await backend.client.get("/admin/v1/requests/why-2", headers=admin)).json()
    assert (found["status"], found["caller"]["id"], found["step"]["step"]) == (403, bob.id, "require")
    assert found["step"]["rules"][0]["saw"]["document.owner_user_id"] == alice.id
    lines = told(found)
    assert f'document.owner_user_id = "{alice.id}"' in lines
    assert "This document belongs to somebody else." in lines
    listed = await backend.client.get("/admin/v1/requests", headers=admin)
    assert [one["request_id"] for one in listed.json()][:2] == ["why-2", "why-1"]
    assert "very-secret" not in listed.text
    assert bob.session["access_token"] not in listed.text


async def test_what_is_slow_is_kept_with_the_time_of_each_stage_and_step(backend: Backend) -> None:
    admin, alice = await backend.admin(), await backend.sign_up("alice")
    recent = backend.app.server.recent
    document = (await alice.post("/api/documents", {"title": "Plan"})).json()
    slow = {"X-Request-Id": "slow-1"}
    await alice.get("/rest/v1/my_documents", headers={"X-Request-Id": "fast-1"})  # the first of a hundred may be kept
    assert (await backend.client.get("/admin/v1/requests?which=slow", headers=admin)).json() == []
    recent.slow_after = 0.0
    assert (await alice.get(f"/api/documents/{document['id']}", headers=slow)).status_code == 200
    (found,) = (await backend.client.get("/admin/v1/requests?which=slow&id=slow-1", headers=admin)).json()
    assert (found["status"], found["target"], "code" in found) == (200, "endpoints/get_document", False)
    stages = [one["stage"] for one in found["stages"]]
    assert stages == ["accept", "authenticate", "authorize", "bind", "chain", "execute", "respond"]
    assert sum(one["milliseconds"] for one in found["stages"]) == pytest.approx(found["milliseconds"], rel=0.5)
    assert [one["step"] for one in found["steps"]][:2] == ["fetch", "require"]
    chain = next(one["milliseconds"] for one in found["stages"] if one["stage"] == "chain")
    assert 0 < found["steps"][0]["milliseconds"] <= chain
    assert re.search(
        r"took:   \d+\.\d ms: \w+ \d+\.\d, .+\n        of it \d+\.\d \w+ at endpoints/get_document", told(found)
    )


async def test_requests_are_found_by_id_person_endpoint_code_path_and_time(backend: Backend) -> None:
    admin, alice, bob = await backend.admin(), await backend.sign_up("alice"), await backend.sign_up("bob")
    document = (await alice.post("/api/documents", {"title": "Plan"})).json()
    before = datetime.now(UTC)
    await bob.get(f"/api/documents/{document['id']}", headers={"X-Request-Id": "by-bob"})
    await alice.get("/api/export", headers={"X-Request-Id": "by-alice"})
    await backend.client.get("/rest/v1/my_documents", headers={"X-Request-Id": "by-nobody"})
    after = datetime.now(UTC)

    async def found(**query: Any) -> list[str]:
        answer = await backend.client.get("/admin/v1/requests", params={"which": "refused", **query}, headers=admin)
        assert answer.status_code == 200, answer.text
        return [one["request_id"] for one in answer.json()]

    assert await found() == ["by-nobody", "by-alice", "by-bob"]
    assert await found(limit=1) == ["by-nobody"]
    assert await found(id="by-a") == ["by-alice"]
    assert await found(caller=bob.id) == await found(caller="bob@example.com") == ["by-bob"]
    assert await found(caller="anonymous") == ["by-nobody"]
    assert await found(caller="who@example.com") == []
    assert await found(target="endpoints/get_document") == ["by-bob"]
    assert await found(target="views/my_documents") == ["by-nobody"]
    assert await found(code="plan.pro_required") == ["by-alice"]
    assert await found(path="/api/") == ["by-alice", "by-bob"]
    assert await found(since=before.isoformat(), until=after.isoformat()) == ["by-nobody", "by-alice", "by-bob"]
    assert await found(until=before.isoformat()) == await found(since=after.isoformat()) == []
    for query in ("which=others", "since=2036-01-01T00:00:00", "limit=0"):
        answer = await backend.client.get(f"/admin/v1/requests?{query}", headers=admin)
        assert (answer.status_code, answer.json()["code"]) == (422, "input.invalid")


async def test_a_secret_in_a_path_is_not_found_by_its_text(migrated_url: str) -> None:
    reset = {"name": "reset", "method": "GET", "path": "/reset/{token}", "access": "authenticated",
             "input": {"path": {"token": {"type": "text"}}}, "steps": [{"do": "respond", "body": 1}]}  # fmt: skip
    async with serving(migrated_url, {"rowgate": 1, "endpoints": [reset]}) as backend:
        admin = await backend.admin()
        assert (await backend.client.get("/api/reset/very-secret")).status_code == 401
        for part, count in (("very-secret", 0), ("/api/reset/", 1)):
            listed = await backend.client.get("/admin/v1/requests", params={"path": part}, headers=admin)
            assert len(listed.json()) == count, part
            assert "very-secret" not in listed.text


async def test_who_is_refused_for_the_role_is_named_and_who_has_no_token_is_not(backend: Backend) -> None:
    admin = await backend.admin()
    await backend.client.get("/rest/v1/my_documents", headers={"X-Request-Id": "stranger"})
    await backend.client.get("/api/nothing-here", headers={"X-Request-Id": "nowhere"})
    stranger = (await backend.client.get("/admin/v1/requests/stranger", headers=admin)).json()
    assert (stranger["code"], stranger["caller"]["kind"]) == ("access.sign_in_required", "anonymous")
    assert "step" not in stranger
    nowhere = (await backend.client.get("/admin/v1/requests/nowhere", headers=admin)).json()
    assert nowhere["code"] == "route.not_found"


async def test_why_says_stage_and_code_of_what_never_came_to_a_chain(backend: Backend) -> None:
    admin, alice = await backend.admin(), await backend.sign_up("alice")
    token = f"Bearer {alice.session['access_token']}"
    signed_in, json = {"Authorization": token}, {"Content-Type": "application/json"}
    large = b'{"title": "' + b"a" * 1_100_000 + b'"}'
    for number, (method, path, headers, content, said) in enumerate([
        ("GET", "/api/nowhere", signed_in, b"", ("404 route.not_found", "accept")),
        ("GET", "/rest/v1/nowhere", signed_in, b"", ("404 route.not_found", "accept")),
        ("POST", "/rest/v1/rpc/nowhere", signed_in, b"", ("404 route.not_found", "accept")),
        ("PUT", "/api/documents", signed_in, b"", ("405 route.method_not_allowed", "accept")),
        ("DELETE", "/rest/v1/my_documents", signed_in, b"", ("405 route.method_not_allowed", "accept")),
        ("POST", "/api/documents", {**signed_in, **json}, large, ("413 input.too_large", "bind")),
        ("POST", "/api/documents", {**signed_in, "Content-Type": "text/plain"}, b"{}",
         ("415 input.media_type", "bind")),
        ("POST", "/api/documents", {**signed_in, **json}, b"{", ("400 input.bad_json", "bind")),
        ("GET", "/api/documents?a=%FF", signed_in, b"", ("405 route.method_not_allowed", "accept")),
        ("GET", "/api/status?a=%FF", {}, b"", ("400 input.bad_text", "bind")),
        ("GET", "/api/status", {"Authorization": "Bearer a.b.c"}, b"", ("401 auth.token_invalid", "authenticate")),
        ("GET", "/api/status", {"Authorization": "Basic YTpi"}, b"", ("401 auth.token_invalid", "authenticate")),
        ("GET", "/api/status", {"apikey": "rgk_x"}, b"", ("401 auth.api_key_invalid", "authenticate")),
        ("GET", "/api/status", {"Authorization": f"Bearer {'a' * 5000}"}, b"",
         ("401 auth.token_invalid", "authenticate")),
        ("POST", "/api/documents", json, b"{}", ("401 access.sign_in_required", "authorize")),
    ]):  # fmt: skip
        sent = {**headers, "X-Request-Id": f"early-{number}"}
        answer = await backend.client.request(method, path, headers=sent, content=content)
        found = (await backend.client.get(f"/admin/v1/requests/early-{number}", headers=admin)).json()
        lines = told(found).split("\n")
        assert f"answer: {said[0]}" in lines, (method, path, answer.text)
        assert f"stage:  {said[1]}" in lines, (method, path, lines)


async def test_what_is_not_remembered_is_a_404_and_a_stranger_reads_nothing(backend: Backend) -> None:
    answer = await backend.client.get("/admin/v1/requests/never", headers=await backend.admin())
    assert (answer.status_code, answer.json()["code"]) == (404, "requests.not_found")
    assert (await backend.client.get("/admin/v1/requests")).status_code == 401
    assert (await backend.client.get("/admin/v1/requests/never")).status_code == 401


def run(number: int) -> Run:
    async def receive() -> Any:
        return {}

    scope = {"method": "GET", "raw_path": b"/api/x", "query_string": b"password=hunter2&q=a", "headers": []}
    return Run(cast("Plane", None), Request(scope, receive, f"r{number}", ()))


def test_the_rings_are_bounded_and_none_displaces_what_another_keeps() -> None:
    recent = Recent()
    recent.note(run(-1), 403, RowgateError("no"))
    recent.slow_after = 0.0
    for number in range(SLOW + 50):
        recent.note(run(number), 200, None)
    assert len(recent.listed(RequestsAsked(which="slow"))) == SLOW + 1  # a refusal may be slow, too
    recent.slow_after = 60.0
    for number in range(REFUSALS + 100 * (OTHERS + 50)):
        recent.note(run(number), 403 if number < REFUSALS else 200, RowgateError("no") if number < REFUSALS else None)
    assert len(recent.listed()) == REFUSALS + SLOW + OTHERS
    assert len(recent.listed(RequestsAsked(which="refused"))) == REFUSALS


def test_the_ring_keeps_refusals_and_samples_the_rest() -> None:
    recent = Recent()
    recent.note(run(-1), 403, RowgateError("no"))
    for number in range(100 * (OTHERS + 50)):
        recent.note(run(number), 200, None)
    assert len(recent.listed()) == OTHERS + 1
    assert recent.find("r-1") is not None
    for number in range(REFUSALS + 50):
        recent.note(run(number), 403, RowgateError("no"))
    assert len(recent.listed()) == REFUSALS + OTHERS
    assert recent.listed()[0]["query"] == {"password": "[redacted]", "q": "a"}


def test_why_prints_what_the_server_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "method": "GET", "path": "/api/x", "at": "now", "status": 403, "code": "chain.refused", "detail": "No.",
        "caller": {"kind": "user", "id": "1", "roles": ["staff"]}, "errors": [],
        "stage": "execute", "steps_before": [{"step": "set", "name": None, "place": "endpoints/y"}],
        "step": {"step": "require", "place": "endpoints/x", "rules": [{"field": "that", "text": "a", "saw": {"a": 1}}]},
    }  # fmt: skip
    monkeypatch.setattr(why, "ask", lambda url, key, request_id: found | {"request_id": request_id})
    monkeypatch.setenv("ROWGATE_URL", "http://localhost")
    monkeypatch.setenv("ROWGATE_KEY", "rgk_x")
    result = CliRunner().invoke(command_line, ["why", "r1"])
    assert result.exit_code == 0
    assert "stage:  execute\nbefore: set at endpoints/y\nstep:   require at endpoints/x" in result.output
    assert "a = 1" in result.output


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x", "http://127.0.0.1:1"])
def test_why_asks_only_servers_and_says_when_there_is_none(url: str) -> None:
    with pytest.raises(ServerRefused):
        ask(url, "key", "r1")
