"""Server-Timing says what each stage took, to admins who ask and to nobody else."""

import re
import secrets
from collections.abc import AsyncIterator
from typing import Any, NoReturn

import httpx
import pytest
import pytest_asyncio

from app.data_plane import asgi
from app.data_plane.seeing import timing
from tests.backend import ADMIN_PASSWORD, Backend, Person, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKS = {"X-Rowgate-Trace": "1"}
BEFORE_A_CHAIN = ["accept", "authenticate", "authorize", "bind"]
ALL = [*BEFORE_A_CHAIN, "chain", "execute", "respond"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(shared_url: str) -> AsyncIterator[Backend]:
    async with serving(shared_url, "documents.yaml") as backend:
        yield backend


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(backend: Backend) -> dict[str, str]:
    return await backend.admin()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alice(backend: Backend) -> Person:
    return await backend.sign_up("alice")


def stages(answer: httpx.Response) -> list[str]:
    """Read the header, strictly: each stage once, with its milliseconds."""
    parts = answer.headers["server-timing"].split(", ")
    assert all(re.fullmatch(r"[a-z]+;dur=[0-9]+\.[0-9]{3}", part) for part in parts), parts
    assert sum(float(part.rpartition("=")[2]) for part in parts) > 0
    return [part.partition(";")[0] for part in parts]


def asking(header: dict[str, str]) -> dict[str, str]:
    """Ask with an admin's token in apikey, which leaves Authorization to the caller."""
    return {**ASKS, "apikey": header["Authorization"].removeprefix("Bearer ")}


async def key(backend: Backend, owner: dict[str, str], **body: Any) -> str:
    body = {"name": secrets.token_hex(8), **body}
    answer = await backend.client.post("/admin/v1/api-keys", json=body, headers=owner)
    return str(answer.json()["key"])


async def test_nobody_else_is_told_however_they_ask(backend: Backend, owner: dict[str, str], alice: Person) -> None:
    plain, publishable = await key(backend, owner, roles=["support"]), backend.app.server.auth.publishable_key
    session = alice.session["access_token"]
    editor = await key(backend, owner, admin_role="editor")
    for headers in (
        {}, {"Authorization": f"Bearer {session}"}, {"apikey": session}, {"apikey": plain}, {"apikey": publishable},
        {"Authorization": f"Bearer {plain}"}, {"Authorization": "Bearer nonsense"}, {"apikey": "nonsense"},
        {"apikey": f"{editor[:-1]}{'a' if editor[-1] != 'a' else 'b'}"},
        {"apikey": f"{owner['Authorization'].removeprefix('Bearer ')}x"},
        {"apikey": "tökén".encode()},
        {"Authorization": f"Bearer {session}", "apikey": plain}, {"Cookie": f"apikey={editor}"},
    ):  # fmt: skip
        for path in ("/api/status", "/api/nowhere", "/rest/v1/my_documents"):
            answer = await backend.client.get(path, headers={**ASKS, **headers})
            assert "server-timing" not in answer.headers, (headers, path)
    twice = [*ASKS.items(), ("apikey", editor), ("apikey", editor)]
    answer = await backend.client.get("/api/status", headers=twice)
    assert (answer.status_code, "server-timing" in answer.headers) == (401, False)


async def test_who_asks_as_an_admin_sees_each_stage_of_the_callers_request(
    backend: Backend, owner: dict[str, str], alice: Person
) -> None:
    made = await alice.post("/api/documents", {"title": "Plan"}, headers=asking(owner))
    assert (made.status_code, stages(made)) == (201, ALL)
    path = f"/api/documents/{made.json()['id']}"
    for answer in (await alice.get(path, headers=asking(owner)), await alice.call("DELETE", path, headers=ASKS)):
        assert answer.is_success
    assert "server-timing" not in answer.headers  # the last one came without an admin's credential
    rows = await alice.get("/rest/v1/my_documents", headers=asking(owner))
    assert (rows.status_code, rows.json(), stages(rows)) == (200, [], ALL)
    status = await backend.client.get("/api/status", headers=asking(owner))
    assert (status.status_code, stages(status)) == (200, ALL)


async def test_a_refusal_has_the_stages_that_it_came_to(backend: Backend, owner: dict[str, str], alice: Person) -> None:
    headers = asking(owner)
    assert stages(await backend.client.get("/api/nowhere", headers=headers)) == BEFORE_A_CHAIN[:1]
    bad = await backend.client.get("/api/status", headers={**headers, "Authorization": "Bearer nonsense"})
    assert (bad.status_code, stages(bad)) == (401, BEFORE_A_CHAIN[:2])
    stranger = await backend.client.get("/rest/v1/my_documents", headers=headers)
    assert (stranger.status_code, stages(stranger)) == (401, BEFORE_A_CHAIN[:3])
    invalid = await alice.post("/api/documents", {"title": 1}, headers=headers)
    assert (invalid.status_code, stages(invalid)) == (422, BEFORE_A_CHAIN)
    nowhere = "/api/documents/018f0000-0000-7000-8000-00000000000a"
    absent = await alice.get(nowhere, headers=headers)
    assert (absent.status_code, stages(absent)) == (404, ALL[:5])


async def test_a_viewer_and_keys_of_admins_may_ask_until_they_end(
    backend: Backend, owner: dict[str, str], alice: Person
) -> None:
    body = {"email": "viewer@example.com", "password": ADMIN_PASSWORD, "role": "viewer"}
    assert (await backend.client.post("/admin/v1/admins", json=body, headers=owner)).status_code == 201
    signed_in = await backend.client.post("/admin/v1/sign-in", json={k: body[k] for k in ("email", "password")})
    viewer = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
    assert stages(await alice.get("/rest/v1/my_documents", headers=asking(viewer))) == ALL
    api_key = await key(backend, owner, admin_role="viewer")
    for headers in ({"apikey": api_key}, {"Authorization": f"Bearer {api_key}"}):
        assert stages(await backend.client.get("/api/status", headers={**ASKS, **headers})) == ALL
    assert stages(await alice.get("/rest/v1/my_documents", headers={**ASKS, "apikey": api_key})) == ALL
    await backend.sql("UPDATE rowgate.api_keys SET revoked_at = now()")
    await backend.client.post("/admin/v1/sign-out", headers=viewer)
    for headers in ({"apikey": api_key}, asking(viewer)):
        answer = await alice.get("/rest/v1/my_documents", headers={**ASKS, **headers})
        assert "server-timing" not in answer.headers


@pytest.mark.parametrize("value", ["0", "true", "", "11"])
async def test_it_is_asked_for_by_1_alone(backend: Backend, owner: dict[str, str], value: str) -> None:
    api_key = await key(backend, owner, admin_role="owner")
    answer = await backend.client.get("/api/status", headers={"apikey": api_key, "X-Rowgate-Trace": value})
    assert (answer.status_code, "server-timing" in answer.headers) == (200, False)


async def test_an_admins_token_in_apikey_is_a_bad_credential_where_nobody_asks(
    backend: Backend, owner: dict[str, str]
) -> None:
    answer = await backend.client.get("/api/status", headers={"apikey": asking(owner)["apikey"]})
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.api_key_invalid")


async def test_who_does_not_ask_is_not_timed_and_a_forged_credential_costs_no_query(
    backend: Backend, owner: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> NoReturn:
        raise AssertionError

    forged = f"{asking(owner)['apikey']}x"
    with monkeypatch.context() as patched:
        patched.setattr(backend.app.server.pool, "acquire", fail)
        answer = await backend.client.get("/api/status", headers={**ASKS, "apikey": forged})
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.api_key_invalid")
    monkeypatch.setattr(timing, "time", None)
    monkeypatch.setattr(asgi, "is_asked_by_admin", fail)
    assert (await backend.client.get("/api/status")).status_code == 200


async def test_without_a_database_the_request_is_answered_as_if_nobody_had_asked(
    backend: Backend, owner: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: Any) -> NoReturn:
        raise ConnectionResetError

    headers = {**ASKS, "apikey": await key(backend, owner, admin_role="owner")}
    monkeypatch.setattr(backend.app.server.auth.keys, "load", gone)
    answer = await backend.client.get("/api/status", headers={**headers, "Authorization": "Bearer nonsense"})
    assert (answer.status_code, "server-timing" in answer.headers) == (401, False)
