"""Signing up: refusals first."""

import asyncio
from typing import Any

import pytest

from tests.auth.conftest import DOCUMENT, sign_in
from tests.backend import PASSWORD, Backend, serving


async def sign_up(backend: Backend, **body: Any) -> Any:
    return await backend.client.post("/auth/v1/signup", json={"password": PASSWORD, **body})


async def people(backend: Backend) -> int:
    return int((await backend.sql("SELECT count(*) FROM data.users"))[0][0])


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "email", ["", "a", "a@", "@example.com", "a b@example.com", "a@example.com\n,b@x.com", "x" * 400]
)
async def test_what_is_no_address_makes_no_account(refusing: Backend, email: str) -> None:
    answer = await sign_up(refusing, email=email)
    assert (answer.status_code, answer.json()["code"]) == (422, "auth.email_invalid")
    assert await people(refusing) == 2


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("password", "code"),
    [("2 tiny", "password.too_short"), ("password123", "password.common"), ("x" * 1025, "password.too_long"),
     ("alice.alice1", "password.personal"), ("my rowgate pass", "password.common")],
)  # fmt: skip
async def test_a_weak_or_endless_password_makes_no_account(refusing: Backend, password: str, code: str) -> None:
    answer = await sign_up(refusing, email="alice.alice@example.com", password=password)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["error_code"]) == (
        422,
        "auth.password_refused",
        "weak_password",
    )
    assert problem["errors"] == [{"loc": ["body", "password"], "code": code, "message": problem["detail"]}]
    assert problem["weak_password"]["reasons"] == ["pwned" if code.endswith(("common", "personal")) else "length"]
    assert password not in answer.text
    assert await people(refusing) == 2


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "extra",
    [{"role": "support"}, {"is_admin": True}, {"email_verified": True}, {"id": "018f0000-0000-7000-8000-000000000001"},
     {"created_at": "2020-01-01T00:00:00Z"}, {"app_metadata": {"roles": ["support"]}}],
    ids=str,
)  # fmt: skip
async def test_nobody_signs_up_with_more_than_address_password_and_data(
    refusing: Backend, extra: dict[str, Any]
) -> None:
    answer = await sign_up(refusing, email="carol@example.com", **extra)
    assert (answer.status_code, answer.json()["code"]) == (422, "input.invalid")
    assert await people(refusing) == 2


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", ["plan", "id", "email", "created_at", "roles", "password_hash", "nothing"])
async def test_data_holds_only_columns_that_one_may_set_oneself(refusing: Backend, name: str) -> None:
    answer = await sign_up(refusing, email="carol@example.com", data={name: "pro", "display_name": "x" * 21})
    assert answer.status_code == 422
    assert {tuple(one["loc"]) for one in answer.json()["errors"]} == {
        ("body", "data", name),
        ("body", "data", "display_name"),
    }
    assert await people(refusing) == 2


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "email", ["Alice@Example.com", " alice@example.com ", "ａlice@example.com", "ALICE@EXAMPLE.COM"]
)
async def test_an_address_has_one_account_however_it_is_spelled(refusing: Backend, email: str) -> None:
    answer = await sign_up(refusing, email=email)
    assert (answer.status_code, answer.json()["error_code"]) == (422, "user_already_exists")
    assert await people(refusing) == 2
    assert (await sign_in(refusing, email, PASSWORD)).status_code == 200


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "body", [b'{"email": "a@b.c", "email": "b@b.c", "password": "x"}', b'{"email": NaN}', b"[1]", b"{", b"\xff"]
)
async def test_json_that_readers_understand_differently_is_refused(refusing: Backend, body: bytes) -> None:
    answer = await refusing.client.post("/auth/v1/signup", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_beyond_its_bound_or_of_another_type_is_not_read(backend: Backend) -> None:
    large = await backend.client.post("/auth/v1/signup", json={"email": "x" * 70_000})
    other = await backend.client.post("/auth/v1/signup", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (large.status_code, other.status_code) == (413, 415)


async def test_a_session_comes_with_the_members_that_clients_read(backend: Backend) -> None:
    answer = await sign_up(backend, email="Alice@example.com", data={"display_name": "Alice"})
    assert answer.status_code == 200
    session = answer.json()
    assert set(session) == {"access_token", "token_type", "expires_in", "expires_at", "refresh_token", "user"}
    assert (session["token_type"], session["expires_in"]) == ("bearer", 900)
    user = session["user"]
    assert (user["email"], user["aud"], user["role"]) == ("alice@example.com", "authenticated", "authenticated")
    assert user["user_metadata"] == {"display_name": "Alice", "plan": "free"}
    assert user["app_metadata"]["roles"] == []
    assert user["email_confirmed_at"] is not None
    assert answer.headers.get_list("cache-control") == ["no-store"]


async def test_where_addresses_are_confirmed_nobody_learns_who_has_an_account(migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT, confirm_email=True) as backend:
        first = await sign_up(backend, email="alice@example.com", data={"display_name": "Alice"})
        again = await sign_up(backend, email="alice@example.com", data={"display_name": "Alice"})
        assert (first.status_code, again.status_code) == (200, 200)
        drawn = {"id", "created_at", "updated_at"}
        drawn_of_identity = drawn | {"identity_id", "user_id"}
        shown: list[Any] = []
        for one in (first, again):
            (identity,) = one.json()["identities"]
            assert identity["identity_data"].pop("sub") == one.json()["id"]
            shown.append(
                [
                    {k: v for k, v in one.json().items() if k not in drawn | {"identities"}},
                    {k: v for k, v in identity.items() if k not in drawn_of_identity},
                ]
            )
        assert shown[0] == shown[1]
        assert list(first.json()) == list(again.json())
        assert first.json()["id"] != again.json()["id"]
        assert first.json()["id"][14] == again.json()["id"][14] == "7"
        assert "access_token" not in first.json()
        assert await people(backend) == 1
        # The right password doesn't help before the address is confirmed.
        refused = await sign_in(backend, "alice@example.com", PASSWORD)
        assert (refused.status_code, refused.json()["error_code"]) == (403, "email_not_confirmed")


async def test_of_many_sign_ups_with_one_address_at_once_one_counts(backend: Backend) -> None:
    answers = await asyncio.gather(*(sign_up(backend, email="alice@example.com") for _ in range(8)))
    assert sorted(one.status_code for one in answers) == [200] + [422] * 7
    assert await people(backend) == 1


async def test_long_passwords_count_to_the_last_character(backend: Backend) -> None:
    password = "".join(f"word{n} " for n in range(200))[:1024]
    assert (await sign_up(backend, email="alice@example.com", password=password)).status_code == 200
    assert (await sign_in(backend, "alice@example.com", password)).status_code == 200
    assert (await sign_in(backend, "alice@example.com", password[:-1] + "z")).status_code == 401


async def test_the_settings_say_what_is_offered(backend: Backend) -> None:
    answer = await backend.client.get("/auth/v1/settings")
    assert (answer.json()["external"]["email"], answer.json()["mailer_autoconfirm"]) == (True, True)
    assert (await backend.client.get("/auth/v1/health")).status_code == 200
    assert (await backend.client.get("/auth/v1/.well-known/jwks.json")).json() == {"keys": []}
