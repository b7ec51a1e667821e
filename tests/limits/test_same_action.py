"""Whoever says the same thing in another way is counted all the same: by alias, method, spelling, and many at once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.backend import Backend, serving

Asked = tuple[str, str, Any]  # the method, the path, and what httpx is given besides
LIMIT = {"do": "rate_limit", "limit": "3/minute"}
DONE = {"do": "respond", "body": "done"}
NOTES = {"name": "notes", "columns": [{"name": "body", "type": "text"}]}
PUBLIC = {"access": "public"}
TEXT = {"type": "text"}
FIELDS = {"body": {"email": TEXT, "n": {"type": "integer"}}, "query": {"a": TEXT, "b": TEXT}}
DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "tables": [NOTES],
    "middleware": [{"name": "few", "steps": [LIMIT]}, {"name": "together", "steps": [{**LIMIT, "scope": "both"}]}],
    "views": [
        {"name": "seen", "table": "notes", "columns": ["id", "body"], **PUBLIC, "middleware": ["few"],
         "allow": ["select", "insert", "update", "delete"]},
    ],
    "endpoints": [
        {"name": "act", "method": "POST", "path": "/act", **PUBLIC, "input": FIELDS, "steps": [LIMIT, DONE]},
        {"name": "look", "method": "GET", "path": "/look", **PUBLIC, "input": {"query": FIELDS["query"]},
         "steps": [LIMIT, DONE]},
        {"name": "refuses", "method": "POST", "path": "/refuses", **PUBLIC,
         "steps": [LIMIT, {"do": "insert", "table": "notes", "set": {"body": "x"}}, {"do": "fail", "status": 409}]},
        {"name": "one", "method": "POST", "path": "/one", **PUBLIC, "middleware": ["together"], "steps": [DONE]},
        {"name": "two", "method": "POST", "path": "/two", **PUBLIC, "middleware": ["together"], "steps": [DONE]},
        {"name": "here", "method": "POST", "path": "/here", **PUBLIC, "middleware": ["few"], "steps": [DONE]},
        {"name": "there", "method": "POST", "path": "/there", **PUBLIC, "middleware": ["few"], "steps": [DONE]},
    ],
}  # fmt: skip


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as served:
        yield served


async def statuses(backend: Backend, *calls: Asked) -> list[int]:
    found = []
    for method, path, more in calls:
        answer: httpx.Response = await backend.client.request(method, path, **more)
        found.append(answer.status_code)
    return found


def act(path: str = "/api/act", body: Any = None, **headers: str) -> Asked:
    return "POST", path, {"json": body or {}, "headers": headers}


async def test_other_values_headers_and_orders_are_the_same_caller(backend: Backend) -> None:
    calls = [
        act("/api/act?a=1&b=2", {"email": "a@example.com", "n": 1}, **{"X-Forwarded-For": "10.0.0.1"}),
        act("/api/act?b=2&a=1", {"n": 2, "email": "b@e.com"}, **{"x-forwarded-FOR": "1.0.0.2", "X-Real-IP": "::1"}),
        act("/api/act", {"email": "c@example.com"}, Forwarded="for=10.0.0.3", X_FORWARDED_FOR="10.0.0.4"),
        act("/api/act?a=3", {"email": "d@example.com"}, **{"True-Client-IP": "10.0.0.5", "User-Agent": "other"}),
    ]  # fmt: skip
    assert await statuses(backend, *calls) == [200, 200, 200, 429]
    unknown = [act("/api/act", {"other": 1}), act("/api/act?other=1"), act("/api/act", {"email": "A@EXAMPLE.com"})]
    assert (await statuses(backend, *unknown))[-1] == 429


async def test_aliases_of_an_endpoint_are_one_action(backend: Backend) -> None:
    paths = ("/api/act", "/rest/v1/rpc/act", "/functions/v1/act", "/rest/v1/rpc/act", "/api/act")
    assert await statuses(backend, *(act(path) for path in paths)) == [200, 200, 200, 429, 429]


async def test_a_slash_a_capital_or_another_method_gives_no_way_around(backend: Backend) -> None:
    around = [act(path) for path in ("/api/act/", "/api//act", "/api/ACT", "/api/act;a", "/api/act/%2e")]
    others: list[Asked] = [(method, "/api/act", {}) for method in ("GET", "PUT", "PATCH", "DELETE", "HEAD")]
    seen = await statuses(backend, *around, *others)
    assert set(seen) <= {404, 405}
    override = act(**{"X-HTTP-Method-Override": "GET", "X-Original-URL": "/api/look"})
    assert await statuses(backend, override, act("/api/%61ct"), act(), act()) == [200, 200, 200, 429]


async def test_head_counts_as_the_get_that_it_is(backend: Backend) -> None:
    methods, queries = ("HEAD", "GET", "HEAD", "HEAD", "GET"), ("", "?a=1&b=2", "?b=2&a=1", "", "")
    calls: list[Asked] = [(one, f"/api/look{query}", {}) for one, query in zip(methods, queries, strict=True)]
    assert await statuses(backend, *calls) == [200] * 3 + [429] * 2


async def test_every_request_on_a_view_counts_whatever_it_does(backend: Backend) -> None:
    batch = {"json": [{"body": "a"}, {"body": "b"}]}
    calls = [("POST", "/rest/v1/seen", batch), ("HEAD", "/rest/v1/seen", {}), ("GET", "/rest/v1/seen?select=body", {})]
    more = [("POST", "/rest/v1/seen", batch), ("PATCH", "/rest/v1/seen?body=eq.a", {"json": {"body": "c"}}),
            ("DELETE", "/rest/v1/seen?body=eq.a", {}), ("GET", "/rest/v1/seen", {})]  # fmt: skip
    assert await statuses(backend, *calls, *more) == [201, 200, 200, 429, 429, 429, 429]
    assert len(await backend.sql("SELECT 1 FROM data.notes")) == 2


async def test_many_at_once_are_counted_each(backend: Backend) -> None:
    answers = await asyncio.gather(*(backend.client.post("/api/act", json={}) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 17


async def test_a_request_that_is_refused_behind_the_step_has_counted(backend: Backend) -> None:
    calls: list[Asked] = [("POST", "/api/refuses", {})] * 5
    assert await statuses(backend, *calls) == [409, 409, 409, 429, 429]
    assert await backend.sql("SELECT 1 FROM data.notes") == []


async def test_a_scope_counts_together_and_a_middleware_alone_by_endpoint(backend: Backend) -> None:
    together = [act("/api/one"), act("/api/two"), act("/api/one"), act("/api/two"), act("/api/one")]
    assert await statuses(backend, *together) == [200, 200, 200, 429, 429]
    apart = [act("/api/here")] * 3 + [act("/api/there")] * 3 + [act("/api/here"), act("/api/there")]
    assert await statuses(backend, *apart) == [200] * 6 + [429] * 2


async def test_wrong_passwords_are_counted_whoever_they_are_tried_for(backend: Backend) -> None:
    async def wrong(number: int, path: str = "/auth/v1/token?grant_type=password", **headers: str) -> int:
        body = {"email": f"p{number}@example.com", "password": "wrong"}
        return (await backend.client.post(path, json=body, headers=headers)).status_code

    for number in range(20):
        assert await wrong(number) == 401
    spoofed = {"X-Forwarded-For": "10.0.0.1", "x-real-ip": "10.0.0.2"}
    assert await wrong(21) == await wrong(22, "/auth/v1/token?x=1&grant_type=password", **spoofed) == 429
    slash = await backend.client.post("/auth/v1/token/?grant_type=password", json={}, follow_redirects=True)
    assert slash.status_code in {404, 422, 429}


async def test_the_spellings_of_an_address_are_one_account(backend: Backend) -> None:
    await backend.sign_up("alice")
    spelt = ["alice@example.com", "Alice@Example.com", " alice@example.com", "ALICE@EXAMPLE.COM", "alice@EXAMPLE.com"]
    for email in [*spelt, "aLICE@example.com"]:
        body = {"email": email, "password": "wrong"}
        status = (await backend.client.post("/auth/v1/token?grant_type=password", json=body)).status_code
    assert status == 429
