from collections.abc import AsyncIterator

import pytest

from tests.backend import Backend, serving

APP, OTHER = "https://app.example.com", "https://evil.example.com"
DOCUMENT = {
    "rowgate": 1,
    "project": {"cors_origins": ["https://second.example.com", "https://*.pages.example"]},
    "endpoints": [
        {
            "name": "hello",
            "method": "GET",
            "path": "/hello",
            "access": "public",
            "steps": [{"do": "respond", "body": "hello"}],
        }
    ],
}


@pytest.fixture
async def backend(migrated_url: str) -> AsyncIterator[Backend]:
    async with serving(migrated_url, DOCUMENT, cors_origins=APP) as backend:
        yield backend


@pytest.mark.parametrize(
    "origin",
    [OTHER, "null", "https://app.example.com.evil.example.com", "http://app.example.com", "https://pages.example"],
)
async def test_a_page_of_another_origin_is_allowed_nothing(backend: Backend, origin: str) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    for answer in (
        await backend.client.options("/api/hello", headers=asked),
        await backend.client.get("/api/hello", headers={"Origin": origin}),
        await backend.client.get("/healthz", headers={"Origin": origin}),
    ):
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["vary"] == "origin"


@pytest.mark.parametrize("origin", [APP, "https://second.example.com", "https://pr-7.pages.example"])
async def test_a_page_of_a_listed_origin_may_call(backend: Backend, origin: str) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "apikey, content-type",
    }
    preflight = await backend.client.options("/api/hello", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == origin
    assert preflight.headers["access-control-allow-headers"] == "apikey, content-type"
    answer = await backend.client.get("/api/hello", headers={"Origin": origin})
    assert (answer.json(), answer.headers["access-control-allow-origin"]) == ("hello", origin)
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_plain_options_names_the_methods(backend: Backend) -> None:
    answer = await backend.client.options("/api/hello")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert (await backend.client.options("/api/nothing")).status_code == 404
