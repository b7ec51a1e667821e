"""What looks like a credential or a password is shown by nothing that tells of a request, wherever it stood."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.backend import Backend, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = {"type": "text"}


def endpoint(name: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    said = {"name": name, "method": "POST", "path": f"/{name}", "access": "public", "steps": list(steps)}
    return said | more


SECRETS = {"input": {"body": {"password": TEXT, "api_token": TEXT, "note": TEXT}}}
NEVER = {"do": "require", "that": 'given == "right"', "message": "='Not ' + input.note"}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [{"name": "kept_rows", "columns": [{"name": "token", **TEXT}, {"name": "note", **TEXT}]}],
    "views": [{"name": "kept", "table": "kept_rows", "columns": ["id", "token", "note"], "access": "public",
               "allow": ["select", "insert", "update"]}],
    "endpoints": [
        endpoint("enter", {"do": "set", "values": {"given": "=input.password", "all": "=input"}}, NEVER, **SECRETS),
        endpoint(
            "keep",
            {"do": "insert", "table": "kept_rows",
             "set": {"token": "=input.api_token", "note": "=input.password == null ? '' : input.password + '!'"}},
            {"do": "fail", "status": 409, "message": "='Not ' + input.api_token"},
            **SECRETS,
        ),
        endpoint(
            "broken",
            {"do": "set", "values": {"n": "=input.password == null ? 0 : int(input.password)"}}, {"do": "respond"},
            **SECRETS,
        ),
        endpoint(
            "reset", {"do": "fail", "status": 410}, method="GET", path="/reset/{token}/{other}",
            input={"path": {"token": TEXT, "other": TEXT}},
        ),
        endpoint("asked", {"do": "require", "that": 'request.headers["x-note"] == "right"'}, method="GET"),
    ],
}  # fmt: skip
# A request with a marker in each place where a credential or a password may stand.
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    *(
        ("GET", path, {"headers": {name: value}})
        for path in ("/api/asked", "/rest/v1/kept", "/api/nowhere")
        for name, value in (
            ("Authorization", "Bearer MARKER"), ("Authorization", "Basic MARKER"), ("Authorization", "MARKER"),
            ("Authorization", "Bearer rgk_MARKERMARKER"),
            ("Authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.MARKER.MARKER"),
            ("apikey", "MARKER"), ("apikey", "rgk_MARKERMARKER"), ("apikey", "rgp_MARKERMARKER"),
            ("Cookie", "session=MARKER"), ("Proxy-Authorization", "Basic MARKER"), ("X-Api-Key", "MARKER"),
            ("X-Auth-Token", "MARKER"),
        )
    ),
    *(
        ("GET", f"{path}?{query}", {})
        for path in ("/rest/v1/kept", "/rest/v1/nowhere", "/api/nowhere", "/api/asked")
        for query in (
            "apikey=MARKER", "api_key=MARKER", "token=MARKER", "access_token=MARKER", "refresh_token=MARKER",
            "password=MARKER", "user%5Bpassword%5D=MARKER", "code=MARKER", "client_secret=MARKER", "jwt=MARKER",
            "token=eq.MARKER", "token=not.eq.MARKER", "token=in.(MARKER,b)", "token=xx.MARKER", "or=(token.eq.MARKER)",
            "and=(note.eq.a,token.not.like.MARKER)", "or=(token.xx.MARKER)", "or=(token.in.(a,MARKER))",
            "or=(note.eq.a,and(token.eq.%22MARKER%22))", "note=rgk_MARKERMARKER", "note=eq.eyJhbGciOiJIUzI1NiJ9.MARKER",
            "x=Bearer+MARKER", "%74oken=MARKER", "a=b&token=MARKER;", "token=MARKER%FF", "token=MARKER&token=MARKER",
        )
    ),
    ("GET", "/api/reset/MARKER/plain", {}),
    ("GET", "/api/reset/rgk_MARKERMARKER/plain", {}),
    *(
        ("POST", f"/{where}/{name}", {"json": {"password": "MARKER", "api_token": "MARKER", "note": "plain"}})
        for where in ("api", "rest/v1/rpc", "functions/v1")
        for name in ("enter", "keep", "broken")
    ),
    ("POST", "/api/enter", {"json": {"passwort": "MARKER", "token": ["MARKER"], "password": {"a": "MARKER"}}}),
    ("POST", "/api/enter", {"content": '{"password": "MARKER', "headers": {"Content-Type": "application/json"}}),
    ("POST", "/rest/v1/kept", {"json": {"token": "MARKER"}}),
    ("POST", "/rest/v1/kept", {"json": [{"token": "MARKER", "note": "a"}, {"token": "MARKER", "note": "b"}]}),
    ("PATCH", "/rest/v1/kept?token=eq.MARKER", {"json": {"token": "MARKERMARKER"}}),
    ("POST", "/rest/v1/kept", {"json": {"token": "MARKER", "nothing": 1}}),
]  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(shared_url: str) -> AsyncIterator[Backend]:
    async with serving(shared_url, DOCUMENT) as backend:
        yield backend


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(backend: Backend) -> dict[str, str]:
    return await backend.admin()


def shows(text: str, marked: str) -> str:
    """Give where a marker stands in what is told, with what is around it."""
    at = text.lower().find(marked.lower())
    return "" if at < 0 else text[max(0, at - 60) : at + 40]


def marked(value: Any, marker: str) -> Any:
    return json.loads(json.dumps(value).replace("MARKER", marker))


async def test_the_list_of_requests_and_the_log_show_none(
    backend: Backend, admin: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "httpx")  # the test's own client, which tells what it asks
    shown = []
    for number, (method, path, more) in enumerate(REQUESTS):
        marker = f"mark{number}x"
        sent = marked(more, marker)
        sent["headers"] = {**sent.get("headers", {}), "X-Request-Id": f"r{number}"}
        answer = await backend.client.request(method, path.replace("MARKER", marker), **sent)
        if answer.status_code < 400:
            continue
        told = await backend.client.get(f"/admin/v1/requests/r{number}", headers=admin)
        assert (told.status_code, told.json()["status"]) == (200, answer.status_code)
        shown.append((method, path, more, shows(told.text, marker), shows(caplog.text, marker)))
    assert len(shown) > 60
    leaks = [one for one in shown if one[3] or one[4]]
    assert leaks == []


async def test_a_credential_that_reads_like_a_word_of_the_trace_changes_nothing_else(
    backend: Backend, admin: dict[str, str]
) -> None:
    for word in ("passed", "refused", "require", "execute"):
        body = {"password": word, "api_token": word, "note": "plain"}
        said = {"method": "POST", "path": "/api/enter", "body": body}
        told = (await backend.client.post("/admin/v1/simulate", json=said, headers=admin)).json()["trace"][-1]
        assert (told["stage"], told["decision"], told["steps"][-1]["step"]) == ("execute", "refused", "require")
        await backend.client.post("/api/enter", json=body, headers={"X-Request-Id": f"r-{word}"})
        found = (await backend.client.get(f"/admin/v1/requests/r-{word}", headers=admin)).json()
        assert (found["stage"], found["step"]["step"]) == ("execute", "require")
        assert found["step"]["rules"][0]["saw"] == {"given": "[redacted]"}


async def test_traces_of_simulate_show_none(backend: Backend, admin: dict[str, str]) -> None:
    shown = []
    for number, (method, path, more) in enumerate(REQUESTS):
        if "content" in more:
            continue
        marker = f"mark{number}x"
        where, _, query = path.replace("MARKER", marker).partition("?")
        said = {"method": method, "path": where, "query": query, **marked(more, marker)}
        said["body"] = said.pop("json", None)
        answer = await backend.client.post("/admin/v1/simulate", json=said, headers=admin)
        assert answer.status_code == 200, answer.text
        shown.append((method, path, more, shows(json.dumps(answer.json()["trace"]), marker)))
    leaks = [one for one in shown if one[3]]
    assert leaks == []


async def test_accounts_and_admins_leave_no_password_or_token_in_the_log(
    backend: Backend, admin: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "httpx")  # the test's own client, which tells what it asks
    body = {"email": "a@example.com", "password": "marker and more words", "token": "marker", "refresh_token": "marker"}
    for path in (
        "/auth/v1/signup", "/auth/v1/token?grant_type=password", "/auth/v1/token?grant_type=refresh_token",
        "/auth/v1/verify", "/admin/v1/sign-in", "/admin/v1/setup", "/admin/v1/refresh",
    ):  # fmt: skip
        answer = await backend.client.post(f"{path}{'&' if '?' in path else '?'}apikey=marker", json=body)
        assert answer.status_code < 500
    listed = await backend.client.get("/admin/v1/requests", headers=admin)
    assert (shows(caplog.text, "marker"), shows(listed.text, "marker")) == ("", "")
