"""What anybody may ask for as often as they like asks the database nothing."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asyncpg.connection import Connection

from app.compiler.runtime import Runtime
from app.data_plane import reload
from app.data_plane.described import openapi as surface
from app.data_plane.described.openapi import openapi_document
from tests.backend import Backend, serving
from tests.statements import of_this_task

DOCUMENT: dict[str, Any] = {
    "rowgate": 1,
    "roles": [{"name": "staff"}],
    "tables": [{"name": "notes", "columns": [{"name": "body", "type": "text"}]}],
    "views": [{"name": "mine", "table": "notes", "columns": ["body"]}],
    "endpoints": [
        {"name": "act", "method": "POST", "path": "/act", "access": "authenticated",
         "steps": [{"do": "respond", "body": 1}]},
        {"name": "limited", "method": "POST", "path": "/limited", "access": "public",
         "input": {"body": {"n": {"type": "integer"}}},
         "steps": [{"do": "rate_limit", "limit": "1/hour"}, {"do": "respond", "body": 1}]},
        {"name": "closed", "method": "POST", "path": "/closed", "access": "public",
         "steps": [{"do": "time_window", "until": "2020-01-01T00:00:00", "timezone": "UTC"}]},
    ],
}  # fmt: skip
FIXED = [
    ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/auth/v1/settings"),
    ("GET", "/auth/v1/health"), ("GET", "/auth/v1/.well-known/jwks.json"), ("HEAD", "/healthz"), ("GET", "/nothing"),
]  # fmt: skip
REFUSED = [
    ("POST", "/api/act", {}, 401),
    ("GET", "/rest/v1/mine", {}, 401),
    ("GET", "/rest/v1/mine", {"Authorization": "Bearer a.b.c"}, 401),
    ("GET", "/rest/v1/mine", {"apikey": "rgk_" + "a" * 54}, 401),
    ("GET", "/auth/v1/user", {}, 401),
    ("GET", "/admin/v1/users", {}, 401),
    ("POST", "/api/nothing", {}, 404),
    ("GET", "/rest/v1/nothing", {}, 404),
    ("GET", "/api/act", {}, 405),
    ("OPTIONS", "/rest/v1/mine", {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}, None),
    ("POST", "/api/limited", {"Content-Type": "text/plain"}, 415),
    ("POST", "/api/limited", {}, 429),
    ("POST", "/api/closed", {}, 403),
]


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT) as served:
        # What looks after the server goes on in the background, and is not what is counted.
        await served.app.server.live.stop()
        assert (await served.client.post("/api/limited", json={})).status_code == 200
        yield served


@contextmanager
def counted() -> Iterator[list[str]]:
    """Note each statement of every connection, and each time that one is taken."""
    seen: list[str] = []
    # No statement that the server sends beside the requests is one of theirs.
    with pytest.MonkeyPatch.context() as patch, of_this_task() as here:
        for name in ("_execute", "execute"):
            whole = getattr(Connection, name)

            async def noting(self: Any, query: str, *more: Any, whole: Any = whole, **named: Any) -> Any:
                if here():
                    seen.append(query)
                return await whole(self, query, *more, **named)

            patch.setattr(Connection, name, noting)
        yield seen


async def test_statements_are_counted(backend: Backend) -> None:
    with counted() as statements:
        alice = await backend.sign_up("alice")
        assert (await alice.get("/rest/v1/mine")).status_code == 200
    assert any("mine" in one or "notes" in one for one in statements)


async def test_what_the_server_says_of_itself_asks_the_database_nothing(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "IN_TOUCH_SECONDS", 600.0)  # however seldom a busy machine lets it look
    with counted() as statements:
        for _ in range(20):
            answers = [await backend.client.request(method, path) for method, path in FIXED]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 200, 200, 405, 404]
    assert statements == []


async def test_the_document_is_made_once_for_a_revision(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def making(runtime: Runtime, *, server_url: str | None = None) -> Any:
        made.append(runtime.revision)
        return openapi_document(runtime, server_url=server_url)

    monkeypatch.setattr(surface, "openapi_document", making)
    for _ in range(5):
        assert (await backend.client.get("/openapi.json")).status_code == 200
    assert len(made) == 1


async def test_readiness_is_told_without_asking_also_while_the_database_is_away(backend: Backend) -> None:
    backend.app.server.live._seen -= 60
    with counted() as statements:
        answers = [await backend.client.get("/readyz") for _ in range(5)]
    assert {answer.status_code for answer in answers} == {503}
    assert statements == []


@pytest.mark.parametrize(("method", "path", "headers", "status"), REFUSED)
async def test_what_is_refused_to_a_stranger_asks_the_database_nothing(
    backend: Backend, method: str, path: str, headers: dict[str, str], status: int | None
) -> None:
    body = None if method != "POST" else b"{}"
    kind = {} if body is None else {"Content-Type": "application/json"}
    with counted() as statements:
        for _ in range(3):
            answer = await backend.client.request(method, path, content=body, headers={**kind, **headers})
            assert status is None or answer.status_code == status
    assert statements == []
