"""The second factor of admins: what is refused first, then what a code opens; and that it can't be walked around."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from app.auth import factors
from app.cli.reset_password import reset
from app.secrets.rotation import rotate
from tests.auth.admins import SomeAdmin, mails_to, some_admin, uncounted
from tests.auth.conftest import told
from tests.backend import ADMIN_PASSWORD, OTHER_SECRET_KEY, SECRET_KEY, Backend, serving
from tests.control_plane.test_ranks import FILLED, ROUTES

pytestmark = pytest.mark.asyncio(loop_scope="module")
DOCUMENT: dict[str, Any] = {"rowgate": 1}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(shared_url: str) -> AsyncIterator[Backend]:
    async with serving(shared_url, DOCUMENT) as backend:
        yield backend


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(served: Backend) -> dict[str, str]:
    return await served.admin()


@pytest_asyncio.fixture(loop_scope="module")
async def backend(served: Backend) -> AsyncIterator[Backend]:
    async with uncounted(served) as client:
        yield client


async def test_a_password_alone_opens_nothing_once_there_is_a_factor(backend: Backend, owner: dict[str, str]) -> None:
    ada = await (await some_admin(backend, owner, "ada")).with_factor()
    sessions = "SELECT count(*) AS n FROM rowgate.admin_sessions WHERE admin_id = $1"
    before = await backend.sql(sessions, ada.id)
    assert told(await ada.sign_in()) == (401, "admin.code_needed")
    for wrong in ("000000", "", "x" * 100, "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa"):
        assert told(await ada.sign_in(wrong)) == (422, "auth.factor_code_wrong")
    assert await backend.sql(sessions, ada.id) == before
    page = {"Origin": "http://testserver"}
    body = {"email": ada.email, "password": ADMIN_PASSWORD}
    refused = await backend.client.post("/admin/v1/browser/sign-in", json=body, headers=page)
    assert told(refused) == (401, "admin.code_needed")
    assert "set-cookie" not in refused.headers
    right = await backend.client.post(
        "/admin/v1/browser/sign-in", json={**body, "code": await ada.code()}, headers=page
    )
    assert right.status_code == 200


async def test_a_wrong_password_with_a_right_code_tells_nothing(backend: Backend, owner: dict[str, str]) -> None:
    bea = await (await some_admin(backend, owner, "bea")).with_factor()
    bea.password = "quite another password"
    assert told(await bea.sign_in(await bea.code(0))) == (401, "auth.credentials_invalid")
    bea.password = ADMIN_PASSWORD
    assert (await bea.sign_in(await bea.code(0))).status_code == 200  # which the wrong password didn't use up


async def test_a_code_counts_once_also_of_many_at_once(backend: Backend, owner: dict[str, str]) -> None:
    cat = await (await some_admin(backend, owner, "cat")).with_factor()
    code = await cat.code()
    answers = await asyncio.gather(*(cat.sign_in(code) for _ in range(5)))
    assert sorted(one.status_code for one in answers) == [200, 422, 422, 422, 422]


async def test_tries_are_bounded_however_they_are_sent(backend: Backend, owner: dict[str, str]) -> None:
    dan = await (await some_admin(backend, owner, "dan")).with_factor()
    answers = await asyncio.gather(*(dan.sign_in(f"00000{n}") for n in range(8)))
    assert sorted(one.status_code for one in answers) == [422] * 5 + [429] * 3
    assert told(await dan.sign_in(await dan.code())) == (429, "auth.too_many_failures")
    assert told(await dan.sign_in(dan.codes[0])) == (429, "auth.too_many_failures")


async def test_a_recovery_code_stands_in_once(backend: Backend, owner: dict[str, str]) -> None:
    eve = await (await some_admin(backend, owner, "eve")).with_factor()
    assert len(set(eve.codes)) == 10
    assert (await eve.sign_in(eve.codes[0])).status_code == 200
    assert told(await eve.sign_in(eve.codes[0])) == (422, "auth.factor_code_wrong")
    assert (await eve.call("GET", "/account")).json()["recovery_codes_left"] == 9
    made = await eve.call("POST", "/account/recovery-codes", {"current_password": ADMIN_PASSWORD})
    assert told(await eve.sign_in(eve.codes[1])) == (422, "auth.factor_code_wrong")
    assert (await eve.sign_in(made.json()["codes"][0])).status_code == 200


async def test_a_factor_is_added_and_taken_away_with_the_present_password_alone(
    backend: Backend, owner: dict[str, str]
) -> None:
    fay = await some_admin(backend, owner, "fay")
    wrong = {"current_password": "quite another password"}
    assert told(await fay.call("POST", "/account/factors", wrong)) == (403, "auth.password_wrong")
    none = await fay.call("POST", "/account/recovery-codes", {"current_password": ADMIN_PASSWORD})
    assert told(none) == (404, "auth.factor_not_found")
    await fay.with_factor()
    remove = f"/account/factors/{fay.factor['id']}/remove"
    assert told(await fay.call("POST", remove, wrong)) == (403, "auth.password_wrong")
    right = {"current_password": ADMIN_PASSWORD}
    for other in ("x", "018f0000-0000-7000-8000-00000000000a"):
        gone = await fay.call("POST", f"/account/factors/{other}/remove", right)
        assert told(gone) == (404, "auth.factor_not_found")
    assert (await fay.call("POST", remove, right)).status_code == 204
    about = (await fay.call("GET", "/account")).json()
    assert (about["factors"], about["recovery_codes_left"]) == ([], 0)
    assert (await fay.sign_in()).status_code == 200
    changes = [one["text"] for one in await mails_to(backend, owner, fay.email)]
    assert ["added" in changes[1], "taken away" in changes[0]] == [True, True]


async def test_nobody_takes_anothers_factor_for_ones_own(backend: Backend, owner: dict[str, str]) -> None:
    gus, hal = await some_admin(backend, owner, "gus"), await some_admin(backend, owner, "hal")
    await gus.add_factor()
    path = f"/account/factors/{gus.factor['id']}"
    assert told(await hal.call("POST", f"{path}/verify", {"code": await gus.code()})) == (404, "auth.factor_not_found")
    taken = await hal.call("POST", f"{path}/remove", {"current_password": ADMIN_PASSWORD})
    assert told(taken) == (404, "auth.factor_not_found")
    assert (await gus.sign_in()).status_code == 200  # a factor that was never verified asks for nothing


async def test_the_first_factor_ends_sessions_by_a_password_alone(backend: Backend, owner: dict[str, str]) -> None:
    ida = await some_admin(backend, owner, "ida")
    before = dict(ida.headers)
    await ida.sign_in()
    await ida.with_factor()
    assert (await ida.call("GET", "/account")).status_code == 200
    assert (await backend.client.get("/admin/v1/account", headers=before)).status_code == 401


async def test_no_factor_comes_into_force_by_a_session_that_the_first_one_ended(
    backend: Backend, owner: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ian = await some_admin(backend, owner, "ian")
    await ian.add_factor()
    count_try = factors.count_try

    async def slow(*parts: Any) -> None:
        await count_try(*parts)
        await backend.sql("UPDATE rowgate.admin_sessions SET revoked_at = now() WHERE admin_id = $1", ian.id)

    monkeypatch.setattr(factors, "count_try", slow)
    path = f"/account/factors/{ian.factor['id']}/verify"
    assert (await ian.call("POST", path, {"code": await ian.code()})).status_code == 401
    in_force = "SELECT FROM rowgate.admin_factors WHERE admin_id = $1 AND verified_at IS NOT NULL"
    assert await backend.sql(in_force, ian.id) == []


async def test_no_session_is_begun_by_a_password_that_was_checked_before_the_factor_came(
    backend: Backend, owner: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jan = await some_admin(backend, owner, "jan")
    await jan.add_factor()
    passwords = backend.app.server.auth.passwords
    verify = passwords.verify

    async def slow(*parts: Any) -> Any:
        checked = await verify(*parts)
        monkeypatch.undo()
        path = f"/account/factors/{jan.factor['id']}/verify"
        assert (await jan.call("POST", path, {"code": await jan.code()})).status_code == 200
        return checked

    monkeypatch.setattr(passwords, "verify", slow)
    assert told(await jan.sign_in()) == (401, "admin.code_needed")


async def test_an_owner_takes_another_admins_factor_away_and_not_the_own(
    backend: Backend, owner: dict[str, str]
) -> None:
    kim = await (await some_admin(backend, owner, "kim")).with_factor()
    chief = await some_admin(backend, owner, "chief", "owner")
    assert told(await chief.call("DELETE", f"/admins/{chief.id}/factors")) == (409, "admin.own_factor")
    assert told(await kim.call("DELETE", f"/admins/{chief.id}/factors")) == (403, "admin.role_missing")
    assert (await chief.call("DELETE", f"/admins/{kim.id}/factors")).status_code == 204
    assert (await kim.call("GET", "/account")).status_code == 401
    assert (await kim.sign_in()).status_code == 200
    assert "an owner took" in (await mails_to(backend, owner, kim.email))[0]["text"]
    listed = {one["email"]: one["second_factor"] for one in (await chief.call("GET", "/admins")).json()}
    assert (listed[kim.email], listed[chief.email]) == (False, False)
    await chief.with_factor()
    assert {one["email"] for one in (await chief.call("GET", "/admins")).json() if one["second_factor"]} >= {
        chief.email
    }


async def test_the_command_line_lets_the_last_owner_in_again(backend: Backend, owner: dict[str, str]) -> None:
    lou = await (await some_admin(backend, owner, "lou", "owner")).with_factor()
    new = "another much longer battery"
    await reset(backend.url, "admin", lou.email, new)
    lou.password = new
    assert told(await lou.sign_in()) == (401, "admin.code_needed")
    await reset(backend.url, "admin", lou.email, new, without_factor=True)
    assert (await lou.sign_in()).status_code == 200


async def test_the_secret_of_a_factor_is_sealed_and_carried_over_to_a_new_key(
    migrated_url: str,
) -> None:
    async with serving(migrated_url, DOCUMENT) as first:
        await first.admin()
        (row,) = await first.sql("SELECT id, email FROM rowgate.admins")
        root = SomeAdmin(first, str(row["id"]), row["email"])
        await root.sign_in()
        await root.with_factor()
        (dump,) = await first.sql("SELECT string_agg(f::text, ' ') AS text FROM rowgate.admin_factors f")
        assert root.factor["totp"]["secret"] not in dump["text"]
        async with first.app.server.pool.lease() as connection:
            await rotate(connection, SECRET_KEY, OTHER_SECRET_KEY)
    async with serving(migrated_url, DOCUMENT, secret_key=OTHER_SECRET_KEY) as again:
        root.backend = again
        assert (await root.sign_in(await root.code())).status_code == 200


ANYHOW = {
    ("GET", "/admin/v1/account"), ("POST", "/admin/v1/account/factors"),
    ("POST", "/admin/v1/account/factors/{factor_id}/verify"), ("POST", "/admin/v1/sign-out"),
}  # fmt: skip


async def test_required_cant_be_walked_around(migrated_url: str) -> None:
    async with serving(migrated_url, DOCUMENT, admin_second_factor="required") as backend:
        owner = await backend.admin()
        (row,) = await backend.sql("SELECT id, email FROM rowgate.admins")
        root = SomeAdmin(backend, str(row["id"]), row["email"], headers=owner)
        for (method, path), needs in ROUTES.items():
            if needs.rank is None or (method, path) in ANYHOW:
                continue
            body: Any = {} if method in {"POST", "PUT", "PATCH"} else None
            answer = await backend.client.request(method, path.format_map(FILLED), json=body, headers=owner)
            assert told(answer) == (403, "admin.second_factor_needed"), (method, path)
        people = await backend.client.get("/auth/v1/admin/users", headers=owner)
        assert (people.status_code, people.json()["code"]) == (403, "admin.second_factor_needed")
        assert (await root.call("GET", "/account")).json()["second_factor_needed"] is True
        await root.with_factor()
        assert (await root.call("GET", "/account")).json()["second_factor_needed"] is False
        made = await root.call("POST", "/api-keys", {"name": "ci", "admin_role": "owner"})
        key = {"apikey": made.json()["key"]}
        assert (await backend.client.get("/admin/v1/admins", headers=key)).status_code == 200
        remove = f"/account/factors/{root.factor['id']}/remove"
        assert (await root.call("POST", remove, {"current_password": ADMIN_PASSWORD})).status_code == 204
        assert told(await root.call("GET", "/admins")) == (403, "admin.second_factor_needed")
