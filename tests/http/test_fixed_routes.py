"""Fixed routes are found by what stands in a path, whatever they are included under and whenever they were added."""

from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI, Response

from app.http.fixed_routes import FixedRouter, answer


def giving(said: str) -> Callable[[], Response]:
    return lambda: answer(said)


@pytest.mark.parametrize("under", ["", "/under", "/under/{whom}"])
async def test_a_route_is_found_and_no_other(under: str) -> None:
    first, second, any_of = FixedRouter(prefix="/first"), FixedRouter(), FixedRouter()
    first.add_api_route("", giving("first"))
    first.add_api_route("/{number}/of", giving("of"), methods=["POST"])
    second.add_api_route("/second part", giving("second"))
    any_of.add_api_route("/{name}", giving("any"))
    app = FastAPI()
    for router in (first, second, any_of):
        app.include_router(router, prefix=under)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://a{under.format(whom='first')}/") as client:

        async def asked(method: str, path: str) -> object:
            found = await client.request(method, path)
            return found.json() if found.status_code == 200 else (found.status_code, found.headers.get("allow"))

        assert await asked("GET", "first") == "first"
        assert await asked("POST", "first/7/of") == "of"
        assert await asked("GET", "first/7/of") == (405, "POST")
        assert await asked("GET", "second%20part") == "second"
        assert await asked("GET", "third") == "any"
        assert await asked("GET", "third/7/of") == (404, None)
        assert await asked("GET", "first/") == (307, None)
        first.add_api_route("/late", giving("late"))
        second.add_api_route("/new/late", giving("new"))
        assert await asked("GET", "first/late") == "late"
        assert await asked("GET", "new/late") == "new"
