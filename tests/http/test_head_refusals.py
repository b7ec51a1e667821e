"""A head that is refused is refused in the form that its path has, and so that the page which asks can read it."""

import json
from typing import Any

import pytest

from tests.http.test_overload import ORIGIN, Flooded, flooded

__all__ = ["flooded"]
LONG = b"?id=in.(" + b"a" * 400_000 + b")"


async def refused(server: Flooded, target: bytes, *fields: bytes) -> tuple[int, dict[str, str], Any]:
    lines = [b"GET " + target + b" HTTP/1.1", b"Host: x", *fields, b"", b""]
    head, _, body = (await server.sent(b"\r\n".join(lines))).partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in headers), json.loads(body)


@pytest.mark.parametrize(
    ("target", "fields", "status", "code"),
    [
        (b"/api/quick" + LONG, [], 414, "request.address_too_long"),
        (b"/api/quick", [b"X: " + b"y" * 40_000], 431, "request.headers_too_large"),
        (b"/api/quick", [b"X: y"] * 101, 431, "request.headers_too_large"),
        (b"/api/quick", [b"Host: y"], 400, "request.head_invalid"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
async def test_a_head_past_a_bound_is_a_problem_that_the_page_can_read(
    flooded: Flooded, target: bytes, fields: list[bytes], status: int, code: str, first: bool
) -> None:
    origin = [f"Origin: {ORIGIN}".encode(), b"X-Request-Id: mine"]
    told = [*origin, *fields] if first else [*fields, *origin]
    found, headers, problem = await refused(flooded, target, *told)
    assert (found, problem["status"], problem["code"]) == (status, status, code)
    assert headers["content-type"] == "application/problem+json"
    assert headers["access-control-allow-origin"] == ORIGIN
    assert headers["x-request-id"] == problem["request_id"] == "mine"
    _, others, _ = await refused(flooded, target, *fields, b"Origin: https://evil.example")
    assert "access-control-allow-origin" not in others


async def test_each_dialect_has_its_own_members(flooded: Flooded) -> None:
    _, _, rest = await refused(flooded, b"/rest/v1/seen" + LONG)
    assert (rest["code"], rest["rowgate_code"]) == ("request.address_too_long",) * 2
    assert rest["message"] == rest["detail"]
    assert "POST /rest/v1/<view>/query" in rest["hint"]
    _, _, auth = await refused(flooded, b"/auth/v1/user" + LONG)
    assert auth["msg"] == auth["detail"]


async def test_a_query_of_800_ids_is_answered(flooded: Flooded) -> None:
    ids = ",".join(["018f0000-0000-7000-8000-00000000000a"] * 800)
    answer = await flooded.client.get(f"/rest/v1/seen?body=in.({ids})")
    assert (answer.status_code, answer.json()) == (200, [])
