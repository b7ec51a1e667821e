"""The admins' sessions of browsers: a cookie for the refresh token, and only for pages of this server."""

from typing import Any

import pytest

from app.control_plane.browser_session import COOKIE, PATH
from tests.backend import ADMIN_PASSWORD, Backend, serving

BODY = {"email": "root@example.com", "password": ADMIN_PASSWORD}
HERE = {"Origin": "http://testserver"}


async def sign_in(backend: Backend, headers: dict[str, str]) -> Any:
    return await backend.client.post(f"{PATH}/sign-in", json=BODY, headers=headers)


async def refresh(backend: Backend, headers: dict[str, str], token: str | None) -> Any:
    backend.client.cookies.clear()
    cookie = {} if token is None else {"Cookie": f"{COOKIE}={token}"}
    return await backend.client.post(f"{PATH}/refresh", headers={**headers, **cookie})


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://testserver:81", "http://testserver.evil.example"]
)
async def test_a_page_of_another_origin_neither_signs_in_nor_goes_on(backend: Backend, origin: str | None) -> None:
    await backend.admin()
    token = (await sign_in(backend, HERE)).cookies[COOKIE]
    headers = {} if origin is None else {"Origin": origin}
    for answer in (await sign_in(backend, headers), await refresh(backend, headers, token)):
        assert (answer.status_code, answer.json()["code"]) == (403, "admin.other_origin")
        assert "set-cookie" not in answer.headers
    assert (await refresh(backend, HERE, token)).status_code == 200  # it wasn't used up by those


async def test_no_cookie_and_one_that_is_no_token_are_refused(backend: Backend) -> None:
    await backend.admin()
    for token in (None, "x", "a" * 43):
        answer = await refresh(backend, HERE, token)
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.refresh_token_invalid")


async def test_the_refresh_token_is_only_in_a_cookie_that_scripts_and_other_sites_dont_get(backend: Backend) -> None:
    await backend.admin()
    answer = await sign_in(backend, HERE)
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "expires_at"}
    said = answer.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=strict", f"Path={PATH}", "Max-Age=604800"} <= set(said)
    assert "Secure" not in said
    assert answer.cookies[COOKIE] not in answer.text


async def test_a_page_by_https_gets_a_cookie_that_goes_by_https_alone(backend: Backend) -> None:
    await backend.admin()
    answer = await sign_in(backend, {"Origin": "https://testserver"})
    assert "Secure" in answer.headers["set-cookie"].split("; ")


async def test_the_cookie_is_replaced_each_time_and_ends_with_the_session(backend: Backend) -> None:
    await backend.admin()
    first = (await sign_in(backend, HERE)).cookies[COOKIE]
    answer = await refresh(backend, HERE, first)
    second = answer.cookies[COOKIE]
    assert second != first
    bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await backend.client.get("/admin/v1/settings", headers=bearer)).status_code == 200
    assert (await backend.client.post("/admin/v1/sign-out", headers=bearer)).status_code == 204
    assert (await refresh(backend, HERE, second)).status_code == 401


async def test_the_public_url_counts_as_the_own_origin(migrated_url: str) -> None:
    document = {"rowgate": 1}
    async with serving(migrated_url, document, public_url="https://api.example.com/there") as backend:
        await backend.admin()
        assert (await sign_in(backend, {"Origin": "https://api.example.com"})).status_code == 200
        assert (await sign_in(backend, {"Origin": "https://example.com"})).status_code == 403
